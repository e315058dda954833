package disk

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Committer is a group commit: what is queued while a commit is under way is committed
// together, by one of the callers that wait for it, who leads the others.
//
// Items are committed in the order in which they were queued, those of one submission
// with nothing between them. Each is answered once, or withdrawn before its commit began,
// and never both. A leader that panics fails what it leaves behind, so that no caller
// waits for ever.
type Committer[T Queued] struct {
	commit  func(items []T) (n int)
	fail    func(cause error) error
	release func(T)
	closing <-chan struct{}

	// lock is held, by sending, to commit. It is a channel so that waiting for it can end.
	lock chan struct{}

	mu    sync.Mutex
	queue []T // guarded by mu
	taken []T // the queue before, which the leader commits; its memory is used again
}

// Item is what a Committer knows of an item: embed it. Zero is one that is not queued.
type Item struct {
	of       *Submission
	answered bool // guarded by lock
}

func (i *Item) item() *Item { return i }

// Queued is a pointer to a struct that an Item is embedded in.
type Queued interface{ item() *Item }

// Submission is the items that were queued by one call.
type Submission struct {
	unanswered int // guarded by the lock of its Committer
	err        error
	done       chan struct{} // closed when all are answered; err may be read then
}

// Done is closed when every item is answered. Of a submission that was withdrawn it
// never is.
func (s *Submission) Done() <-chan struct{} { return s.done }

// Err is an error of one of the items, nil when all were committed. It may be asked for
// when Done is closed.
func (s *Submission) Err() error { return s.err }

// NewCommitter makes a group commit. closing is closed before Stop is called.
//
// commit is called with everything that is queued, one call at a time. It commits the
// first of items, as many as fit and at least one, calls Answer for each of them, and
// returns how many they were. It must not keep items. fail makes an error of the reason
// why a commit did not run to its end.
// release, which may be nil, is called once for each item, before its caller learns that
// it was answered or withdrawn; it must not call the Committer.
func NewCommitter[T Queued](closing <-chan struct{}, commit func(items []T) (n int), fail func(cause error) error, release func(T)) *Committer[T] {
	if release == nil {
		release = func(T) {}
	}
	return &Committer[T]{commit: commit, fail: fail, release: release, closing: closing, lock: make(chan struct{}, 1)}
}

// Enqueue queues items. The caller goes on to Wait, or to Lead.
func (c *Committer[T]) Enqueue(items ...T) *Submission {
	s := &Submission{unanswered: len(items), done: make(chan struct{})}
	if len(items) == 0 {
		close(s.done)
		return s
	}
	for _, item := range items {
		*item.item() = Item{of: s}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = append(c.queue, items...)
	return s
}

// End is what ended a wait.
type End int

// What a wait ends with.
const (
	Done    End = iota // what was waited for
	Closing            // the Committer is being closed
	Ended              // ctx did
	Expired            // the timer did
)

// Wait returns Done once s is answered; it leads when no other caller does. With every other
// End the caller has to call Withdraw. The one caller that leads waits until its commits
// end, whatever ends before. expired may be nil.
func (c *Committer[T]) Wait(ctx context.Context, s *Submission, expired <-chan time.Time) End {
	select {
	case <-s.done:
	case c.lock <- struct{}{}:
		c.lead()
	case <-c.closing:
		return Closing
	case <-ctx.Done():
		return Ended
	case <-expired:
		return Expired
	}
	return Done
}

// TryLead commits everything that is queued, unless a commit is under way. All of it is
// answered when TryLead returns true.
func (c *Committer[T]) TryLead() (led bool) {
	select {
	case c.lock <- struct{}{}:
		c.lead()
		return true
	default:
		return false
	}
}

// Lead commits everything that is queued, after the commit under way, also while the
// Committer is being closed. All of it is answered then.
func (c *Committer[T]) Lead() {
	c.lock <- struct{}{}
	c.lead()
}

// Withdraw takes the items of s off the queue. False means that they are being
// committed, or were: s is answered when that commit ends.
func (c *Committer[T]) Withdraw(s *Submission) (withdrawn bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := c.queue[:0]
	for _, item := range c.queue {
		if item.item().of == s {
			c.release(item)
			withdrawn = true
			continue
		}
		kept = append(kept, item)
	}
	clear(c.queue[len(kept):])
	c.queue = kept
	return withdrawn
}

// Answer ends item with err, nil when it was committed. It is for commit: the caller
// holds the commit lock. A second answer to an item has no effect.
func (c *Committer[T]) Answer(item T, err error) {
	i := item.item()
	if i.answered {
		return
	}
	i.answered = true
	c.release(item)
	if err != nil {
		i.of.err = err
	}
	if i.of.unanswered--; i.of.unanswered == 0 {
		close(i.of.done)
	}
}

// Lock keeps everything from being committed until Unlock, after the commit under way.
// It is locked only when Lock returns Done.
func (c *Committer[T]) Lock(ctx context.Context) End {
	select {
	case c.lock <- struct{}{}:
		return Done
	case <-c.closing:
		return Closing
	case <-ctx.Done():
		return Ended
	}
}

// Unlock undoes Lock.
func (c *Committer[T]) Unlock() { <-c.lock }

// Stop waits for the commit under way and keeps everything from being committed after
// it, for good.
func (c *Committer[T]) Stop() { c.lock <- struct{}{} }

// Waiting is how many items are queued.
func (c *Committer[T]) Waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.queue)
}

func (c *Committer[T]) take() []T {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue, c.taken = c.taken[:0], c.queue
	return c.taken
}

// lead commits everything that is queued and unlocks the Committer, which the caller
// has locked.
func (c *Committer[T]) lead() {
	defer c.Unlock()
	all := c.take()
	defer func() {
		c.abandon(all)
		clear(all)
	}()
	for rest := all; len(rest) > 0; {
		n := c.commit(rest)
		if n < 1 {
			return
		}
		rest = rest[n:]
	}
}

var errAbandoned = errors.New("a commit did not run to its end")

// abandon fails those of items that a leader has not answered: it panicked, mostly.
func (c *Committer[T]) abandon(items []T) {
	var err error
	for _, item := range items {
		if item.item().answered {
			continue
		}
		if err == nil {
			err = c.fail(errAbandoned)
		}
		c.Answer(item, err)
	}
}
