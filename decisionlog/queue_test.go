package decisionlog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/decisionlog"
)

// run runs l until the test ends or stop is called.
func run(t *testing.T, l *decisionlog.Log) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func TestConcurrentCallers(t *testing.T) {
	l := open(t, inMemory())
	var callers sync.WaitGroup
	for caller := range 16 {
		callers.Go(func() {
			for n := range 50 {
				e := entry(fmt.Sprintf("d-%d-%d", caller, n))
				if n%10 == 0 {
					e.Decision.Durability = authz.Required
				}
				record(t, l, e)
				if get(t, l, e.Decision.ID).ID != e.Decision.ID {
					t.Error(e.Decision.ID)
				}
			}
		})
	}
	callers.Wait()
	stats := l.Stats()
	if report := verify(t, l); report.Records != 800 || stats.Recorded != 800 || stats.Waiting != 0 || stats.WaitingBytes != 0 || stats.Commits > 800 {
		t.Errorf("%+v, %+v; want 800 records in no more commits, and none waiting", report, stats)
	}
}

// TestBatch records more at once than a Badger transaction takes.
func TestBatch(t *testing.T) {
	l := open(t, inMemory())
	var entries []authz.Entry
	for i := range 20 {
		e := entry(strconv.Itoa(i))
		e.Question.Context = map[string]any{"x": strings.Repeat("x", 900_000)}
		entries = append(entries, e)
	}
	record(t, l, entries...)
	if stats := l.Stats(); stats.Recorded != 20 || stats.Commits < 2 || stats.Waiting != 0 {
		t.Errorf("%+v; want 20 records in two commits or more, and none waiting", stats)
	}
	verify(t, l)
	found, err := l.After(t.Context(), 0, 100)
	if err != nil || len(found) == 0 || len(found) >= 20 {
		t.Errorf("a page of %d large records, %v", len(found), err)
	}
	if got := all(t, l); len(got) != 20 {
		t.Errorf("%d records", len(got))
	}
}

func TestAsync(t *testing.T) {
	l := open(t, decisionlog.Config{InMemory: true, Durability: authz.Async})
	run(t, l)
	record(t, l, entry("d-1"))
	if err := l.Await(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if r := get(t, l, "d-1"); r.Durability != authz.Async {
		t.Errorf("%+v; want durability async", r)
	}
}

// TestAsyncLoss fills the queue: what does not fit is lost, counted, and told of in
// the chain, also when the log is only closed.
func TestAsyncLoss(t *testing.T) {
	for name, running := range map[string]bool{"while it runs": true, "when it is closed": false} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l := open(t, decisionlog.Config{Dir: dir, Durability: authz.Async, Queue: 5})
			for i := range 12 {
				record(t, l, entry(strconv.Itoa(i)))
			}
			code(t, l.Ready(), authz.CodeUnavailable, "is full")
			if stats := l.Stats(); stats.Lost != 7 || stats.Waiting != 5 || stats.WaitingBytes < 5<<10 {
				t.Errorf("%+v; want 7 lost and 5 waiting, with their bytes", stats)
			}
			if running {
				stop := run(t, l)
				if err := l.Await(t.Context(), 5); err != nil {
					t.Fatal(err)
				}
				if err := l.Ready(); err != nil {
					t.Error(err)
				}
				stop()
			}
			closed(t, l)
			l = open(t, decisionlog.Config{Dir: dir})
			if report := verify(t, l); report.Records != 6 || report.Losses != 1 || report.Lost != 7 {
				t.Errorf("%+v; want 6 records, one of them a loss of 7", report)
			}
			losses := 0
			for _, r := range all(t, l) {
				if r.Kind == authz.RecordLoss && r.Lost == 7 && r.ID == "" && !r.At.IsZero() {
					losses++
				}
			}
			if losses != 1 {
				t.Errorf("%d losses", losses)
			}
		})
	}
}

// TestRunTellsAndSyncs: within a second Run records a loss that no other record
// follows, and syncs what spool has committed.
func TestRunTellsAndSyncs(t *testing.T) {
	l := open(t, decisionlog.Config{Dir: t.TempDir(), Durability: authz.Async})
	unwritable := entry("d-1")
	unwritable.Question.Action.Name = strings.Repeat("x", 1<<20)
	record(t, l, unwritable)
	run(t, l)
	if err := l.Await(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if report := verify(t, l); report.Records != 1 || report.Lost != 1 {
		t.Errorf("%+v; want one record, a loss of 1", report)
	}
	until(t, func() bool { return l.Stats().Syncs > 0 })
	code(t, func() error { _, err := l.Get(t.Context(), "d-1"); return err }(), authz.CodeNotFound, "no record")
}

// TestSeldomLogged: what may happen with every decision is logged once, and not again
// right after that.
func TestSeldomLogged(t *testing.T) {
	var log bytes.Buffer
	l := open(t, decisionlog.Config{
		InMemory: true, Durability: authz.Async, Queue: 1, Log: slog.New(slog.NewTextHandler(&log, nil)),
		Mask: func(context.Context, *authz.Record) ([]authz.Mask, error) { return nil, errors.New("boom") },
	})
	for i := range 5 {
		e := entry(strconv.Itoa(i))
		record(t, l, e) // one finds room
		e.Decision.Durability = authz.Spool
		e.Decision.ID = "spool-" + e.Decision.ID
		record(t, l, e)
	}
	for _, message := range []string{"decisions are lost for the log", "decisions are recorded without their input"} {
		if n := strings.Count(log.String(), message); n != 1 {
			t.Errorf("%q was logged %d times, want once:\n%s", message, n, &log)
		}
	}
	if stats := l.Stats(); stats.Lost != 4 || stats.Unmaskable != 5 {
		t.Errorf("%d lost and %d unmaskable, want 4 and 5", stats.Lost, stats.Unmaskable)
	}
}

func TestAsyncIsBoundedInBytes(t *testing.T) {
	l := open(t, decisionlog.Config{InMemory: true, Durability: authz.Async, QueueBytes: 1 << 20})
	for i := range 10 {
		e := entry(strconv.Itoa(i))
		e.Question.Context = map[string]any{"x": []any{strings.Repeat("x", 300_000)}}
		record(t, l, e)
	}
	if stats := l.Stats(); stats.Lost != 7 || stats.WaitingBytes > 1<<20 {
		t.Errorf("%+v; want 7 lost and no more than 1 MiB waiting", stats)
	}
}

func TestClosedTakesNoAsync(t *testing.T) {
	l := open(t, decisionlog.Config{InMemory: true, Durability: authz.Async})
	closed(t, l)
	code(t, l.Record(t.Context(), []authz.Entry{entry("d")}), authz.CodeUnavailable, "closed")
}

// TestBackPressure stops the disk: callers wait for room and then for their turn,
// no longer than Config.Wait and their context.
func TestBackPressure(t *testing.T) {
	l := open(t, decisionlog.Config{InMemory: true, Queue: 1, Wait: 20 * time.Millisecond})
	release := l.Hold()
	code(t, l.Record(t.Context(), []authz.Entry{entry("d-1")}), authz.CodeUnavailable, "nothing was recorded: more records wait")
	if stats := l.Stats(); stats.Refused != 1 || stats.Waiting != 0 || l.Waiting() != 0 {
		t.Errorf("%+v, %d queued", stats, l.Waiting())
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	code(t, l.Record(ended, []authz.Entry{entry("d-2")}), authz.CodeUnavailable, "the request ended")

	release()
	record(t, l, entry("d-5"))
	if report := verify(t, l); report.Records != 1 {
		t.Errorf("%+v; want one record", report)
	}
}

func TestNoRoom(t *testing.T) {
	l := open(t, decisionlog.Config{InMemory: true, Wait: 20 * time.Millisecond})
	release := l.Occupy()
	code(t, l.Ready(), authz.CodeUnavailable, "is full")
	code(t, l.Record(t.Context(), []authz.Entry{entry("d-1")}), authz.CodeUnavailable, "nothing was recorded: more records wait")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	code(t, l.Record(ended, []authz.Entry{entry("d-2")}), authz.CodeUnavailable, "nothing was recorded: the request ended")
	release()
	record(t, l, entry("d-3"))
	if err := l.Ready(); err != nil {
		t.Error(err)
	}
}

// TestCloseEndsWaiting closes a log that callers wait for room of.
func TestCloseEndsWaiting(t *testing.T) {
	l := open(t, decisionlog.Config{InMemory: true, Wait: time.Minute})
	l.Occupy()
	done := make(chan error, 1)
	go func() { done <- l.Record(t.Context(), []authz.Entry{entry("d-1")}) }()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	code(t, <-done, authz.CodeUnavailable, "closed")
}

// TestCloseWhileCommitting: Close waits for the commit under way. Callers whose records
// are in it hear what became of them, and those behind it that they were not recorded.
func TestCloseWhileCommitting(t *testing.T) {
	for name, broken := range map[string]error{"done": nil, "failed": errors.New("i/o error")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := openUnclosed(t, decisionlog.Config{InMemory: true, Wait: time.Minute})
				if broken != nil {
					l.FailCommits(broken)
				}
				proceed := make(chan struct{})
				begun := l.BlockCommits(proceed)
				release := l.Hold()
				results := make(chan error, 3)
				put := func(id string) {
					go func() { results <- l.Record(t.Context(), []authz.Entry{entry(id)}) }()
					synctest.Wait()
				}
				put("d-1")
				put("d-2")
				release()
				<-begun
				put("d-3")
				closed := make(chan error, 1)
				go func() { closed <- l.Close() }()
				synctest.Wait()
				code(t, <-results, authz.CodeUnavailable, "the decision log is closed")
				if len(results) > 0 || len(closed) > 0 {
					t.Fatalf("%d callers are back and %d has closed the log, while it commits; want neither", len(results), len(closed))
				}
				close(proceed)
				for range 2 {
					if err := <-results; (err != nil) != (broken != nil) || !errors.Is(err, broken) {
						t.Errorf("a record that was being committed: %v, want %v", err, broken)
					}
				}
				if err := <-closed; err != nil {
					t.Errorf("closing: %v", err)
				}
			})
		})
	}
}

// TestQueuedBehindAFailure: what is queued while a commit fails is refused, without
// another commit.
func TestQueuedBehindAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := openUnclosed(t, decisionlog.Config{InMemory: true, Wait: time.Minute})
		commits := 0
		proceed := make(chan struct{})
		l.OnCommit(func() error {
			commits++
			<-proceed
			return errors.New("i/o error")
		})
		results := make(chan error, 2)
		for _, id := range []string{"d-1", "d-2"} {
			go func() { results <- l.Record(t.Context(), []authz.Entry{entry(id)}) }()
			synctest.Wait()
		}
		close(proceed)
		for range 2 {
			code(t, <-results, authz.CodeUnavailable, "mend the disk and restart")
		}
		if commits != 1 {
			t.Errorf("%d commits, want one", commits)
		}
		if err := l.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
}

// TestGivingUpTooLate: a caller that gives up when its record was just written hears what
// became of it.
func TestGivingUpTooLate(t *testing.T) {
	l := open(t, inMemory())
	if err := l.GiveUpRecorded(entry("d-1"), context.Canceled); err != nil {
		t.Errorf("a record that was written: %v, want no error", err)
	}
	l.FailCommits(errors.New("i/o error"))
	code(t, l.GiveUpRecorded(entry("d-2"), context.Canceled), authz.CodeUnavailable, "mend the disk and restart")
}

// TestSyncIsNotWaitedFor: a record that need not be on the disk is answered before the
// sync for one that must be.
func TestSyncIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := openUnclosed(t, decisionlog.Config{InMemory: true, Wait: time.Minute})
		proceed := make(chan struct{})
		l.BlockSyncs(proceed)
		release := l.Hold()
		results := make(chan authz.Durability, 2)
		for _, durability := range []authz.Durability{authz.Required, authz.Spool} {
			go func() {
				e := entry(string(durability))
				e.Decision.Durability = durability
				record(t, l, e)
				results <- durability
			}()
			synctest.Wait()
		}
		release()
		synctest.Wait()
		if got := <-results; got != authz.Spool || len(results) > 0 {
			t.Errorf("%s was answered first, and %d more during the sync; want spool alone", got, len(results))
		}
		close(proceed)
		<-results
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestRoomIsWaitedFor holds the only place of the queue and lets it go in time.
func TestRoomIsWaitedFor(t *testing.T) {
	l := open(t, decisionlog.Config{InMemory: true, Queue: 1, Wait: time.Minute})
	release := l.Hold()
	done := make(chan error, 2)
	for _, id := range []string{"d-1", "d-2"} {
		go func() { done <- l.Record(t.Context(), []authz.Entry{entry(id)}) }()
	}
	until(t, func() bool { return l.Waiting() == 1 })
	release()
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if report := verify(t, l); report.Records != 2 {
		t.Errorf("%+v; want two records", report)
	}
}

// TestHangingDisk: of two callers in one commit that hangs, the one that does not
// write it gives up with its context.
func TestHangingDisk(t *testing.T) {
	l := open(t, decisionlog.Config{InMemory: true, Wait: time.Minute})
	proceed := make(chan struct{})
	begun := l.BlockCommits(proceed)
	release := l.Hold()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 2)
	for _, id := range []string{"d-1", "d-2"} {
		go func() { done <- l.Record(ctx, []authz.Entry{entry(id)}) }()
	}
	until(t, func() bool { return l.Waiting() == 2 })
	release()
	<-begun
	cancel()
	err := <-done
	code(t, err, authz.CodeUnavailable, "is not known to be there")
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(proceed)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if report := verify(t, l); report.Records != 2 || l.Stats().Waiting != 0 {
		t.Errorf("%+v, %+v; want two records, and none waiting", report, l.Stats())
	}
}

func TestFailedCommit(t *testing.T) {
	l := open(t, inMemory())
	record(t, l, entry("d-1"))
	broken := errors.New("i/o error")
	l.FailCommits(broken)
	err := l.Record(t.Context(), []authz.Entry{entry("d-2")})
	code(t, err, authz.CodeUnavailable, "mend the disk and restart")
	if !errors.Is(err, broken) {
		t.Error(err)
	}
	release := l.Hold() // it is not waited for
	code(t, l.Record(t.Context(), []authz.Entry{entry("d-3")}), authz.CodeUnavailable, "mend the disk")
	release()
	l.FailCommits(nil) // whether it would work now is not tried
	code(t, l.SetCursor("siem", 1), authz.CodeUnavailable, "mend the disk")
	code(t, l.Ready(), authz.CodeUnavailable, "mend the disk")
	if report := verify(t, l); report.Records != 1 || l.Stats().Refused != 2 {
		t.Errorf("%+v; want one record, and two refused", report)
	}
	get(t, l, "d-1")
}

func TestFailedSync(t *testing.T) {
	l := open(t, inMemory())
	l.FailSyncs(errors.New("i/o error"))
	record(t, l, entry("d-1"))
	e := entry("d-2")
	e.Decision.Durability = authz.Required
	code(t, l.Record(t.Context(), []authz.Entry{e}), authz.CodeUnavailable, "mend the disk")
	code(t, l.Record(t.Context(), []authz.Entry{entry("d-3")}), authz.CodeUnavailable, "mend the disk")
}

func TestTooLargeForALog(t *testing.T) {
	l := open(t, inMemory())
	e := entry("d-1")
	e.Question.Action.Name = strings.Repeat("x", 1<<20)
	err := l.Record(t.Context(), []authz.Entry{e})
	code(t, err, authz.CodeInternal, "writing the decision's record failed")
	code(t, errors.Unwrap(err), authz.CodeTooLarge, "larger than")
}

// TestFailedLogLosesAsync: async decisions go on without a log, and are counted.
func TestFailedLogLosesAsync(t *testing.T) {
	l := openUnclosed(t, decisionlog.Config{InMemory: true, Durability: authz.Async})
	l.FailCommits(errors.New("i/o error"))
	stop := run(t, l)
	failed := func() bool { return strings.Contains(fmt.Sprint(l.Ready()), "mend the disk") }
	for n := uint64(1); l.Stats().Lost < 2 || !failed(); n++ { // before it, the queue may be full
		record(t, l, entry(strconv.FormatUint(n, 10)))
	}
	code(t, l.Ready(), authz.CodeUnavailable, "mend the disk")
	stop()
	code(t, l.Close(), authz.CodeUnavailable, "mend the disk") // the loss could not be told of
}

func TestNoSpace(t *testing.T) {
	var free atomic.Uint64
	free.Store(math.MaxInt64)
	now := atomic.Int64{}
	now.Store(start.UnixNano())
	l := open(t, decisionlog.Config{Dir: t.TempDir(), Free: func(string) (uint64, error) { return free.Load(), nil }, Now: func() time.Time { return time.Unix(0, now.Load()) }})
	record(t, l, entry("d-1"))
	free.Store(1 << 20)
	now.Add(int64(time.Second))
	code(t, l.Record(t.Context(), []authz.Entry{entry("d-2")}), authz.CodeUnavailable, "free or add space, no restart is needed")
	code(t, l.Ready(), authz.CodeUnavailable, "free or add space")
	free.Store(math.MaxInt64)
	record(t, l, entry("d-3"))
	if report := verify(t, l); report.Records != 2 {
		t.Errorf("%+v; want two records", report)
	}
}
