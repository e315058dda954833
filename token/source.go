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
	standing
	id  setID
	set *keySet
}

// sourceID names a document that is fetched for an issuer: from another URL
// begins another history.
type sourceID struct {
	issuer string
	kind   documentKind
	url    string
}

// keySource names where an issuer's keys are fetched.
func keySource(issuer *authz.Issuer) sourceID {
	return sourceID{issuer: issuer.ID, kind: keyDocument, url: issuer.JWKSURL}
}

// sourcesOf lists what is fetched for an issuer, its keys first.
func sourcesOf(issuer *authz.Issuer) []sourceID {
	var all []sourceID
	if issuer.JWKSURL != "" {
		all = append(all, keySource(issuer))
	}
	for _, url := range issuer.StatusLists {
		all = append(all, sourceID{issuer: issuer.ID, kind: listDocument, url: url})
	}
	return all
}

// source is one document that is fetched for an issuer, and the plan to refresh
// it.
type source struct {
	id      sourceID
	current atomic.Pointer[fetched]      // nil until the first fetch or loaded copy
	list    atomic.Pointer[verifiedList] // what current says, of a status list

	mu       sync.Mutex // guards what follows
	running  bool       // a fetch is under way
	atOnce   bool       // a fetch is due whatever the plan says
	failures int        // fetches failed in a row
	retryAt  time.Time  // when the next fetch is due while failures > 0
	spread   float64    // share of its fresh time after which the document is refreshed
	failed   string     // why the last fetch, or keeping its copy, failed; "" when it did not
	failedAt time.Time
	askedAt  time.Time // when evidence last made a fetch due
}

// fetched is one document as an issuer served it. It is immutable.
type fetched struct {
	hints
	number uint64    // of the document; equal numbers, equal bodies
	at     time.Time // when the issuer last said that this is the document
	etag   string
	body   []byte
}

// documents numbers documents across all verifiers of the process.
var documents atomic.Uint64

// stands classes the document's age; one that is not usable stands for nothing.
func (f *fetched) stands(issuer *authz.Issuer, now time.Time) (s standing, usable bool) {
	s = standing{freshness: authz.Fresh, age: max(0, now.Sub(f.at)), fetched: true}
	switch {
	case f.ended(now):
		return standing{}, false
	case s.age <= f.freshFor(issuer):
		return s, true
	case s.age <= time.Duration(issuer.UsableForS)*time.Second:
		s.freshness = authz.Stale
		return s, true
	}
	return standing{}, false
}

// usable says whether anything may still be verified with the document.
func (f *fetched) usable(issuer *authz.Issuer, now time.Time) bool {
	_, usable := f.stands(issuer, now)
	return usable
}

// issuedBy is when a status list had been issued at the latest. It was when it was
// fetched, whatever it says: a date ahead of its time must not keep later lists out.
func (f *fetched) issuedBy() time.Time {
	if f.at.Before(f.issued) {
		return f.at
	}
	return f.issued
}

// freshFor is how long after a fetch the document counts as fresh: as the issuer is
// registered, or shorter if it says so itself.
func (f *fetched) freshFor(issuer *authz.Issuer) time.Duration {
	life := time.Duration(issuer.FreshForS) * time.Second
	if f.refresh > 0 {
		life = min(life, f.refresh)
	}
	if !f.ends.IsZero() {
		life = min(life, max(0, f.ends.Sub(f.at)))
	}
	return life
}

// until is when something that holds for so long ends.
func (f *fetched) until(life time.Duration) time.Time {
	end := f.at.Add(life)
	if !f.ends.IsZero() && f.ends.Before(end) {
		return f.ends
	}
	return end
}

func (f *fetched) ended(now time.Time) bool { return !f.ends.IsZero() && !now.Before(f.ends) }

// ring gives the issuer's keys at now. A set that is missing or too old is
// nobody's fault but the issuer's.
func (v *Verifier) ring(issuer *authz.Issuer, now time.Time) (ring, *authz.Fault) {
	if issuer.JWKSURL == "" {
		return v.parsed(issuer, 0, issuer.Keys, unfetched)
	}
	document := v.source(keySource(issuer)).current.Load()
	if document == nil {
		return ring{}, unavailable("keys_unavailable", "The issuer's keys have not been fetched yet.")
	}
	stands, usable := document.stands(issuer, now)
	if !usable {
		return ring{}, unavailable("keys_unavailable", "The issuer's keys are too old to be used and cannot be fetched.")
	}
	return v.parsed(issuer, document.number, document.body, stands)
}

// parsed parses a document for an issuer, once as long as it is remembered.
func (v *Verifier) parsed(issuer *authz.Issuer, number uint64, document []byte, stands standing) (ring, *authz.Fault) {
	id := setID{issuer: issuer.ID, revision: issuer.Revision, document: number}
	set, ok := v.sets.Get(id)
	if !ok {
		var err error
		if set, err = readSet(issuer, document); err != nil {
			return ring{}, unavailable("keys_unavailable", "What is registered or fetched as the issuer's keys cannot be read as such.")
		}
		v.sets.Add(id, set)
	}
	return ring{id: id, set: set, standing: stands}, nil
}

// readSet reads what an issuer verifies with: keys, of a trust domain authorities
// too, of a certificate authority those alone.
func readSet(issuer *authz.Issuer, document []byte) (*keySet, error) {
	switch issuer.Kind {
	case authz.IssuerX509:
		roots, err := parseRoots(issuer.Roots)
		return &keySet{authorities: roots}, err
	case authz.IssuerSPIFFE:
		return readBundle(document, algorithmsOf(issuer))
	}
	return parseSet(document, issuer.Algorithms)
}

// readBundle reads a SPIFFE bundle.
func readBundle(document []byte, algorithms []string) (*keySet, error) {
	set, err := parseSetFor(forJWTSVID, document, algorithms)
	if err != nil {
		return nil, err
	}
	authorities, unusable, err := parseBundle(document)
	if err != nil {
		return nil, err
	}
	set.authorities = authorities
	set.ignored += unusable
	return set, nil
}

// source finds a source, or begins it and has Run fetch it.
func (v *Verifier) source(id sourceID) *source {
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
