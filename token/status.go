package token

import (
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// Freshness of keys that no token is verified with, beside authz.Fresh and Stale.
const (
	TooOld  = "too_old"
	Missing = "missing"
)

// Status is how an issuer's keys stand, for operators.
type Status struct {
	Freshness string `json:"freshness"` // fresh, stale, too_old or missing
	Keys      int    `json:"keys"`      // tokens can be verified with
	Ignored   int    `json:"ignored"`   // keys of the set that are not used
	// The rest is zero for keys given in the issuer.
	FetchedAt   time.Time `json:"fetched_at,omitzero"`
	FreshUntil  time.Time `json:"fresh_until,omitzero"`
	UsableUntil time.Time `json:"usable_until,omitzero"` // then decisions change
	NextRefresh time.Time `json:"next_refresh,omitzero"` // zero: at once, or under way
	LastError   string    `json:"last_error,omitempty"`  // "" when the last fetch was good
	LastErrorAt time.Time `json:"last_error_at,omitzero"`
}

// Status says how the keys of a registered issuer stand now.
func (v *Verifier) Status(issuer *authz.Issuer) Status {
	if issuer.JWKSURL == "" {
		status := Status{Freshness: authz.Fresh}
		v.countKeys(&status, issuer, 0, issuer.Keys)
		return status
	}
	s := v.source(issuer)
	status := s.status(issuer)
	document := s.current.Load()
	if document == nil {
		return status
	}
	status.FetchedAt = document.at
	status.FreshUntil = document.at.Add(time.Duration(issuer.FreshForS) * time.Second)
	status.UsableUntil = document.at.Add(time.Duration(issuer.UsableForS) * time.Second)
	status.Freshness = TooOld
	if freshness, usable := document.freshness(issuer, v.now()); usable {
		status.Freshness = freshness
	}
	v.countKeys(&status, issuer, document.number, document.body)
	return status
}

// status is the part the plan knows.
func (s *source) status(issuer *authz.Issuer) Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := Status{Freshness: Missing, LastError: s.failed, LastErrorAt: s.failedAt}
	if !s.running {
		status.NextRefresh = s.dueLocked(issuer)
	}
	return status
}

// countKeys counts the keys of a document; one that is no JWK Set has none.
func (v *Verifier) countKeys(status *Status, issuer *authz.Issuer, number uint64, document []byte) {
	if ring, fault := v.parsed(issuer, number, document, status.Freshness); fault == nil {
		status.Keys, status.Ignored = len(ring.set.keys), ring.set.ignored
	}
}
