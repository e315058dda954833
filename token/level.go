package token

import (
	"slices"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// Trust levels, see authz.MaxLevel.
const (
	levelSharedSecret  = 1
	levelToken         = 2
	levelBoundAudience = 3 // short-lived and made for an audience
	levelAssertion     = 3
	levelKey           = 4 // the sender proved to hold a key
	levelAttested      = 5 // the same of an attested workload
)

// shortLived is the longest life, from issue to expiry, of a level 3 token.
const shortLived = time.Hour

// level is how much the proof lets its subject be trusted.
func (x *proven) level() int {
	switch x.Evidence {
	case authz.EvidenceSecret:
		return levelSharedSecret
	case authz.EvidenceAssertion:
		return levelAssertion
	case authz.EvidenceCertificate:
		return attestedOr(levelKey, x.issuer.Attested)
	}
	return min(x.tokenLevel(), mostFor(x.Token.Methods))
}

func (x *proven) tokenLevel() int {
	switch {
	case x.Binding != "":
		return attestedOr(levelKey, x.issuer.Attested || x.attested)
	case slices.Contains(x.Supports, authz.SupportCertificate):
		return attestedOr(levelKey, x.attested)
	case x.issuer.Kind == authz.IssuerIntrospection: // claims a PEP asserts of one, too
		return levelToken
	}
	return bearerLevel(x.Token)
}

func attestedOr(level int, attested bool) int {
	if attested {
		return levelAttested
	}
	return level
}

// bearerLevel is what a token's own properties let it be trusted.
func bearerLevel(t *authz.Token) int {
	life := t.ExpiresAt.Sub(t.IssuedAt)
	if t.IssuedAt.IsZero() || life <= 0 || life > shortLived || len(t.Audiences) == 0 {
		return levelToken
	}
	return levelBoundAudience
}

// mostFor is the highest level of a token got by such methods. A token that merely
// relays a secret is no better than the secret, however well it is bound.
func mostFor(methods []string) int {
	switch {
	case slices.Contains(methods, authz.MethodPassword):
		return levelSharedSecret
	case slices.Contains(methods, authz.MethodClientSecret):
		return levelToken
	}
	return authz.MaxLevel
}
