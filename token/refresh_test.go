package token_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/token"
)

// waitLimit is how long a test waits for what should happen at once.
const waitLimit = 10 * time.Second

// clock is staged: time passes when a test says so.
type clock struct {
	mu      sync.Mutex
	now     time.Time
	waiters []waiter
	armed   chan time.Duration // each wait that was begun
}

type waiter struct {
	at time.Time
	c  chan time.Time
}

func newClock() *clock { return &clock{now: now, armed: make(chan time.Duration, 10_000)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) After(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := waiter{at: c.now.Add(d), c: make(chan time.Time, 1)}
	c.waiters = append(c.waiters, w)
	c.armed <- d
	return w.c
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	var left []waiter
	for _, w := range c.waiters {
		if w.at.After(c.now) {
			left = append(left, w)
			continue
		}
		w.c <- c.now
	}
	c.waiters = left
}

// until waits for Run to go through its sources until done says so.
func (c *clock) until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for !done() {
		select {
		case <-c.armed:
		case <-time.After(waitLimit):
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// jwksServer serves whatever its handler is at the moment, and counts.
type jwksServer struct {
	handler atomic.Pointer[http.HandlerFunc]
	hits    atomic.Int64
}

func (s *jwksServer) serve(h http.HandlerFunc) { s.handler.Store(&h) }

func (s *jwksServer) body(body []byte) {
	s.serve(func(w http.ResponseWriter, r *http.Request) { w.Write(body) })
}

func (s *jwksServer) down() {
	s.serve(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
}

func (s *jwksServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.hits.Add(1)
	(*s.handler.Load())(w, r)
}

// authority is a running verifier with one issuer whose keys it fetches.
type authority struct {
	*testing.T
	clock  *clock
	jwks   *jwksServer
	server *httptest.Server
	signer *token.Signer
	issuer *authz.Issuer
	listed atomic.Pointer[[]*authz.Issuer]
	v      *token.Verifier
	dir    string
	log    *bytes.Buffer
	stop   func()
}

func newAuthority(t *testing.T) *authority {
	jwks := &jwksServer{}
	a := &authority{T: t, clock: newClock(), jwks: jwks, server: httptest.NewServer(jwks), signer: newSigner(t, "ES256"), dir: filepath.Join(t.TempDir(), "keys")}
	t.Cleanup(a.server.Close)
	a.issuer = demoIssuer(t, a.signer)
	a.issuer.Keys, a.issuer.JWKSURL = nil, a.server.URL+"/keys"
	a.issuer.FreshForS, a.issuer.UsableForS = 600, 3600
	a.list(a.issuer)
	jwks.body(publicSet(t, a.signer))
	return a
}

func (a *authority) list(issuers ...*authz.Issuer) {
	all := append([]*authz.Issuer{}, issuers...) // never nil
	a.listed.Store(&all)
}

// start makes the verifier and runs it until the test, or stop, ends it.
func (a *authority) start() {
	a.Helper()
	a.log = &bytes.Buffer{}
	a.v = newVerifier(a.T, token.Config{
		Dir: a.dir, Transport: a.server.Client().Transport, Log: slog.New(slog.NewTextHandler(a.log, nil)),
		Now: a.clock.Now, After: a.clock.After, Random: func() float64 { return 0.5 },
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.v.Run(ctx, func() []*authz.Issuer { return *a.listed.Load() }) }()
	var once sync.Once
	a.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				a.Errorf("Run: %v", err)
			}
		})
	}
	a.Cleanup(a.stop)
}

// fetched waits until n fetches were made and the last one is over.
func (a *authority) fetched(n int64) {
	a.Helper()
	a.clock.until(a.T, fmt.Sprintf("fetch %d", n), func() bool {
		s := a.status()
		return a.jwks.hits.Load() >= n && (!s.FetchedAt.IsZero() || s.LastError != "") && !s.NextRefresh.IsZero()
	})
	if got := a.jwks.hits.Load(); got != n {
		a.Fatalf("%d fetches, want %d", got, n)
	}
}

// settle waits until Run has looked at its sources once more, from beginning to
// end, and returns how long it means to wait after that.
func (a *authority) settle() (wait time.Duration) {
	a.Helper()
	for len(a.clock.armed) > 0 {
		<-a.clock.armed
	}
	for range 2 { // the first look may have begun before
		a.v.Refresh("nobody")
		select {
		case wait = <-a.clock.armed:
		case <-time.After(waitLimit):
			a.Fatal("waited in vain for a look at the sources")
		}
	}
	return wait
}

func (a *authority) status() authz.IssuerStatus { return a.v.Status(a.issuer) }

func (a *authority) verify(text string) authz.Principal {
	return a.v.Verify(context.Background(), authz.Presentation{Evidence: authz.Evidence{Token: text}, Directory: registry{demoURL: a.issuer}, Now: a.clock.Now()})
}

func (a *authority) proves(text, freshness string) {
	a.Helper()
	if p := a.verify(text); p.Fault != nil || p.Freshness != freshness {
		a.Errorf("%+v; want a %s principal (fault %+v)", p, freshness, p.Fault)
	}
}

func TestFetchedKeysAge(t *testing.T) {
	a := newAuthority(t)
	a.start()
	a.fetched(1)
	text := sign(t, a.signer, nil, good())
	a.proves(text, authz.Fresh)
	want := authz.IssuerStatus{
		State: authz.Fresh, Keys: 1, FetchedAt: now, FreshUntil: now.Add(10 * time.Minute), UsableUntil: now.Add(time.Hour),
		UsableUntilByTier: map[string]time.Time{"0": now.Add(time.Hour), "1": now.Add(time.Hour), "2": now.Add(time.Hour), "3": now.Add(time.Hour)},
		NextRefresh:       now.Add(8 * time.Minute), // 0.8 of fresh_for_s
	}
	if diff := cmp.Diff(want, a.status()); diff != "" {
		t.Error(diff)
	}

	a.jwks.down()
	a.clock.advance(8*time.Minute - time.Second)
	a.settle()
	if n := a.jwks.hits.Load(); n != 1 {
		t.Fatalf("%d fetches before the refresh was due", n)
	}
	a.clock.advance(time.Second)
	a.clock.until(t, "the failed refresh", func() bool { return a.status().LastError != "" })
	if s := a.status(); !strings.Contains(s.LastError, "503") || s.State != authz.Fresh {
		t.Errorf("status %+v, want a fresh one whose last error is 503", s)
	}
	a.proves(text, authz.Fresh) // remembered, and the last good set still counts

	a.clock.advance(2 * time.Minute)
	a.proves(text, authz.Fresh) // ten minutes old to the second
	a.clock.advance(time.Second)
	a.proves(text, authz.Stale)
	a.proves(sign(t, a.signer, nil, with(map[string]any{"jti": "j-2"})), authz.Stale)
	other := newSigner(t, "ES256")
	wantFault(t, a.verify(sign(t, other, nil, good())), authz.IssuerUnavailable, "keys_unavailable")

	a.clock.advance(50 * time.Minute)
	if s := a.status(); s.State != authz.TooStale {
		t.Errorf("status %+v, want it too stale", s)
	}
	wantFault(t, a.verify(text), authz.IssuerUnavailable, "keys_unavailable")

	a.jwks.body(publicSet(t, a.signer))
	a.v.Refresh("demo")
	// A fetch that began before the clock went on may end well too: its keys are as old
	// as its beginning, and the one that was asked for follows.
	a.clock.until(t, "recovery", func() bool { s := a.status(); return s.State == authz.Fresh && s.LastError == "" })
	a.proves(text, authz.Fresh)
	if s := a.status(); s.State != authz.Fresh || !s.LastErrorAt.IsZero() {
		t.Errorf("status %+v, want a fresh one without an error", s)
	}
}

func TestFailedFetchesBackOff(t *testing.T) {
	a := newAuthority(t)
	a.jwks.down()
	a.start()
	var delays []time.Duration
	for n := int64(1); n <= 12; n++ {
		a.fetched(n)
		delay := a.status().NextRefresh.Sub(a.clock.Now())
		delays = append(delays, delay)
		a.clock.advance(delay)
		a.v.Refresh("nobody")
	}
	s := time.Second
	want := []time.Duration{750 * time.Millisecond, 1500 * time.Millisecond, 3 * s, 6 * s, 12 * s, 24 * s, 48 * s, 96 * s, 192 * s, 225 * s, 225 * s, 225 * s}
	if diff := cmp.Diff(want, delays); diff != "" {
		t.Error(diff)
	}
	wantFault(t, a.verify(sign(t, a.signer, nil, good())), authz.IssuerUnavailable, "keys_unavailable")
	if got := a.status().State; got != authz.Missing {
		t.Errorf("freshness %q", got)
	}
}

// A rotated key is found, and a dropped one forgotten, by the fetch that a token
// of the new key asks for.
func TestRotation(t *testing.T) {
	a := newAuthority(t)
	a.start()
	a.fetched(1)
	old := sign(t, a.signer, nil, good())
	a.proves(old, authz.Fresh)

	next := newSigner(t, "ES256")
	a.jwks.body(publicSet(t, next))
	text := sign(t, next, nil, good())
	wantFault(t, a.verify(text), authz.TokenInvalid, "unknown_key")
	a.fetched(2)
	a.proves(text, authz.Fresh)
	wantFault(t, a.verify(old), authz.TokenInvalid, "unknown_key")

	a.clock.advance(time.Minute)
	a.jwks.body([]byte(`{"keys":[]}`)) // everything is revoked
	a.v.Refresh("demo")
	a.fetched(3)
	wantFault(t, a.verify(text), authz.TokenInvalid, "unknown_key")
}

func TestUnknownKidStormMakesOneFetch(t *testing.T) {
	a := newAuthority(t)
	a.start()
	a.fetched(1)
	f := forgerOf(t, a.signer)
	storm := func(from, n int) {
		var all sync.WaitGroup
		for i := range n {
			text := f.token(fmt.Sprintf(`{"alg":"ES256","typ":"at+jwt","kid":"k-%d"}`, from+i), payload(demoURL))
			all.Go(func() {
				if p := a.verify(text); p.Fault == nil || p.Fault.Cause != "unknown_key" {
					t.Errorf("principal %+v, want unknown_key", p)
				}
			})
		}
		all.Wait()
		a.settle()
	}
	storm(0, 200)
	a.fetched(2)
	a.clock.advance(29 * time.Second)
	storm(1000, 200)
	a.fetched(2)
	a.clock.advance(time.Second)
	storm(2000, 200)
	a.fetched(3)

	// One kid asks again only after two minutes.
	a.clock.advance(31 * time.Second)
	storm(5000, 1)
	a.fetched(4)
	a.clock.advance(time.Minute)
	storm(5000, 1)
	a.fetched(4)
	a.clock.advance(time.Minute)
	storm(5000, 1)
	a.fetched(5)
}

func TestUnchangedKeysAreNotSentAgain(t *testing.T) {
	a := newAuthority(t)
	body := publicSet(t, a.signer)
	conditions := make(chan string, 10)
	a.jwks.serve(func(w http.ResponseWriter, r *http.Request) {
		conditions <- r.Header.Get("If-None-Match")
		if r.Header.Get("If-None-Match") == `"v1"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("ETag", `"v1"`)
		w.Write(body)
	})
	a.start()
	a.fetched(1)
	a.clock.advance(9 * time.Minute)
	a.fetched(2)
	if first, second := <-conditions, <-conditions; first != "" || second != `"v1"` {
		t.Errorf("conditions %q, %q", first, second)
	}
	a.clock.until(t, "the new time", func() bool { return a.status().FetchedAt.Equal(now.Add(9 * time.Minute)) })
	a.proves(sign(t, a.signer, nil, good()), authz.Fresh)

	// The time of the last confirmation survives a restart.
	a.stop()
	a.jwks.down()
	a.start()
	if s := a.status(); !s.FetchedAt.Equal(now.Add(9 * time.Minute)) {
		t.Errorf("status %+v, want it last fetched 9 min after the first time", s)
	}
}

func TestAnswersThatAreNotKeySets(t *testing.T) {
	elsewhere := &jwksServer{}
	elsewhere.body([]byte(`{"keys":[]}`))
	other := httptest.NewServer(elsewhere)
	t.Cleanup(other.Close)
	redirect := func(to string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }
	}
	write := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, body) }
	}
	tests := map[string]struct {
		handler http.HandlerFunc
		says    string
	}{
		"redirect off the host":       {redirect(other.URL + "/keys"), "another host"},
		"redirect to another scheme":  {redirect("https://" + strings.TrimPrefix(other.URL, "http://")), "another host"},
		"redirect for ever":           {redirect("/keys"), "too often"},
		"too large":                   {write(`{"keys":[],"x":"` + strings.Repeat("x", 256<<10) + `"}`), "larger than 256 kB"},
		"no JSON":                     {write(`<html>`), "not a JWK Set"},
		"no keys":                     {write(`{"spiffe_sequence":1}`), "keys is required"},
		"two sets":                    {write(`{"keys":[],"keys":[]}`), "not a JWK Set"},
		"not found":                   {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(404) }, "404"},
		"not modified, never fetched": {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(304) }, "304"},
		"cut off": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, `{"keys":[]`)
		}, "reading the answer"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			a := newAuthority(t)
			a.jwks.serve(test.handler)
			a.start()
			a.clock.until(t, "the failure", func() bool { return a.status().LastError != "" })
			if s := a.status(); !strings.Contains(s.LastError, test.says) || s.State != authz.Missing {
				t.Errorf("%+v; want an error saying %q", s, test.says)
			}
			a.stop() // so that nothing writes the log while it is read
			if !strings.Contains(a.log.String(), "cannot be fetched") {
				t.Errorf("log %q", a.log)
			}
		})
	}
	if n := elsewhere.hits.Load(); n != 0 {
		t.Errorf("%d requests reached another host", n)
	}
}

// A bad answer leaves the last good set in place.
func TestBadAnswerKeepsTheLastGoodSet(t *testing.T) {
	a := newAuthority(t)
	a.start()
	a.fetched(1)
	a.jwks.body([]byte(`{"keys":`))
	a.v.Refresh("demo")
	a.clock.until(t, "the failure", func() bool { return a.status().LastError != "" })
	a.proves(sign(t, a.signer, nil, good()), authz.Fresh)
}

func TestRedirectOnTheHostIsFollowed(t *testing.T) {
	a := newAuthority(t)
	body := publicSet(t, a.signer)
	a.jwks.serve(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/keys" {
			http.Redirect(w, r, "/v2/keys", http.StatusMovedPermanently)
			return
		}
		w.Write(body)
	})
	a.start()
	a.fetched(2)
	a.proves(sign(t, a.signer, nil, good()), authz.Fresh)
}

func TestHTTPSIsNeverLeft(t *testing.T) {
	a := newAuthority(t)
	a.server = httptest.NewTLSServer(a.jwks)
	t.Cleanup(a.server.Close)
	a.issuer.JWKSURL = a.server.URL + "/keys"
	a.jwks.serve(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+r.Host+"/keys", http.StatusFound)
	})
	a.start()
	a.clock.until(t, "the failure", func() bool { return a.status().LastError != "" })
	if s := a.status(); !strings.Contains(s.LastError, "another scheme") {
		t.Errorf("status %+v, want another scheme as its last error", s)
	}
	a.jwks.body(publicSet(t, a.signer))
	a.v.Refresh("demo")
	a.clock.until(t, "the keys", func() bool { return a.status().State == authz.Fresh })
	a.proves(sign(t, a.signer, nil, good()), authz.Fresh)
}

// untouched fails the test when anything is sent.
type untouched struct{ t *testing.T }

func (u untouched) RoundTrip(r *http.Request) (*http.Response, error) {
	u.t.Errorf("a request to %s", r.URL)
	return nil, errors.New("not allowed")
}

func TestPlainHTTPLeavesTheMachineNever(t *testing.T) {
	a := newAuthority(t)
	a.issuer.JWKSURL = "http://issuer.example/keys"
	a.server.Client().Transport = untouched{t}
	a.start()
	a.clock.until(t, "the refusal", func() bool { return a.status().LastError != "" })
	if s := a.status(); !strings.Contains(s.LastError, "must be https") {
		t.Errorf("status %+v, want must be https as its last error", s)
	}
}

// Verify has no network to go to: whatever a token names, only Run fetches, and
// only the registered URL.
func TestVerifyFetchesNothing(t *testing.T) {
	v := newVerifier(t, token.Config{Transport: untouched{t}})
	a := newArena(t)
	issuer := *a.issuers[esURL]
	issuer.Keys, issuer.JWKSURL = nil, "https://es.example/keys"
	for _, attack := range a.attacks(t) {
		if p := verify(v, registry{esURL: &issuer}, attack.token); p.Fault == nil {
			t.Errorf("%s: accepted", attack.name)
		}
	}
}

func TestKeysSurviveARestart(t *testing.T) {
	a := newAuthority(t)
	a.start()
	a.fetched(1)
	text := sign(t, a.signer, nil, good())
	a.stop()

	a.jwks.down()
	a.clock.advance(20 * time.Minute)
	a.start()
	a.proves(text, authz.Stale)
	a.stop()

	files, err := filepath.Glob(filepath.Join(a.dir, "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files %v, error %v; want one copy", files, err)
	}
	info, err := os.Stat(files[0])
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, error %v; want 0600", info.Mode(), err)
	}

	unfinished := filepath.Join(a.dir, ".new-1") // by a process that was killed
	if err := os.WriteFile(unfinished, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	a.list() // the issuer is removed: so is its copy
	a.start()
	a.settle()
	if left, err := os.ReadDir(a.dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestRemovedIssuerIsForgotten(t *testing.T) {
	a := newAuthority(t)
	a.start()
	a.fetched(1)
	a.list()
	a.settle()
	if got := a.status().State; got != authz.Missing {
		t.Errorf("freshness %q", got)
	}
	hits := a.jwks.hits.Load()
	a.clock.advance(time.Hour)
	a.settle()
	if got := a.jwks.hits.Load(); got != hits {
		t.Errorf("%d fetches for an issuer that is not registered", got-hits)
	}
}

// A nil list means that the issuers cannot be read just now, not that there are
// none.
func TestUnreadableListForgetsNothing(t *testing.T) {
	a := newAuthority(t)
	a.start()
	a.fetched(1)
	a.listed.Store(new([]*authz.Issuer))
	a.settle()
	a.proves(sign(t, a.signer, nil, good()), authz.Fresh)
}

// Registering an issuer has its keys fetched at once: by Refresh, or by the first
// token that needs them.
func TestNewIssuerIsFetchedAtOnce(t *testing.T) {
	for name, nudge := range map[string]func(*authority){
		"by Refresh": func(a *authority) { a.v.Refresh("demo") },
		// What it is answered depends on which is quicker, so only the fetch counts.
		"by a token": func(a *authority) { a.verify(sign(a.T, a.signer, nil, good())) },
	} {
		t.Run(name, func(t *testing.T) {
			a := newAuthority(t)
			a.list()
			a.start()
			<-a.clock.armed // the only look there is a reason for
			a.list(a.issuer)
			nudge(a)
			a.fetched(1)
			a.proves(sign(t, a.signer, nil, good()), authz.Fresh)
		})
	}
}

// Run looks at the list of issuers at least once a minute, and wakes when a
// refresh is due sooner.
func TestRunWaitsNoLongerThanItMay(t *testing.T) {
	a := newAuthority(t)
	a.issuer.FreshForS = 30
	a.start()
	a.fetched(1)
	if d := a.settle(); d != 24*time.Second {
		t.Errorf("waits %s for a refresh due in 24 s", d)
	}
	a.clock.advance(24 * time.Second) // the timer alone
	a.fetched(2)
	a.list()
	if d := a.settle(); d != time.Minute {
		t.Errorf("waits %s with nothing to do", d)
	}
}

func TestUnusableCopiesArePassedOver(t *testing.T) {
	a := newAuthority(t)
	a.start()
	a.fetched(1)
	a.stop()
	files, err := filepath.Glob(filepath.Join(a.dir, "*.json"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	content, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	a.jwks.down()
	for name, spoil := range map[string][]byte{
		"cut":               content[:len(content)/2],
		"empty":             nil,
		"of another issuer": bytes.Replace(content, []byte(`"demo"`), []byte(`"evil"`), 1),
		"of the future":     bytes.Replace(content, []byte("2026-11-22"), []byte("2036-11-22"), 1),
		"no key set":        bytes.Replace(content, []byte(`\"keys\"`), []byte(`\"yeks\"`), 1),
	} {
		t.Run(name, func(t *testing.T) {
			if bytes.Equal(spoil, content) {
				t.Fatal("not spoiled")
			}
			if err := os.WriteFile(files[0], spoil, 0o600); err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			v := newVerifier(t, token.Config{Dir: a.dir, Now: a.clock.Now, Log: slog.New(slog.NewTextHandler(&log, nil))})
			if got := v.Status(a.issuer).State; got != authz.Missing {
				t.Errorf("freshness %q", got)
			}
			if !strings.Contains(log.String(), "is not used") {
				t.Errorf("log %q", log.String())
			}
		})
	}
}

func TestNewNeedsItsDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := token.New(token.Config{Dir: filepath.Join(file, "keys")}); err == nil {
		t.Error("made a verifier without its directory")
	}
}

// Keys that cannot be kept on disk are used all the same, and the status says so.
func TestKeysThatCannotBeKept(t *testing.T) {
	a := newAuthority(t)
	a.start()
	a.fetched(1)
	if err := os.RemoveAll(a.dir); err != nil {
		t.Fatal(err)
	}
	a.v.Refresh("demo")
	a.clock.until(t, "the failure", func() bool { return a.status().LastError != "" })
	if s := a.status(); !strings.Contains(s.LastError, "on disk") || s.State != authz.Fresh {
		t.Errorf("status %+v, want a fresh one that cannot be saved on disk", s)
	}
	a.proves(sign(t, a.signer, nil, good()), authz.Fresh)
}
