package usage

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Run writes uses as they become due, until ctx ends; then it writes all that are
// pending, within Config.Grace. The error is that of the last write: what was
// pending then is lost. Other failures are logged, once until a write succeeds, and
// followed by longer and longer pauses, up to Config.Every.
func (u *Uses) Run(ctx context.Context) error {
	r := rounds{uses: u, backoff: backoff.ExponentialBackOff{
		InitialInterval: u.config.First, Multiplier: 2, MaxInterval: max(u.config.First, u.config.Every),
	}}
	pause := u.config.First
	for {
		select {
		case <-ctx.Done():
			ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), u.config.Grace)
			defer cancel()
			return u.Flush(ending)
		case <-u.config.After(pause):
			pause = r.next(ctx)
		}
	}
}

// rounds is what Run remembers from one round to the next.
type rounds struct {
	uses     *Uses
	backoff  backoff.ExponentialBackOff
	failures int // writes that failed in a row
	dropped  uint64
	dropping bool // uses were dropped in the last round
}

// next is one round. It returns how long to pause before the next one.
func (r *rounds) next(ctx context.Context) time.Duration {
	r.reportDrops()
	err := r.uses.writeDue(ctx)
	log := r.uses.config.Log
	switch {
	case ctx.Err() != nil: // Run tries once more, with time of its own
	case err != nil:
		if r.failures == 0 {
			log.Error("last uses of credentials could not be written; they are kept and tried again", "pending", r.uses.Stats().Pending, "error", err)
		}
		r.failures++
		return r.backoff.NextBackOff()
	case r.failures > 0:
		log.Info("last uses of credentials are written again", "failures", r.failures)
		r.failures = 0
		r.backoff.Reset()
	}
	return r.uses.config.First
}

func (r *rounds) reportDrops() {
	dropped := r.uses.Stats().Dropped
	dropping := dropped > r.dropped
	if dropping && !r.dropping {
		r.uses.config.Log.Warn("last uses of credentials are lost: more credentials are in use than may be known at a time", "known", r.uses.config.Max, "lost", dropped)
	}
	r.dropped, r.dropping = dropped, dropping
}
