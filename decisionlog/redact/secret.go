package redact

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/verdict-pdp/verdict/authz"
)

// kind is what a name says of the value that it stands for. Kinds can be joined.
type kind uint8

const (
	secretKind kind = 1 << iota // it is never kept
	headerKind                  // it may be that of a header, which lists have before its value
	valueKind                   // it is the value of a pair, beside its name: {"key": "authorization", "raw_value": ..}
	nameKind                    // it is the name of a pair
)

// kinds are those of names, in lower case and without what stands between their words.
var kinds = map[string]kind{
	"authorization": secretKind | headerKind, "proxyauthorization": secretKind | headerKind, "cookie": secretKind | headerKind, "setcookie": secretKind | headerKind,
	"xapikey": secretKind | headerKind, "apikey": secretKind | headerKind, "xauthtoken": secretKind | headerKind, "dpop": secretKind | headerKind,
	"xaccesstoken": secretKind | headerKind, "privatetoken": secretKind | headerKind, "xvaulttoken": secretKind | headerKind,
	"xamzsecuritytoken": secretKind | headerKind, "xgoogapikey": secretKind | headerKind, "xcsrftoken": secretKind | headerKind,
	"authtoken": secretKind, "sessiontoken": secretKind, "password": secretKind, "passwd": secretKind, "passphrase": secretKind, "pwd": secretKind,
	"newpassword": secretKind, "oldpassword": secretKind, "currentpassword": secretKind, "userpassword": secretKind, "bearertoken": secretKind,
	"secret": secretKind, "secretkey": secretKind, "clientsecret": secretKind, "clientassertion": secretKind, "accesstoken": secretKind,
	"refreshtoken": secretKind, "idtoken": secretKind, "subjecttoken": secretKind, "actortoken": secretKind, "privatekey": secretKind,
	"value": valueKind, "values": valueKind, "rawvalue": valueKind,
	"name": nameKind, "key": nameKind, "header": nameKind,
}

// kindOf is the kind of name, however its words are set apart: client_secret, Client-Secret,
// clientSecret; also behind the names of what it is part of: http.request.header.cookie.
func kindOf(name []byte) kind {
	const longest = 24
	var folded [longest]byte
	n := 0
	for _, c := range name[bytes.LastIndexByte(name, '.')+1:] {
		switch {
		case c == '-' || c == '_' || c == ' ':
			continue
		case n == longest:
			return 0
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		}
		folded[n] = c
		n++
	}
	return kinds[string(folded[:n])]
}

func (k kind) has(one kind) bool { return k&one != 0 }

// API keys and shared secrets of ours begin with these.
const keyPrefix, secretPrefix = "vk_", "vs_"

var keyPrefixes = []string{keyPrefix, secretPrefix}

// minKeyLength is how much text after a prefix makes a secret of it in the middle of a
// text: 256 bits in base64.
const minKeyLength = 43

// mayContainSecret reports whether well-formed JSON may have something in it to redact,
// without decoding it. It errs on the side of yes.
func mayContainSecret(doc []byte) bool {
	for at := 0; at < len(doc); at++ {
		if doc[at] != '"' {
			continue
		}
		text, end, ok := stringAt(doc, at)
		if !ok || hasSecret(text) {
			return true
		}
		switch next(doc[end:]) {
		case ':':
			if kindOf(text).has(secretKind | valueKind) {
				return true
			}
		case ',':
			if kindOf(text).has(headerKind) {
				return true
			}
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
	var decoded string
	if err := json.Unmarshal(doc[start:end], &decoded); err != nil {
		return nil, end, false
	}
	return []byte(decoded), end, true
}

// next is the first byte of doc that is no white space, 0 when there is none.
func next(doc []byte) byte {
	if doc = bytes.TrimLeft(doc, " \t\r\n"); len(doc) > 0 {
		return doc[0]
	}
	return 0
}

// maxEncodings is how many encodings around a secret are undone.
const maxEncodings = 3

// hasSecret reports whether text is or contains a key or secret of ours, a signed or
// encrypted token (RFC 7515, RFC 7516 compact form), credentials as an Authorization
// header has them, a private key, or a value with the name of a secret, as forms, queries
// and JSON have them; also percent-encoded, in escapes of JSON or in base64.
func hasSecret(text []byte) bool { return containsSecret(text, hasKey, maxEncodings) }

// hasWholeSecret is hasSecret with whole keys and secrets of ours only.
func hasWholeSecret(text []byte) bool { return containsSecret(text, hasWholeKey, maxEncodings) }

func containsSecret(text []byte, hasKey func([]byte) bool, encodings int) bool {
	if hasKey(text) || hasToken(text) || hasCredentials(text) || hasPrivateKey(text) || hasNamedValue(text) {
		return true
	}
	if encodings == 0 {
		return false
	}
	if decoded := unescapePercent(text); decoded != nil && containsSecret(decoded, hasKey, encodings-1) {
		return true
	}
	if decoded := unescapeJSON(text); decoded != nil && containsSecret(decoded, hasKey, encodings-1) {
		return true
	}
	if len(text) < minEncodedLength {
		return false
	}
	for run := range base64Runs(text) {
		if decoded := fromBase64(run); decoded != nil && containsSecret(decoded, hasKey, encodings-1) {
			return true
		}
	}
	return false
}

func hasPrivateKey(text []byte) bool {
	return bytes.Contains(text, []byte("PRIVATE KEY-----")) || bytes.Contains(text, []byte("PRIVATE+KEY-----"))
}

// maxNameLength is how long a name before a value may be, with what sets its words apart.
const maxNameLength = 32

// hasNamedValue reports whether text contains the name of a secret with a value behind it:
// password=x, "password": "x".
func hasNamedValue(text []byte) bool {
	if bytes.IndexByte(text, '=') < 0 && bytes.IndexByte(text, ':') < 0 {
		return false
	}
	for at, c := range text {
		if c == '=' && hasValue(text[at+1:]) && kindOf(nameBefore(text[:at], 0)).has(secretKind) {
			return true
		}
		if c == ':' {
			before := bytes.TrimRight(text[:at], " \t\r\n")
			quoted := bytes.TrimRight(bytes.TrimSuffix(before, []byte{'"'}), `\`) // of JSON in JSON
			if bytes.HasSuffix(before, []byte{'"'}) && kindOf(nameBefore(quoted, '"')).has(secretKind) && next(text[at+1:]) != 0 {
				return true
			}
		}
	}
	return false
}

// hasValue reports whether text, behind an equals sign, starts with a value.
func hasValue(text []byte) bool {
	if len(text) > 0 && (text[0] == '"' || text[0] == '\'') {
		text = text[1:]
	}
	return len(text) > 0 && bytes.IndexByte([]byte("=&;,\"' \t\r\n"), text[0]) < 0
}

// nameBefore is the name that text ends in; nil when it is too long, or does not have quote
// before it. No quote is 0.
func nameBefore(text []byte, quote byte) []byte {
	start := len(text)
	for start > 0 && (wordCharacter(text[start-1]) || text[start-1] == '-' || text[start-1] == ' ' && quote != 0) {
		if start--; len(text)-start > maxNameLength {
			return nil
		}
	}
	if quote != 0 && (start == 0 || text[start-1] != quote) {
		return nil
	}
	return text[start:]
}

// base64Runs yields the parts of text that may be base64.
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

// minEncodedLength is that of the shortest secret of ours in base64.
const minEncodedLength = 62

// fromBase64 decodes base64 of either alphabet; nil when run is none, or too short to
// have a secret in it.
func fromBase64(run []byte) []byte {
	if len(run) < minEncodedLength {
		return nil
	}
	encoding := base64.RawStdEncoding
	if bytes.ContainsAny(run, "-_") {
		encoding = base64.RawURLEncoding
	}
	decoded, err := encoding.AppendDecode(nil, run)
	if err != nil {
		return nil
	}
	return decoded
}

// unescapePercent decodes percent-encoding; nil when there is none.
func unescapePercent(text []byte) []byte {
	if bytes.IndexByte(text, '%') < 0 {
		return nil
	}
	decoded := make([]byte, 0, len(text))
	for at := 0; at < len(text); at++ {
		var c [1]byte
		if text[at] == '%' && at+2 < len(text) {
			if _, err := hex.Decode(c[:], text[at+1:at+3]); err == nil {
				decoded = append(decoded, c[0])
				at += 2
				continue
			}
		}
		decoded = append(decoded, text[at])
	}
	if len(decoded) == len(text) {
		return nil
	}
	return decoded
}

// unescapeJSON decodes the escapes in JSON that a text holds; nil when there is no \u in it.
// Those that are no character of their own may stay.
func unescapeJSON(text []byte) []byte {
	if !bytes.Contains(text, []byte(`\u`)) {
		return nil
	}
	decoded := make([]byte, 0, len(text))
	for at := 0; at < len(text); at++ {
		if text[at] == '\\' && at+1 < len(text) {
			if c := text[at+1]; c == '\\' || c == '"' || c == '/' {
				decoded = append(decoded, c)
				at++
				continue
			}
			var unit [2]byte
			if text[at+1] == 'u' && at+5 < len(text) {
				if _, err := hex.Decode(unit[:], text[at+2:at+6]); err == nil {
					decoded = utf8.AppendRune(decoded, rune(unit[0])<<8|rune(unit[1]))
					at += 5
					continue
				}
			}
		}
		decoded = append(decoded, text[at])
	}
	if len(decoded) == len(text) {
		return nil
	}
	return decoded
}

// hasCredentials reports whether text contains credentials of the schemes Basic (RFC
// 7617), Bearer (RFC 6750) or DPoP (RFC 9449). In a form, + stands for the space.
func hasCredentials(text []byte) bool {
	if bytes.IndexByte(text, ' ') < 0 && bytes.IndexByte(text, '+') < 0 {
		return false
	}
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

// maxCredentials is how much text after a scheme is looked at. As + may stand for the space
// and for itself, each of many schemes in a row may have all the others behind it.
const maxCredentials = 512

// isBasic reports whether text starts with a name and a password in base64.
func isBasic(text []byte) bool {
	n := 0
	for n < len(text) && n < maxCredentials && inBase64(text[n]) {
		n++
	}
	var buffer [maxCredentials]byte
	decoded, err := base64.RawStdEncoding.AppendDecode(buffer[:0], text[:n])
	name, _, ok := bytes.Cut(decoded, []byte{':'})
	return err == nil && ok && utf8.Valid(name) && (n == maxCredentials || utf8.Valid(decoded))
}

// minTokenLength is the shortest word after Bearer that is taken for a token, if it has a
// digit in it: no word of a language has.
const minTokenLength = 16

// isOpaque reports whether text starts with what may be an opaque token.
func isOpaque(text []byte) bool {
	digit := false
	for n := 0; n < len(text) && n < maxCredentials && (inBase64(text[n]) || text[n] == '.' || text[n] == '~'); n++ {
		digit = digit || '0' <= text[n] && text[n] <= '9'
		if digit && n+1 >= minTokenLength {
			return true
		}
	}
	return false
}

// hasKey reports whether text starts with a prefix of ours, or contains one with the length
// of a key behind it.
func hasKey(text []byte) bool {
	for _, prefix := range keyPrefixes {
		if bytes.HasPrefix(text, []byte(prefix)) || hasPrefixed(text, prefix, startsKeyLike) {
			return true
		}
	}
	return false
}

// hasWholeKey reports whether text contains an API key of ours (vk_, an id, _ and 43
// characters of base64url) or a shared secret (vs_ and 43 such characters).
func hasWholeKey(text []byte) bool {
	return hasPrefixed(text, keyPrefix, startsKey) || hasPrefixed(text, secretPrefix, startsSecret)
}

// hasPrefixed reports whether text contains prefix, not as the end of a word, with something
// behind it that starts like a key.
func hasPrefixed(text []byte, prefix string, startsKey func([]byte) bool) bool {
	for from := 0; ; {
		at := bytes.Index(text[from:], []byte(prefix))
		if at < 0 {
			return false
		}
		at += from
		from = at + len(prefix)
		if (at == 0 || text[at-1] == '_' || !wordCharacter(text[at-1])) && startsKey(text[from:]) {
			return true
		}
	}
}

func startsKeyLike(text []byte) bool {
	return len(text) >= minKeyLength && !slices.ContainsFunc(text[:minKeyLength], func(c byte) bool { return !inID(c) })
}

func startsSecret(text []byte) bool {
	return len(text) >= minKeyLength && !slices.ContainsFunc(text[:minKeyLength], func(c byte) bool { return !wordCharacter(c) && c != '-' })
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

// minHeaderLength is that of the shortest JOSE header in base64: {"alg":""}.
const minHeaderLength = 14

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
		for part, rest, more := bytes.Cut(run, []byte{'.'}); more && bytes.IndexByte(rest, '.') >= 0; part, rest, more = bytes.Cut(rest, []byte{'.'}) {
			if isHeader(part) || endsInHeader(part) {
				return true
			}
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

// endsInHeader reports whether part ends in a header, with something right before it.
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

// isHeader reports whether part is a JSON object with an alg, in base64url.
func isHeader(part []byte) bool {
	if len(part) < minHeaderLength {
		return false
	}
	decoded, err := base64.RawURLEncoding.AppendDecode(nil, part)
	if err != nil || !bytes.HasPrefix(bytes.TrimLeft(decoded, " \t\r\n"), []byte{'{'}) {
		return false
	}
	var header map[string]json.RawMessage
	if json.Unmarshal(decoded, &header) != nil {
		return false
	}
	_, ok := header["alg"]
	return ok
}
