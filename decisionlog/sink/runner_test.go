package sink_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/decisionlog/sink"
)

// These tests run in virtual time: waiting costs nothing, and how long something
// took is exact.

// memory is a log in memory, with cursors.
type memory struct {
	mu        sync.Mutex
	records   []authz.Record
	more      chan struct{}
	cursors   map[string]uint64 // :: sink -> sequence number
	reading   error             // what After fails with
	setting   error             // what SetCursor fails with
	reads     int
	contrary  bool // After gives nothing
	forgotten int  // records no longer kept
}

func newMemory(n int) *memory {
	m := &memory{more: make(chan struct{}), cursors: map[string]uint64{}}
	m.add(n)
	return m
}

func (m *memory) add(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for range n {
		m.records = append(m.records, decision(uint64(len(m.records)+1)))
	}
	close(m.more)
	m.more = make(chan struct{})
}

func decision(seq uint64) authz.Record {
	return authz.Record{
		Seq: seq, Kind: authz.RecordDecision, ID: fmt.Sprintf("d-%d", seq), At: time.Unix(1_790_000_000, 5).UTC(),
		Decision: authz.Allow, Subject: "mu:user-svc", Action: "email.send", Service: "svc:email", Caller: "pep-1",
		Policy: authz.PolicyRef{Generation: 4, Digest: "sha256:ab"}, DataRevision: 77, Judged: true, LatencyUS: 210,
		Durability: authz.Spool,
		Input:      json.RawMessage(`{"subject":{"id":"mu:user-svc"}}`), Result: json.RawMessage(`{"decision":"allow"}`),
		Prev: strings.Repeat("a", 64), Hash: strings.Repeat("b", 64),
	}
}

func (m *memory) After(_ context.Context, seq uint64, limit int) ([]authz.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads++
	from := max(int(seq), m.forgotten)
	if m.reading != nil || m.contrary || from >= len(m.records) {
		return nil, m.reading
	}
	return slices.Clone(m.records[from:min(from+limit, len(m.records))]), nil
}

func (m *memory) Await(ctx context.Context, seq uint64) error {
	for {
		m.mu.Lock()
		more, there := m.more, uint64(len(m.records)) > seq
		m.mu.Unlock()
		if there {
			return nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (m *memory) Head() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return uint64(len(m.records))
}

func (m *memory) Cursor(name string) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cursors[name], nil
}

func (m *memory) SetCursor(name string, seq uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.setting == nil {
		m.cursors[name] = seq
	}
	return m.setting
}

func (m *memory) change(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

// staged is a sink that does what answer says and keeps what it took.
type staged struct {
	answer func(ctx context.Context, records []authz.Record) error

	mu    sync.Mutex
	taken []uint64
	sent  []time.Duration // when each Send began
	start time.Time
}

func (s *staged) Send(ctx context.Context, records []authz.Record) error {
	s.mu.Lock()
	s.sent = append(s.sent, time.Since(s.start))
	s.mu.Unlock()
	var err error
	if s.answer != nil {
		err = s.answer(ctx, records)
	}
	var partial *sink.Partial
	if err == nil || errors.As(err, &partial) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for i := range records {
			s.taken = append(s.taken, records[i].Seq)
		}
	}
	return err
}

// choosy is a staged sink that takes decisions only.
type choosy struct{ *staged }

func (choosy) Takes(r *authz.Record) bool { return r.Kind == authz.RecordDecision }

// TestRunnerLeavesOut: what a sink does not take is not sent, counts apart, and does
// not hold up the cursor, even when nothing else is there.
func TestRunnerLeavesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, s := newMemory(6), &staged{}
		log.change(func() {
			for _, at := range []int{0, 3, 4, 5} {
				log.records[at].Kind = authz.RecordChange
			}
		})
		first := run(t, log, s, func(c *sink.Config) { c.Sink, c.Batch = choosy{s}, 3 })
		synctest.Wait()
		first.took([]uint64{2, 3})
		first.cursorIs(6)
		stats := first.runner.Stats()
		if diff := cmp.Diff([]uint64{2, 4, 0, 0}, []uint64{stats.Sent, stats.LeftOut, stats.Skipped, stats.LagRecords}); diff != "" {
			t.Errorf("sent, left out, skipped, lag: want -, got +\n%s", diff)
		}
		if n := len(s.sent); n != 1 {
			t.Errorf("want one send, got %d", n)
		}
	})
}

func upTo(from, to uint64) (all []uint64) {
	for seq := from; seq <= to; seq++ {
		all = append(all, seq)
	}
	return all
}

// stage is a runner under test.
type stage struct {
	*testing.T
	log    *memory
	sink   *staged
	runner *sink.Runner
	end    func()
}

// run starts a runner; the test ends it, or end does.
func run(t *testing.T, log *memory, s *staged, change func(*sink.Config)) *stage {
	t.Helper()
	if s.start.IsZero() {
		s.start = time.Now()
	}
	config := sink.Config{Name: "test", Sink: s, Log: log, Cursors: log, Linger: -1, Random: func() float64 { return 0 }}
	if change != nil {
		change(&config)
	}
	return start(t, log, s, config)
}

func start(t *testing.T, log *memory, s *staged, config sink.Config) *stage {
	t.Helper()
	runner, err := sink.New(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- runner.Run(ctx) }()
	var once sync.Once
	end := func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("Run: %v", err)
			}
		})
	}
	t.Cleanup(end)
	return &stage{T: t, log: log, sink: s, runner: runner, end: end}
}

func (s *stage) took(want []uint64) {
	s.Helper()
	s.sink.mu.Lock()
	defer s.sink.mu.Unlock()
	if diff := cmp.Diff(want, s.sink.taken); diff != "" {
		s.Errorf("records taken: %s", diff)
	}
}

func (s *stage) cursorIs(want uint64) {
	s.Helper()
	if got, err := s.log.Cursor("test"); err != nil || got != want {
		s.Errorf("cursor %d, %v; want %d", got, err, want)
	}
}

// pass lets virtual time pass, and what is due happen.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func bubble(t *testing.T, f func(*testing.T)) { t.Helper(); synctest.Test(t, f) }

func TestSendsAllInOrderAndGoesOnWhereItEnded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log, s := newMemory(1200), &staged{}
		first := run(t, log, s, nil)
		synctest.Wait()
		first.took(upTo(1, 1200))
		first.cursorIs(1200)
		if n := len(s.sent); n != 3 {
			t.Errorf("%d sends of at most 500, want 3", n)
		}
		first.end()
		log.add(3)

		second := run(t, log, s, nil)
		synctest.Wait()
		second.took(upTo(1, 1203))
		second.cursorIs(1203)
		want := sink.Stats{Sent: 3, LastSuccess: time.Now()}
		if diff := cmp.Diff(want, second.runner.Stats()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestBatchesAreBoundedByBytes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := newMemory(4)
		log.records[1].Input = json.RawMessage(`"` + strings.Repeat("x", 4000) + `"`)
		var sizes []int
		s := &staged{answer: func(_ context.Context, records []authz.Record) error {
			sizes = append(sizes, len(records))
			return nil
		}}
		st := run(t, log, s, func(c *sink.Config) { c.BatchBytes = 1000 })
		synctest.Wait()
		st.took(upTo(1, 4))
		if diff := cmp.Diff([]int{1, 1, 2}, sizes); diff != "" {
			t.Error(diff)
		}
	})
}

func TestLingersForAFullerBatch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log, s := newMemory(1), &staged{}
		st := run(t, log, s, func(c *sink.Config) { c.Linger = time.Second })
		pass(time.Second / 2)
		st.took(nil)
		log.add(2)
		pass(time.Second/2 + 1)
		synctest.Wait()
		st.took(upTo(1, 3))
		if diff := cmp.Diff([]time.Duration{time.Second}, s.sent); diff != "" {
			t.Error(diff)
		}
	})
}

func TestFullBatchDoesNotLinger(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log, s := newMemory(500), &staged{}
		st := run(t, log, s, func(c *sink.Config) { c.Linger = time.Second })
		synctest.Wait()
		st.took(upTo(1, 500))
		if diff := cmp.Diff([]time.Duration{0}, s.sent); diff != "" {
			t.Error(diff)
		}
	})
}

func TestFailingSinkIsTriedAgainWithBackOff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		down := errors.New("down")
		log, s := newMemory(5), &staged{}
		s.answer = func(context.Context, []authz.Record) error {
			if time.Since(s.start) < time.Minute {
				return down
			}
			return nil
		}
		st := run(t, log, s, func(c *sink.Config) { c.MinDelay, c.MaxDelay = time.Second, 16*time.Second })
		pass(30 * time.Second)
		if got := st.runner.Stats(); got.LastError != "down" || got.LagRecords != 5 || got.Failed == 0 || !got.LastSuccess.IsZero() {
			t.Errorf("stats of a sink that is down: %+v, want its error and 5 records of lag", got)
		}
		st.cursorIs(0)
		pass(time.Minute)
		st.took(upTo(1, 5))
		st.cursorIs(5)
		// Half of each delay is random, and here nothing.
		var want []time.Duration
		at := time.Duration(0)
		for _, delay := range []time.Duration{500, 1000, 2000, 4000, 8000, 8000, 8000, 8000, 8000, 8000, 8000, 0} {
			want = append(want, at)
			at += delay * time.Millisecond
		}
		for i := range want {
			if want[i] >= time.Minute {
				want = want[:i+1]
				break
			}
		}
		if diff := cmp.Diff(want, s.sent); diff != "" {
			t.Error(diff)
		}
		if got := st.runner.Stats(); got.LastError != "" || got.LagRecords != 0 || got.LagSeconds != 0 || got.Sent != 5 {
			t.Errorf("stats once it is up: %+v, want no error, no lag and 5 sent", got)
		}

		// Down once more, the back-off begins anew.
		n := len(s.sent)
		again := time.Since(s.start)
		s.answer = func(context.Context, []authz.Record) error { return down }
		log.add(1)
		pass(time.Second)
		if diff := cmp.Diff([]time.Duration{again, again + 500*time.Millisecond}, s.sent[n:]); diff != "" {
			t.Error(diff)
		}
	})
}

func TestJitterIsHalfOfTheDelay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log, s := newMemory(1), &staged{}
		s.answer = func(context.Context, []authz.Record) error { return errors.New("down") }
		run(t, log, s, func(c *sink.Config) {
			c.MinDelay = 4 * time.Second
			c.Random = func() float64 { return 0.5 }
		})
		pass(4 * time.Second)
		if diff := cmp.Diff([]time.Duration{0, 3 * time.Second}, s.sent); diff != "" {
			t.Error(diff)
		}
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var asked []time.Duration
		began := time.Now()
		to := sink.Endpoint{URL: "http://127.0.0.1:1", Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			asked = append(asked, time.Since(began))
			answer := &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Header: http.Header{}}
			switch len(asked) {
			case 1:
				answer.StatusCode, answer.Header = http.StatusTooManyRequests, http.Header{"Retry-After": {"60"}}
			case 2:
				answer.StatusCode, answer.Header = http.StatusServiceUnavailable, http.Header{"Retry-After": {"1000000"}}
			}
			return answer, nil
		})}
		opa, err := sink.NewOPA(to, nil)
		if err != nil {
			t.Fatal(err)
		}
		log := newMemory(1)
		start(t, log, nil, sink.Config{Name: "test", Sink: opa, Log: log, Cursors: log, Linger: -1})
		pass(time.Hour)
		if diff := cmp.Diff([]time.Duration{0, time.Minute, 6 * time.Minute}, asked); diff != "" {
			t.Error(diff)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestUnkeptCursorSendsAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log, s := newMemory(3), &staged{}
		first := run(t, log, s, nil)
		synctest.Wait()
		log.change(func() { log.setting = errors.New("the disk is full") })
		log.add(2)
		synctest.Wait()
		first.took(upTo(1, 5)) // once, as long as the process lives
		first.cursorIs(3)
		if got := first.runner.Stats(); got.LastError != "the disk is full" || got.LagRecords != 0 {
			t.Errorf("stats %+v, want the error of the cursor and no lag", got)
		}
		first.end()
		log.change(func() { log.setting = nil })
		second := run(t, log, s, nil)
		synctest.Wait()
		second.took(append(upTo(1, 5), 4, 5))
		second.cursorIs(5)
	})
}

func TestOneBadRecordAmongGood(t *testing.T) {
	for _, bad := range []uint64{1, 2, 137, 499, 500, 501, 1000} {
		t.Run(fmt.Sprint(bad), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log, s := newMemory(1000), &staged{}
				s.answer = refusing(bad)
				st := run(t, log, s, nil)
				synctest.Wait()
				st.took(append(upTo(1, bad-1), upTo(bad+1, 1000)...))
				st.cursorIs(1000)
				got := st.runner.Stats()
				if got.Sent != 999 || got.Skipped != 1 || got.Failed != 0 || got.LagRecords != 0 {
					t.Errorf("stats %+v, want 999 sent and 1 skipped without a failure", got)
				}
				if n := len(s.sent); n > 80 {
					t.Errorf("%d sends to find one bad record", n)
				}
			})
		})
	}
}

func TestManyBadRecordsAmongGoodAreSkippedAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var bad, good []uint64
		for seq := uint64(1); seq <= 1000; seq++ {
			if seq%20 == 0 {
				bad = append(bad, seq)
			} else {
				good = append(good, seq)
			}
		}
		log, s := newMemory(1000), &staged{answer: refusing(bad...)}
		st := run(t, log, s, nil)
		synctest.Wait()
		st.took(good)
		if got := st.runner.Stats(); got.Skipped != 50 || got.Failed != 0 {
			t.Errorf("stats %+v, want 50 skipped without a failure", got)
		}
	})
}

// refusing refuses each batch that has one of the records.
func refusing(bad ...uint64) func(context.Context, []authz.Record) error {
	return func(_ context.Context, records []authz.Record) error {
		for i := range records {
			if slices.Contains(bad, records[i].Seq) {
				return fmt.Errorf("%w: staged", sink.ErrRefused)
			}
		}
		return nil
	}
}

func TestSinkThatRefusesEverythingLosesLittle(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log, s := newMemory(1000), &staged{}
		s.answer = func(context.Context, []authz.Record) error { return sink.ErrRefused }
		st := run(t, log, s, nil)
		synctest.Wait()
		if got := st.runner.Stats().Skipped; got != 10 {
			t.Errorf("%d skipped at once, want 10", got)
		}
		pass(time.Hour)
		synctest.Wait()
		got := st.runner.Stats()
		if got.Skipped <= 10 || got.Skipped > 45 || got.LagRecords != 1000-got.Skipped || got.LastError == "" {
			t.Errorf("after an hour: %+v", got)
		}
		st.cursorIs(got.Skipped)
		st.end()

		// Put right, the rest arrives.
		s.answer = nil
		again := run(t, log, s, nil)
		synctest.Wait()
		again.took(upTo(got.Skipped+1, 1000))
	})
}

func TestPartialIsNotSentAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log, s := newMemory(10), &staged{}
		s.answer = func(context.Context, []authz.Record) error { return &sink.Partial{Rejected: 3} }
		st := run(t, log, s, nil)
		pass(time.Hour)
		st.took(upTo(1, 10))
		if got := st.runner.Stats(); got.Sent != 7 || got.Skipped != 3 || got.LagRecords != 0 {
			t.Errorf("stats %+v, want 7 sent, 3 skipped and no lag", got)
		}
	})
}

func TestLagOfAHangingSink(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log, s := newMemory(7), &staged{}
		for i := range log.records {
			log.records[i].At = time.Now()
		}
		s.answer = func(ctx context.Context, _ []authz.Record) error {
			<-ctx.Done()
			return ctx.Err()
		}
		st := run(t, log, s, nil)
		pass(90 * time.Second)
		log.add(5)
		want := sink.Stats{LagRecords: 12, LagSeconds: 90}
		if diff := cmp.Diff(want, st.runner.Stats()); diff != "" {
			t.Error(diff)
		}
		st.end() // the end of ctx ends Send and Run
		if got := st.runner.Stats(); got.Failed != 0 || got.LastError != "" {
			t.Errorf("stopping counts as a failure: %+v", got)
		}
		st.cursorIs(0)
	})
}

func TestMissedRecordsAreCounted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log, s := newMemory(100), &staged{}
		log.cursors["test"], log.forgotten = 20, 60
		st := run(t, log, s, nil)
		synctest.Wait()
		st.took(upTo(61, 100))
		if got := st.runner.Stats(); got.Missed != 40 {
			t.Errorf("stats %+v, want 40 missed", got)
		}
	})
	for places, want := range map[uint64]uint64{11: 30, 41: 0, 50: 0} {
		t.Run(fmt.Sprintf("not those that a run of %d stands for", places), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log, s := newMemory(100), &staged{}
				log.cursors["test"], log.forgotten = 20, 60
				log.records[60] = authz.Record{Seq: 61, Kind: authz.RecordChange, Withheld: true, ChangeNumber: 60, Places: places}
				st := run(t, log, s, nil)
				synctest.Wait()
				st.took(upTo(61, 100))
				if got := st.runner.Stats().Missed; got != want {
					t.Errorf("want %d missed, got %d", want, got)
				}
			})
		})
	}
	t.Run("not by a new sink", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			log, s := newMemory(100), &staged{}
			log.forgotten = 60
			st := run(t, log, s, nil)
			synctest.Wait()
			st.took(upTo(61, 100))
			if got := st.runner.Stats(); got.Missed != 0 {
				t.Errorf("stats %+v, want none missed by a sink that is new", got)
			}
		})
	})
}

func TestLogThatCannotBeReadIsNotAskedInAHotLoop(t *testing.T) {
	tests := map[string]func(*memory){
		"error":   func(m *memory) { m.reading = io.ErrUnexpectedEOF },
		"nothing": func(m *memory) { m.contrary = true },
	}
	for name, broken := range tests {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log, s := newMemory(3), &staged{}
				log.change(func() { broken(log) })
				st := run(t, log, s, nil)
				pass(10 * time.Minute)
				if got := st.runner.Stats(); log.reads > 20 || got.LastError == "" || got.LagRecords != 3 {
					t.Errorf("%d reads, %+v", log.reads, got)
				}
				log.change(func() { log.reading, log.contrary = nil, false })
				pass(10 * time.Minute)
				st.took(upTo(1, 3))
			})
		})
	}
}

func TestNewRefusesWhatCannotRun(t *testing.T) {
	log := newMemory(0)
	tests := map[string]sink.Config{
		"no name": {Sink: &staged{}, Log: log, Cursors: log},
		"no id":   {Name: "a b", Sink: &staged{}, Log: log, Cursors: log},
		"no sink": {Name: "a", Log: log, Cursors: log},
		"no log":  {Name: "a", Sink: &staged{}, Cursors: log},
		"nowhere": {Name: "a", Sink: &staged{}, Log: log},
	}
	for name, config := range tests {
		t.Run(name, func(t *testing.T) {
			var fault *authz.Error
			if r, err := sink.New(config); r != nil || !errors.As(err, &fault) {
				t.Errorf("New = %v, error %v, want an error that can be shown alone", r, err)
			}
		})
	}
}
