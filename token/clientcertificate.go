package token

import (
	"context"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// vouched is a client certificate that leads to a registered issuer, which is its
// trust.
type vouched struct {
	trust
	peer *peer
}

// checkCertificate proves the machine user a client certificate is registered for.
func (v *Verifier) checkCertificate(ctx context.Context, p *authz.Presentation) (proven, *authz.Fault) {
	if _, fault := presentedThumbprint(p.Evidence.Certificate); fault != nil {
		return proven{}, fault
	}
	if len(p.Evidence.Certificate.Chain) == 0 {
		return proven{}, missing("thumbprint_only", "A certificate's thumbprint proves no subject by itself.", "Send the certificate, or the token that is bound to it.")
	}
	certificate, fault := v.verifyCertificate(ctx, p)
	if fault != nil {
		return proven{}, fault
	}
	credential, name, fault := v.certified(ctx, p, certificate.peer)
	if fault != nil {
		return proven{}, fault
	}
	x := proven{issuer: certificate.issuer, credential: credential}
	x.Subject, x.Evidence, x.Certificate = credential.MachineUser, authz.EvidenceCertificate, certificate.peer.facts()
	x.Certificate.Name, x.Certificate.Credential = name, credential.ID
	certificate.apply(&x.Principal, certificate.issuer)
	return x, nil
}

// facts are what policies see of a certificate by itself.
func (p *peer) facts() *authz.VerifiedCertificate {
	return &authz.VerifiedCertificate{ID: p.id, Thumbprint: p.thumbprint, Issuer: p.issuer, NotBefore: p.notBefore, NotAfter: p.notAfter}
}

// current says whether the certificate is within its validity.
func (p *peer) current(now time.Time) bool {
	return !now.Before(p.notBefore) && !now.After(p.notAfter)
}

// verifyCertificate answers from memory when it can, and verifies otherwise. Who may
// vouch for the certificate is looked up anew either way.
func (v *Verifier) verifyCertificate(ctx context.Context, p *authz.Presentation) (vouched, *authz.Fault) {
	chain := p.Evidence.Certificate.Chain
	if fault := checkBounds(chain); fault != nil {
		return vouched{}, fault
	}
	name := nameChain(chain)
	known, remembered := v.recallPeer(name)
	if remembered {
		trusts, fault := v.trusts(ctx, p, known.peer)
		if fault != nil {
			return vouched{}, fault
		}
		if certificate, ok := known.under(trusts, p.Now); ok {
			return certificate, nil
		}
	}
	read, fault := readPeer(chain)
	if fault != nil {
		return vouched{}, fault
	}
	trusts, fault := v.trusts(ctx, p, &read.peer)
	if fault != nil {
		return vouched{}, fault
	}
	peer, fault := read.verify(trusts, p.Now)
	if fault != nil {
		return vouched{}, fault
	}
	v.rememberPeer(name, peer, trusts)
	return peer.by(trusts), nil
}

// trusts lists who may vouch for a certificate. An issuer whose authorities cannot
// be had is left out, but a trust domain is the only one there is for its own: then
// nothing can be said.
func (v *Verifier) trusts(ctx context.Context, p *authz.Presentation, of *peer) ([]trust, *authz.Fault) {
	issuers, fault := v.issuersFor(ctx, p.Directory, of)
	if fault != nil {
		return nil, fault
	}
	trusts := make([]trust, 0, len(issuers))
	for _, issuer := range issuers {
		keys, fault := v.ring(issuer, p.Now)
		switch {
		case fault == nil:
			trusts = append(trusts, trust{standing: keys.standing, issuer: issuer, authorities: keys.set.authorities, set: keys.id})
		case of.domain != "":
			return nil, unavailable("authorities_unavailable", "The authorities of the client certificate's trust domain cannot be had, or are too old to be used.")
		}
	}
	return trusts, nil
}

// issuersFor lists the issuers that may vouch for a certificate, in the order of
// their ids.
func (v *Verifier) issuersFor(ctx context.Context, directory authz.Directory, of *peer) ([]*authz.Issuer, *authz.Fault) {
	if of.domain == "" {
		issuers, err := directory.IssuersOf(authz.IssuerX509)
		if err != nil {
			return nil, v.lookupFault(ctx, causeIssuerLookup, err)
		}
		return issuers, nil
	}
	issuer, fault := v.issuerByURL(ctx, directory, of.domain)
	if fault != nil || issuer == nil || !of.mayBeOf(issuer) {
		return nil, fault
	}
	return []*authz.Issuer{issuer}, nil
}
