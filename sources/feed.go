package sources

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/verdict-pdp/verdict/authz"
)

const (
	// firstRetry is the first delay after a failure.
	firstRetry = time.Second
	// longestHold is the longest the same bytes wait to be pushed once more.
	longestHold = 15 * time.Minute
	// shortestGap is between the beginnings of two requests that the server may hold
	// back, should it not do so.
	shortestGap = time.Second
)

// version is what tells one state of a source from another. The zero version is none.
type version struct {
	etag   string // empty when the source gives none
	digest string // "sha256:<hex>" of the packed bytes
}

// bundle is what a source gave.
type bundle struct {
	version
	body      []byte
	unchanged bool // it is the version asked about; body is nil
	holds     bool // the source holds back its answer until there is something new
}

// origin is a server or a folder. One goroutine uses it.
type origin interface {
	// fetch gets the bundle as it is now; have is the version that is active.
	fetch(ctx context.Context, have version) (bundle, error)
	// wait returns after d, earlier when there may be something new or ctx ends.
	wait(ctx context.Context, d time.Duration)
	// close releases what the origin holds.
	close() error
}

// feed pulls from one source and keeps its status.
type feed struct {
	config Config
	source Source
	origin origin

	// These belong to run.
	active  version // the version last activated
	refused hold    // what Push refused last
	fetches *backoff.ExponentialBackOff
	pushes  *backoff.ExponentialBackOff
	before  string // digest of the version active before that one
	flaps   *backoff.ExponentialBackOff

	mu     sync.Mutex
	status authz.SourceStatus // guarded by mu
}

// hold is a version that Push refused, which is not pushed again before a time.
type hold struct {
	digest string
	until  time.Time
	err    error
}

func newFeed(s Source, config Config) *feed {
	f := &feed{
		config: config, source: s, active: version{digest: s.LastActive},
		// The jitter is ours, so that it can be given.
		fetches: &backoff.ExponentialBackOff{InitialInterval: firstRetry, Multiplier: 2, MaxInterval: max(firstRetry, s.MaxDelay)},
		pushes:  &backoff.ExponentialBackOff{InitialInterval: firstRetry, Multiplier: 2, MaxInterval: max(longestHold, s.MaxDelay)},
		flaps:   &backoff.ExponentialBackOff{InitialInterval: firstRetry, Multiplier: 2, MaxInterval: max(longestHold, s.MaxDelay)},
		status:  authz.SourceStatus{Name: s.Name, Source: s.location(), ETag: s.LastActive},
	}
	if s.Folder != "" {
		f.origin = newFolder(s, config)
	} else {
		f.origin = newServer(s, config.Transport)
	}
	return f
}

func (f *feed) run(ctx context.Context) {
	defer func() {
		if err := f.origin.close(); err != nil {
			f.config.Log.WarnContext(ctx, "source of a bundle cannot be closed", "bundle", f.source.Name, "error", err)
		}
	}()
	for ctx.Err() == nil {
		delay := f.attempt(ctx)
		f.origin.wait(ctx, delay)
	}
}

// attempt asks the source once, pushes what is new, and returns the delay to the next
// attempt.
func (f *feed) attempt(ctx context.Context) time.Duration {
	began := f.config.Now()
	f.update(func(s *authz.SourceStatus) { s.LastAttempt = began.UTC() })
	b, delay, err := f.pull(ctx)
	if ctx.Err() != nil {
		return 0
	}
	now := f.config.Now()
	if err == nil {
		delay = max(delay, f.pace(b, now.Sub(began)))
	}
	f.update(func(s *authz.SourceStatus) {
		s.NextAttempt = now.Add(delay).UTC()
		s.ETag = f.active.name()
		if err != nil {
			s.Error = err.Error()
			return
		}
		s.LastSuccess, s.Error = now.UTC(), ""
	})
	return delay
}

// pull fetches and pushes. An error comes with the delay to the next attempt, a success
// with the least there must be.
func (f *feed) pull(ctx context.Context) (b bundle, delay time.Duration, err error) {
	b, err = f.origin.fetch(ctx, f.active)
	if err != nil {
		delay = f.jitter(f.fetches.NextBackOff())
		var busy *busyError
		if errors.As(err, &busy) {
			delay = max(delay, min(busy.after, f.source.MaxDelay))
		}
		f.warn(ctx, "bundle cannot be fetched", err, delay)
		return b, delay, err
	}
	f.fetches.Reset()
	if b.unchanged || b.digest == f.active.digest {
		if !b.unchanged {
			f.active = b.version // with its new ETag
		}
		f.refused = hold{}
		return b, 0, nil
	}
	if left := f.refused.until.Sub(f.config.Now()); b.digest == f.refused.digest && left > 0 {
		return b, min(left, f.between()), f.refused.err
	}
	delay, err = f.push(ctx, &b)
	return b, delay, err
}

// push hands over a bundle that is not active. What is refused is held back, and may
// be asked for again after the delay.
func (f *feed) push(ctx context.Context, b *bundle) (delay time.Duration, err error) {
	activated, err := f.config.Push(ctx, f.source.Name, bytes.NewReader(b.body), f.source.origin())
	if err != nil {
		if b.digest != f.refused.digest {
			f.pushes.Reset()
		}
		left := f.jitter(f.pushes.NextBackOff())
		f.refused = hold{digest: b.digest, until: f.config.Now().Add(left), err: err}
		delay = min(left, f.between())
		f.warn(ctx, "bundle that was fetched is not active", err, delay)
		return delay, err
	}
	f.refused = hold{}
	if activated {
		delay = f.flapDelay(b.digest)
		f.before, f.active = f.active.digest, b.version
	} else {
		b.holds = false // its ETag is not used, so nothing will be held back
	}
	f.config.Log.InfoContext(ctx, "bundle fetched", "bundle", f.source.Name, "digest", b.digest, "active", activated)
	return delay, nil
}

// flapDelay backs off from a source that alternates between two versions: servers that do
// not agree with each other must not push every other generation out of what is kept. It
// is 0 for a version that is not the one before.
func (f *feed) flapDelay(digest string) time.Duration {
	if digest != f.before {
		f.flaps.Reset()
		return 0
	}
	return f.jitter(f.flaps.NextBackOff())
}

// pace is how long after a success that took so long the source is asked again.
func (f *feed) pace(b bundle, took time.Duration) time.Duration {
	if b.holds {
		return max(0, shortestGap-took)
	}
	return f.between()
}

// between is MinDelay to MaxDelay, at random.
func (f *feed) between() time.Duration {
	least, most := f.source.MinDelay, f.source.MaxDelay
	return least + time.Duration(f.config.Random()*float64(most-least))
}

// jitter makes half of a delay random.
func (f *feed) jitter(d time.Duration) time.Duration {
	return d/2 + time.Duration(f.config.Random()*float64(d/2))
}

// warn logs a failure with its cause, which Status does not show.
func (f *feed) warn(ctx context.Context, message string, err error, delay time.Duration) {
	if ctx.Err() != nil {
		return
	}
	attributes := []any{"bundle", f.source.Name, "source", f.source.location(), "error", err, "next_attempt_in", delay}
	if cause := errors.Unwrap(err); cause != nil {
		attributes = append(attributes, "cause", cause)
	}
	f.config.Log.WarnContext(ctx, message, attributes...)
}

func (f *feed) update(change func(*authz.SourceStatus)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.status)
}

func (f *feed) read() authz.SourceStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.status
}

// name is the ETag of a version, or its digest when the source gives none.
func (v version) name() string {
	if v.etag != "" {
		return v.etag
	}
	return v.digest
}

func digestOf(body []byte) string {
	sum := sha256.Sum256(body)
	return "sha256:" + hex.EncodeToString(sum[:])
}
