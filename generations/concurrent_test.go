package generations_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
	"github.com/verdict-pdp/verdict/generations"
)

// TestConcurrentPushes makes one candidate of each, one after another.
func TestConcurrentPushes(t *testing.T) {
	var inside, most atomic.Int32
	r := started(t, t.TempDir(), func(c *generations.Config) {
		c.Replay = func(context.Context, *bundles.Snapshot) (*authz.Comparison, error) {
			most.Store(max(most.Load(), inside.Add(1)))
			inside.Add(-1)
			return nil, nil
		}
	})
	const pushes = 12
	numbers := make([]uint64, pushes)
	var all sync.WaitGroup
	for i := range pushes {
		body := acme(i).pack(t)
		all.Go(func() {
			g, err := r.offer("acme", body)
			if err != nil {
				t.Error(err)
			}
			numbers[i] = g.Number
		})
	}
	all.Wait()
	slices.Sort(numbers)
	for i, n := range numbers {
		if n != uint64(i+2) {
			t.Fatalf("numbers %v", numbers)
		}
	}
	if most.Load() != 1 {
		t.Fatalf("%d pushes at once", most.Load())
	}
	if got := len(r.List()); got != pushes+1 {
		t.Fatalf("%d generations", got)
	}
}

// TestReadersWhileSwapping: whoever reads sees one generation, whole, while others
// are activated and removed.
func TestReadersWhileSwapping(t *testing.T) {
	r := started(t, t.TempDir(), keep(2))
	swaps := 60
	if testing.Short() {
		swaps = 15
	}
	var readers sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		readers.Go(func() {
			for !closed(done) {
				changed := r.Changed()
				g := r.Active()
				if g.State != authz.GenerationActive || len(g.Bundles) == 0 {
					t.Errorf("active: %+v", g)
				}
				packed, ref, err := r.Bundle("base")
				if err != nil || int64(len(packed)) != ref.Bytes {
					t.Errorf("bundle: %v", err)
				}
				for _, g := range r.List()[:1] {
					if s, err := r.Snapshot(g.Number); err == nil && s.Ref() != g.Ref() {
						t.Errorf("snapshot %+v of %+v", s.Ref(), g.Ref())
					} else if err != nil && authz.CodeOf(err) != authz.CodeNotFound {
						t.Error(err)
					}
				}
				if r.Active().Number != g.Number {
					<-changed // it is told once the other is active; never would hang
				}
				if status := r.Status(); status.Active.Digest == "" {
					t.Errorf(`got %+v; want Active.Digest other than ""`, status)
				}
			}
		})
	}
	for version := range swaps {
		r.activate(r.push("acme", acme(version)).Number)
		if version%5 == 4 {
			r.rollback(0)
		}
	}
	close(done)
	readers.Wait()
	if got := len(r.List()); got > 5 {
		t.Fatalf("%d generations kept", got)
	}
}

// TestRollbackDoesNotWaitForAPush, and a push that waits for its turn no longer than
// its caller.
func TestRollbackDoesNotWaitForAPush(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	r := started(t, t.TempDir(), func(c *generations.Config) {
		c.Replay = func(_ context.Context, s *bundles.Snapshot) (*authz.Comparison, error) {
			if s.Ref().Generation == 3 {
				close(entered)
				<-leave
			}
			return nil, nil
		}
	})
	r.activate(r.push("acme", acme(1)).Number)
	pushed := make(chan error)
	go func() {
		_, err := r.offer("acme", acme(2).pack(t))
		pushed <- err
	}()
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := r.Push(ctx, generations.Push{Name: "acme", Body: bytes.NewReader(acme(2).pack(t)), Source: authz.SourcePush, Author: "late"})
	fails(t, err, authz.CodeUnavailable, "try again")
	if g := r.rollback(0); g.Number != 1 {
		t.Fatal(g)
	}
	close(leave)
	if err := <-pushed; err != nil {
		t.Fatal(err)
	}
	// It was made from what was active when it began, and would undo nothing.
	r.activate(3)
	r.stands("3 active, 2 kept, 1 kept")
}

// TestSlowSender keeps nobody waiting, and is not waited for longer than its own
// context lets it.
func TestSlowSender(t *testing.T) {
	r := started(t, t.TempDir())
	for name, send := range map[string]func(context.Context, io.Reader) error{
		"push": func(ctx context.Context, body io.Reader) error {
			_, _, err := r.Push(ctx, generations.Push{Name: "acme", Body: body, Source: authz.SourcePush, Author: "slow"})
			return err
		},
		"with": func(ctx context.Context, body io.Reader) error {
			_, err := r.With(ctx, "acme", body)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			slow, feed := io.Pipe()
			sent := make(chan error)
			go func() {
				err := send(ctx, slow)
				sent <- errors.Join(err, slow.Close())
			}()
			body := acme(1).pack(t)
			if _, err := feed.Write(body[:10]); err != nil {
				t.Fatal(err)
			}
			r.activate(r.mode("door", authz.ModeEnforce).Number)
			cancel()
			go feed.Write(body[10:11]) // wakes it up, should it be reading
			fails(t, <-sent, authz.CodeUnavailable, "try again")
			r.activate(r.mode("door", authz.ModeOff).Number)
			r.noFailures()
		})
	}
}

// TestOnePushCreates pushes the same bundle from many sides at once: one of them is told
// that it created the candidate, and all are told of the same.
func TestOnePushCreates(t *testing.T) {
	r := started(t, t.TempDir())
	body := acme(1).pack(t)
	var created atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			g, first, err := r.Push(t.Context(), generations.Push{Name: "acme", Body: bytes.NewReader(body), Source: authz.SourcePush, Author: "ann"})
			if err != nil || g.Number != 2 {
				t.Errorf("generation %d: %v; want 2", g.Number, err)
			}
			if first {
				created.Add(1)
			}
		})
	}
	all.Wait()
	if n := created.Load(); n != 1 {
		t.Errorf("%d pushes created the candidate, want 1", n)
	}
}
