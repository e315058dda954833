package secret

import (
	"context"
	"slices"
	"sync"
)

// maxLane bounds who waits in one lane; more could not be served in time.
const maxLane = 32

// turns lets a bounded number of attempts run argon2 at once, and shares the runs
// out fairly among lanes: first those of guessers with a record, then the others,
// in either case one of each lane in turn.
type turns struct {
	mu     sync.Mutex
	free   int   // not 0 only while nobody waits; guarded by mu
	known  queue // guarded by mu
	others queue // guarded by mu
}

func newTurns(n int) *turns {
	return &turns{free: n, known: newQueue(), others: newQueue()}
}

// lane is where an attempt waits.
type lane struct {
	name  guesser
	known bool // served before all that are not
}

// acquire waits for a turn until ctx ends. True means there is one, and release
// must follow.
func (t *turns) acquire(ctx context.Context, in lane) bool {
	if ctx.Err() != nil {
		return false
	}
	t.mu.Lock()
	if t.free > 0 {
		t.free--
		t.mu.Unlock()
		return true
	}
	called, ok := t.queueLocked(in).push(in.name)
	t.mu.Unlock()
	if !ok {
		return false
	}
	select {
	case <-called:
		return true
	case <-ctx.Done():
		return !t.leave(in, called)
	}
}

// acquireFree takes a turn that nobody waits for, or none.
func (t *turns) acquireFree() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.free == 0 {
		return false
	}
	t.free--
	return true
}

// leave gives up waiting; false means the turn came first and is the caller's.
func (t *turns) leave(in lane, called chan struct{}) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.queueLocked(in).remove(in.name, called)
}

func (t *turns) release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	called := t.known.pop()
	if called == nil {
		called = t.others.pop()
	}
	if called == nil {
		t.free++
		return
	}
	close(called)
}

func (t *turns) queueLocked(in lane) *queue {
	if in.known {
		return &t.known
	}
	return &t.others
}

// queue holds who waits, lane by lane. A lane is in order exactly when somebody
// waits in it.
type queue struct {
	order []guesser                   // the lanes, the next one to be served first
	lanes map[guesser][]chan struct{} // :: lane -> who waits, the longest first
}

func newQueue() queue { return queue{lanes: map[guesser][]chan struct{}{}} }

// push puts somebody at the end of a lane; the channel is closed when the turn
// comes. False means the lane is full.
func (q *queue) push(name guesser) (called chan struct{}, ok bool) {
	waiting := q.lanes[name]
	if len(waiting) >= maxLane {
		return nil, false
	}
	if len(waiting) == 0 {
		q.order = append(q.order, name)
	}
	called = make(chan struct{})
	q.lanes[name] = append(waiting, called)
	return called, true
}

// pop takes who is first in the next lane, and puts that lane at the end; nil
// means nobody waits.
func (q *queue) pop() chan struct{} {
	if len(q.order) == 0 {
		return nil
	}
	name := q.order[0]
	q.order = q.order[1:]
	called := q.lanes[name][0]
	q.lanes[name] = q.lanes[name][1:]
	if len(q.lanes[name]) == 0 {
		delete(q.lanes, name)
	} else {
		q.order = append(q.order, name)
	}
	return called
}

// remove takes somebody out of a lane; false means pop did already.
func (q *queue) remove(name guesser, called chan struct{}) bool {
	i := slices.Index(q.lanes[name], called)
	if i < 0 {
		return false
	}
	q.lanes[name] = slices.Delete(q.lanes[name], i, i+1)
	if len(q.lanes[name]) == 0 {
		delete(q.lanes, name)
		q.order = slices.DeleteFunc(q.order, func(other guesser) bool { return other == name })
	}
	return true
}
