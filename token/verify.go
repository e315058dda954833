package token

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/token/statuslist"
)

// Verify returns the principal that the evidence proves, on one view of the data. If
// anything is wrong with the evidence, its issuer or what the issuer publishes, the
// principal has a Fault and proves no subject. p.Now is used only for the freshness of
// what was fetched and for evidence that may be used once.
//
// Verify waits only for the Introspector (opaque tokens) and Secrets (client secrets).
// The lists in the Principal's Token are shared and must not be changed; appending to
// them is safe.
func (v *Verifier) Verify(ctx context.Context, p authz.Presentation) authz.Principal {
	kind, fault := evidenceKind(p.Evidence)
	if fault != nil {
		return refused(kind, fault)
	}
	x, fault := v.authenticate(ctx, kind, &p)
	if fault != nil {
		return refused(kind, fault)
	}
	if fault := v.addCredential(ctx, &p, &x); fault != nil {
		return refused(kind, fault)
	}
	if fault := v.bind(ctx, &p, &x); fault != nil {
		return refused(kind, fault)
	}
	v.directoryRead()
	return x.principal(p.Now)
}

// Identify returns the token that the evidence is, if it is authentic: by its
// signature, or because its issuer says so when asked. It is for revoking a token that
// was found somewhere. Neither its binding nor its credential nor its status is
// checked, so it must never be used for a decision. Subject is empty if the issuer
// calls the machine user by a name of its own, and Status is always empty.
func (v *Verifier) Identify(ctx context.Context, p authz.Presentation) (*authz.Token, *authz.Fault) {
	kind, fault := evidenceKind(p.Evidence)
	if fault != nil {
		return nil, fault
	}
	if kind != authz.EvidenceJWT && kind != authz.EvidenceOpaque {
		return nil, missing("no_token", "The evidence is no token.", "Send the token itself.")
	}
	authentic, fault := v.readToken(ctx, kind, &p)
	if fault != nil {
		return nil, fault
	}
	t := authentic.token
	return &t, nil
}

// Named returns the token whose text was sent to have it revoked: see Identify. The
// error has CodeUnavailable if it cannot be verified now, and CodeInvalid if it is no
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

// proven is what the evidence has proved so far.
type proven struct {
	authz.Principal                   // all but Credential and Level
	issuer          *authz.Issuer     // of the token, or of the certificate that is the evidence
	confirmation    confirmation      // what the token is bound to
	credential      *authz.Credential // presented, or the one the token was issued for; nil if none is registered
	companion       *authz.Credential // of a certificate that was presented with other evidence
	attested        bool              // the companion's issuer attests workloads
}

// principal returns the principal, with the credential that policies judge and the
// trust level.
func (x *proven) principal(now time.Time) authz.Principal {
	p := x.Principal
	p.Credential = provedCredential(x.judgedCredential(now))
	p.Level = x.level()
	return p
}

// evidenceKind returns the kind of the evidence. Evidence of more than one kind is
// refused.
func evidenceKind(e authz.Evidence) (kind string, fault *authz.Fault) {
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

// tokenKind returns EvidenceJWT for a token of three parts, unless an issuer is named.
// A JWT is never sent to an issuer; every other token is opaque.
func tokenKind(e authz.Evidence) string {
	if e.Issuer == "" && strings.Count(e.Token, ".") == 2 {
		return authz.EvidenceJWT
	}
	return authz.EvidenceOpaque
}

// authenticate verifies the evidence that names the subject.
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

// checkToken verifies a token and finds the machine user it is about.
func (v *Verifier) checkToken(ctx context.Context, kind string, p *authz.Presentation) (proven, *authz.Fault) {
	authentic, fault := v.readToken(ctx, kind, p)
	if fault != nil {
		return proven{}, fault
	}
	return v.complete(ctx, p, kind, authentic)
}

// readToken verifies that a token is authentic, and reads its claims.
func (v *Verifier) readToken(ctx context.Context, kind string, p *authz.Presentation) (authenticToken, *authz.Fault) {
	if kind == authz.EvidenceOpaque {
		return v.introspect(ctx, p)
	}
	return v.readJWT(ctx, p)
}

// tokenClaims is the content of a token, or of asserted claims. It is immutable.
type tokenClaims struct {
	token authz.Token
	// federatedName is what a federated issuer calls the subject; token.Subject is empty
	// then until the name is looked up. It is empty if the subject is a machine user.
	federatedName string
	confirmation  confirmation
	statusRef     *statuslist.Reference // its place in a status list; nil if it has none
}

// authenticToken has the claims, the issuer and the freshness of a token that is
// authentic. Its binding, credential and status are not checked yet.
type authenticToken struct {
	*tokenClaims
	freshness
	issuer      *authz.Issuer
	knownSource bool // authz.IntrospectionAnswer.KnownSource
}

// freshness is how long ago the issuer's data that a proof relies on was fetched, and
// its grade. The zero freshness is of no data.
type freshness struct {
	grade   string        // authz.Fresh or authz.Stale
	age     time.Duration // since it was fetched
	fetched bool          // false: it does not age
}

// alwaysFresh is the freshness of data that is not fetched.
var alwaysFresh = freshness{grade: authz.Fresh}

// combine returns the freshness of what relies on both.
func (f freshness) combine(other freshness) freshness {
	if other.grade != authz.Fresh {
		f.grade = authz.Stale
	}
	f.age = max(f.age, other.age)
	f.fetched = f.fetched || other.fetched
	return f
}

// apply sets the freshness of the issuer's data in the principal.
func (f freshness) apply(p *authz.Principal, issuer *authz.Issuer) {
	p.Freshness = f.grade
	if !f.fetched {
		return
	}
	p.Age = f.age
	for tier := range p.UsableFor {
		p.UsableFor[tier] = issuer.UsableFor(tier)
	}
}

// complete adds what may change while a token is valid, and so is not cached: the
// machine user of a federated name, and the token's status.
func (v *Verifier) complete(ctx context.Context, p *authz.Presentation, kind string, a authenticToken) (proven, *authz.Fault) {
	t, fresh := a.token, a.freshness
	x := proven{issuer: a.issuer, confirmation: a.confirmation}
	x.Evidence, x.Token = kind, &t
	if a.federatedName != "" {
		credential, fault := v.federatedCredential(ctx, p, a.issuer, a.federatedName)
		if fault != nil {
			return proven{}, fault
		}
		x.credential, t.Subject = credential, credential.MachineUser
	}
	x.Subject = t.Subject
	if a.statusRef != nil {
		status, listed, fault := v.statusOf(a.issuer, *a.statusRef, p.Now)
		if fault != nil {
			return proven{}, fault
		}
		t.Status, fresh = status, fresh.combine(listed)
	}
	fresh.apply(&x.Principal, a.issuer)
	if a.knownSource {
		x.Supports = []string{authz.SupportKnownSource}
	}
	return x, nil
}

// Trust levels, see authz.MaxLevel.
const (
	levelSharedSecret  = 1
	levelToken         = 2
	levelBoundAudience = 3 // short-lived and made for an audience
	levelAssertion     = 3
	levelKey           = 4 // the sender proved possession of a key
	levelAttested      = 5 // the same, by an attested workload
)

// shortLived is the longest lifetime of a token of levelBoundAudience.
const shortLived = time.Hour

// level returns the trust level of the proof.
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
	case x.issuer.Kind == authz.IssuerIntrospection: // also claims that a PEP asserts
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

// bearerLevel returns the level of a token by its own properties.
func bearerLevel(t *authz.Token) int {
	life := t.ExpiresAt.Sub(t.IssuedAt)
	if t.IssuedAt.IsZero() || life <= 0 || life > shortLived || len(t.Audiences) == 0 {
		return levelToken
	}
	return levelBoundAudience
}

// mostFor returns the highest level of a token that was issued by such authentication
// methods. A token that merely relays a secret is no better than the secret, however
// well it is bound.
func mostFor(methods []string) int {
	switch {
	case slices.Contains(methods, authz.MethodPassword):
		return levelSharedSecret
	case slices.Contains(methods, authz.MethodClientSecret):
		return levelToken
	}
	return authz.MaxLevel
}
