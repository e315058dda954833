package token

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// How documents are refreshed.
const (
	// One is refreshed when 70 to 90 % of its fresh time is over: ahead of time,
	// and not by all nodes at once.
	earliestRefresh, latestRefresh = 0.7, 0.9
	// After a failure the next attempt comes after 1 s, doubling up to 5 min, half
	// of it random.
	firstRetry, lastRetry = time.Second, 5 * time.Minute
	// longestWait is how often the list of issuers is looked at when nothing is due.
	longestWait = time.Minute
	// maxFetches run at a time.
	maxFetches = 8
	// Tokens with unknown kids, and lists that do not verify, make a document be
	// fetched at most once in askEvery, and one kid only once in askAgain.
	askEvery, askAgain = 30 * time.Second, 2 * time.Minute
	maxAskedKids       = 4096
)

// askedKid is an unknown kid that a refetch was asked for.
type askedKid struct {
	source sourceID
	kid    string
}

// work is one claimed fetch.
type work struct {
	source *source
	issuer *authz.Issuer
}

// Run fetches and refreshes what issuers publish, their keys and status lists,
// until ctx ends, and waits for the fetches under way. issuers gives every
// registered issuer, or nil when that cannot be said just now: documents of
// issuers not in the list are forgotten, their copies on disk too. Run is called
// once.
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

// Refresh has what an issuer publishes fetched now: after it was written, or when an
// operator asks. It does not wait.
func (v *Verifier) Refresh(issuerID string) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	for id, s := range v.sources {
		if id.issuer == issuerID {
			s.mu.Lock()
			s.atOnce = true
			s.mu.Unlock()
		}
	}
	v.wakeUp()
}

// askFor has the issuer's keys fetched because a token names a kid they lack.
func (v *Verifier) askFor(issuer *authz.Issuer, kid *string) {
	if issuer.JWKSURL == "" || kid == nil {
		return
	}
	s, now := v.source(keySource(issuer)), v.now()
	asked := askedKid{source: s.id, kid: *kid}
	if at, ok := v.asked.Get(asked); ok && now.Sub(at) < askAgain {
		return
	}
	if s.ask(now) {
		v.asked.Add(asked, now)
		v.wakeUp()
	}
}

func (s *source) ask(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running || now.Sub(s.askedAt) < askEvery {
		return false
	}
	s.askedAt, s.atOnce = now, true
	return true
}

// plan forgets the sources of issuers that are gone, claims those that are due
// and says how long nothing else will be.
func (v *Verifier) plan(issuers []*authz.Issuer) (due []work, wait time.Duration) {
	now := v.now()
	wait = longestWait
	registered := map[sourceID]bool{}
	for _, issuer := range issuers {
		for _, id := range sourcesOf(issuer) {
			s := v.begin(id)
			registered[id] = true
			if v.waitsForKeys(issuer, id) {
				continue // the fetch of the keys wakes Run
			}
			if left, claimed := s.claim(issuer, now); claimed {
				due = append(due, work{source: s, issuer: issuer})
			} else {
				wait = min(wait, left)
			}
		}
	}
	v.forget(registered)
	return due, wait
}

// waitsForKeys says whether a document cannot be verified yet, for the issuer's
// keys were never fetched.
func (v *Verifier) waitsForKeys(issuer *authz.Issuer, id sourceID) bool {
	return id.kind == listDocument && issuer.JWKSURL != "" && v.source(keySource(issuer)).current.Load() == nil
}

// claim starts a fetch that is due, or says how long it is not. A fetch under
// way wakes Run when it ends.
func (s *source) claim(issuer *authz.Issuer, now time.Time) (left time.Duration, claimed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running {
		return longestWait, false
	}
	if left := s.dueLocked(issuer).Sub(now); left > 0 {
		return left, false
	}
	s.running, s.atOnce = true, false
	return 0, true
}

// dueLocked is when the next fetch is due; the zero time is at once.
func (s *source) dueLocked(issuer *authz.Issuer) time.Time {
	document := s.current.Load()
	switch {
	case s.atOnce:
		return time.Time{}
	case s.failures > 0:
		return s.retryAt
	case document == nil:
		return time.Time{}
	}
	life := time.Duration(s.spread * float64(document.freshFor(issuer)))
	return document.at.Add(life.Round(time.Millisecond))
}

// forget drops the sources that no registered issuer has. One being fetched is
// dropped at a later look, so that its copy is not written after it was removed.
func (v *Verifier) forget(registered map[sourceID]bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for id, s := range v.sources {
		if registered[id] || s.busy() {
			continue
		}
		delete(v.sources, id)
		if err := v.copies.remove(id); err != nil {
			v.log.Error("copy of an issuer's document cannot be removed", "issuer", id.issuer, "document", id.kind, "error", err)
		}
	}
}

func (s *source) busy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running
}

// refresh does one claimed fetch and plans the next.
func (v *Verifier) refresh(ctx context.Context, slots chan struct{}, w work) {
	defer v.wakeUp()
	s := w.source
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	case <-ctx.Done():
		s.failedWith(ctx.Err(), v.now(), v.random())
		return
	}
	last := s.current.Load()
	// What was published is as old as the asking for it: an answer that takes its time
	// is no fresher for that.
	asked := v.now()
	document, err := v.fetch.get(ctx, s.id, last)
	now := v.now()
	if err == nil {
		document.at = asked.UTC()
		err = v.admit(w, document, last)
	}
	if err != nil {
		if ctx.Err() == nil { // not because we are stopping
			v.log.WarnContext(ctx, "issuer's document cannot be fetched", "issuer", s.id.issuer, "document", s.id.kind, "error", err)
		}
		s.failedWith(err, now, v.random())
		return
	}
	s.current.Store(document)
	err = v.copies.save(s.id, document)
	if err != nil {
		v.log.ErrorContext(ctx, "copy of an issuer's document cannot be kept", "issuer", s.id.issuer, "document", s.id.kind, "error", err)
	}
	s.succeeded(err, now, v.random())
}

// admit says whether a fetched document may replace the last: it must not be older
// while the last is still of use, and a status list must be verified and not over.
func (v *Verifier) admit(w work, document, last *fetched) error {
	if w.source.id.kind == listDocument {
		return v.admitList(w, document, last)
	}
	// SPIFFE Trust Domain and Bundle section 4.1.1
	if last != nil && document.sequence < last.sequence && last.usable(w.issuer, document.at) {
		return errors.New("the answer is an older bundle than the one in use (spiffe_sequence)")
	}
	return nil
}

// admitList refuses a list that is older than the last, which would bring tokens back
// to life, while the last is usable and verified with the keys the issuer has now.
func (v *Verifier) admitList(w work, document, last *fetched) error {
	if document.ended(document.at) {
		return errors.New("the answer is a status list whose time is over (exp)")
	}
	keys, fault := v.ring(w.issuer, document.at)
	if fault != nil {
		return errors.New("the issuer's keys, which verify the list, cannot be had")
	}
	if _, err := v.verifyList(w.source.id.url, document.body, w.issuer, keys); err != nil {
		return fmt.Errorf("the answer %w", err)
	}
	if last == nil || !document.issued.Before(last.issuedBy()) || !last.usable(w.issuer, document.at) {
		return nil
	}
	if _, err := v.listIn(w.source, last, w.issuer, keys); err != nil {
		return nil
	}
	return errors.New("the answer is an older status list than the one in use (iat)")
}

func (s *source) failedWith(err error, now time.Time, random float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delay := min(lastRetry, time.Duration(float64(firstRetry)*math.Exp2(float64(s.failures))))
	s.running = false
	s.failures = min(s.failures+1, 16) // past the longest delay
	s.retryAt = now.Add(delay/2 + time.Duration(random*float64(delay/2)))
	s.failed, s.failedAt = err.Error(), now
}

// succeeded plans the next refresh; keeping is why the copy could not be kept,
// which matters only after a restart.
func (s *source) succeeded(keeping error, now time.Time, random float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = false
	s.failures = 0
	s.spread = earliestRefresh + random*(latestRefresh-earliestRefresh)
	s.failed, s.failedAt = "", time.Time{}
	if keeping != nil {
		s.failed, s.failedAt = "what was fetched cannot be kept on disk", now
	}
}
