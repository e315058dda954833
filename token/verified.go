package token

import (
	"crypto/sha256"

	"github.com/verdict-pdp/verdict/authz"
)

// verified is what is remembered of a token whose signature and claims were
// good, under the SHA-256 of its text. It holds for one revision of the issuer
// and one key set document only.
type verified struct {
	set   setID
	token authz.Token
	level int
}

// at is the principal the token proves while its issuer's keys are that fresh.
func (k *verified) at(freshness string) authz.Principal {
	t := k.token
	return authz.Principal{
		Subject: t.Subject, Evidence: authz.EvidenceJWT, Token: &t,
		Level: k.level, Freshness: freshness,
	}
}

// recall answers for a token verified before, if its issuer is still registered
// and neither it nor its keys have changed since. Everything else is verified
// anew, which also finds the fault.
func (v *Verifier) recall(view view, name [sha256.Size]byte) (authz.Principal, bool) {
	if v.verified == nil {
		return authz.Principal{}, false
	}
	known, ok := v.verified.Get(name)
	if !ok {
		return authz.Principal{}, false
	}
	issuer, ok, err := view.issuers.IssuerByURL(known.token.IssuerURL)
	if err != nil || !ok {
		return authz.Principal{}, false // verifying anew meets, and reports, the same
	}
	ring, fault := v.ring(issuer, view.now)
	if fault != nil || ring.id != known.set {
		return authz.Principal{}, false
	}
	return known.at(ring.freshness), true
}

func (v *Verifier) remember(name [sha256.Size]byte, known *verified) {
	if v.verified != nil {
		v.verified.Add(name, known)
	}
}
