package usage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/usage"
)

var start = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

func at(second int) time.Time { return start.Add(time.Duration(second) * time.Second) }

// stage is Uses with a clock, a timer and a store that the test moves.
type stage struct {
	t *testing.T
	*usage.Uses
	log *bytes.Buffer // written by Run; read it between rounds only

	pauses []time.Duration // before each round of Run; read it between rounds only
	asked  chan struct{}   // Run wants to wait for its next round
	tick   chan time.Time  // lets it go on

	mu     sync.Mutex
	now    time.Time
	fail   error
	before func(context.Context) // called by every write
	writes [][]string            // "credential second from", one list a write
}

func newStage(t *testing.T, change ...func(*usage.Config)) *stage {
	t.Helper()
	s := &stage{t: t, now: start, log: &bytes.Buffer{}, asked: make(chan struct{}), tick: make(chan time.Time)}
	config := usage.Config{
		Write: s.write, Every: time.Minute, First: time.Second,
		Now: func() time.Time { s.mu.Lock(); defer s.mu.Unlock(); return s.now },
		After: func(pause time.Duration) <-chan time.Time {
			s.pauses = append(s.pauses, pause)
			s.asked <- struct{}{}
			return s.tick
		},
		Log: slog.New(slog.NewTextHandler(s.log, nil)),
	}
	for _, c := range change {
		c(&config)
	}
	uses, err := usage.New(config)
	if err != nil {
		t.Fatal(err)
	}
	s.Uses = uses
	return s
}

func (s *stage) write(ctx context.Context, uses []usage.Use) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.before != nil {
		s.before(ctx)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.fail != nil {
		return s.fail
	}
	var wrote []string
	for _, u := range uses {
		wrote = append(wrote, strings.TrimSpace(fmt.Sprintf("%s %d %s", u.Credential, u.At.Sub(start)/time.Second, u.From)))
	}
	slices.Sort(wrote)
	s.writes = append(s.writes, wrote)
	return nil
}

func (s *stage) setFail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

// run starts Run, and gives what ends it and returns its error.
func (s *stage) run() (end func() error) {
	ctx, cancel := context.WithCancel(s.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	<-s.asked
	return func() error {
		cancel()
		return <-ended
	}
}

// round sets the clock and lets Run do one round, to its end.
func (s *stage) round(second int) {
	s.mu.Lock()
	s.now = at(second)
	s.mu.Unlock()
	s.tick <- s.now
	<-s.asked
}

// wrote takes the writes since it was last asked.
func (s *stage) wrote(want ...[]string) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if diff := cmp.Diff(want, s.writes); diff != "" {
		s.t.Errorf("writes (-want +got):\n%s", diff)
	}
	s.writes = nil
}

func (s *stage) seen(credential string, stored, second int) {
	s.Seen(credential, at(stored), at(second), "10.4.7.3")
}

var never = time.Time{}

func TestWritesAreCoalesced(t *testing.T) {
	s := newStage(t)
	end := s.run()

	s.Seen("a", never, at(0), "10.0.0.1") // the first: with the next round
	s.seen("b", -30, 0)                   // stored 30 s ago: due in 30 s
	s.seen("c", -90, 0)                   // stored long ago: with the next round
	s.round(1)
	s.wrote([]string{"a 0 10.0.0.1", "c 0 10.4.7.3"})

	for second := 2; second < 60; second++ {
		s.Seen("a", never, at(second), "10.0.0.2") // the snapshot may be old
		s.seen("b", -30, second)
		s.round(second)
		if second == 29 {
			s.wrote()
		}
	}
	s.wrote([]string{"b 30 10.4.7.3"})
	s.round(60)
	s.wrote([]string{"a 59 10.0.0.2"}) // the last use is stored though no other comes
	s.round(89)
	s.wrote()
	s.round(90)
	s.wrote([]string{"b 59 10.4.7.3"})
	s.round(3600)
	s.wrote()
	if err := end(); err != nil {
		t.Error(err)
	}
	s.wrote()
	if got, want := s.Stats(), (usage.Stats{Known: 3, Written: 5}); got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
}

func TestAUseNeverGoesBack(t *testing.T) {
	s := newStage(t)
	s.seen("a", 0, 10)
	s.seen("a", 0, 9)
	s.seen("b", 20, 10)
	if got, ok := s.Last("a"); !ok || got != (usage.Use{Credential: "a", At: at(10), From: "10.4.7.3"}) {
		t.Errorf("last of a: %v %v", got, ok)
	}
	if got, ok := s.Last("b"); ok {
		t.Errorf("last of b, stored later: %v", got)
	}
	if _, ok := s.Last("c"); ok {
		t.Error("c was never seen")
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.wrote([]string{"a 10 10.4.7.3"})
	s.seen("a", 0, 10)
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.wrote()
	if got, ok := s.Last("a"); !ok || got.At != at(10) {
		t.Errorf("last of a once it is stored: %v %v", got, ok)
	}
}

func TestTheEndWritesWhatIsPending(t *testing.T) {
	s := newStage(t)
	end := s.run()
	s.seen("a", 0, 1)
	if err := end(); err != nil {
		t.Fatal(err)
	}
	s.wrote([]string{"a 1 10.4.7.3"})
}

func TestTheEndIsBounded(t *testing.T) {
	s := newStage(t, func(c *usage.Config) { c.Grace = time.Millisecond })
	s.before = func(ctx context.Context) { <-ctx.Done() }
	end := s.run()
	s.seen("a", 0, 1)
	if err := end(); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the end of Run: error %v, want %v", err, context.DeadlineExceeded)
	}
}

// TestAWriteCutShort ends Run in the middle of a write: the last one has time of its
// own, and nothing is logged as a failure.
func TestAWriteCutShort(t *testing.T) {
	s := newStage(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.before = func(context.Context) { cancel() }
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	<-s.asked
	s.Seen("a", never, at(1), "")
	s.tick <- start
	for {
		select {
		case <-s.asked:
			continue
		case err := <-ended:
			if err != nil {
				t.Fatal(err)
			}
		}
		break
	}
	s.wrote([]string{"a 1"})
	if s.log.Len() > 0 {
		t.Errorf("log: %s", s.log)
	}
}

func TestFailedWritesAreKept(t *testing.T) {
	s := newStage(t)
	end := s.run()
	s.setFail(errors.New("disk full"))
	s.Seen("a", never, at(0), "")
	for second := 1; second <= 9; second++ {
		s.round(second)
		s.Seen("a", never, at(second), "")
	}
	s.setFail(nil)
	s.round(10)
	s.wrote([]string{"a 9"})
	if got := strings.Count(s.log.String(), "\n"); got != 2 || !strings.Contains(s.log.String(), "disk full") || !strings.Contains(s.log.String(), "failures=9") {
		t.Errorf("%d log lines, want one of the first failure and one of the end of 9: %s", got, s.log)
	}
	s.setFail(errors.New("disk full again"))
	s.Seen("a", never, at(100), "")
	s.round(100)
	s.round(101)
	seconds := []int{}
	for _, pause := range s.pauses {
		seconds = append(seconds, int(pause/time.Second))
	}
	if diff := cmp.Diff([]int{1, 1, 2, 4, 8, 16, 32, 60, 60, 60, 1, 1, 2}, seconds); diff != "" {
		t.Errorf("pauses in seconds (-want +got):\n%s", diff)
	}
	s.setFail(nil)
	if err := end(); err != nil {
		t.Error(err)
	}
	if got, want := s.Stats(), (usage.Stats{Known: 1, Written: 2, Failures: 11}); got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
}

func TestFlushFails(t *testing.T) {
	s := newStage(t)
	s.Seen("a", never, at(0), "")
	full := errors.New("disk full")
	s.setFail(full)
	if err := s.Flush(t.Context()); !errors.Is(err, full) {
		t.Errorf("Flush: error %v, want that of the write", err)
	}
	s.setFail(nil)
	if err := s.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	s.wrote([]string{"a 0"})
}

// TestUsesDuringAWrite: what is seen while its credential is being written waits for
// the next time, and Flush ends.
func TestUsesDuringAWrite(t *testing.T) {
	s := newStage(t)
	s.Seen("a", never, at(1), "")
	s.before = func(context.Context) { s.Seen("a", never, at(2), "") }
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.wrote([]string{"a 1"})
	if s.before = nil; s.Stats().Pending != 1 {
		t.Error("the later use is not pending")
	}
	end := s.run()
	s.round(60)
	s.wrote()
	s.round(61)
	s.wrote([]string{"a 2"})
	if err := end(); err != nil {
		t.Error(err)
	}
}

func TestFlushWaitsForTheWriteUnderWay(t *testing.T) {
	s := newStage(t)
	entered, leave := make(chan struct{}), make(chan struct{})
	s.before = func(context.Context) { close(entered); <-leave }
	s.Seen("a", never, at(1), "")
	first := make(chan error, 1)
	go func() { first <- s.Flush(t.Context()) }()
	<-entered
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Flush(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("Flush with a context that ended: error %v, want %v", err, context.Canceled)
	}
	s.Seen("a", never, at(2), "") // neither Seen nor Last waits for the write
	if got, _ := s.Last("a"); got.At != at(2) {
		t.Errorf("last %v", got)
	}
	close(leave)
	if err := <-first; err != nil {
		t.Error(err)
	}
}

func TestManyAreWrittenInBatches(t *testing.T) {
	s := newStage(t)
	for i := range 1000 {
		s.Seen(fmt.Sprintf("c%03d", i), never, at(i), "")
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	var sizes []int
	all := map[string]bool{}
	for _, w := range s.writes {
		sizes = append(sizes, len(w))
		for _, use := range w {
			all[use] = true
		}
	}
	if diff := cmp.Diff([]int{256, 256, 256, 232}, sizes); diff != "" || len(all) != 1000 {
		t.Errorf("%d uses in batches of\n%s", len(all), diff)
	}
}

func TestFull(t *testing.T) {
	s := newStage(t, func(c *usage.Config) { c.Max = 2 })
	end := s.run()
	s.Seen("a", never, at(1), "")
	s.Seen("b", never, at(1), "")
	s.Seen("a", never, at(2), "")
	s.Seen("c", never, at(3), "") // takes the place of b, which was not written
	s.round(3)
	s.wrote([]string{"a 2", "c 3"})
	s.Seen("d", never, at(4), "") // takes the place of a, which was
	if got, want := s.Stats(), (usage.Stats{Known: 2, Pending: 1, Written: 2, Dropped: 1}); got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
	s.round(4)
	if got := strings.Count(s.log.String(), "\n"); got != 1 || !strings.Contains(s.log.String(), "lost=1") {
		t.Errorf("%d log lines: %s", got, s.log)
	}
	if _, ok := s.Last("b"); ok {
		t.Error("b is still known")
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

// TestTheDueOnesAreWritten evicts from the middle of the queue; the others are still
// written each at its time.
func TestTheDueOnesAreWritten(t *testing.T) {
	s := newStage(t, func(c *usage.Config) { c.Max = 6 })
	end := s.run()
	for i, stored := range []int{-10, -50, -30, -20, -40, -55} { // c0 is due at 50, c1 at 10 ...
		s.Seen(fmt.Sprintf("c%d", i), at(stored), at(0), "")
	}
	for _, name := range []string{"c0", "c1", "c3", "c4", "c5"} {
		s.Last(name) // looking is not using
		s.Seen(name, never, at(1), "")
	}
	s.Seen("c6", at(-25), at(1), "") // takes the place of c2
	for second := 1; second <= 60; second++ {
		s.round(second)
	}
	s.wrote([]string{"c5 1"}, []string{"c1 1"}, []string{"c4 1"}, []string{"c6 1"}, []string{"c3 1"}, []string{"c0 1"})
	if got, want := s.Stats(), (usage.Stats{Known: 6, Written: 6, Dropped: 1}); got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

// TestFullDuringAWrite: a record that goes while it is being written is lost only
// when the write fails, or when it was used again.
func TestFullDuringAWrite(t *testing.T) {
	for name, tc := range map[string]struct {
		fail    error
		again   bool
		dropped uint64
	}{
		"stored":                 {dropped: 0},
		"stored, but used again": {again: true, dropped: 1},
		"failed":                 {fail: errors.New("disk full"), dropped: 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, func(c *usage.Config) { c.Max = 1 })
			s.fail = tc.fail
			s.Seen("a", never, at(1), "")
			s.before = func(context.Context) {
				s.before = nil
				if tc.again {
					s.Seen("a", never, at(2), "")
				}
				s.Seen("b", at(0), at(3), "")
			}
			if err := s.Flush(t.Context()); !errors.Is(err, tc.fail) {
				t.Fatal(err)
			}
			if got := s.Stats().Dropped; got != tc.dropped {
				t.Errorf("%d dropped, want %d", got, tc.dropped)
			}
		})
	}
}

func TestConfigIsChecked(t *testing.T) {
	write := func(context.Context, []usage.Use) error { return nil }
	for field, config := range map[string]usage.Config{
		"usage.write": {},
		"usage.every": {Write: write, Every: -1},
		"usage.first": {Write: write, First: -1},
		"usage.grace": {Write: write, Grace: -1},
		"usage.max":   {Write: write, Max: -1},
	} {
		var invalid *authz.Error
		if _, err := usage.New(config); !errors.As(err, &invalid) || invalid.Field != field {
			t.Errorf("New without a good %s: error %v, want one that names it", field, err)
		}
	}
	if _, err := usage.New(usage.Config{Write: write}); err != nil {
		t.Error(err)
	}
}

// TestConcurrentUse is for the race detector, and checks that the latest use of
// every credential ends up stored.
func TestConcurrentUse(t *testing.T) {
	var mu sync.Mutex
	stored := map[string]time.Time{} // :: credential -> last use
	uses, err := usage.New(usage.Config{
		Every: time.Nanosecond, First: time.Microsecond,
		Write: func(_ context.Context, batch []usage.Use) error {
			mu.Lock()
			defer mu.Unlock()
			for _, u := range batch {
				if !u.At.After(stored[u.Credential]) {
					t.Errorf("%s went back from %v to %v", u.Credential, stored[u.Credential], u.At)
				}
				stored[u.Credential] = u.At
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- uses.Run(ctx) }()
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			for i := range 5000 {
				name := string(rune('a' + (i+worker)%10))
				uses.Seen(name, never, start.Add(time.Duration(i)), "")
				uses.Last(name)
			}
		})
	}
	all.Wait()
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	for name, at := range stored {
		if last, _ := uses.Last(name); last.At != at {
			t.Errorf("%s: stored %v, last %v", name, at, last.At)
		}
	}
	if s := uses.Stats(); len(stored) != 10 || s.Pending != 0 || s.Dropped != 0 {
		t.Errorf("%d stored, stats %+v", len(stored), s)
	}
}

func TestSeenAllocatesNothing(t *testing.T) {
	s := newStage(t)
	s.Seen("a", never, at(0), "10.0.0.1")
	second := 0
	if n := testing.AllocsPerRun(1000, func() {
		second++
		s.Seen("a", never, at(second), "10.0.0.1")
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkSeen(b *testing.B) {
	uses, err := usage.New(usage.Config{Write: func(context.Context, []usage.Use) error { return nil }})
	if err != nil {
		b.Fatal(err)
	}
	names := make([]string, 1000)
	for i := range names {
		names[i] = fmt.Sprintf("mu:service-%d.secret.4", i)
	}
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			uses.Seen(names[i%len(names)], start, start.Add(time.Duration(i)), "10.4.7.3")
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				uses.Seen(names[i%len(names)], start, start.Add(time.Duration(i)), "10.4.7.3")
			}
		})
	})
}
