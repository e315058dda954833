package token

import (
	"context"
	"slices"

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
	if fault := v.accompany(ctx, p, x); fault != nil {
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
	presented := thumbprint(c.Chain[0])
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

// accompany judges a certificate beside other evidence. One that is verified must
// speak for the same machine user. The one a token is bound to may also be of
// nobody we know, or of an authority nobody registered: then it proves the binding
// and nothing else.
func (v *Verifier) accompany(ctx context.Context, p *authz.Presentation, x *proven) *authz.Fault {
	if p.Evidence.Certificate == nil || len(p.Evidence.Certificate.Chain) == 0 {
		return nil
	}
	tied := x.Binding == authz.BindingCertificate
	certificate, fault := v.verifyCertificate(ctx, p)
	if fault != nil && tied && fault.Cause != causeIssuerLookup {
		return nil
	}
	if fault != nil {
		return fault
	}
	credential, name, fault := v.certified(ctx, p.Directory, certificate.peer)
	if fault != nil && !(tied && fault.Cause == causeCertificateUnknown) {
		return fault
	}
	x.Certificate = certificate.verified(name)
	if credential == nil {
		return nil
	}
	if credential.MachineUser != x.Subject {
		return &authz.Fault{
			Code: authz.SubjectMismatch, Cause: "certificate_subject",
			Message: "The client certificate is another machine user's than the rest of the evidence.",
			Fix:     "Send the certificate of the machine user's own connection.",
		}
	}
	x.companion = credential
	// What is stale or dead itself holds nothing up.
	if certificate.freshness == authz.Fresh && certificate.current(p.Now) && !dead(credential, p.Now) {
		x.attested = certificate.peer.issuer.Attested
		x.Supports = append(x.Supports, authz.SupportCertificate)
		slices.Sort(x.Supports)
	}
	return nil
}
