package usage

import "context"

// Run writes uses as they become due, until ctx ends; then it writes all that are
// pending, within Config.Grace. The error is that of the last write: what was
// pending then is lost. Other failures are logged, once until a write succeeds.
func (u *Uses) Run(ctx context.Context) error {
	r := rounds{uses: u}
	for {
		select {
		case <-ctx.Done():
			ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), u.config.Grace)
			defer cancel()
			return u.Flush(ending)
		case <-u.config.After(u.config.First):
			r.next(ctx)
		}
	}
}

// rounds is what Run remembers from one round to the next.
type rounds struct {
	uses     *Uses
	failures int // writes that failed in a row
	skip     int // rounds to let pass before the next try
	dropped  uint64
	dropping bool // uses were dropped in the last round
}

func (r *rounds) next(ctx context.Context) {
	r.reportDrops()
	if r.skip > 0 {
		r.skip--
		return
	}
	err := r.uses.writeDue(ctx)
	if ctx.Err() != nil {
		return // Run tries once more, with time of its own
	}
	r.report(err)
}

func (r *rounds) report(err error) {
	log := r.uses.config.Log
	switch {
	case err == nil && r.failures > 0:
		log.Info("last uses of credentials are written again", "failures", r.failures)
		r.failures = 0
	case err != nil:
		if r.failures == 0 {
			log.Error("last uses of credentials could not be written; they are kept and tried again", "pending", r.uses.Stats().Pending, "error", err)
		}
		r.failures++
		r.skip = r.uses.patience(r.failures) - 1
	}
}

// patience is for how many rounds to wait after so many failures: 1, 2, 4 and so
// on, for Config.Every at most.
func (u *Uses) patience(failures int) int {
	longest := max(1, int(min(u.config.Every/u.config.First, 1<<20)))
	return min(1<<min(failures-1, 20), longest)
}

func (r *rounds) reportDrops() {
	dropped := r.uses.Stats().Dropped
	dropping := dropped > r.dropped
	if dropping && !r.dropping {
		r.uses.config.Log.Warn("last uses of credentials are lost: more credentials are in use than may be known at a time", "known", r.uses.config.Max, "lost", dropped)
	}
	r.dropped, r.dropping = dropped, dropping
}
