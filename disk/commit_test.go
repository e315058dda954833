package disk_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/disk"
)

// item is queued in tests.
type item struct {
	disk.Item
	name    string
	refused error // its answer, whatever becomes of its group

	released int
}

// step is one group that a commit is told to make: how many items, and what comes of it.
type step struct {
	n   int
	err error
	do  func() // instead of answering, when it is set

	before int // how many items are answered before do
}

// bench is a Committer whose commits a test makes one by one.
type bench struct {
	*disk.Committer[*item]
	closing chan struct{}
	asked   chan []string // what a commit is called with
	steps   chan step

	mu     sync.Mutex
	groups [][]string // names committed, guarded by mu
	failed []error    // causes that fail was given; guarded by mu
}

var errAbandoned = errors.New("abandoned")

func newBench() *bench {
	b := &bench{closing: make(chan struct{}), asked: make(chan []string, 200), steps: make(chan step)}
	b.Committer = disk.NewCommitter(b.closing, b.commit, func(cause error) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.failed = append(b.failed, cause)
		return errAbandoned
	}, func(i *item) { i.released++ })
	return b
}

func (b *bench) commit(items []*item) int {
	b.asked <- namesOf(items)
	next, ok := <-b.steps
	if !ok {
		next.n = len(items)
	}
	if next.do != nil {
		b.group(items[:next.before], nil)
		next.do()
		return next.n
	}
	b.group(items[:next.n], next.err)
	return next.n
}

// group answers items; those that it has no error for are committed together.
func (b *bench) group(items []*item, err error) {
	if err == nil && len(items) > 0 {
		b.mu.Lock()
		b.groups = append(b.groups, namesOf(items))
		b.mu.Unlock()
	}
	for _, i := range items {
		answer := err
		if i.refused != nil {
			answer = i.refused
		}
		b.Answer(i, answer)
	}
}

func namesOf(items []*item) (all []string) {
	for _, i := range items {
		all = append(all, i.name)
	}
	return all
}

// call is one caller that waits.
type call struct {
	items  []*item
	cancel context.CancelFunc
	ended  chan struct{}

	// Read them when ended is closed.
	end      disk.End
	err      error
	withdrew bool
	panicked any
}

// submit queues items of these names for a caller that gives up when its context ends
// or expired delivers, and waits until the caller is blocked or back.
func (b *bench) submit(expired <-chan time.Time, names ...string) *call {
	var items []*item
	for _, name := range names {
		items = append(items, &item{name: name})
	}
	return b.call(expired, true, items)
}

// call is submit. A caller that gives up does not wait for a commit under way, unless
// the Committer is being closed.
func (b *bench) call(expired <-chan time.Time, gives bool, items []*item) *call {
	c := &call{items: items, ended: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	go func() {
		defer close(c.ended)
		defer func() { c.panicked = recover() }()
		s := b.Enqueue(c.items...)
		if c.end = b.Wait(ctx, s, expired); c.end != disk.Done {
			if c.withdrew = b.Withdraw(s); c.withdrew || gives && c.end != disk.Closing {
				return
			}
		}
		<-s.Done()
		c.err = s.Err()
	}()
	synctest.Wait()
	return c
}

// is checks what c ended with; it has to have ended.
func (c *call) is(t *testing.T, end disk.End, withdrew bool, want error) {
	t.Helper()
	select {
	case <-c.ended:
	default:
		t.Fatalf("the caller of %v still waits, want it back", namesOf(c.items))
	}
	if c.end != end || c.withdrew != withdrew || !errors.Is(c.err, want) || (want == nil) != (c.err == nil) {
		t.Errorf("the caller of %v: end %d, withdrew %t, error %v; want %d, %t, %v", namesOf(c.items), c.end, c.withdrew, c.err, end, withdrew, want)
	}
	for _, i := range c.items {
		if i.released != 1 {
			t.Errorf("%s was released %d times, want once", i.name, i.released)
		}
	}
}

func (c *call) waits(t *testing.T) {
	t.Helper()
	select {
	case <-c.ended:
		t.Fatalf("the caller of %v is back: end %d, error %v; want it to wait", namesOf(c.items), c.end, c.err)
	default:
	}
}

// next lets a commit make its next group.
func (b *bench) next(s step) {
	b.steps <- s
	synctest.Wait()
}

func (b *bench) committed(t *testing.T, want ...[]string) {
	t.Helper()
	if diff := cmp.Diff(want, b.groups); diff != "" {
		t.Errorf("groups committed (-want +got):\n%s", diff)
	}
	if len(b.failed) > 0 {
		t.Errorf("fail was called with %v, want nothing left for it", b.failed)
	}
}

// TestGroups: what is queued while a commit is under way is committed together and in
// order, in as many groups as the commit makes of it.
func TestGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		first := b.submit(nil, "a")
		second, third, fourth := b.submit(nil, "b"), b.submit(nil, "c", "d"), b.submit(nil, "e")
		if got := b.Waiting(); got != 4 {
			t.Errorf("%d items wait, want 4", got)
		}
		b.next(step{n: 1})
		first.is(t, disk.Done, false, nil)
		b.next(step{n: 2})
		third.waits(t) // for its second item
		b.next(step{n: 1})
		third.is(t, disk.Done, false, nil)
		second.waits(t) // it leads
		fourth.waits(t)
		b.next(step{n: 1})
		second.is(t, disk.Done, false, nil)
		fourth.is(t, disk.Done, false, nil)
		b.committed(t, []string{"a"}, []string{"b", "c"}, []string{"d"}, []string{"e"})
		close(b.asked)
		var asked [][]string
		for names := range b.asked {
			asked = append(asked, names)
		}
		if diff := cmp.Diff([][]string{{"a"}, {"b", "c", "d", "e"}, {"d", "e"}, {"e"}}, asked); diff != "" {
			t.Errorf("commits were asked for (-want +got):\n%s", diff)
		}
	})
}

// TestAnswers: each item of a group has its own answer, and a submission is in error
// when one of its items is.
func TestAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		refused, broken := errors.New("refused"), errors.New("broken")
		first := b.submit(nil, "a")
		second, third := b.submit(nil, "b", "c", "d"), b.submit(nil, "e")
		second.items[1].refused = refused
		b.next(step{n: 1, err: broken})
		first.is(t, disk.Done, false, broken)
		b.next(step{n: 4})
		second.is(t, disk.Done, false, refused)
		third.is(t, disk.Done, false, nil)
		b.committed(t, []string{"b", "c", "d", "e"})
	})
}

// TestSecondAnswer has no effect: of the item, of its submission, or of its release.
func TestSecondAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		c := b.submit(nil, "a", "b")
		b.next(step{n: 1, do: func() {
			b.Answer(c.items[0], nil)
			b.Answer(c.items[0], errors.New("again"))
		}})
		c.waits(t)
		b.next(step{n: 1})
		c.is(t, disk.Done, false, nil)
	})
}

func TestNothingSubmitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.submit(nil).is(t, disk.Done, false, nil)
		b.committed(t)
	})
}

// TestEndsWhileQueued: ctx, a timer and closing take what is queued off the queue, whole,
// and leave what is before and behind it.
func TestEndsWhileQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		leader := b.submit(nil, "a")
		expired := make(chan time.Time)
		before, ended := b.submit(nil, "b"), b.submit(nil, "c", "d")
		between, late, behind := b.submit(nil, "e"), b.submit(expired, "f"), b.submit(nil, "g")
		ended.cancel()
		expired <- time.Now()
		synctest.Wait()
		ended.is(t, disk.Ended, true, nil)
		late.is(t, disk.Expired, true, nil)
		b.next(step{n: 1})
		b.next(step{n: 3})
		for _, c := range []*call{leader, before, between, behind} {
			c.is(t, disk.Done, false, nil)
		}
		b.committed(t, []string{"a"}, []string{"b", "e", "g"})
	})
}

func TestCloseWhileQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		leader := b.submit(nil, "a", "b")
		queued := b.submit(nil, "c")
		close(b.closing)
		stopped := make(chan struct{})
		go func() { b.Stop(); close(stopped) }()
		synctest.Wait()
		queued.is(t, disk.Closing, true, nil)
		b.next(step{n: 1})
		leader.waits(t)
		b.next(step{n: 1}) // what has begun is done to its end
		leader.is(t, disk.Done, false, nil)
		<-stopped
		b.submit(nil, "d").is(t, disk.Closing, true, nil)
		if b.TryLead() {
			t.Error("led a commit after Stop")
		}
		if end := b.Lock(t.Context()); end != disk.Closing {
			t.Errorf("locking a Committer that is closed: %d, want Closing", end)
		}
		b.committed(t, []string{"a"}, []string{"b"})
	})
}

// TestEndsWhileCommitted: a submission that is being committed cannot be withdrawn. The
// caller that leads is back when its commit is, the other may give up.
func TestEndsWhileCommitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.Stop()
		first, second := b.submit(nil, "a"), b.submit(nil, "b")
		b.Unlock()
		synctest.Wait()
		first.cancel()
		second.cancel()
		synctest.Wait()
		leader, other := first, second
		select {
		case <-first.ended:
			leader, other = second, first
		default:
		}
		leader.waits(t)
		if <-other.ended; other.end != disk.Ended || other.withdrew || other.items[0].released != 0 {
			t.Errorf("the caller that does not lead: end %d, withdrew %t, released %d; want Ended, neither withdrawn nor released", other.end, other.withdrew, other.items[0].released)
		}
		b.next(step{n: 2})
		leader.is(t, disk.Done, false, nil)
		if other.items[0].released != 1 {
			t.Errorf("the item given up was released %d times, want once", other.items[0].released)
		}
		b.committed(t, []string{"a", "b"})
	})
}

// TestLeaderThatPanics fails what it was to commit, and no caller waits for ever: not those
// in its group, nor those behind it in the queue it took, nor those who come later.
func TestLeaderThatPanics(t *testing.T) {
	for name, leave := range map[string]func(){
		"panics": func() { panic("oh no") },
		"exits":  runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench()
				b.Stop()
				first, second, third := b.submit(nil, "a", "b"), b.submit(nil, "c"), b.submit(nil, "d")
				b.Unlock()
				synctest.Wait()
				later := b.submit(nil, "e")
				b.next(step{n: 1})
				b.next(step{do: func() { b.Answer(first.items[1], nil); leave() }})
				first.is(t, disk.Done, false, nil)
				second.is(t, disk.Done, false, errAbandoned)
				third.is(t, disk.Done, false, errAbandoned)
				if name == "panics" && first.panicked != "oh no" {
					t.Errorf("the leader panicked with %v, want what its commit did", first.panicked)
				}
				if len(b.failed) != 1 {
					t.Errorf("fail was called %d times, want once", len(b.failed))
				}
				b.failed = nil
				later.waits(t)
				b.next(step{n: 1})
				later.is(t, disk.Done, false, nil)
				b.committed(t, []string{"a"}, []string{"e"})
			})
		})
	}
}

// TestCommitThatForgets: what a commit says it did and did not answer is failed, and so
// is the rest when it does nothing.
func TestCommitThatForgets(t *testing.T) {
	for n, answered := range map[int]error{0: errAbandoned, 1: nil} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench()
				b.Stop()
				first, second := b.submit(nil, "a"), b.submit(nil, "b")
				b.Unlock()
				b.next(step{n: n, do: func() {}})
				if n > 0 {
					first.waits(t)
					b.next(step{n: 1})
				}
				first.is(t, disk.Done, false, errAbandoned)
				second.is(t, disk.Done, false, answered)
			})
		})
	}
}

// TestLock keeps commits out, and waits for those under way.
func TestLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		leader := b.submit(nil, "a")
		ctx, cancel := context.WithCancel(t.Context())
		ends := make(chan disk.End, 1)
		lock := func() { ends <- b.Lock(ctx) }
		go lock()
		cancel()
		if end := <-ends; end != disk.Ended {
			t.Errorf("Lock of a context that ended: %d, want Ended", end)
		}
		ctx = t.Context()
		go lock()
		synctest.Wait()
		b.next(step{n: 1})
		leader.is(t, disk.Done, false, nil)
		if end := <-ends; end != disk.Done {
			t.Errorf("Lock: %d, want Done", end)
		}
		queued := b.submit(nil, "b")
		queued.waits(t)
		if b.TryLead() {
			t.Error("led a commit while it was locked")
		}
		b.Unlock()
		b.next(step{n: 1})
		queued.is(t, disk.Done, false, nil)
	})
}

// TestLead: what no caller waits for is committed by the one that asks for it, also while the
// Committer is being closed.
func TestLead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		go func() { b.steps <- step{n: 1} }()
		s := b.Enqueue(&item{name: "a"})
		if !b.TryLead() {
			t.Error("did not lead, though no other caller does")
		}
		<-s.Done()
		leader := b.submit(nil, "b")
		close(b.closing)
		s = b.Enqueue(&item{name: "c"}, &item{name: "d"})
		led := make(chan struct{})
		go func() { b.Lead(); close(led) }()
		synctest.Wait()
		b.next(step{n: 1})
		leader.is(t, disk.Done, false, nil)
		b.next(step{n: 2})
		<-led
		<-s.Done()
		if err := s.Err(); err != nil {
			t.Errorf("what Lead committed: %v", err)
		}
		b.committed(t, []string{"a"}, []string{"b"}, []string{"c", "d"})
	})
}

// TestAgain: an item that was answered may be queued again.
func TestAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		i := &item{name: "a"}
		for _, err := range []error{errors.New("the first time"), nil} {
			c := b.call(nil, true, []*item{i})
			b.next(step{n: 1, err: err})
			c.is(t, disk.Done, false, err)
			i.released = 0
		}
		b.committed(t, []string{"a"})
	})
}

// TestNothingIsKept: an item that was answered can be collected, though the memory of
// the queue is used again.
func TestNothingIsKept(t *testing.T) {
	var c *disk.Committer[*item]
	c = disk.NewCommitter(make(chan struct{}), func(items []*item) int {
		c.Answer(items[0], nil)
		return 1
	}, func(cause error) error { return cause }, nil)
	var made [3]weak.Pointer[item]
	for n := range made {
		i := &item{}
		made[n] = weak.Make(i)
		c.Enqueue(i)
	}
	c.Lead()
	runtime.GC()
	for n, i := range made {
		if i.Value() != nil {
			t.Errorf("item %d is kept, want it gone", n)
		}
	}
	runtime.KeepAlive(c)
}

// TestManyCallers: with callers that come and go as they like, and no order among them
// but what each saw itself, nothing is lost, doubled or turned round.
func TestManyCallers(t *testing.T) {
	const callers, each = 16, 300
	type place struct{ caller, n int }
	var committed []place // by who holds the lock
	type queued struct {
		disk.Item
		place
	}
	var c *disk.Committer[*queued]
	c = disk.NewCommitter(make(chan struct{}), func(items []*queued) int {
		n := min(len(items), 5)
		for _, i := range items[:n] {
			committed = append(committed, i.place)
		}
		for _, i := range items[:n] {
			c.Answer(i, nil)
		}
		return n
	}, func(cause error) error { return cause }, nil)
	withdrawn := make([]map[int]bool, callers)
	var running sync.WaitGroup
	for caller := range callers {
		withdrawn[caller] = map[int]bool{}
		running.Go(func() {
			for n := range each {
				ctx, cancel := context.WithCancel(t.Context())
				s := c.Enqueue(&queued{place: place{caller, 2 * n}}, &queued{place: place{caller, 2*n + 1}})
				if n%3 == 0 {
					go cancel()
				}
				if c.Wait(ctx, s, nil) != disk.Done && c.Withdraw(s) {
					withdrawn[caller][2*n], withdrawn[caller][2*n+1] = true, true
				} else {
					<-s.Done()
				}
				cancel()
				if err := s.Err(); err != nil {
					t.Errorf("caller %d: %v", caller, err)
				}
			}
		})
	}
	running.Wait()
	next := make([]int, callers)
	skip := func(caller int) {
		for withdrawn[caller][next[caller]] {
			next[caller]++
		}
	}
	for _, p := range committed {
		if skip(p.caller); p.n != next[p.caller] {
			t.Fatalf("item %d of caller %d was committed, want %d", p.n, p.caller, next[p.caller])
		}
		next[p.caller]++
	}
	for caller := range callers {
		if skip(caller); next[caller] != 2*each {
			t.Errorf("of caller %d the items up to %d are committed or withdrawn, want %d", caller, next[caller], 2*each)
		}
	}
	if c.Waiting() != 0 {
		t.Errorf("%d items wait, want none", c.Waiting())
	}
}
