package sink

import (
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// Stats is the state of a sink. Counts are since the start of the process.
type Stats struct {
	Sent    uint64 // records the sink took
	Failed  uint64 // attempts that failed, reading the log included
	Skipped uint64 // records the sink refused or rejected
	Missed  uint64 // records the log no longer had when the sink came to them
	LeftOut uint64 // records the sink does not take, see Chooser
	// LagRecords is how many records the sink does not have yet, LagSeconds how long
	// ago the oldest of those under way was decided; 0 when none are.
	LagRecords uint64
	LagSeconds float64
	// LastSuccess is when the sink last took records; zero is never.
	LastSuccess time.Time
	// LastError is what failed last, empty once the sink took records again.
	LastError string
}

// progress is Stats with what its lag is made of.
type progress struct {
	Stats
	started bool      // the cursor is known
	failing bool      // the last attempt failed
	cursor  uint64    // the last record done with
	oldest  time.Time // when the first record under way was decided; zero when none is
}

func (r *Runner) update(change func(*progress)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.progress)
}

// Stats is the state of the sink. It waits for nothing.
func (r *Runner) Stats() Stats {
	r.mu.Lock()
	p := r.progress
	r.mu.Unlock()
	if head := r.config.Log.Head(); p.started && head > p.cursor {
		p.LagRecords = head - p.cursor
	}
	if !p.oldest.IsZero() {
		p.LagSeconds = max(0, r.config.Now().Sub(p.oldest).Seconds())
	}
	return p.Stats
}

// Name is the name of the sink, as in Config.
func (r *Runner) Name() string { return r.config.Name }

// Status says the same to an operator.
func (r *Runner) Status() authz.SinkStatus {
	s := r.Stats()
	return authz.SinkStatus{Name: r.Name(), LagRecords: s.LagRecords, LagS: s.LagSeconds, LastSuccess: s.LastSuccess, LastError: s.LastError}
}
