package token

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/verdict-pdp/verdict/authz"
)

// keySetID identifies a parsed key set: one document, parsed for one revision of an
// issuer, because another revision may have other algorithms or keys.
type keySetID struct {
	issuer   string
	revision uint64
	document uint64 // 0 for keys in the issuer itself
}

// issuerKeys is an issuer's key set, with its freshness.
type issuerKeys struct {
	freshness
	id  keySetID
	set *keySet
}

// sourceID identifies a document that is fetched for an issuer. From another URL it is
// another document.
type sourceID struct {
	issuer string
	kind   documentKind
	url    string
}

// keySource returns the source of an issuer's keys.
func keySource(issuer *authz.Issuer) sourceID {
	return sourceID{issuer: issuer.ID, kind: keyDocument, url: issuer.JWKSURL}
}

// sourcesOf returns all sources of an issuer, that of its keys first.
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

// source is one document that is fetched for an issuer, and the plan of its next fetch.
type source struct {
	id      sourceID
	current atomic.Pointer[fetchedDocument] // nil until it is fetched, or its copy loaded
	list    atomic.Pointer[verifiedList]    // current as a status list, if it is one

	mu           sync.Mutex // guards the fields below
	running      bool       // a fetch is in flight
	dueNow       bool       // the next fetch is due at once, whatever the plan is
	retry        backoff.ExponentialBackOff
	retryAt      time.Time // when the next fetch is due after a failure; zero after a success
	refreshAfter float64   // after this share of its fresh time the document is refreshed
	lastError    string    // of the last fetch, or of saving its copy; "" if there was none
	lastErrorAt  time.Time
	requestedAt  time.Time // when evidence last requested a fetch
}

// newSource returns a source whose document is due.
func newSource(id sourceID) *source {
	// The jitter is not the library's, but that of Config.Random.
	return &source{id: id, retry: backoff.ExponentialBackOff{InitialInterval: firstRetry, Multiplier: 2, MaxInterval: lastRetry}}
}

// fetchedDocument is a document as an issuer served it. It is immutable.
type fetchedDocument struct {
	hints
	number uint64    // identifies the body within the process
	at     time.Time // when it was last requested with success
	etag   string
	body   []byte
}

// documents counts documents over all verifiers of the process.
var documents atomic.Uint64

// freshness returns the document's age and grade; usable is false if it is too old.
func (f *fetchedDocument) freshness(issuer *authz.Issuer, now time.Time) (s freshness, usable bool) {
	s = freshness{grade: authz.Fresh, age: max(0, now.Sub(f.at)), fetched: true}
	switch {
	case f.expired(now):
		return freshness{}, false
	case s.age <= f.freshFor(issuer):
		return s, true
	case s.age <= time.Duration(issuer.UsableForS)*time.Second:
		s.grade = authz.Stale
		return s, true
	}
	return freshness{}, false
}

// usable reports whether the document may still be used to verify anything.
func (f *fetchedDocument) usable(issuer *authz.Issuer, now time.Time) bool {
	_, usable := f.freshness(issuer, now)
	return usable
}

// latestIssuedAt returns the latest time at which a status list can have been issued:
// not after it was fetched, whatever iat says, because a date in the future must not
// keep out later lists.
func (f *fetchedDocument) latestIssuedAt() time.Time {
	if f.at.Before(f.issuedAt) {
		return f.at
	}
	return f.issuedAt
}

// freshFor returns how long after a fetch the document is fresh: as the issuer is
// registered, or shorter if the document says so.
func (f *fetchedDocument) freshFor(issuer *authz.Issuer) time.Duration {
	life := time.Duration(issuer.FreshForS) * time.Second
	if f.refresh > 0 {
		life = min(life, f.refresh)
	}
	if !f.expiresAt.IsZero() {
		life = min(life, max(0, f.expiresAt.Sub(f.at)))
	}
	return life
}

// until returns when a period after the fetch ends, at the latest when the document
// expires.
func (f *fetchedDocument) until(life time.Duration) time.Time {
	end := f.at.Add(life)
	if !f.expiresAt.IsZero() && f.expiresAt.Before(end) {
		return f.expiresAt
	}
	return end
}

func (f *fetchedDocument) expired(now time.Time) bool {
	return !f.expiresAt.IsZero() && !now.Before(f.expiresAt)
}

// issuerKeys returns the issuer's keys at now. If they are missing or too old, the
// fault is the issuer's.
func (v *Verifier) issuerKeys(issuer *authz.Issuer, now time.Time) (issuerKeys, *authz.Fault) {
	if issuer.JWKSURL == "" {
		return v.parseKeys(issuer, 0, issuer.Keys, alwaysFresh)
	}
	document := v.source(keySource(issuer)).current.Load()
	if document == nil {
		return issuerKeys{}, unavailable("keys_unavailable", "The issuer's keys have not been fetched yet.")
	}
	fresh, usable := document.freshness(issuer, now)
	if !usable {
		return issuerKeys{}, unavailable("keys_unavailable", "The issuer's keys are too old to be used and cannot be fetched.")
	}
	return v.parseKeys(issuer, document.number, document.body, fresh)
}

// parseKeys parses a document for an issuer, once while it is cached.
func (v *Verifier) parseKeys(issuer *authz.Issuer, number uint64, document []byte, fresh freshness) (issuerKeys, *authz.Fault) {
	id := keySetID{issuer: issuer.ID, revision: issuer.Revision, document: number}
	set, ok := v.sets.Get(id)
	if !ok {
		var err error
		if set, err = readSet(issuer, document); err != nil {
			return issuerKeys{}, unavailable("keys_unavailable", "What is registered or fetched as the issuer's keys cannot be read as such.")
		}
		v.sets.Add(id, set)
	}
	return issuerKeys{id: id, set: set, freshness: fresh}, nil
}

// readSet parses what an issuer's evidence is verified with: keys, for a trust domain
// also authorities, and for a certificate authority only those.
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

// readBundle parses a SPIFFE bundle.
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

// source returns a source. If it is new, Run will fetch it.
func (v *Verifier) source(id sourceID) *source {
	v.mu.RLock()
	s := v.sources[id]
	v.mu.RUnlock()
	if s == nil {
		s = v.addSource(id)
		v.wakeUp()
	}
	return s
}

// addSource returns a source, a new one if there is none.
func (v *Verifier) addSource(id sourceID) *source {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := v.sources[id]
	if s == nil {
		s = newSource(id)
		v.sources[id] = s
	}
	return s
}

// wakeUp makes Run look at the sources. It never blocks.
func (v *Verifier) wakeUp() {
	select {
	case v.wake <- struct{}{}:
	default: // Run has yet to see the last one
	}
}
