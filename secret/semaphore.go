package secret

import (
	"context"
	"slices"
	"sync"
)

// maxWaiting limits the attempts that wait with one key; more could not be served in
// time.
const maxWaiting = 32

// fairSemaphore limits the concurrent runs of argon2. Attempts that wait are served
// fairly: first those of known sources, then the others, in either case one of each key
// in turn. golang.org/x/sync/semaphore serves in the order of arrival, where one client
// that is attacked would make all others wait.
type fairSemaphore struct {
	mu     sync.Mutex
	free   int        // slots; not 0 only while none waits; guarded by mu
	known  roundRobin // guarded by mu
	others roundRobin // guarded by mu
}

func newFairSemaphore(slots int) *fairSemaphore {
	return &fairSemaphore{free: slots, known: newRoundRobin(), others: newRoundRobin()}
}

// queue is where an attempt waits: with those of its key.
type queue struct {
	key   clientKey
	known bool // served before all that are not
}

// acquire waits for a slot until ctx ends, and reports whether it got one; release must
// follow then.
func (s *fairSemaphore) acquire(ctx context.Context, q queue) bool {
	if ctx.Err() != nil {
		return false
	}
	s.mu.Lock()
	if s.free > 0 {
		s.free--
		s.mu.Unlock()
		return true
	}
	ready, ok := s.roundRobinLocked(q).push(q.key)
	s.mu.Unlock()
	if !ok {
		return false
	}
	select {
	case <-ready:
		return true
	case <-ctx.Done():
		return !s.stopWaiting(q, ready)
	}
}

// tryAcquire takes a slot if one is free, and reports whether it did.
func (s *fairSemaphore) tryAcquire() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.free == 0 {
		return false
	}
	s.free--
	return true
}

// stopWaiting reports whether it ended the wait; false means that the caller got the
// slot just before.
func (s *fairSemaphore) stopWaiting(q queue, ready chan struct{}) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.roundRobinLocked(q).remove(q.key, ready)
}

func (s *fairSemaphore) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	ready := s.known.pop()
	if ready == nil {
		ready = s.others.pop()
	}
	if ready == nil {
		s.free++
		return
	}
	close(ready)
}

func (s *fairSemaphore) roundRobinLocked(q queue) *roundRobin {
	if q.known {
		return &s.known
	}
	return &s.others
}

// roundRobin has a queue of waiting attempts for each key, and takes one of each in
// turn. Keys without waiting attempts are in neither of its fields.
type roundRobin struct {
	order  []clientKey                   // the next one to be served first
	queues map[clientKey][]chan struct{} // :: key -> attempts that wait, the longest first
}

func newRoundRobin() roundRobin { return roundRobin{queues: map[clientKey][]chan struct{}{}} }

// push adds an attempt to the queue of k. ready is closed when it gets a slot; ok is
// false if the queue is full.
func (r *roundRobin) push(k clientKey) (ready chan struct{}, ok bool) {
	waiting := r.queues[k]
	if len(waiting) >= maxWaiting {
		return nil, false
	}
	if len(waiting) == 0 {
		r.order = append(r.order, k)
	}
	ready = make(chan struct{})
	r.queues[k] = append(waiting, ready)
	return ready, true
}

// pop takes the first attempt of the next key, which is the last one from then on. It
// returns nil if none waits.
func (r *roundRobin) pop() chan struct{} {
	if len(r.order) == 0 {
		return nil
	}
	k := r.order[0]
	r.order = r.order[1:]
	ready := r.queues[k][0]
	r.queues[k] = r.queues[k][1:]
	if len(r.queues[k]) == 0 {
		delete(r.queues, k)
	} else {
		r.order = append(r.order, k)
	}
	return ready
}

// remove takes an attempt out of the queue of k; it reports false if pop did already.
func (r *roundRobin) remove(k clientKey, ready chan struct{}) bool {
	i := slices.Index(r.queues[k], ready)
	if i < 0 {
		return false
	}
	r.queues[k] = slices.Delete(r.queues[k], i, i+1)
	if len(r.queues[k]) == 0 {
		delete(r.queues, k)
		r.order = slices.DeleteFunc(r.order, func(other clientKey) bool { return other == k })
	}
	return true
}
