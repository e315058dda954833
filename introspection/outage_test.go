package introspection_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/introspection"
)

// These tests run in virtual time: waiting costs nothing, and how long something
// took is exact.

// switchable is an authority that hangs, until the end of the test or of the
// question, while hanging is set.
type switchable struct {
	hanging atomic.Bool
	asked   atomic.Int64
	body    atomic.Pointer[string]
}

func (s *switchable) says(body string) { s.body.Store(&body) }

func (s *switchable) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.asked.Add(1)
	if err := r.ParseForm(); err != nil { // a server notices a client's end only once it has read the body
		panic(http.ErrAbortHandler)
	}
	if s.hanging.Load() {
		<-r.Context().Done()
		return
	}
	says(*s.body.Load())(w, r)
}

// startHanging starts an authority, and a client with its default settings.
func startHanging(t *testing.T) (*switchable, asker) {
	t.Helper()
	s := &switchable{}
	s.says(active)
	client := introspection.New(introspection.Config{Transport: startInMemory(t, s.ServeHTTP)})
	q := asker{t, client, authority("http://127.0.0.1:1/introspect")}
	q.a.Deadline = 0
	return s, q
}

// within says what f is to take, exactly.
func within(t *testing.T, d time.Duration, f func()) {
	t.Helper()
	start := time.Now()
	f()
	if took := time.Since(start); took != d {
		t.Errorf("took %v, want %v", took, d)
	}
}

// pass lets virtual time pass.
func pass(d time.Duration) { <-time.After(d) }

func (q asker) breakerIs(want string) {
	q.t.Helper()
	if got := q.client.Status(q.a.Issuer); got.Breaker != want || got.InFlight != 0 {
		q.t.Errorf("%+v, want a breaker that is %s", got, want)
	}
}

func TestHangingAuthority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, q := startHanging(t)
		q.gets(authz.Fresh)
		s.hanging.Store(true)
		pass(time.Minute)

		for range introspection.DefaultFailuresToOpen {
			q.breakerIs("closed")
			within(t, introspection.DefaultDeadline, func() { q.gets(authz.Stale) })
		}
		q.breakerIs("open")
		if got := q.client.Status("ledgerlink"); got.LastError != "no answer within 500ms" || !got.LastFailure.Equal(time.Now()) {
			t.Errorf("status %+v, want a failure now: no answer within 500ms", got)
		}
		asked := s.asked.Load()
		within(t, 0, func() {
			for range 1000 {
				q.gets(authz.Stale)
			}
			_, err := q.client.Ask(t.Context(), q.a, "another", "")
			if !errors.Is(err, authz.ErrUnavailable) || !strings.Contains(err.Error(), "no answer within 500ms") {
				t.Errorf("%v does not name the cause", err)
			}
		})
		if got := s.asked.Load(); got != asked {
			t.Errorf("asked %d times with an open breaker", got-asked)
		}

		// One question goes through; while it hangs, others do not wait.
		pass(introspection.DefaultOpenFor + 1)
		q.breakerIs("half_open")
		probe := make(chan struct{})
		go within(t, introspection.DefaultDeadline, func() {
			defer close(probe)
			if answer, err := q.ask(""); err != nil || answer.Freshness != authz.Stale {
				t.Errorf("freshness %q, error %v; want a stale answer", answer.Freshness, err)
			}
		})
		synctest.Wait()
		within(t, 0, func() {
			if _, err := q.client.Ask(t.Context(), q.a, "another", ""); !errors.Is(err, authz.ErrUnavailable) {
				t.Error(err)
			}
		})
		<-probe
		synctest.Wait()
		q.breakerIs("open")

		// It recovers, and a revocation made meanwhile is noticed.
		s.hanging.Store(false)
		pass(introspection.DefaultOpenFor + 1)
		q.gets(authz.Fresh)
		q.breakerIs("closed")
		s.says(`{"active":false}`)
		pass(time.Minute)
		q.fails(authz.ErrInactive)
	})
}

func TestBulkheadAndOtherIssuers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, q := startHanging(t)
		well := &switchable{}
		well.says(active)
		healthy := startInMemory(t, well.ServeHTTP)
		hanging := startInMemory(t, s.ServeHTTP)
		q.client = introspection.New(introspection.Config{MaxInFlight: 3, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.URL.Port() == "2" {
				return healthy.RoundTrip(r)
			}
			return hanging.RoundTrip(r)
		})})
		q.gets(authz.Fresh)
		s.hanging.Store(true)
		pass(time.Minute)

		var waiting sync.WaitGroup
		for i := range 3 {
			waiting.Go(func() {
				within(t, introspection.DefaultDeadline, func() {
					if _, err := q.client.Ask(t.Context(), q.a, fmt.Sprint("token-", i), ""); !errors.Is(err, authz.ErrUnavailable) {
						t.Error(err)
					}
				})
			})
		}
		synctest.Wait()
		if got := q.client.Status("ledgerlink"); got.InFlight != 3 {
			t.Errorf("status %+v, want 3 requests in flight", got)
		}
		other := asker{t, q.client, authority("http://127.0.0.1:2/introspect")}
		other.a.Issuer = "other"
		within(t, 0, func() {
			for range 100 {
				q.gets(authz.Stale) // the bulkhead is full
			}
			_, err := q.client.Ask(t.Context(), q.a, "another", "")
			if !errors.Is(err, authz.ErrUnavailable) || !strings.Contains(err.Error(), "under way") {
				t.Errorf("%v does not name the cause", err)
			}
			other.gets(authz.Fresh)
			if _, err := other.client.Ask(t.Context(), other.a, "another", ""); err != nil {
				t.Error(err)
			}
		})
		waiting.Wait()
		if got := s.asked.Load(); got != 4 {
			t.Errorf("the hanging authority was asked %d times, want 4", got)
		}
		q.breakerIs("closed") // three failures; being busy is none
		other.breakerIs("closed")
	})
}

func TestTrickleIsBoundedByTheDeadline(t *testing.T) {
	for _, header := range []bool{true, false} {
		t.Run(fmt.Sprint("header first ", header), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				transport := startInMemory(t, func(w http.ResponseWriter, r *http.Request) {
					if err := r.ParseForm(); err != nil {
						panic(http.ErrAbortHandler)
					}
					write := w.Write
					if header {
						w.Header().Set("Content-Type", "application/json")
						w.WriteHeader(http.StatusOK)
					} else {
						conn, _, err := http.NewResponseController(w).Hijack()
						if err != nil {
							t.Error(err)
							return
						}
						defer conn.Close()
						write = conn.Write
					}
					for {
						if _, err := write([]byte("H")); err != nil {
							return
						}
						if header {
							if err := http.NewResponseController(w).Flush(); err != nil {
								return
							}
						}
						pass(100 * time.Millisecond)
					}
				})
				q := asker{t, introspection.New(introspection.Config{Transport: transport}), authority("http://127.0.0.1:1")}
				q.a.Deadline = 2 * time.Second
				within(t, 2*time.Second, func() {
					if err := q.fails(authz.ErrUnavailable); !strings.Contains(err.Error(), "no answer within 2s") {
						t.Error(err)
					}
				})
			})
		})
	}
}

func TestOneQuestionForAllWhoAskTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		release := make(chan struct{})
		transport := startInMemory(t, func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			<-release
			says(active)(w, r)
		})
		q := asker{t, introspection.New(introspection.Config{Transport: transport}), authority("http://127.0.0.1:1")}
		first, leave := context.WithCancel(t.Context())
		var callers sync.WaitGroup
		callers.Go(func() { // the one whose question it is does not wait for the answer
			_, err := q.client.Ask(first, q.a, token, "")
			if !errors.Is(err, authz.ErrUnavailable) || !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		synctest.Wait()
		for i := range 50 {
			callers.Go(func() {
				answer, err := q.client.Ask(t.Context(), q.a, token, fmt.Sprint(i))
				if err != nil || answer.Freshness != authz.Fresh || answer.KnownSource {
					t.Errorf("answer %+v, error %v; want a fresh one from an unknown source", answer, err)
				}
			})
		}
		synctest.Wait()
		leave()
		synctest.Wait()
		close(release)
		callers.Wait()
		if got := asked.Load(); got != 1 {
			t.Errorf("asked %d times", got)
		}
		q.breakerIs("closed")
	})
}

func TestNobodyIsAskedForACallerWhoIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, q := startHanging(t)
		q.gets(authz.Fresh)
		pass(time.Minute)
		ctx, leave := context.WithCancel(t.Context())
		leave()
		_, err := q.client.Ask(ctx, q.a, token, "")
		if !errors.Is(err, authz.ErrUnavailable) || !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		synctest.Wait()
		if got := s.asked.Load(); got != 1 {
			t.Errorf("asked %d times", got)
		}
	})
}

func TestForgottenWhileAsking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		transport := startInMemory(t, func(w http.ResponseWriter, r *http.Request) {
			<-release
			says(active)(w, r)
		})
		q := asker{t, introspection.New(introspection.Config{Transport: transport}), authority("http://127.0.0.1:1")}
		done := make(chan struct{})
		go func() {
			defer close(done)
			if answer, err := q.ask(""); err != nil || answer.Freshness != authz.Fresh {
				t.Errorf("freshness %q, error %v; want a fresh answer", answer.Freshness, err)
			}
		}()
		synctest.Wait()
		q.client.Forget("ledgerlink")
		close(release)
		<-done
		if got := q.client.Status("ledgerlink"); got.Positive != 0 {
			t.Errorf("status %+v, want no answer cached after Forget", got)
		}
	})
}

func TestBadRequestsDoNotOpenTheBreaker(t *testing.T) {
	s := startServer(t, "")
	s.does(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) })
	q := asker{t, introspection.New(introspection.Config{}), authority(s.URL)}
	for range 2 * introspection.DefaultFailuresToOpen {
		q.fails(authz.ErrUnavailable)
	}
	s.wasAsked(t, 2*introspection.DefaultFailuresToOpen)
	q.breakerIs("closed")
	s.does(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	for range 2 * introspection.DefaultFailuresToOpen {
		q.fails(authz.ErrUnavailable)
	}
	s.wasAsked(t, 3*introspection.DefaultFailuresToOpen)
	q.breakerIs("open")
}
