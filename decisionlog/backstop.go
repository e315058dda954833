package decisionlog

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"

	"github.com/verdict-pdp/verdict/authz"
)

// masked stands where a secret was.
const masked = "[masked]"

// secretNames are members whose values are never stored, in lower case and with
// underscores.
var secretNames = []string{
	"authorization", "proxy_authorization", "cookie", "set_cookie", "x_api_key", "api_key",
	"password", "passwd", "secret", "client_secret", "client_assertion",
	"access_token", "refresh_token", "id_token", "private_key",
}

// keyPrefixes start what we mint: API keys and shared secrets.
var keyPrefixes = []string{"vk_", "vs_"}

// minted is the shortest text after a key prefix that makes a secret of it in the
// middle of a text: 256 bits in base64.
const minted = 43

// suspect says whether scrub would find something in well-formed JSON, without
// building what it holds.
func suspect(doc []byte) bool {
	for at := 0; at < len(doc); at++ {
		if doc[at] != '"' {
			continue
		}
		text, end, ok := stringAt(doc, at)
		if !ok || secretText(text) || followedByColon(doc[end:]) && secretName(text) {
			return true
		}
		at = end - 1
	}
	return false
}

// stringAt is the JSON string that starts at start, decoded, and where it ends.
func stringAt(doc []byte, start int) (text []byte, end int, ok bool) {
	escaped := false
	for end = start + 1; end < len(doc) && doc[end] != '"'; end++ {
		if doc[end] == '\\' {
			escaped = true
			end++
		}
	}
	if end++; end > len(doc) {
		return nil, len(doc), false
	}
	if !escaped {
		return doc[start+1 : end-1], end, true
	}
	var plain string
	if err := json.Unmarshal(doc[start:end], &plain); err != nil {
		return nil, end, false
	}
	return []byte(plain), end, true
}

func followedByColon(doc []byte) bool {
	for _, c := range doc {
		switch c {
		case ' ', '\t', '\r', '\n':
			continue
		}
		return c == ':'
	}
	return false
}

// scrub masks every secret in the document.
func (d *document) scrub() {
	for name, v := range d.parts {
		d.parts[name] = d.scrubbed(v, []string{name})
	}
}

func (d *document) scrubbed(v any, path []string) any {
	switch v := v.(type) {
	case string:
		if secretText([]byte(v)) {
			d.note(path)
			return masked
		}
	case []any:
		for i := range v {
			v[i] = d.scrubbed(v[i], append(path, strconv.Itoa(i)))
		}
	case map[string]any:
		for name, member := range v {
			below := append(slices.Clone(path), name)
			switch {
			case secretText([]byte(name)):
				delete(v, name)
				v[masked] = masked
				d.note(below)
			case secretName([]byte(name)) && member != masked:
				v[name] = masked
				d.note(below)
			default:
				v[name] = d.scrubbed(member, below)
			}
		}
	}
	return v
}

// scrub masks secrets in what a record repeats of the request beside the input.
func (l *Log) scrub(r *authz.Record) {
	for name, text := range map[string]*string{"/action": &r.Action, "/service": &r.Service} {
		if secretText([]byte(*text)) {
			*text = masked
			r.Masked = append(r.Masked, name)
			slices.Sort(r.Masked)
		}
	}
}

// secretName says whether a member's name is that of a secret.
func secretName(name []byte) bool {
	if len(name) < len("cookie") || len(name) > len("proxy_authorization") {
		return false
	}
	return slices.ContainsFunc(secretNames, func(secret string) bool {
		return len(secret) == len(name) && sameName(name, secret)
	})
}

func sameName(name []byte, secret string) bool {
	for i, c := range name {
		switch {
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		case c == '-':
			c = '_'
		}
		if c != secret[i] {
			return false
		}
	}
	return true
}

// secretText says whether text is or has in it a secret of ours, a signed or
// encrypted token (RFC 7515, RFC 7516 compact form), or a private key.
func secretText(text []byte) bool {
	return hasKey(text) || hasToken(text) || bytes.Contains(text, []byte("PRIVATE KEY-----"))
}

// hasKey says whether text starts with a prefix of ours, or has one in it with a
// whole key behind.
func hasKey(text []byte) bool {
	for _, prefix := range keyPrefixes {
		for from := 0; ; {
			at := bytes.Index(text[from:], []byte(prefix))
			if at < 0 {
				break
			}
			at += from
			from = at + len(prefix)
			if at == 0 || !wordCharacter(text[at-1]) && startsMinted(text[from:]) {
				return true
			}
		}
	}
	return false
}

func startsMinted(text []byte) bool {
	return len(text) >= minted && !slices.ContainsFunc(text[:minted], func(c byte) bool {
		return !wordCharacter(c) && c != '-' && c != '.' && c != ':' && c != '@'
	})
}

func wordCharacter(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_'
}

// shortestHeader is a JOSE header with an alg, in base64: {"alg":""}.
const shortestHeader = 14

// hasToken looks for three parts of base64url with dots between them, of which the
// first is a JSON object with an alg. Padding, which does not belong there, hides none.
func hasToken(text []byte) bool {
	if bytes.Count(text, []byte{'.'}) < 2 {
		return false
	}
	if bytes.Contains(text, []byte("=.")) {
		text = bytes.ReplaceAll(bytes.ReplaceAll(text, []byte("==."), []byte{'.'}), []byte("=."), []byte{'.'})
	}
	for run := range bytes.FieldsFuncSeq(text, func(r rune) bool { return r > 'z' || !wordCharacter(byte(r)) && r != '-' && r != '.' }) {
		if tokenIn(run) {
			return true
		}
	}
	return false
}

func tokenIn(run []byte) bool {
	parts := bytes.Split(run, []byte{'.'})
	for i := 0; i+2 < len(parts); i++ {
		if isHeader(parts[i]) {
			return true
		}
	}
	return false
}

func isHeader(part []byte) bool {
	if len(part) < shortestHeader {
		return false
	}
	plain, err := base64.RawURLEncoding.AppendDecode(nil, part)
	if err != nil || !bytes.HasPrefix(bytes.TrimLeft(plain, " \t\r\n"), []byte{'{'}) {
		return false
	}
	var header map[string]json.RawMessage
	if json.Unmarshal(plain, &header) != nil {
		return false
	}
	_, ok := header["alg"]
	return ok
}
