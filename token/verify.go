package token

import (
	"context"
	"strings"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// Verify says who the evidence proves, by one frozen view of the data. Whatever
// is wrong with the evidence, its issuer or what the issuer publishes comes back
// as a Principal with a Fault, which proves nobody. p.Now decides only whether
// what was fetched is fresh, stale or too old, and whether single-use evidence is
// still good.
//
// It waits for nobody but the Introspector (opaque tokens) and Secrets (client
// secrets). The lists in the Principal's Token are shared and must not be
// changed; appending to them is safe.
func (v *Verifier) Verify(ctx context.Context, p authz.Presentation) authz.Principal {
	kind, fault := kindOf(p.Evidence)
	if fault != nil {
		return refused(kind, fault)
	}
	x, fault := v.authenticate(ctx, kind, &p)
	if fault != nil {
		return refused(kind, fault)
	}
	if fault := v.resolve(ctx, &p, &x); fault != nil {
		return refused(kind, fault)
	}
	if fault := v.bind(ctx, &p, &x); fault != nil {
		return refused(kind, fault)
	}
	v.readable()
	return x.principal(p.Now)
}

// Identify says what token the evidence is: one that is genuine, by its signature or
// by what its issuer says when asked. It is for revoking a token that was found
// somewhere, so neither the keys it is bound to nor the credential behind it nor its
// status are looked at, and it must never decide anything. Subject is empty when the
// issuer calls the machine user by a name of its own, and Status always.
func (v *Verifier) Identify(ctx context.Context, p authz.Presentation) (*authz.Token, *authz.Fault) {
	kind, fault := kindOf(p.Evidence)
	if fault != nil {
		return nil, fault
	}
	if kind != authz.EvidenceJWT && kind != authz.EvidenceOpaque {
		return nil, missing("no_token", "The evidence is no token.", "Send the token itself.")
	}
	w, fault := v.readToken(ctx, kind, &p)
	if fault != nil {
		return nil, fault
	}
	t := w.token
	return &t, nil
}

// Named is the token that somebody names by sending it whole, to have it stopped: see
// Identify. CodeUnavailable when that cannot be told now, CodeInvalid when the text is no
// token of an issuer of the directory.
func (v *Verifier) Named(ctx context.Context, directory authz.Directory, text string) (*authz.Token, error) {
	named, fault := v.Identify(ctx, authz.Presentation{Evidence: authz.Evidence{Token: text}, Directory: directory, Now: v.now(), Rehearsal: true})
	switch {
	case fault == nil:
		return named, nil
	case fault.Code == authz.IssuerUnavailable:
		return nil, &authz.Error{Code: authz.CodeUnavailable, Message: "the token cannot be verified now: " + fault.Message}
	}
	return nil, authz.Invalid("token", "does not verify, so there is nothing to stop; name it by issuer and name (its jti)")
}

// proven is what evidence has proved so far.
type proven struct {
	authz.Principal                   // all but Credential and Level
	issuer          *authz.Issuer     // of the token, or of the certificate that is the evidence
	confirmation    confirmation      // what the token is bound to
	credential      *authz.Credential // presented, or said to be behind the token; nil when none is registered
	companion       *authz.Credential // of a verified certificate beside other evidence
	attested        bool              // a companion's issuer attests workloads
}

// principal closes the proof.
func (x *proven) principal(now time.Time) authz.Principal {
	p := x.Principal
	p.Credential = proved(x.judged(now))
	p.Level = x.level()
	return p
}

// kindOf says what kind of evidence it is. Evidence with two readings is none.
func kindOf(e authz.Evidence) (kind string, fault *authz.Fault) {
	kind = authz.EvidenceNone
	given := 0
	for _, candidate := range [...]struct {
		kind  string
		given bool
	}{
		{tokenKind(e), e.Token != ""},
		{authz.EvidenceClaims, len(e.Claims) > 0},
		{authz.EvidenceSecret, e.ClientSecret != ""},
		{authz.EvidenceAssertion, e.Assertion != ""},
	} {
		if candidate.given {
			kind = candidate.kind
			given++
		}
	}
	switch {
	case given > 1:
		return authz.EvidenceNone, invalid("ambiguous", "The evidence proves a subject in more than one way.", "Send one of token, claims, client_secret and client_assertion.")
	case given == 1:
		return kind, nil
	case e.Certificate != nil:
		return authz.EvidenceCertificate, nil
	}
	return authz.EvidenceNone, missing("no_evidence", "The request proves no subject.", "Send credential.token: the caller's access token.")
}

// tokenKind: a token of three parts without a hint is a JWT, and is never shown
// to anybody; every other one is opaque.
func tokenKind(e authz.Evidence) string {
	if e.Issuer == "" && strings.Count(e.Token, ".") == 2 {
		return authz.EvidenceJWT
	}
	return authz.EvidenceOpaque
}

// authenticate checks the evidence that names the subject.
func (v *Verifier) authenticate(ctx context.Context, kind string, p *authz.Presentation) (proven, *authz.Fault) {
	switch kind {
	case authz.EvidenceJWT, authz.EvidenceOpaque:
		return v.checkToken(ctx, kind, p)
	case authz.EvidenceClaims:
		return v.acceptClaims(ctx, p)
	case authz.EvidenceSecret:
		return v.checkSecret(ctx, p)
	case authz.EvidenceAssertion:
		return v.checkAssertion(ctx, p)
	}
	return v.checkCertificate(ctx, p)
}

// checkToken proves the machine user a token is about.
func (v *Verifier) checkToken(ctx context.Context, kind string, p *authz.Presentation) (proven, *authz.Fault) {
	w, fault := v.readToken(ctx, kind, p)
	if fault != nil {
		return proven{}, fault
	}
	return v.complete(ctx, p, kind, w)
}

// readToken reads a token that is genuine.
func (v *Verifier) readToken(ctx context.Context, kind string, p *authz.Presentation) (word, *authz.Fault) {
	if kind == authz.EvidenceOpaque {
		return v.introspect(ctx, p)
	}
	return v.readJWT(ctx, p)
}
