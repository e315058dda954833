package token

import (
	"context"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/token/statuslist"
)

// said is what a token, or claims, said about themselves. It is immutable, and
// nothing in it can change while the token lives.
type said struct {
	token authz.Token
	// name is what a federated issuer calls the subject; then token.Subject is
	// empty until the name is looked up. Empty when the subject is a machine user.
	name         string
	confirmation confirmation
	place        *statuslist.Reference // in a status list; nil when it is in none
}

// word is what a token said, by whose word, and how far that can be relied on. It is
// authentic, but of its binding, its credential and its status nothing is known yet.
type word struct {
	*said
	standing
	issuer      *authz.Issuer
	knownSource bool // authz.IntrospectionAnswer.KnownSource
}

// standing is how far what an issuer said can still be relied on. The zero
// standing is of nothing.
type standing struct {
	freshness string
	age       time.Duration
	fetched   bool // it ages
}

// unfetched is the standing of what no issuer has to be reached for.
var unfetched = standing{freshness: authz.Fresh}

// and is the standing of what stands on both.
func (s standing) and(other standing) standing {
	if other.freshness != authz.Fresh {
		s.freshness = authz.Stale
	}
	s.age = max(s.age, other.age)
	s.fetched = s.fetched || other.fetched
	return s
}

// apply tells policies the standing of what issuer said.
func (s standing) apply(p *authz.Principal, issuer *authz.Issuer) {
	p.Freshness = s.freshness
	if !s.fetched {
		return
	}
	p.Age = s.age
	for tier := range p.UsableFor {
		p.UsableFor[tier] = issuer.UsableFor(tier)
	}
}

// complete adds to what a token said what may change while it lives: whom a
// federated name belongs to, and its status. It is called for remembered tokens
// too.
func (v *Verifier) complete(ctx context.Context, p *authz.Presentation, kind string, w word) (proven, *authz.Fault) {
	t, stands := w.token, w.standing
	x := proven{issuer: w.issuer, confirmation: w.confirmation}
	x.Evidence, x.Token = kind, &t
	if w.name != "" {
		credential, fault := v.federated(ctx, p, w.issuer, w.name)
		if fault != nil {
			return proven{}, fault
		}
		x.credential, t.Subject = credential, credential.MachineUser
	}
	x.Subject = t.Subject
	if w.place != nil {
		status, listed, fault := v.statusOf(w.issuer, *w.place, p.Now)
		if fault != nil {
			return proven{}, fault
		}
		t.Status, stands = status, stands.and(listed)
	}
	stands.apply(&x.Principal, w.issuer)
	if w.knownSource {
		x.Supports = []string{authz.SupportKnownSource}
	}
	return x, nil
}
