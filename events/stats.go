package events

import "sync/atomic"

// Stats counts the events received since the Receiver was made, by what became of
// them. Every event is counted once.
type Stats struct {
	Applied   uint64 // entries were written
	Ignored   uint64 // nothing was to be written
	Duplicate uint64 // done before
	Refused   uint64 // the event was at fault
	Failed    uint64 // it could not be judged or written; the transmitter sends it again
}

// Stats is how many events were received so far.
func (r *Receiver) Stats() Stats {
	return Stats{
		Applied:   r.counts[applied].Load(),
		Ignored:   r.counts[ignored].Load(),
		Duplicate: r.counts[duplicate].Load(),
		Refused:   r.counts[refused].Load(),
		Failed:    r.counts[failed].Load(),
	}
}

// result is what became of one event.
type result int

const (
	failed result = iota
	applied
	ignored
	duplicate
	refused

	results // how many there are
)

type counts [results]atomic.Uint64

func (c *counts) add(r result) { c[r].Add(1) }
