package token

import (
	"slices"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// Trust levels that a bearer token can reach. Levels 4 and 5 need proof that
// the sender holds a key.
const (
	levelSharedSecret = 1
	levelToken        = 2
	levelBoundToken   = 3 // short-lived and made for an audience
)

// shortLived is the longest life, from issue to expiry, of a level 3 token.
const shortLived = time.Hour

// sharedSecret is the RFC 8176 method of a token that merely relays a secret.
const sharedSecret = "pwd"

// level is how much a token's own properties let it be trusted.
func level(t *authz.Token) int {
	if slices.Contains(t.Methods, sharedSecret) {
		return levelSharedSecret
	}
	life := t.ExpiresAt.Sub(t.IssuedAt)
	if t.IssuedAt.IsZero() || life <= 0 || life > shortLived || len(t.Audiences) == 0 {
		return levelToken
	}
	return levelBoundToken
}
