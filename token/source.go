package token

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// setID names one parsed key set: what an issuer's revision makes of one
// document. Another revision may have other algorithms or other keys.
type setID struct {
	issuer   string
	revision uint64
	document uint64 // 0 for the set given in the issuer
}

// ring is an issuer's key set as it stands at a moment.
type ring struct {
	id        setID
	set       *keySet
	freshness string
}

// sourceID names where an issuer's keys are fetched: with another URL begins
// another history.
type sourceID struct {
	issuer string
	url    string
}

// source is the fetched key set of one issuer and the plan to refresh it.
type source struct {
	id      sourceID
	current atomic.Pointer[fetched] // nil until the first fetch or loaded copy

	mu       sync.Mutex // guards what follows
	running  bool       // a fetch is under way
	atOnce   bool       // a fetch is due whatever the plan says
	failures int        // fetches failed in a row
	retryAt  time.Time  // when the next fetch is due while failures > 0
	spread   float64    // share of fresh_for after which the set is refreshed
	failed   string     // why the last fetch, or keeping its copy, failed; "" when it did not
	failedAt time.Time
	askedAt  time.Time // when an unknown kid last made a fetch due
}

// fetched is one JWK Set document as an issuer served it. It is immutable.
type fetched struct {
	number uint64    // of the document; equal numbers, equal bodies
	at     time.Time // when the issuer last said that this is the document
	etag   string
	body   []byte
}

// documents numbers documents across all verifiers of the process.
var documents atomic.Uint64

// freshness classes the document's age; a document that is not usable has none.
func (f *fetched) freshness(issuer *authz.Issuer, now time.Time) (freshness string, usable bool) {
	age := now.Sub(f.at)
	switch {
	case age <= time.Duration(issuer.FreshForS)*time.Second:
		return authz.Fresh, true
	case age <= time.Duration(issuer.UsableForS)*time.Second:
		return authz.Stale, true
	}
	return "", false
}

// ring gives the issuer's keys at now. A set that is missing or too old is
// nobody's fault but the issuer's.
func (v *Verifier) ring(issuer *authz.Issuer, now time.Time) (ring, *authz.Fault) {
	if issuer.JWKSURL == "" {
		return v.parsed(issuer, 0, issuer.Keys, authz.Fresh)
	}
	document := v.source(issuer).current.Load()
	if document == nil {
		return ring{}, unavailable("keys_unavailable", "The issuer's keys have not been fetched yet.")
	}
	freshness, usable := document.freshness(issuer, now)
	if !usable {
		return ring{}, unavailable("keys_unavailable", "The issuer's keys are too old to be used and cannot be fetched.")
	}
	return v.parsed(issuer, document.number, document.body, freshness)
}

// parsed parses a document for an issuer, once as long as it is remembered.
func (v *Verifier) parsed(issuer *authz.Issuer, number uint64, document []byte, freshness string) (ring, *authz.Fault) {
	id := setID{issuer: issuer.ID, revision: issuer.Revision, document: number}
	set, ok := v.sets.Get(id)
	if !ok {
		var err error
		if set, err = parseSet(document, issuer.Algorithms); err != nil {
			return ring{}, unavailable("keys_unavailable", "The issuer's keys are not a JWK Set.")
		}
		v.sets.Add(id, set)
	}
	return ring{id: id, set: set, freshness: freshness}, nil
}

// source finds the source of an issuer with a jwks_url, or begins it and has Run
// fetch it.
func (v *Verifier) source(issuer *authz.Issuer) *source {
	id := sourceID{issuer: issuer.ID, url: issuer.JWKSURL}
	v.mu.RLock()
	s := v.sources[id]
	v.mu.RUnlock()
	if s == nil {
		s = v.begin(id)
		v.wakeUp()
	}
	return s
}

func (v *Verifier) begin(id sourceID) *source {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := v.sources[id]
	if s == nil {
		s = &source{id: id}
		v.sources[id] = s
	}
	return s
}

// wakeUp makes Run look at its sources. It never blocks.
func (v *Verifier) wakeUp() {
	select {
	case v.wake <- struct{}{}:
	default: // Run has yet to see the last one
	}
}
