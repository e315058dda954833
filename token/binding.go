package token

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"slices"
	"strconv"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// bind checks what was presented with the evidence that names the subject: the keys
// that a token is bound to, and a certificate, which must belong to the same machine
// user. A single-use proof is checked last, so that only good evidence uses it.
func (v *Verifier) bind(ctx context.Context, p *authz.Presentation, x *proven) *authz.Fault {
	if x.Evidence == authz.EvidenceCertificate {
		return nil
	}
	presented, fault := presentedThumbprint(p.Evidence.Certificate)
	if fault != nil {
		return fault
	}
	if fault := x.checkCertificateBinding(presented); fault != nil {
		return fault
	}
	if fault := v.checkCompanion(ctx, p, x, presented); fault != nil {
		return fault
	}
	return v.checkProofBinding(p, x)
}

// presentedThumbprint returns the thumbprint of the certificate that was presented, ""
// if there was none.
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

// checkCertificateBinding compares the certificate that a token is bound to with the
// one that was presented (RFC 8705 section 3), by thumbprint only, so that a
// self-signed certificate will do.
func (x *proven) checkCertificateBinding(presented string) *authz.Fault {
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

// checkProofBinding checks the DPoP proof that a token is bound to (RFC 9449 section
// 7).
func (v *Verifier) checkProofBinding(p *authz.Presentation, x *proven) *authz.Fault {
	bound, presented := x.confirmation.jkt, p.Evidence.Proof
	switch {
	case bound == "" && presented == nil:
		return nil
	case bound == "":
		return mismatch("proof_unbound", "A DPoP proof came with a token that is bound to no DPoP key.", "Send an unbound token without a proof, or get one that is bound to the key.")
	case presented == nil:
		return mismatch("proof_missing", "The token is bound to a DPoP key, and no proof was presented.", fixBinding)
	}
	if fault := v.checkProof(presented, p.Evidence.Token, bound, p.Now, p.Rehearsal); fault != nil {
		return fault
	}
	if x.Binding == "" {
		x.Binding = authz.BindingProof
	}
	return nil
}

// checkCompanion checks a certificate that was presented with other evidence: it must
// belong to the same machine user.
func (v *Verifier) checkCompanion(ctx context.Context, p *authz.Presentation, x *proven, presented string) *authz.Fault {
	switch {
	case x.Binding == authz.BindingCertificate:
		return v.checkBoundCertificate(ctx, p, x, presented)
	case p.Evidence.Certificate == nil || len(p.Evidence.Certificate.Chain) == 0:
		return nil
	}
	certificate, fault := v.verifyCertificate(ctx, p)
	if fault != nil {
		return fault
	}
	return v.checkVerifiedCertificate(ctx, p, x, certificate)
}

// checkBoundCertificate checks the certificate that a token is bound to. It need not be
// registered: its authority may be unknown or unavailable, or there may be only its
// thumbprint. It proves the binding then, and nothing else. But what is registered for
// it always counts against it: credentials with the names it gives itself, and one with
// its thumbprint.
func (v *Verifier) checkBoundCertificate(ctx context.Context, p *authz.Presentation, x *proven, presented string) *authz.Fault {
	if len(p.Evidence.Certificate.Chain) > 0 {
		fault := v.checkBoundChain(ctx, p, x)
		if fault == nil || fault.Cause != causeCertificateUnknown {
			return fault
		}
	}
	credential, fault := v.thumbprintCredential(ctx, p, presented)
	if fault != nil || credential == nil {
		return fault
	}
	return x.addCompanion(credential)
}

// checkBoundChain checks the chain of the certificate that a token is bound to. If it
// leads to no credential, the fault has causeCertificateUnknown, and x.Certificate is
// set.
func (v *Verifier) checkBoundChain(ctx context.Context, p *authz.Presentation, x *proven) *authz.Fault {
	certificate, fault := v.verifyCertificate(ctx, p)
	switch {
	case fault == nil:
		return v.checkVerifiedCertificate(ctx, p, x, certificate)
	case fault.Cause == causeIssuerLookup:
		return fault
	}
	leaf, fault := unverifiedPeer(p.Evidence.Certificate.Chain[0])
	if fault != nil {
		return fault
	}
	x.Certificate = leaf.facts()
	if fault := v.checkClaimedNames(ctx, p, x, leaf.names); fault != nil {
		return fault
	}
	return certificateUnknown()
}

// checkClaimedNames looks up the names in a certificate that was not verified. They
// prove nothing, but breaking the chain of a certificate that is revoked, or another
// machine user's, must not help its sender.
func (v *Verifier) checkClaimedNames(ctx context.Context, p *authz.Presentation, x *proven, names []string) *authz.Fault {
	var best *authz.Credential
	for _, name := range names {
		named, err := p.Directory.CredentialsNamed(name)
		if err != nil {
			return v.lookupFault(ctx, causeCredentialLookup, err)
		}
		for _, c := range named {
			if c.Kind == authz.KindCertificate && (best == nil || moreRelevant(c, best, x.Subject, p.Now)) {
				best = c
			}
		}
	}
	switch {
	case best == nil:
		return nil
	case best.MachineUser == x.Subject && best.AcceptedAt(p.Now):
		x.Certificate.Credential = best.ID // only recorded; it proves nothing
		return nil
	}
	return x.addCompanion(best)
}

// moreRelevant reports whether c comes before than: credentials of the same machine
// user first, then accepted ones.
func moreRelevant(c, than *authz.Credential, subject string, now time.Time) bool {
	if own := c.MachineUser == subject; own != (than.MachineUser == subject) {
		return own
	}
	return c.AcceptedAt(now) && !than.AcceptedAt(now)
}

// checkVerifiedCertificate finds the credential of a verified certificate.
func (v *Verifier) checkVerifiedCertificate(ctx context.Context, p *authz.Presentation, x *proven, certificate verifiedCertificate) *authz.Fault {
	x.Certificate = certificate.peer.facts()
	credential, name, fault := v.certificateCredential(ctx, p, certificate.peer)
	if fault != nil {
		return fault
	}
	x.Certificate.Name = name
	if fault := x.addCompanion(credential); fault != nil {
		return fault
	}
	// It supports the principal only if it is fresh, valid and accepted itself.
	if certificate.grade == authz.Fresh && certificate.peer.current(p.Now) && credential.AcceptedAt(p.Now) {
		x.attested = certificate.issuer.Attested
		x.Supports = append(x.Supports, authz.SupportCertificate)
		slices.Sort(x.Supports)
	}
	return nil
}

// unverifiedPeer reads a certificate without verifying it, with every name that it
// could be registered under.
func unverifiedPeer(der []byte) (*peer, *authz.Fault) {
	if len(der) > maxCertificateBytes {
		return nil, unreadableCertificate()
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil || len(leaf.URIs)+len(leaf.DNSNames) > maxSANs {
		return nil, unreadableCertificate()
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

func unreadableCertificate() *authz.Fault {
	return malformed("The client certificate is not an X.509 certificate in DER of at most 16 kB and " + strconv.Itoa(maxSANs) + " names, so nothing can be held against it.")
}

// addCompanion adds the credential of a certificate that was presented with other
// evidence.
func (x *proven) addCompanion(credential *authz.Credential) *authz.Fault {
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

// What a caller can do about a binding.
const (
	fixBinding = "Send the token with the proof it is bound to: the client certificate (x5t#S256) or a DPoP proof (jkt)."
	fixProof   = "Make a new DPoP proof for this very request (RFC 9449 section 4.2) and send it with the method and URL the service received."
)

// confirmation has the keys that a token is bound to. If it has both, the token is
// bound to both.
type confirmation struct {
	thumbprint string // x5t#S256 of a client certificate (RFC 8705 section 3.1), or ""
	jkt        string // RFC 7638 thumbprint of a DPoP key (RFC 9449 section 6.1), or ""
}

// readConfirmation reads cnf (RFC 7800) from a payload; ok is false if there is none. A
// cnf with anything that is not supported is a fault: a bound token must never pass as
// a bearer token, nor as one with fewer bindings.
func readConfirmation(payload object) (c confirmation, ok bool, fault *authz.Fault) {
	value := payload.get("cnf")
	if value == nil {
		return confirmation{}, false, nil
	}
	members, err := readObject(value)
	if err != nil || len(members) == 0 {
		return confirmation{}, false, unsupportedBinding()
	}
	for _, m := range members {
		named, valid := text(m.value)
		if !valid || !isSHA256(named) {
			return confirmation{}, false, unsupportedBinding()
		}
		switch m.name {
		case authz.BindingCertificate:
			c.thumbprint = named
		case authz.BindingProof:
			c.jkt = named
		default:
			return confirmation{}, false, unsupportedBinding()
		}
	}
	return c, true, nil
}

func unsupportedBinding() *authz.Fault {
	return mismatch("unsupported_binding",
		"The token is bound to a key of its sender (cnf) in a way that cannot be checked here; only x5t#S256 and jkt can.",
		"Have the issuer bind its tokens to a client certificate (RFC 8705) or a DPoP key (RFC 9449).")
}

// mismatch returns the fault of a token whose sender did not prove possession of the
// key it is bound to.
func mismatch(cause, message, fix string) *authz.Fault {
	return &authz.Fault{Code: authz.TokenBindingMismatch, Cause: cause, Message: message, Fix: fix}
}

// Thumbprint returns the x5t#S256 of a certificate's DER (RFC 8705 section 3.1).
func Thumbprint(der []byte) string {
	sum := sha256.Sum256(der)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// isSHA256 reports whether encoded is the canonical base64url of 32 bytes.
func isSHA256(encoded string) bool {
	if len(encoded) != base64.RawURLEncoding.EncodedLen(sha256.Size) {
		return false
	}
	sum, err := strict.DecodeString(encoded)
	return err == nil && len(sum) == sha256.Size
}
