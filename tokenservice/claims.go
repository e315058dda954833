package tokenservice

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"math/big"
	"strings"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

// claims are the payload of our tokens.
type claims struct {
	Issuer       string        `json:"iss"`
	Subject      string        `json:"sub"`
	ClientID     string        `json:"client_id"`
	Audience     []string      `json:"aud"` // one
	IssuedAt     int64         `json:"iat"`
	ExpiresAt    int64         `json:"exp"`
	ID           string        `json:"jti"`
	Methods      []string      `json:"amr"`
	Credential   string        `json:"credential_id,omitempty"`
	Tenant       string        `json:"tenant,omitempty"`
	Confirmation *Confirmation `json:"cnf,omitempty"`
}

// Confirmation is the key a token is bound to (RFC 8705 section 3.1).
type Confirmation struct {
	Thumbprint string `json:"x5t#S256"`
}

func (c *claims) expired(now time.Time) bool { return now.Unix() >= c.ExpiresAt }

// behalf is whom the token is on behalf of, nil when it is the machine user's own.
func (c *claims) behalf() *authz.OnBehalfOf {
	if c.Subject == c.ClientID {
		return nil
	}
	kind, id, _ := strings.Cut(c.Subject, ":")
	return &authz.OnBehalfOf{Type: kind, ID: id}
}

// maxTokenBytes is more than any of our tokens has.
const maxTokenBytes = 8 << 10

// open gives the claims of a token that a key of the ring signed; ok is false for
// every other text, of which nothing is read. The keys sign access tokens and nothing
// else, in one form, so that a good signature settles header and payload too.
func (r *ring) open(text string) (c *claims, ok bool) {
	dot := strings.LastIndexByte(text, '.')
	if dot < 0 || len(text) > maxTokenBytes {
		return nil, false
	}
	signature, err := base64.RawURLEncoding.Strict().DecodeString(text[dot+1:])
	if err != nil || !r.signed(text[:dot], signature) {
		return nil, false
	}
	_, payload, _ := strings.Cut(text[:dot], ".")
	data, err := base64.RawURLEncoding.Strict().DecodeString(payload)
	if err != nil {
		return nil, false
	}
	c = new(claims)
	return c, ijson.UnmarshalOpen(data, c) == nil && len(c.Audience) == 1
}

// signed checks an ES256 signature (RFC 7518 section 3.4).
func (r *ring) signed(input string, signature []byte) bool {
	const half = 32
	if len(signature) != 2*half {
		return false
	}
	digest := sha256.Sum256([]byte(input))
	first, second := new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:])
	for _, k := range r.keys {
		if ecdsa.Verify(k.public, digest[:], first, second) {
			return true
		}
	}
	return false
}
