package usage

import "time"

// Use is the latest use of one credential.
type Use struct {
	Credential string    // its id
	At         time.Time // when
	From       string    // the address it came from; empty when not known
}

// Phases of a record.
const (
	idle    = iota // the latest use is stored
	pending        // it is to be written
	writing        // one is being written; a later one may have come
)

// record is what is known of one credential. Uses.mu guards all of it.
type record struct {
	use    Use       // At is zero while only stored is known
	stored time.Time // the latest use known to be stored; zero for never
	due    time.Time // when it is to be written; only in pending
	phase  int
	place  int  // in the queue; only in pending
	gone   bool // evicted while it was being written
}

// late reports whether a use at a time is earlier than one already known.
func (r *record) late(at time.Time) bool { return !at.After(r.use.At) || !at.After(r.stored) }

// queue is the pending records as a heap (container/heap), the one due first at
// the front.
type queue []*record

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }

func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

// Push is for container/heap.
func (q *queue) Push(x any) {
	r := x.(*record)
	r.place = len(*q)
	*q = append(*q, r)
}

// Pop is for container/heap.
func (q *queue) Pop() any {
	last := len(*q) - 1
	r := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return r
}
