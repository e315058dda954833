package token

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/verdict-pdp/verdict/authz"
)

// MaxTokenBytes is the longest token looked at.
const MaxTokenBytes = 16 << 10

// strict refuses padding and unused bits that are set: a token has exactly one
// spelling, so its hash can name it.
var strict = base64.RawURLEncoding.Strict()

// compact is a JWS in compact serialization (RFC 7515 section 7.1), decoded.
type compact struct {
	text      string
	input     string // the signed bytes: header and payload, still encoded
	header    []byte
	payload   []byte
	signature []byte
}

// parseCompact takes a token of at most MaxTokenBytes apart. It is the first to
// look at hostile bytes.
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

// dots finds the two dots of a compact token and refuses any byte that has no
// place in one: whitespace, braces of the JSON serialization, padding.
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

// fingerprint names a token that has no jti: the hex SHA-256 of what was signed.
// The signature is left out because ECDSA has two valid ones for each, and a
// revoked token must not come back under another name.
func (c compact) fingerprint() string {
	sum := sha256.Sum256([]byte(c.input))
	return hex.EncodeToString(sum[:])
}
