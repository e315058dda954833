package tokenservice

import (
	"strings"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

// claims are the payload of our tokens.
type claims struct {
	Issuer       string              `json:"iss"`
	Subject      string              `json:"sub"`
	ClientID     string              `json:"client_id"`
	Audience     []string            `json:"aud"` // one
	IssuedAt     int64               `json:"iat"`
	ExpiresAt    int64               `json:"exp"`
	ID           string              `json:"jti"`
	Methods      []string            `json:"amr"`
	Credential   string              `json:"credential_id,omitempty"`
	Tenant       string              `json:"tenant,omitempty"`
	Confirmation *authz.Confirmation `json:"cnf,omitempty"`
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

// open returns the claims of a token that a key of the ring signed; ok is false for
// every other text, of which nothing is read. The keys sign access tokens and nothing
// else, in one form.
func (r *ring) open(text string) (c *claims, ok bool) {
	for _, k := range r.keys {
		if payload, signed := k.signer.Verify(text); signed {
			c = new(claims)
			return c, ijson.UnmarshalOpen(payload, c) == nil && len(c.Audience) == 1
		}
	}
	return nil, false
}
