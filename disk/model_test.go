package disk_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/verdict-pdp/verdict/disk"
)

// The model of a Committer: what its promises say, one event at a time.

// event is one thing that happens to a Committer.
type event struct {
	what    string // submit, end, expire, close, commit, break, panic
	who     int    // end, expire: the submission
	n       int    // submit: items; commit, break: the most of a group; panic: how many it answers before
	refused int    // submit: which item is refused; none when it is not there
	gives   bool   // submit: whether its caller gives up on a commit under way
}

func (e event) String() string {
	return fmt.Sprintf("%s(who %d, n %d, refused %d, gives up %t)", e.what, e.who, e.n, e.refused, e.gives)
}

func events(t *rapid.T) []event {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) event {
		return event{
			what: rapid.SampledFrom([]string{
				"submit", "submit", "submit", "submit", "commit", "commit", "commit", "end", "expire", "break", "panic", "close",
			}).Draw(t, "what"),
			who:     rapid.IntRange(0, 9).Draw(t, "who"),
			n:       rapid.IntRange(1, 4).Draw(t, "n"),
			refused: rapid.IntRange(0, 9).Draw(t, "refused"),
			gives:   rapid.Bool().Draw(t, "gives up"),
		}
	}), 1, 30).Draw(t, "events")
}

// outcome is how a call stands.
type outcome struct {
	Back     bool
	End      disk.End
	Withdrew bool
	Err      error
	Panicked bool
}

type modelItem struct {
	of      *modelCall
	name    string
	refused bool
}

type modelCall struct {
	outcome
	gives  bool
	open   int // items not answered
	queued bool
	leads  bool
}

type model struct {
	calls  []*modelCall
	queue  []modelItem
	batch  []modelItem // what the leader took and has not answered yet
	leader *modelCall
	closed bool
	groups [][]string
}

var errRefused, errBroken = errors.New("refused"), errors.New("broken")

func (m *model) submit(e event) {
	c := &modelCall{gives: e.gives, open: e.n, queued: true}
	m.calls = append(m.calls, c)
	if m.closed {
		*c = modelCall{outcome: outcome{Back: true, End: disk.Closing, Withdrew: true}}
		return
	}
	for i := range e.n {
		m.queue = append(m.queue, modelItem{of: c, name: itemName(len(m.calls)-1, i), refused: i == e.refused})
	}
	m.elect()
}

// elect makes the first caller in the queue the leader, when there is none.
func (m *model) elect() {
	if m.leader != nil || len(m.queue) == 0 {
		return
	}
	m.leader, m.batch, m.queue = m.queue[0].of, m.queue, nil
	m.leader.leads = true
	for _, i := range m.batch {
		i.of.queued = false
	}
}

func (m *model) interrupt(c *modelCall, end disk.End) {
	if c.Back || c.leads || c.End != disk.Done {
		return
	}
	c.End = end
	if c.queued {
		c.Back, c.Withdrew = true, true
		m.queue = slices.DeleteFunc(m.queue, func(i modelItem) bool { return i.of == c })
	}
	if c.gives && end != disk.Closing {
		c.Back = true
	}
}

func (m *model) answer(n int, of func(modelItem) error) {
	for _, i := range m.batch[:n] {
		if err := of(i); err != nil && (!i.of.Back || i.of.leads) {
			i.of.Err = err
		}
		i.of.open--
		if i.of.open == 0 && !i.of.leads {
			i.of.Back = true
		}
	}
	m.batch = m.batch[n:]
	if len(m.batch) == 0 {
		m.leader.Back = true
		m.leader = nil
		m.elect()
	}
}

func (m *model) commit(n int) {
	var names []string
	for _, i := range m.batch[:n] {
		names = append(names, i.name)
	}
	m.groups = append(m.groups, names)
	m.answer(n, func(i modelItem) error { return i.err(nil) })
}

func (m *model) do(e event) {
	n := min(e.n, len(m.batch))
	switch {
	case e.what == "submit":
		m.submit(e)
	case e.what == "close":
		m.closed = true
		for _, c := range m.calls {
			m.interrupt(c, disk.Closing)
		}
	case e.what == "end" && e.who < len(m.calls):
		m.interrupt(m.calls[e.who], disk.Ended)
	case e.what == "expire" && e.who < len(m.calls):
		m.interrupt(m.calls[e.who], disk.Expired)
	case m.leader == nil:
	case e.what == "commit":
		m.commit(n)
	case e.what == "break":
		m.answer(n, func(i modelItem) error { return i.err(errBroken) })
	case e.what == "panic":
		m.leader.Panicked = true
		if n--; n > 0 {
			m.commit(n)
		}
		m.answer(len(m.batch), func(modelItem) error { return errAbandoned })
	}
}

func (i modelItem) err(group error) error {
	if i.refused {
		return errRefused
	}
	return group
}

func itemName(call, i int) string { return fmt.Sprint(call, "/", i) }

// real is the same events on a Committer.
type real struct {
	*bench
	calls   []*call
	expired []chan time.Time
	closed  bool
}

func (r *real) do(e event, leads bool, n int) {
	switch {
	case e.what == "submit":
		expired := make(chan time.Time, 10)
		var items []*item
		for i := range e.n {
			made := &item{name: itemName(len(r.calls), i)}
			if i == e.refused {
				made.refused = errRefused
			}
			items = append(items, made)
		}
		r.expired = append(r.expired, expired)
		r.calls = append(r.calls, r.call(expired, e.gives, items))
	case e.what == "close" && !r.closed:
		r.closed = true
		close(r.closing)
		go r.Stop()
	case e.what == "end" && e.who < len(r.calls):
		r.calls[e.who].cancel()
	case e.what == "expire" && e.who < len(r.calls):
		select {
		case r.expired[e.who] <- time.Time{}:
		default:
		}
	case !leads:
	case e.what == "commit":
		r.steps <- step{n: n}
	case e.what == "break":
		r.steps <- step{n: n, err: errBroken}
	case e.what == "panic":
		r.steps <- step{before: n - 1, do: func() { panic("a leader") }}
	}
	synctest.Wait()
}

func (c *call) outcome() outcome {
	select {
	case <-c.ended:
	default:
		return outcome{}
	}
	if c.panicked != nil {
		return outcome{Back: true, Panicked: true}
	}
	return outcome{Back: true, End: c.end, Withdrew: c.withdrew, Err: c.err}
}

// want is what can be seen of c from outside.
func (c *modelCall) want() outcome {
	switch {
	case !c.Back:
		return outcome{}
	case c.Panicked:
		return outcome{Back: true, Panicked: true}
	}
	return c.outcome
}

// TestCommitterKeepsItsPromises compares it with the model after every event: who is
// back and with what, how much is queued, which groups were committed in which order;
// and in the end that every item was released once.
func TestCommitterKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		all := events(rt)
		var problem string
		synctest.Test(t, func(*testing.T) { problem = compare(all) })
		if problem != "" {
			rt.Fatal(problem)
		}
	})
}

// compare says where the model and a Committer differ, nothing if they do not.
func compare(all []event) (problem string) {
	m, r := &model{}, &real{bench: newBench()}
	do := func(e event) {
		n := min(e.n, len(m.batch))
		r.do(e, m.leader != nil, n)
		m.do(e)
		var got, want []outcome
		for i, c := range r.calls {
			got, want = append(got, c.outcome()), append(want, m.calls[i].want())
		}
		diff := cmp.Diff(want, got, cmp.Comparer(func(a, b error) bool { return errors.Is(a, b) && errors.Is(b, a) }))
		if diff != "" && problem == "" {
			problem = fmt.Sprintf("after %v the callers are (-want +got):\n%s", e, diff)
		}
		if got, want := r.Waiting(), len(m.queue); got != want && problem == "" {
			problem = fmt.Sprintf("after %v %d items wait, want %d", e, got, want)
		}
	}
	for _, e := range all {
		do(e)
	}
	do(event{what: "close"})
	for m.leader != nil && problem == "" {
		do(event{what: "commit", n: 4})
	}
	close(r.steps) // a leader that is still there, of a Committer that differs, goes on
	synctest.Wait()
	for _, c := range r.calls {
		c.cancel()
		for _, i := range c.items {
			if i.released != 1 && problem == "" {
				problem = fmt.Sprintf("%s was released %d times, want once", i.name, i.released)
			}
		}
	}
	if diff := cmp.Diff(m.groups, r.groups); diff != "" && problem == "" {
		problem = "groups committed (-want +got):\n" + diff
	}
	return problem
}
