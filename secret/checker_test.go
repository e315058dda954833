package secret_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/secret"
)

func newChecker(t testing.TB, config secret.Config) *secret.Checker {
	t.Helper()
	c, err := secret.NewChecker(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// counted is a Checker and the runs of argon2 it made.
func counted(t testing.TB, config secret.Config) (*secret.Checker, *atomic.Int64) {
	t.Helper()
	c := newChecker(t, config)
	runs := new(atomic.Int64)
	c.OnRun(func() { runs.Add(1) })
	return c, runs
}

// of is a candidate of that name whose secret is text.
func of(id, text string) authz.SecretCandidate {
	return authz.SecretCandidate{ID: id, Version: 1, Hash: cheap(text)}
}

// presents is an attempt for client "billing" from the source "10.0.0.1".
func presents(text string, candidates ...authz.SecretCandidate) secret.Attempt {
	return secret.Attempt{ClientID: "billing", Source: "10.0.0.1", Secret: text, Candidates: candidates}
}

func from(source string, a secret.Attempt) secret.Attempt {
	a.Source = source
	return a
}

// step is a Check and what comes of it.
type step struct {
	name    string
	attempt secret.Attempt
	index   int
	err     error
	runs    int64 // of argon2
}

func take(t *testing.T, c *secret.Checker, runs *atomic.Int64, steps ...step) {
	t.Helper()
	for _, s := range steps {
		before := runs.Load()
		index, err := c.Check(t.Context(), s.attempt)
		if index != s.index || !errors.Is(err, s.err) {
			t.Errorf("%s: index %d, error %v; want %d, %v", s.name, index, err, s.index, s.err)
		}
		if n := runs.Load() - before; n != s.runs {
			t.Errorf("%s: %d runs of argon2; want %d", s.name, n, s.runs)
		}
	}
}

func TestWarmAndCold(t *testing.T) {
	c, runs := counted(t, secret.Config{})
	first, second := of("g1", "one"), of("g2", "two")
	take(t, c, runs,
		step{"cold: every candidate is compared", presents("one", first, second), 0, nil, 2},
		step{"warm", presents("one", first, second), 0, nil, 0},
		step{"warm from anywhere", from("10.9.9.9", presents("one", first, second)), 0, nil, 0},
		step{"warm in another order", presents("one", second, first), 1, nil, 0},
		step{"only the cold one is compared", presents("two", first, second), 1, nil, 1},
		step{"both warm", presents("two", first, second), 1, nil, 0},
		step{"a wrong secret costs nothing now", presents("three", first, second), -1, authz.ErrSecretMismatch, 0},
	)
}

func TestACacheEntryIsOfOneCandidate(t *testing.T) {
	changed := map[string]func(*authz.SecretCandidate){
		"id":      func(c *authz.SecretCandidate) { c.ID = "g2" },
		"version": func(c *authz.SecretCandidate) { c.Version++ },
		"hash":    func(c *authz.SecretCandidate) { c.Hash = cheapSalted("one", "other salt") },
	}
	for name, change := range changed {
		t.Run(name, func(t *testing.T) {
			c, runs := counted(t, secret.Config{})
			candidate := of("g1", "one")
			take(t, c, runs, step{"cold", presents("one", candidate), 0, nil, 1})
			changed := candidate
			change(&changed)
			take(t, c, runs,
				step{"changed", presents("one", changed), 0, nil, 1},
				step{"changed, warm", presents("one", changed), 0, nil, 0},
				step{"as it was, warm still", presents("one", candidate), 0, nil, 0},
			)
		})
	}
	t.Run("hash of another secret", func(t *testing.T) {
		c, runs := counted(t, secret.Config{})
		take(t, c, runs,
			step{"cold", presents("one", of("g1", "one")), 0, nil, 1},
			step{"the old secret", presents("one", of("g1", "two")), -1, authz.ErrSecretMismatch, 1},
		)
	})
}

func TestWhatNeedsNoWork(t *testing.T) {
	c, runs := counted(t, secret.Config{GuessBurst: 1})
	longest := strings.Repeat("x", secret.MaxLength)
	take(t, c, runs,
		step{"an unknown client", presents("one"), -1, authz.ErrSecretMismatch, 0},
		step{"an unknown client is never throttled", presents("one"), -1, authz.ErrSecretMismatch, 0},
		step{"no secret", presents("", of("g1", "")), -1, authz.ErrSecretMismatch, 0},
		step{"a secret too long", presents(longest+"x", of("g1", longest+"x")), -1, authz.ErrSecretMismatch, 0},
		step{"the longest secret", presents(longest, of("g1", longest)), 0, nil, 1},
	)
	many := make([]authz.SecretCandidate, secret.MaxCandidates+1)
	for i := range many {
		many[i] = of("g"+strconv.Itoa(i), "one")
	}
	index, err := c.Check(t.Context(), presents("one", many...))
	if index != -1 || err == nil || errors.Is(err, authz.ErrSecretMismatch) {
		t.Errorf("too many candidates: %d, %v", index, err)
	}
	take(t, c, runs, step{"as many as may be", presents("one", many[1:]...), 0, nil, secret.MaxCandidates})
}

func TestAnUnusableHashNeverMatches(t *testing.T) {
	c, runs := counted(t, secret.Config{GuessBurst: 1})
	unusable := authz.SecretCandidate{ID: "broken", Hash: "$argon2id$v=19$m=4194304,t=9,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"}
	take(t, c, runs,
		step{"alone", presents("one", unusable), -1, authz.ErrSecretMismatch, 0},
		step{"alone, spending no guess", presents("one", unusable, authz.SecretCandidate{}), -1, authz.ErrSecretMismatch, 0},
		step{"beside a good one", presents("one", unusable, of("g1", "one")), 1, nil, 1},
		step{"beside a warm one", presents("one", unusable, of("g1", "one")), 1, nil, 0},
	)
	_, err := c.Check(t.Context(), presents("two", unusable, of("g1", "one")))
	if err == nil || !strings.Contains(err.Error(), `"broken"`) || !strings.Contains(err.Error(), "t must be 1 to 4") || strings.Contains(err.Error(), "c29tZXNhbHQ") {
		t.Errorf("error %v; want one that says what is wrong with which hash", err)
	}
}

// clock is a staged clock.
type clock struct{ now time.Time }

func newClock() *clock { return &clock{time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time          { return c.now }
func (c *clock) advance(d time.Duration) { c.now = c.now.Add(d) }

// guess makes n wrong guesses, each with an error and a run of argon2 or without.
func guess(t *testing.T, c *secret.Checker, runs *atomic.Int64, n int, like secret.Attempt, want error, cost int64) {
	t.Helper()
	for i := range n {
		wrong := like
		wrong.Secret = "wrong" + strconv.Itoa(i)
		take(t, c, runs, step{fmt.Sprintf("guess %d", i+1), wrong, -1, want, cost})
	}
}

func TestGuessesAreThrottledAndAllowedAgain(t *testing.T) {
	clock := newClock()
	c, runs := counted(t, secret.Config{Now: clock.Now})
	cold := presents("right", of("g1", "right"))
	guess(t, c, runs, 10, cold, authz.ErrSecretMismatch, 1)
	guess(t, c, runs, 1000, cold, authz.ErrSecretThrottled, 0)

	clock.advance(10*time.Second - 1)
	guess(t, c, runs, 1, cold, authz.ErrSecretThrottled, 0)
	clock.advance(1)
	guess(t, c, runs, 1, cold, authz.ErrSecretMismatch, 1)
	guess(t, c, runs, 1, cold, authz.ErrSecretThrottled, 0)

	for range 30 { // three refills, in steps
		clock.advance(time.Second)
	}
	guess(t, c, runs, 3, cold, authz.ErrSecretMismatch, 1)
	guess(t, c, runs, 1, cold, authz.ErrSecretThrottled, 0)

	clock.advance(24 * time.Hour) // never more than the burst
	guess(t, c, runs, 10, cold, authz.ErrSecretMismatch, 1)
	guess(t, c, runs, 1, cold, authz.ErrSecretThrottled, 0)

	clock.advance(-24 * time.Hour) // a clock put back locks out no longer than a burst takes
	guess(t, c, runs, 1, cold, authz.ErrSecretThrottled, 0)
	clock.advance(10 * time.Second)
	guess(t, c, runs, 1, cold, authz.ErrSecretMismatch, 1)
	guess(t, c, runs, 1, cold, authz.ErrSecretThrottled, 0)
}

func TestARightGuessIsNotCounted(t *testing.T) {
	clock := newClock()
	c, runs := counted(t, secret.Config{Now: clock.Now, GuessBurst: 2})
	guess(t, c, runs, 1, presents("", of("g1", "right")), authz.ErrSecretMismatch, 1)
	for version := range uint64(20) {
		candidate := authz.SecretCandidate{ID: "g1", Version: version, Hash: cheap("right")}
		take(t, c, runs, step{"right, cold", presents("right", candidate), 0, nil, 1})
	}
	other := presents("", of("g2", "right"))
	guess(t, c, runs, 1, other, authz.ErrSecretMismatch, 1)
	guess(t, c, runs, 1, other, authz.ErrSecretThrottled, 0)
}

func TestAnAttackerLocksNoClientOut(t *testing.T) {
	clock := newClock()
	c, runs := counted(t, secret.Config{Now: clock.Now})
	right := presents("right", of("g1", "right"))
	for i := range 20 { // an attacker with many sources, all throttled
		guess(t, c, runs, 10, from("198.51.100."+strconv.Itoa(i), right), authz.ErrSecretMismatch, 1)
		guess(t, c, runs, 1, from("198.51.100."+strconv.Itoa(i), right), authz.ErrSecretThrottled, 0)
	}
	attacker := from("198.51.100.7", right)
	take(t, c, runs,
		step{"where the attacker guessed, even the secret waits while cold", attacker, -1, authz.ErrSecretThrottled, 0},
		step{"the first use, from elsewhere", right, 0, nil, 1},
		step{"warm, even where the attacker guessed", attacker, 0, nil, 0},
	)
	// Warm: thousands of guesses cost nothing, and lock nobody out.
	guess(t, c, runs, 5000, right, authz.ErrSecretMismatch, 0)
	guess(t, c, runs, 5000, attacker, authz.ErrSecretMismatch, 0)
	take(t, c, runs, step{"warm after all of it", right, 0, nil, 0})
}

// TestSourcesAreNotConfused: guesses are counted for client and source, not for their
// texts put together.
func TestSourcesAreNotConfused(t *testing.T) {
	c, runs := counted(t, secret.Config{GuessBurst: 1})
	candidate := of("g1", "right")
	for _, who := range [][2]string{{"ab", "c"}, {"a", "bc"}, {"abc", ""}, {"", "abc"}, {"1:a", "b"}} {
		like := secret.Attempt{ClientID: who[0], Source: who[1], Candidates: []authz.SecretCandidate{candidate}}
		guess(t, c, runs, 1, like, authz.ErrSecretMismatch, 1)
		guess(t, c, runs, 1, like, authz.ErrSecretThrottled, 0)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	t.Run("verified secrets", func(t *testing.T) {
		c, runs := counted(t, secret.Config{MaxVerified: 2})
		take(t, c, runs,
			step{"one", presents("one", of("g1", "one")), 0, nil, 1},
			step{"two", presents("two", of("g2", "two")), 0, nil, 1},
			step{"one is used", presents("one", of("g1", "one")), 0, nil, 0},
			step{"three pushes two out", presents("three", of("g3", "three")), 0, nil, 1},
			step{"one stays", presents("one", of("g1", "one")), 0, nil, 0},
			step{"two is proved anew", presents("two", of("g2", "two")), 0, nil, 1},
		)
	})
	t.Run("client keys", func(t *testing.T) {
		c, runs := counted(t, secret.Config{MaxClientKeys: 2, GuessBurst: 1})
		cold := presents("", of("g1", "right"))
		guess(t, c, runs, 1, from("a", cold), authz.ErrSecretMismatch, 1)
		guess(t, c, runs, 1, from("b", cold), authz.ErrSecretMismatch, 1)
		guess(t, c, runs, 1, from("a", cold), authz.ErrSecretThrottled, 0)
		guess(t, c, runs, 1, from("c", cold), authz.ErrSecretMismatch, 1) // b is forgotten
		guess(t, c, runs, 1, from("a", cold), authz.ErrSecretThrottled, 0)
		guess(t, c, runs, 1, from("b", cold), authz.ErrSecretMismatch, 1)
	})
}

// gate is a Checker whose runs of argon2 wait to be let through.
func gate(t *testing.T, config secret.Config) (c *secret.Checker, runs *atomic.Int64, open func()) {
	t.Helper()
	c = newChecker(t, config)
	runs = new(atomic.Int64)
	through := make(chan struct{})
	c.OnRun(func() { runs.Add(1); <-through })
	return c, runs, func() { close(through) }
}

func TestBusy(t *testing.T) {
	t.Run("no slot in time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, runs, open := gate(t, secret.Config{MaxConcurrent: 1, Wait: 300 * time.Millisecond, GuessBurst: 1})
			var all sync.WaitGroup
			all.Go(func() {
				if _, err := c.Check(t.Context(), presents("wrong", of("g1", "right"))); err != authz.ErrSecretMismatch {
					t.Errorf("error %v, want %v", err, authz.ErrSecretMismatch)
				}
			})
			synctest.Wait()
			for range 3 { // and a guess that waited in vain is not counted
				start := time.Now()
				take(t, c, runs, step{"busy", from("b", presents("right", of("g1", "right"))), -1, authz.ErrSecretBusy, 0})
				if waited := time.Since(start); waited != 300*time.Millisecond {
					t.Errorf("waited %v, want 300ms", waited)
				}
			}
			open()
			all.Wait()
			take(t, c, runs, step{"later", from("b", presents("right", of("g1", "right"))), 0, nil, 1})
		})
	})
	t.Run("a context that has ended", func(t *testing.T) {
		c, runs := counted(t, secret.Config{GuessBurst: 1})
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		right := presents("right", of("g1", "right"))
		for range 3 {
			if index, err := c.Check(ended, right); index != -1 || err != authz.ErrSecretBusy {
				t.Errorf("index %d, error %v; want -1, %v", index, err, authz.ErrSecretBusy)
			}
		}
		take(t, c, runs, step{"with a live one", right, 0, nil, 1})
		if index, err := c.Check(ended, right); index != 0 || err != nil {
			t.Errorf("warm: %d, %v", index, err)
		}
	})
	t.Run("a queue that is full", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, runs, open := gate(t, secret.Config{MaxConcurrent: 1})
			var all sync.WaitGroup
			for i := range 1 + 32 { // one runs, 32 wait
				all.Go(func() {
					if _, err := c.Check(t.Context(), from(strconv.Itoa(i), presents("wrong"+strconv.Itoa(i), of("g1", "right")))); err != authz.ErrSecretMismatch {
						t.Errorf("error %v, want %v", err, authz.ErrSecretMismatch)
					}
				})
			}
			synctest.Wait()
			start := time.Now()
			take(t, c, runs, step{"one more", from("one more", presents("right", of("g1", "right"))), -1, authz.ErrSecretBusy, 0})
			if waited := time.Since(start); waited != 0 {
				t.Errorf("waited %v, want no wait", waited)
			}
			open()
			all.Wait()
		})
	})
}

// TestRunsAreSharedFairly: while an attacker with many sources guesses at one client,
// known sources go first, and other clients get every second run.
func TestRunsAreSharedFairly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChecker(t, secret.Config{MaxConcurrent: 1})
		steps := make(chan struct{})
		c.OnRun(func() { <-steps })

		var all sync.WaitGroup
		done := make(chan string, 10)
		queue := func(name string, a secret.Attempt) {
			a.ClientID, _, _ = strings.Cut(name, " ")
			a.Source = name
			a.Secret = name // each another secret, right or wrong
			all.Go(func() {
				if _, err := c.Check(t.Context(), a); (err == nil) != strings.HasSuffix(name, " pod") {
					t.Errorf("%s: error %v, want one only of an attacker", name, err)
				}
				done <- name
			})
			synctest.Wait()
		}
		next := func() string { steps <- struct{}{}; return <-done }

		// A source that proved the ledger before is known.
		queue("ledger pod", presents("", of("g1", "ledger pod")))
		order := []string{next()}

		queue("billing attacker-0", presents("", of("g1", "x"))) // it runs
		for i := 1; i < 4; i++ {
			queue(fmt.Sprintf("billing attacker-%d", i), presents("", of("g1", "x")))
		}
		queue("search pod", presents("", of("g1", "search pod")))
		queue("billing pod", presents("", of("g1", "billing pod")))
		queue("ledger pod", presents("", of("g2", "ledger pod")))
		familiar := presents("", of("g1", "email pod"))
		familiar.Familiar = true
		queue("email pod", familiar)
		for range 8 {
			order = append(order, next())
		}
		all.Wait()
		want := []string{
			"ledger pod", "billing attacker-0",
			"ledger pod", "email pod", // known
			"billing attacker-1", "search pod", "billing attacker-2", "billing attacker-3", "billing pod",
		}
		if diff := cmp.Diff(want, order); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
	})
}

// TestNoSlotIsLost: a slot that an attempt gets just after it gave up, and before it
// notices that, is released nevertheless.
func TestNoSlotIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChecker(t, secret.Config{MaxConcurrent: 1})
		for i := range 1000 {
			soon, cancel := context.WithTimeout(t.Context(), time.Minute)
			if !c.Acquire(soon) {
				t.Fatalf("the slot was lost in round %d, want it to be acquired", i)
			}
			var all sync.WaitGroup
			impatient, giveUp := context.WithCancel(t.Context())
			all.Go(func() {
				if c.Acquire(impatient) {
					c.Release()
				}
			})
			synctest.Wait()
			giveUp()
			c.Release()
			all.Wait()
			cancel()
		}
	})
}

// TestFirstCallsShareOneRun: a client that starts up with many calls at once, from
// many sources, is not throttled, and needs one slot in all.
func TestFirstCallsShareOneRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, runs, open := gate(t, secret.Config{MaxConcurrent: 1, GuessBurst: 1})
		var all sync.WaitGroup
		for i := range 300 {
			all.Go(func() {
				index, err := c.Check(t.Context(), from(strconv.Itoa(i%3), presents("right", of("g1", "right"))))
				if index != 0 || err != nil {
					t.Errorf("index %d, error %v; want 0", index, err)
				}
			})
		}
		synctest.Wait()
		open()
		all.Wait()
		if n := runs.Load(); n != 1 {
			t.Errorf("%d runs of argon2, want 1", n)
		}
	})
}

// TestAWaiterComparesIfTheFirstGivesUp: calls that wait for another's comparison make
// it themselves if that one does not.
func TestAWaiterComparesIfTheFirstGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, runs, open := gate(t, secret.Config{MaxConcurrent: 1})
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := c.Check(t.Context(), presents("wrong", of("g1", "right"))); err != authz.ErrSecretMismatch {
				t.Errorf("error %v, want %v", err, authz.ErrSecretMismatch)
			}
		})
		synctest.Wait() // the only slot is taken
		impatient, giveUp := context.WithCancel(t.Context())
		all.Go(func() {
			if _, err := c.Check(impatient, presents("right", of("g1", "right"))); err != authz.ErrSecretBusy {
				t.Errorf("error %v, want %v", err, authz.ErrSecretBusy)
			}
		})
		synctest.Wait()
		all.Go(func() {
			if index, err := c.Check(t.Context(), presents("right", of("g1", "right"))); index != 0 || err != nil {
				t.Errorf("index %d, error %v; want 0", index, err)
			}
		})
		all.Go(func() {
			if _, err := c.Check(impatient, presents("right", of("g1", "right"))); err != authz.ErrSecretBusy {
				t.Errorf("error %v, want %v", err, authz.ErrSecretBusy)
			}
		})
		synctest.Wait()
		giveUp()
		synctest.Wait()
		open()
		all.Wait()
		if n := runs.Load(); n != 2 {
			t.Errorf("%d runs of argon2, want 2", n)
		}
	})
}

// TestManyAtOnce is for the race detector: right and wrong secrets, cold and warm,
// of many clients from many sources.
func TestManyAtOnce(t *testing.T) {
	c, runs := counted(t, secret.Config{MaxConcurrent: 2, Wait: time.Minute, MaxVerified: 16, MaxClientKeys: 16})
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := range 300 {
				client := fmt.Sprintf("c%d", i%24)
				a := secret.Attempt{
					ClientID: client, Source: strconv.Itoa(worker % 4), Familiar: worker == 0, Secret: client,
					Candidates: []authz.SecretCandidate{of("new", "not yet"), of("old", client)},
				}
				if wrong := i%7 == 0; wrong {
					a.Secret = "wrong"
				}
				index, err := c.Check(t.Context(), a)
				switch {
				case err == nil && (index != 1 || a.Secret == "wrong"):
					t.Errorf("%v: index %d without an error, want 1 of the right secret", a, index)
				case err != nil && (index != -1 || errors.Is(err, authz.ErrSecretBusy)):
					t.Errorf("%v: index %d, error %v; want -1, and not busy", a, index, err)
				case errors.Is(err, authz.ErrSecretMismatch) && a.Secret == client:
					t.Errorf("%v: the right secret does not match", a)
				}
			}
		})
	}
	all.Wait()
	if runs.Load() == 0 {
		t.Error("no runs of argon2")
	}
}

// TestAgreesWithArgon2: whatever was checked before, Check answers as comparing
// with every candidate by argon2 does.
func TestAgreesWithArgon2(t *testing.T) {
	secrets := []string{"a", "b", "c", "d", "", strings.Repeat("a", secret.MaxLength+1)}
	rapid.Check(t, func(t *rapid.T) {
		c, err := secret.NewChecker(secret.Config{
			GuessBurst:  1000,
			MaxVerified: rapid.IntRange(1, 4).Draw(t, "verified"),
		})
		if err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(1, 30).Draw(t, "attempts") {
			a := secret.Attempt{
				ClientID: rapid.SampledFrom([]string{"x", "y"}).Draw(t, "client"),
				Secret:   rapid.SampledFrom(secrets).Draw(t, "secret"),
			}
			want, wantErr := -1, authz.ErrSecretMismatch
			// No secret twice in an attempt, so that there is one right answer.
			for i, text := range rapid.SliceOfNDistinct(rapid.SampledFrom(secrets[:5]), 0, 3, rapid.ID[string]).Draw(t, "candidates") {
				a.Candidates = append(a.Candidates, authz.SecretCandidate{
					ID:      rapid.SampledFrom([]string{"g1", "g2"}).Draw(t, "id"),
					Version: rapid.Uint64Range(1, 2).Draw(t, "version"),
					Hash:    cheapSalted(text, rapid.SampledFrom([]string{"somesalt", "other salt"}).Draw(t, "salt")),
				})
				if text == a.Secret && text != "" {
					want, wantErr = i, nil
				}
			}
			if index, err := c.Check(context.Background(), a); index != want || !errors.Is(err, wantErr) {
				t.Fatalf("index %d, error %v; want %d, %v", index, err, want, wantErr)
			}
		}
	})
}

func TestNoTextHoldsASecret(t *testing.T) {
	a := presents("s3cr3t", of("g1", "s3cr3t"))
	hash := a.Candidates[0].Hash
	var text strings.Builder
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&text, format+"\n", a)
		fmt.Fprintf(&text, format+"\n", &a)
		fmt.Fprintf(&text, format+"\n", struct{ A secret.Attempt }{a})
	}
	encoded, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	text.Write(encoded)
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "attempt", a)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "attempt", a)
	text.Write(log.Bytes())
	for _, leak := range []string{"s3cr3t", fmt.Sprintf("%x", "s3cr3t"), hash, hash[len(hash)-10:]} {
		if strings.Contains(text.String(), leak) {
			t.Errorf("%q is in %s", leak, &text)
		}
	}
	if !strings.Contains(text.String(), `attempt of client "billing" from "10.0.0.1"`) {
		t.Errorf("no text form names client and source:\n%s", &text)
	}
}

func TestConfig(t *testing.T) {
	for field, config := range map[string]secret.Config{
		"MaxConcurrent": {MaxConcurrent: -1}, "Wait": {Wait: -1}, "GuessBurst": {GuessBurst: -1},
		"GuessEvery": {GuessEvery: -1}, "MaxClientKeys": {MaxClientKeys: -1}, "MaxVerified": {MaxVerified: -1},
	} {
		if _, err := secret.NewChecker(config); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s is negative: error %v, want one that names it", field, err)
		}
	}
}
