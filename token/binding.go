package token

import (
	"context"
	"crypto/x509"
	"slices"
	"strconv"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// bind checks what was presented beside the evidence that named the subject: the
// keys the token is bound to, and a certificate that speaks for the same machine
// user. A proof that may be used once is looked at last, so that it is used up only
// by evidence that is good.
func (v *Verifier) bind(ctx context.Context, p *authz.Presentation, x *proven) *authz.Fault {
	if x.Evidence == authz.EvidenceCertificate {
		return nil
	}
	presented, fault := presentedThumbprint(p.Evidence.Certificate)
	if fault != nil {
		return fault
	}
	if fault := x.holdsCertificate(presented); fault != nil {
		return fault
	}
	if fault := v.accompany(ctx, p, x, presented); fault != nil {
		return fault
	}
	return v.holdsProof(p, x)
}

// presentedThumbprint is that of the certificate presented, "" of none.
func presentedThumbprint(c *authz.Certificate) (string, *authz.Fault) {
	switch {
	case c == nil:
		return "", nil
	case len(c.Chain) == 0:
		return c.Thumbprint, nil
	}
	presented := Thumbprint(c.Chain[0])
	if c.Thumbprint != "" && c.Thumbprint != presented {
		return "", invalid("certificate_ambiguous", "The certificate and the certificate thumbprint are of different certificates.", "Send one of them.")
	}
	return presented, nil
}

// holdsCertificate compares the certificate a token is bound to with the one
// presented (RFC 8705 section 3): by thumbprint alone, so that self-signed
// certificates will do.
func (x *proven) holdsCertificate(presented string) *authz.Fault {
	bound := x.confirmation.thumbprint
	switch {
	case bound == "":
		return nil
	case presented == "":
		return mismatch("certificate_missing", "The token is bound to a client certificate, and none was presented.", fixBinding)
	case presented != bound:
		return mismatch("certificate_mismatch", "The token is bound to another client certificate than the one presented.", fixBinding)
	}
	x.Binding = authz.BindingCertificate
	return nil
}

// holdsProof checks the DPoP proof a token is bound to (RFC 9449 section 7).
func (v *Verifier) holdsProof(p *authz.Presentation, x *proven) *authz.Fault {
	bound, made := x.confirmation.jkt, p.Evidence.Proof
	switch {
	case bound == "" && made == nil:
		return nil
	case bound == "":
		return mismatch("proof_unbound", "A DPoP proof came with a token that is bound to no DPoP key.", "Send an unbound token without a proof, or get one that is bound to the key.")
	case made == nil:
		return mismatch("proof_missing", "The token is bound to a DPoP key, and no proof was presented.", fixBinding)
	}
	if fault := v.checkProof(made, p.Evidence.Token, bound, p.Now, p.Rehearsal); fault != nil {
		return fault
	}
	if x.Binding == "" {
		x.Binding = authz.BindingProof
	}
	return nil
}

// accompany judges a certificate beside other evidence: it must speak for the same
// machine user.
func (v *Verifier) accompany(ctx context.Context, p *authz.Presentation, x *proven, presented string) *authz.Fault {
	switch {
	case x.Binding == authz.BindingCertificate:
		return v.accompanyBound(ctx, p, x, presented)
	case p.Evidence.Certificate == nil || len(p.Evidence.Certificate.Chain) == 0:
		return nil
	}
	certificate, fault := v.verifyCertificate(ctx, p)
	if fault != nil {
		return fault
	}
	return v.accompanyVouched(ctx, p, x, certificate)
}

// accompanyBound judges the certificate a token is bound to. It may also be of nobody
// we know, of an authority nobody registered or that cannot be had, or known by its
// thumbprint alone: then it proves the binding and nothing else. But what is known
// of it always counts against it: the credentials that are registered under the names
// it gives itself, and the one that is registered for this one certificate.
func (v *Verifier) accompanyBound(ctx context.Context, p *authz.Presentation, x *proven, presented string) *authz.Fault {
	if len(p.Evidence.Certificate.Chain) > 0 {
		fault := v.accompanyKnown(ctx, p, x)
		if fault == nil || fault.Cause != causeCertificateUnknown {
			return fault
		}
	}
	credential, fault := v.thumbprinted(ctx, p, presented)
	if fault != nil || credential == nil {
		return fault
	}
	return x.join(credential)
}

// accompanyKnown judges the certificate a token is bound to by its chain. The fault
// causeCertificateUnknown says that no credential was found that way; x.Certificate is
// set then.
func (v *Verifier) accompanyKnown(ctx context.Context, p *authz.Presentation, x *proven) *authz.Fault {
	certificate, fault := v.verifyCertificate(ctx, p)
	switch {
	case fault == nil:
		return v.accompanyVouched(ctx, p, x, certificate)
	case fault.Cause == causeIssuerLookup:
		return fault
	}
	leaf, fault := unvouched(p.Evidence.Certificate.Chain[0])
	if fault != nil {
		return fault
	}
	x.Certificate = leaf.facts()
	if fault := v.holdAgainst(ctx, p, x, leaf.names); fault != nil {
		return fault
	}
	return certificateUnknown()
}

// holdAgainst judges a certificate nobody vouches for by the names it gives itself:
// they prove nothing, but whoever spoils the chain of a certificate that is revoked, or
// another machine user's, must not be better off for it.
func (v *Verifier) holdAgainst(ctx context.Context, p *authz.Presentation, x *proven, names []string) *authz.Fault {
	var best *authz.Credential
	for _, name := range names {
		named, err := p.Directory.CredentialsNamed(name)
		if err != nil {
			return v.lookupFault(ctx, causeCredentialLookup, err)
		}
		for _, c := range named {
			if c.Kind == authz.KindCertificate && (best == nil || more(c, best, x.Subject, p.Now)) {
				best = c
			}
		}
	}
	switch {
	case best == nil:
		return nil
	case best.MachineUser == x.Subject && best.AcceptedAt(p.Now):
		x.Certificate.Credential = best.ID // for the list; it is not what proves anybody
		return nil
	}
	return x.join(best)
}

// more says whether c is more of the subject's own than another credential: of the
// same machine user, and of those accepted.
func more(c, than *authz.Credential, subject string, now time.Time) bool {
	if own := c.MachineUser == subject; own != (than.MachineUser == subject) {
		return own
	}
	return c.AcceptedAt(now) && !than.AcceptedAt(now)
}

// accompanyVouched judges a certificate that leads to a registered issuer.
func (v *Verifier) accompanyVouched(ctx context.Context, p *authz.Presentation, x *proven, certificate vouched) *authz.Fault {
	x.Certificate = certificate.peer.facts()
	credential, name, fault := v.certified(ctx, p, certificate.peer)
	if fault != nil {
		return fault
	}
	x.Certificate.Name = name
	if fault := x.join(credential); fault != nil {
		return fault
	}
	// What is stale or dead itself holds nothing up.
	if certificate.freshness == authz.Fresh && certificate.peer.current(p.Now) && credential.AcceptedAt(p.Now) {
		x.attested = certificate.issuer.Attested
		x.Supports = append(x.Supports, authz.SupportCertificate)
		slices.Sort(x.Supports)
	}
	return nil
}

// unvouched reads what a certificate says of itself, which nobody we know vouches
// for, with every name it could be registered as.
func unvouched(der []byte) (*peer, *authz.Fault) {
	if len(der) > maxCertificateBytes {
		return nil, unreadable()
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil || len(leaf.URIs)+len(leaf.DNSNames) > maxSANs {
		return nil, unreadable()
	}
	p := peerOf(leaf)
	p.names = namesOf(leaf, p.thumbprint)
	for _, uri := range leaf.URIs {
		if uri.Scheme == "spiffe" {
			p.names = append(p.names, uri.String())
		}
	}
	return &p, nil
}

func unreadable() *authz.Fault {
	return malformed("The client certificate is not an X.509 certificate in DER of at most 16 kB and " + strconv.Itoa(maxSANs) + " names, so nothing can be held against it.")
}

// join has the credential of a certificate beside other evidence judged with it.
func (x *proven) join(credential *authz.Credential) *authz.Fault {
	if credential.MachineUser != x.Subject {
		return &authz.Fault{
			Code: authz.SubjectMismatch, Cause: "certificate_subject",
			Message: "The client certificate is another machine user's than the rest of the evidence.",
			Fix:     "Send the certificate of the machine user's own connection.",
		}
	}
	x.companion = credential
	if x.Certificate != nil {
		x.Certificate.Credential = credential.ID
	}
	return nil
}
