package token

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/verdict-pdp/verdict/authz"
)

// MaxTokenBytes is the length of the longest token that is accepted.
const MaxTokenBytes = 16 << 10

// strict refuses padding and unused bits that are set. A token has exactly one spelling
// then, so its hash identifies it.
var strict = base64.RawURLEncoding.Strict()

// compact is a JWS in compact serialization (RFC 7515 section 7.1), decoded.
type compact struct {
	text      string
	input     string // the signed bytes: header and payload, still encoded
	header    []byte
	payload   []byte
	signature []byte
}

// parseCompact splits and decodes a token of at most MaxTokenBytes. It is the first to
// see untrusted bytes.
func parseCompact(text string) (compact, *authz.Fault) {
	first, last, fault := dots(text)
	if fault != nil {
		return compact{}, fault
	}
	c := compact{text: text, input: text[:last]}
	var errs [3]error
	c.header, errs[0] = strict.DecodeString(text[:first])
	c.payload, errs[1] = strict.DecodeString(text[first+1 : last])
	c.signature, errs[2] = strict.DecodeString(text[last+1:])
	if errors.Join(errs[:]...) != nil {
		return compact{}, badBase64()
	}
	return c, nil
}

func badBase64() *authz.Fault {
	return invalid("bad_base64", "A part of the token is not canonical base64url.", fixSendAsIssued)
}

// dots finds the two dots of a compact token. It refuses all bytes that a compact token
// cannot have: whitespace, braces of the JSON serialization, padding.
func dots(text string) (first, last int, fault *authz.Fault) {
	count := 0
	for i := range len(text) {
		switch b := text[i]; {
		case b == '.':
			count++
		case strings.IndexByte("=+/", b) >= 0:
			return 0, 0, badBase64()
		case !base64url(b):
			return 0, 0, invalid("not_compact", "The token has a byte that no compact token has.", fixSendAsIssued)
		}
	}
	if count != 2 {
		return 0, 0, invalid("not_compact", "The token does not have exactly three parts; only signed compact tokens (JWS) are accepted.", fixSendAsIssued)
	}
	return strings.IndexByte(text, '.'), strings.LastIndexByte(text, '.'), nil
}

func base64url(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '-' || b == '_'
}

// fingerprint is the name of a token without jti: the hex SHA-256 of what was signed.
// The signature is left out because ECDSA has two valid ones, and a revoked token must
// not come back under another name.
func (c compact) fingerprint() string {
	sum := sha256.Sum256([]byte(c.input))
	return hex.EncodeToString(sum[:])
}

// maxKidBytes is the length of the longest kid that is accepted, in a token or in a key
// set. A kid is only compared.
const maxKidBytes = 256

// header has the members of a JOSE header that are used.
type header struct {
	alg string
	kid *string // nil if absent
	typ *string // nil if absent
	// namesCertificate: it has x5t or x5t#S256.
	namesCertificate bool
}

// parseHeader parses the header before any library does. Members that contain keys,
// refer to keys or change how the token is read have a cause of their own.
func parseHeader(data []byte) (header, *authz.Fault) {
	members, err := readObject(data)
	if err != nil {
		return header{}, jsonFault("token's header", err)
	}
	var h header
	for _, m := range members {
		if fault := h.set(m); fault != nil {
			return header{}, fault
		}
	}
	if h.alg == "" {
		return header{}, invalid("alg_missing", "The token's header has no alg.", fixNewToken)
	}
	return h, nil
}

func (h *header) set(m member) *authz.Fault {
	switch m.name {
	case "alg":
		return h.setAlg(m.value)
	case "kid":
		return h.setKid(m.value)
	case "typ":
		return h.setTyp(m.value)
	case "crit":
		return invalid("crit", "The token's header has critical extensions (crit); none is supported.", fixNewToken)
	case "jwk", "jku", "x5u", "x5c", "b64", "zip":
		return invalid("header_"+m.name, "The token's header has "+m.name+"; keys come only from the registered issuer and the payload is plain.", fixNewToken)
	case "x5t", "x5t#S256":
		h.namesCertificate = true
		return nil // well-known issuers send these too; keys are found by kid only
	}
	return invalid("header_member", "The token's header has a member other than alg, kid, typ and x5t.", fixNewToken)
}

func (h *header) setAlg(value jsontext.Value) *authz.Fault {
	alg, ok := text(value)
	if !ok {
		return invalid("alg_missing", "The token's alg is not a string.", fixNewToken)
	}
	if strings.EqualFold(alg, "none") {
		return invalid("alg_none", "The token is not signed (alg none).", "Have the issuer sign its tokens.")
	}
	h.alg = alg
	return nil
}

func (h *header) setKid(value jsontext.Value) *authz.Fault {
	kid, ok := text(value)
	if !ok || kid == "" || len(kid) > maxKidBytes {
		return invalid("bad_kid", "The token's kid is not a string of 1 to 256 bytes.", fixNewToken)
	}
	h.kid = &kid
	return nil
}

func (h *header) setTyp(value jsontext.Value) *authz.Fault {
	typ, ok := text(value)
	if !ok {
		return invalid("bad_type", "The token's typ is not a string.", fixNewToken)
	}
	h.typ = &typ
	return nil
}

// foreignTypes returns the types of JWTs that have another purpose. They are never
// accepted as access tokens, whatever an issuer's types say (RFC 8725 section 3.11).
func foreignTypes() []string {
	return []string{
		"dpop+jwt", "secevent+jwt", "logout+jwt", "token-introspection+jwt",
		"client-authentication+jwt", "statuslist+jwt", "wit+jwt", "entity-statement+jwt",
	}
}

// mediaType returns a typ in the form that types are compared in: lower case, without
// the optional application/ (RFC 7515 section 4.1.9).
func mediaType(typ string) string {
	typ = strings.ToLower(typ)
	if rest, ok := strings.CutPrefix(typ, "application/"); ok && !strings.Contains(rest, "/") {
		return rest
	}
	return typ
}
