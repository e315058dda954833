package token

import (
	"context"
	"crypto/x509"
	"strings"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// vouched is a client certificate that leads to a registered issuer, and how that
// issuer's authorities stand.
type vouched struct {
	standing
	peer *peer
}

// verified is what policies see of the certificate. name is what its machine user
// was found by; empty names it by the first of its own.
func (c vouched) verified(name string) *authz.VerifiedCertificate {
	if name == "" {
		name = c.peer.names[0]
	}
	return &authz.VerifiedCertificate{
		ID: c.peer.id, Thumbprint: c.peer.thumbprint, Name: name, Issuer: c.peer.issuer.ID,
		NotBefore: c.peer.leaf.NotBefore.UTC(), NotAfter: c.peer.leaf.NotAfter.UTC(),
	}
}

// current says whether the certificate is within its validity.
func (c vouched) current(now time.Time) bool {
	return !now.Before(c.peer.leaf.NotBefore) && !now.After(c.peer.leaf.NotAfter)
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
	credential, name, fault := v.certified(ctx, p.Directory, certificate.peer)
	if fault != nil {
		return proven{}, fault
	}
	x := proven{issuer: certificate.peer.issuer, credential: credential}
	x.Subject, x.Evidence, x.Certificate = credential.MachineUser, authz.EvidenceCertificate, certificate.verified(name)
	certificate.apply(&x.Principal, certificate.peer.issuer)
	return x, nil
}

// verifyCertificate verifies the chain presented against every registered issuer
// that may vouch for certificates.
func (v *Verifier) verifyCertificate(ctx context.Context, p *authz.Presentation) (vouched, *authz.Fault) {
	var candidates []trust
	standings := map[string]standing{} // :: issuer id -> standing of its authorities
	var absent []*authz.Issuer         // whose authorities cannot be had
	for _, kind := range []string{authz.IssuerSPIFFE, authz.IssuerX509} {
		issuers, err := p.Directory.IssuersOf(kind)
		if err != nil {
			return vouched{}, v.lookupFault(ctx, causeIssuerLookup, err)
		}
		for _, issuer := range issuers {
			keys, fault := v.ring(issuer, p.Now)
			if fault != nil {
				absent = append(absent, issuer)
				continue
			}
			standings[issuer.ID] = keys.standing
			candidates = append(candidates, trust{issuer: issuer, authorities: keys.set.authorities})
		}
	}
	peer, fault := verifyPeer(p.Evidence.Certificate, candidates, p.Now)
	if fault != nil {
		if claimsOneOf(p.Evidence.Certificate.Chain[0], absent) {
			return vouched{}, unavailable("authorities_unavailable", "The authorities of the client certificate's trust domain cannot be had, or are too old to be used.")
		}
		return vouched{}, fault
	}
	return vouched{standing: standings[peer.issuer.ID], peer: peer}, nil
}

// claimsOneOf says whether a certificate names a trust domain that cannot be asked
// just now: then it may well be good.
func claimsOneOf(der []byte, absent []*authz.Issuer) bool {
	if len(absent) == 0 || len(der) > maxCertificateBytes {
		return false
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return false
	}
	for _, issuer := range absent {
		for _, uri := range leaf.URIs {
			if strings.HasPrefix(uri.String(), issuer.URL+"/") {
				return true
			}
		}
	}
	return false
}
