package decisionlog

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"iter"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/verdict-pdp/verdict/authz"
)

// masked stands where a secret was.
const masked = "[masked]"

// secretNames are members whose values are never stored, in lower case and without
// what stands between their words.
var secretNames = map[string]bool{ // :: name -> true
	"authorization": true, "proxyauthorization": true, "cookie": true, "setcookie": true,
	"xapikey": true, "apikey": true, "xauthtoken": true, "authtoken": true, "sessiontoken": true, "dpop": true,
	"password": true, "passwd": true, "passphrase": true,
	"secret": true, "secretkey": true, "clientsecret": true, "clientassertion": true,
	"accesstoken": true, "refreshtoken": true, "idtoken": true, "subjecttoken": true, "actortoken": true, "privatekey": true,
}

// keyPrefixes start what we mint: API keys and shared secrets.
const keyPrefix, secretPrefix = "vk_", "vs_"

var keyPrefixes = []string{keyPrefix, secretPrefix}

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
		if !ok || secretText(text) || followedByColon(doc[end:]) && (secretName(text) || string(text) == "value") {
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
		pair := namesSecret(v)
		for name, member := range v {
			below := append(slices.Clone(path), name)
			switch {
			case isWord(below):
			case pair && name == "value" && member != masked:
				v[name] = masked
				d.note(below)
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

// isWord says whether path names a code or a guard of the policy's own, which a record
// is found by and which therefore stay as they are.
func isWord(path []string) bool {
	return len(path) == 4 && path[0] == "result" && (path[1] == "reasons" || path[1] == "would_deny") && (path[3] == "code" || path[3] == "guard")
}

// namesSecret says whether an object is a pair that says its name beside its value, as
// headers are often listed: {"name": "authorization", "value": ..}.
func namesSecret(object map[string]any) bool {
	for _, member := range [...]string{"name", "key", "header"} {
		if name, ok := object[member].(string); ok && secretName([]byte(name)) {
			return true
		}
	}
	return false
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

// secretName says whether a member's name is that of a secret, however its words
// are set apart: client_secret, Client-Secret, clientSecret.
func secretName(name []byte) bool {
	const longest = 24
	var plain [longest]byte
	n := 0
	for _, c := range name {
		switch {
		case c == '-' || c == '_' || c == ' ':
			continue
		case n == longest:
			return false
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		}
		plain[n] = c
		n++
	}
	return secretNames[string(plain[:n])]
}

// encodings is how many encodings around a secret are looked through.
const encodings = 3

// secretText says whether text is or has in it a secret of ours, a signed or
// encrypted token (RFC 7515, RFC 7516 compact form), credentials as an Authorization
// header has them, or a private key; also percent-encoded or in base64.
func secretText(text []byte) bool { return secretBelow(text, hasKey, encodings) }

// secretInChange is secretText for the texts of a change. They hold names that are
// searched for, and a user may be called vk_bob: of our keys and secrets it looks for
// whole ones.
func secretInChange(text []byte) bool { return secretBelow(text, hasWholeKey, encodings) }

func secretBelow(text []byte, hasKey func([]byte) bool, encodings int) bool {
	if hasKey(text) || hasToken(text) || hasCredentials(text) || hasPrivateKey(text) {
		return true
	}
	if encodings == 0 {
		return false
	}
	if plain := unescapePercent(text); plain != nil && secretBelow(plain, hasKey, encodings-1) {
		return true
	}
	if len(text) < shortestEncoded {
		return false
	}
	for run := range base64Runs(text) {
		if plain := fromBase64(run); plain != nil && secretBelow(plain, hasKey, encodings-1) {
			return true
		}
	}
	return false
}

func hasPrivateKey(text []byte) bool {
	return bytes.Contains(text, []byte("PRIVATE KEY-----")) || bytes.Contains(text, []byte("PRIVATE+KEY-----"))
}

// base64Runs are the parts of text that base64 could be.
func base64Runs(text []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		start := 0
		for at, c := range text {
			if inBase64(c) {
				continue
			}
			if at > start && !yield(text[start:at]) {
				return
			}
			start = at + 1
		}
		if start < len(text) {
			yield(text[start:])
		}
	}
}

func inBase64(c byte) bool { return wordCharacter(c) || c == '-' || c == '+' || c == '/' }

// shortestEncoded is one of our secrets in base64.
const shortestEncoded = 62

// fromBase64 undoes base64 of either alphabet; nil when run is none, or too short to
// have a secret in it.
func fromBase64(run []byte) []byte {
	if len(run) < shortestEncoded {
		return nil
	}
	encoding := base64.RawStdEncoding
	if bytes.ContainsAny(run, "-_") {
		encoding = base64.RawURLEncoding
	}
	plain, err := encoding.AppendDecode(nil, run)
	if err != nil {
		return nil
	}
	return plain
}

// unescapePercent undoes percent-encoding; nil when there is none.
func unescapePercent(text []byte) []byte {
	if bytes.IndexByte(text, '%') < 0 {
		return nil
	}
	plain := make([]byte, 0, len(text))
	for at := 0; at < len(text); at++ {
		var c [1]byte
		if text[at] == '%' && at+2 < len(text) {
			if _, err := hex.Decode(c[:], text[at+1:at+3]); err == nil {
				plain = append(plain, c[0])
				at += 2
				continue
			}
		}
		plain = append(plain, text[at])
	}
	if len(plain) == len(text) {
		return nil
	}
	return plain
}

// hasCredentials says whether text has in it credentials of the schemes Basic (RFC
// 7617), Bearer (RFC 6750) or DPoP (RFC 9449).
func hasCredentials(text []byte) bool {
	for at, c := range text {
		if c != ' ' && c != '+' || at < len("dpop") {
			continue
		}
		before, after := text[:at], text[at+1:]
		if endsWith(before, "basic") && isBasic(after) || (endsWith(before, "bearer") || endsWith(before, "dpop")) && isOpaque(after) {
			return true
		}
	}
	return false
}

func endsWith(text []byte, scheme string) bool {
	return len(text) >= len(scheme) && strings.EqualFold(string(text[len(text)-len(scheme):]), scheme)
}

// isBasic says whether text starts with a name and a password in base64.
func isBasic(text []byte) bool {
	end := bytes.IndexFunc(text, func(r rune) bool { return r > 'z' || !inBase64(byte(r)) })
	if end >= 0 {
		text = text[:end]
	}
	plain, err := base64.RawStdEncoding.AppendDecode(nil, text)
	return err == nil && bytes.IndexByte(plain, ':') >= 0 && utf8.Valid(plain)
}

// shortestOpaque is the shortest word after Bearer that is taken for a token, when it
// has a digit in it: no word of a language has.
const shortestOpaque = 16

func isOpaque(text []byte) bool {
	digit, n := false, 0
	for ; n < len(text) && (inBase64(text[n]) || text[n] == '.' || text[n] == '~'); n++ {
		digit = digit || '0' <= text[n] && text[n] <= '9'
	}
	return digit && n >= shortestOpaque
}

// hasKey says whether text starts with a prefix of ours, or has one in it with a
// whole key behind.
func hasKey(text []byte) bool {
	for _, prefix := range keyPrefixes {
		if bytes.HasPrefix(text, []byte(prefix)) || hasPrefixed(text, prefix, startsMinted) {
			return true
		}
	}
	return false
}

// hasWholeKey reports whether text has in it an API key of ours (vk_, an id, _ and 43
// characters of base64url) or a shared secret (vs_ and 43 such characters).
func hasWholeKey(text []byte) bool {
	return hasPrefixed(text, keyPrefix, startsKey) || hasPrefixed(text, secretPrefix, startsSecret)
}

// hasPrefixed reports whether prefix is in text, not as the end of a word, with something
// behind it that starts as is says.
func hasPrefixed(text []byte, prefix string, is func([]byte) bool) bool {
	for from := 0; ; {
		at := bytes.Index(text[from:], []byte(prefix))
		if at < 0 {
			return false
		}
		at += from
		from = at + len(prefix)
		if (at == 0 || text[at-1] == '_' || !wordCharacter(text[at-1])) && is(text[from:]) {
			return true
		}
	}
}

func startsMinted(text []byte) bool {
	return len(text) >= minted && !slices.ContainsFunc(text[:minted], func(c byte) bool { return !inID(c) })
}

func startsSecret(text []byte) bool {
	return len(text) >= minted && !slices.ContainsFunc(text[:minted], func(c byte) bool { return !wordCharacter(c) && c != '-' })
}

// startsKey reports whether text starts with an id, _ and a secret. An id may have _ in
// it too.
func startsKey(text []byte) bool {
	for at := 0; at < len(text) && at <= authz.MaxIDLength && inID(text[at]); at++ {
		if at > 0 && text[at] == '_' && startsSecret(text[at+1:]) {
			return true
		}
	}
	return false
}

// inID reports whether c may be in an id; see authz.ValidateID.
func inID(c byte) bool { return wordCharacter(c) || c == '-' || c == '.' || c == ':' || c == '@' }

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
		if isHeader(parts[i]) || endsInHeader(parts[i]) {
			return true
		}
	}
	return false
}

// headerStart is how base64 of a JSON object begins, and maxStarts in how many places
// of a part one is looked for.
const (
	headerStart = "eyJ"
	maxStarts   = 8
)

// endsInHeader says whether a header follows something that stands right before it.
func endsInHeader(part []byte) bool {
	for range maxStarts {
		at := bytes.Index(part, []byte(headerStart))
		if at < 0 {
			return false
		}
		if part = part[at:]; isHeader(part) {
			return true
		}
		part = part[len(headerStart):]
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
