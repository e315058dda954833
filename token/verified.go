package token

import (
	"crypto/sha256"

	"github.com/verdict-pdp/verdict/authz"
)

// verified is what is remembered of a token whose signature and claims were
// good, under the SHA-256 of its text. It holds for one revision of the issuer
// and one key set document only, and says nothing about credentials, statuses or
// bindings, which are looked at anew each time.
type verified struct {
	set  setID
	said said
}

// recall finds a token verified before, if its issuer is still registered and
// neither it nor its keys have changed since. Everything else is verified anew,
// which also finds the fault.
func (v *Verifier) recall(p *authz.Presentation, name [sha256.Size]byte) (*verified, *authz.Issuer, ring, bool) {
	if v.verified == nil {
		return nil, nil, ring{}, false
	}
	known, ok := v.verified.Get(name)
	if !ok {
		return nil, nil, ring{}, false
	}
	issuer, ok, err := p.Directory.IssuerByURL(known.said.token.IssuerURL)
	if err != nil || !ok {
		return nil, nil, ring{}, false // verifying anew meets, and reports, the same
	}
	keys, fault := v.ring(issuer, p.Now)
	if fault != nil || keys.id != known.set {
		return nil, nil, ring{}, false
	}
	return known, issuer, keys, true
}

// remember keeps what a token said. One that names a subject of a trust domain
// but was issued by another issuer is not kept: registering the trust domain must
// be seen by its next use.
func (v *Verifier) remember(name [sha256.Size]byte, known *verified, issuer *authz.Issuer) {
	if v.verified == nil || issuer.Kind != authz.IssuerSPIFFE && isSPIFFEName(known.said.name) {
		return
	}
	v.verified.Add(name, known)
}
