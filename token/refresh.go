package token

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// When documents are refreshed.
const (
	// A document is refreshed after 70 to 90 % of the time for which it is fresh: early,
	// and not by all nodes at once.
	earliestRefresh, latestRefresh = 0.7, 0.9
	// After a failure the next attempt is after 1 s, doubling up to 5 min, half of it
	// random.
	firstRetry, lastRetry = time.Second, 5 * time.Minute
	// longestWait is how often the list of issuers is read if nothing is due.
	longestWait = time.Minute
	// maxFetches limits the fetches in flight.
	maxFetches = 8
	// Tokens with unknown kids, and lists that do not verify, have a document fetched at
	// most once in refetchInterval, and the same kid only once in refetchKidInterval.
	refetchInterval, refetchKidInterval = 30 * time.Second, 2 * time.Minute
	maxRefetchKeys                      = 4096
)

// refetchKey is an unknown kid that a refetch was requested for.
type refetchKey struct {
	source sourceID
	kid    string
}

// fetchJob is one claimed fetch.
type fetchJob struct {
	source *source
	issuer *authz.Issuer
}

// Run fetches and refreshes what issuers publish, their keys and status lists, until
// ctx ends, and waits for the fetches in flight. issuers returns every registered
// issuer, or nil if they cannot be read just now. Documents of issuers that are not in
// the list are dropped, with their copies on disk. Run is called once.
func (v *Verifier) Run(ctx context.Context, issuers func() []*authz.Issuer) error {
	var fetches sync.WaitGroup
	defer fetches.Wait()
	slots := make(chan struct{}, maxFetches)
	for {
		next := longestWait
		if registered := issuers(); registered != nil {
			due, wait := v.plan(registered)
			next = wait
			for _, d := range due {
				fetches.Go(func() { v.refresh(ctx, slots, d) })
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-v.wake:
		case <-v.after(next):
		}
	}
}

// Refresh has what an issuer publishes fetched at once: after the issuer was written,
// or when an operator asks for it. It does not wait.
func (v *Verifier) Refresh(issuerID string) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	for id, s := range v.sources {
		if id.issuer == issuerID {
			s.mu.Lock()
			s.dueNow = true
			s.mu.Unlock()
		}
	}
	v.wakeUp()
}

// requestRefetch has the issuer's keys fetched because they lack the kid of a token.
func (v *Verifier) requestRefetch(issuer *authz.Issuer, kid *string) {
	if issuer.JWKSURL == "" || kid == nil {
		return
	}
	s, now := v.source(keySource(issuer)), v.now()
	k := refetchKey{source: s.id, kid: *kid}
	if at, ok := v.refetches.Get(k); ok && now.Sub(at) < refetchKidInterval {
		return
	}
	if s.requestFetch(now) {
		v.refetches.Add(k, now)
		v.wakeUp()
	}
}

// requestFetch makes a fetch due, at most once in refetchInterval, and reports whether
// it did.
func (s *source) requestFetch(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running || now.Sub(s.requestedAt) < refetchInterval {
		return false
	}
	s.requestedAt, s.dueNow = now, true
	return true
}

// plan drops the sources of issuers that are not registered, claims the fetches that
// are due, and returns how long no other will be.
func (v *Verifier) plan(issuers []*authz.Issuer) (due []fetchJob, wait time.Duration) {
	now := v.now()
	wait = longestWait
	registered := map[sourceID]bool{}
	for _, issuer := range issuers {
		for _, id := range sourcesOf(issuer) {
			s := v.addSource(id)
			registered[id] = true
			if v.waitsForKeys(issuer, id) {
				continue // the fetch of the keys wakes Run
			}
			if left, claimed := s.claim(issuer, now); claimed {
				due = append(due, fetchJob{source: s, issuer: issuer})
			} else {
				wait = min(wait, left)
			}
		}
	}
	v.forget(registered)
	return due, wait
}

// waitsForKeys reports whether a document cannot be verified yet, because the issuer's
// keys were never fetched.
func (v *Verifier) waitsForKeys(issuer *authz.Issuer, id sourceID) bool {
	return id.kind == listDocument && issuer.JWKSURL != "" && v.source(keySource(issuer)).current.Load() == nil
}

// claim claims a fetch that is due, or returns how long until it is. When the fetch
// ends, it wakes Run.
func (s *source) claim(issuer *authz.Issuer, now time.Time) (left time.Duration, claimed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running {
		return longestWait, false
	}
	if left := s.dueLocked(issuer).Sub(now); left > 0 {
		return left, false
	}
	s.running, s.dueNow = true, false
	return 0, true
}

// dueLocked returns when the next fetch is due; the zero time means at once.
func (s *source) dueLocked(issuer *authz.Issuer) time.Time {
	document := s.current.Load()
	switch {
	case s.dueNow:
		return time.Time{}
	case !s.retryAt.IsZero():
		return s.retryAt
	case document == nil:
		return time.Time{}
	}
	life := time.Duration(s.refreshAfter * float64(document.freshFor(issuer)))
	return document.at.Add(life.Round(time.Millisecond))
}

// forget drops the sources that no registered issuer has. One that is being fetched is
// dropped later, so that its copy is not written after it was removed.
func (v *Verifier) forget(registered map[sourceID]bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for id, s := range v.sources {
		if registered[id] || s.isRunning() {
			continue
		}
		delete(v.sources, id)
		if err := v.copies.remove(id); err != nil {
			v.log.Error("copy of an issuer's document cannot be removed", "issuer", id.issuer, "document", id.kind, "error", err)
		}
	}
}

func (s *source) isRunning() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running
}

// refresh makes one claimed fetch and plans the next.
func (v *Verifier) refresh(ctx context.Context, slots chan struct{}, job fetchJob) {
	defer v.wakeUp()
	s := job.source
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	case <-ctx.Done():
		s.fetchFailed(ctx.Err(), v.now(), v.random())
		return
	}
	last := s.current.Load()
	// A document is as old as the request for it: one that takes long to arrive is no
	// fresher for that.
	sent := v.now()
	document, err := v.fetch.get(ctx, s.id, last)
	now := v.now()
	if err == nil {
		document.at = sent.UTC()
		err = v.admit(job, document, last)
	}
	if err != nil {
		if ctx.Err() == nil { // not because we are stopping
			v.log.WarnContext(ctx, "issuer's document cannot be fetched", "issuer", s.id.issuer, "document", s.id.kind, "error", err)
		}
		s.fetchFailed(err, now, v.random())
		return
	}
	s.current.Store(document)
	err = v.copies.save(s.id, document)
	if err != nil {
		v.log.ErrorContext(ctx, "copy of an issuer's document cannot be kept", "issuer", s.id.issuer, "document", s.id.kind, "error", err)
	}
	s.fetchSucceeded(err, now, v.random())
}

// admit returns an error if a fetched document must not replace the last: it must not
// be older, while the last is usable, and a status list must be verified and not
// expired.
func (v *Verifier) admit(job fetchJob, document, last *fetchedDocument) error {
	if job.source.id.kind == listDocument {
		return v.admitList(job, document, last)
	}
	// SPIFFE Trust Domain and Bundle section 4.1.1
	if last != nil && document.sequence < last.sequence && last.usable(job.issuer, document.at) {
		return errors.New("the answer is an older bundle than the one in use (spiffe_sequence)")
	}
	return nil
}

// admitList refuses a list that is older than the last, which would make revoked tokens
// valid again, while the last is usable and verified with the keys the issuer has now.
func (v *Verifier) admitList(job fetchJob, document, last *fetchedDocument) error {
	if document.expired(document.at) {
		return errors.New("the answer is a status list whose time is over (exp)")
	}
	keys, fault := v.issuerKeys(job.issuer, document.at)
	if fault != nil {
		return errors.New("the issuer's keys, which verify the list, cannot be had")
	}
	if _, err := v.verifyList(job.source.id.url, document.body, job.issuer, keys); err != nil {
		return fmt.Errorf("the answer %w", err)
	}
	if last == nil || !document.issuedAt.Before(last.latestIssuedAt()) || !last.usable(job.issuer, document.at) {
		return nil
	}
	if _, err := v.verifiedListOf(job.source, last, job.issuer, keys); err != nil {
		return nil
	}
	return errors.New("the answer is an older status list than the one in use (iat)")
}

// fetchFailed plans the next attempt. Its delay doubles with each failure in a row;
// half of it is random.
func (s *source) fetchFailed(err error, now time.Time, random float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = false
	delay := s.retry.NextBackOff()
	s.retryAt = now.Add(delay/2 + time.Duration(random*float64(delay/2)))
	s.lastError, s.lastErrorAt = err.Error(), now
}

// fetchSucceeded plans the next refresh. saveErr is why the copy could not be written,
// which matters only after a restart.
func (s *source) fetchSucceeded(saveErr error, now time.Time, random float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = false
	s.retry.Reset()
	s.retryAt = time.Time{}
	s.refreshAfter = earliestRefresh + random*(latestRefresh-earliestRefresh)
	s.lastError, s.lastErrorAt = "", time.Time{}
	if saveErr != nil {
		s.lastError, s.lastErrorAt = "what was fetched cannot be kept on disk", now
	}
}
