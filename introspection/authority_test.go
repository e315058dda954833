package introspection_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/introspection"
)

const (
	token  = "2YotnFZFEjr1zCsicMWpAA" // RFC 6749 section 4.1.4
	secret = "s3cr3t/with:odd chars"
	active = `{"active":true,"sub":"mx:ledgerlink","scope":"billing.export"}`
)

// clock is a staged clock.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// server is an authority on a real socket that says what it is told to.
type server struct {
	*httptest.Server
	asked  atomic.Int64
	answer atomic.Pointer[http.HandlerFunc]
}

func startServer(t *testing.T, body string) *server {
	t.Helper()
	s := &server{}
	s.says(body)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		(*s.answer.Load())(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) does(handler http.HandlerFunc) { s.answer.Store(&handler) }

func (s *server) says(body string) { s.does(says(body)) }

func says(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json;charset=utf-8")
		if _, err := w.Write([]byte(body)); err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

func (s *server) wasAsked(t *testing.T, times int64) {
	t.Helper()
	if got := s.asked.Load(); got != times {
		t.Errorf("the authority was asked %d times, want %d", got, times)
	}
}

// authority is row 18's: fresh for 60 s, usable for 10 minutes.
func authority(url string) introspection.Authority {
	return introspection.Authority{
		Issuer: "ledgerlink", Revision: 7, URL: url, ClientID: "verdict:pdp", Secret: secret,
		Deadline: 5 * time.Second, FreshFor: time.Minute, UsableFor: 10 * time.Minute,
	}
}

// asker asks about one token, in one test.
type asker struct {
	t      *testing.T
	client *introspection.Client
	a      introspection.Authority
}

func (q asker) ask(source string) (authz.IntrospectionAnswer, error) {
	q.t.Helper()
	return q.client.Ask(q.t.Context(), q.a, token, source)
}

func (q asker) gets(freshness string) authz.IntrospectionAnswer {
	q.t.Helper()
	answer, err := q.ask("")
	if err != nil {
		q.t.Fatalf("%v, want a %s answer", err, freshness)
	}
	if answer.Freshness != freshness {
		q.t.Fatalf("%s, want %s", answer.Freshness, freshness)
	}
	return answer
}

func (q asker) fails(want error) error {
	q.t.Helper()
	answer, err := q.ask("")
	if !errors.Is(err, want) {
		q.t.Fatalf("%q and %v, want %v", answer.Claims, err, want)
	}
	if answer.Claims != nil || answer.Freshness != "" {
		q.t.Errorf("an error came with the answer %q, %q", answer.Claims, answer.Freshness)
	}
	return err
}

// inMemory is a network for tests in virtual time: every connection leads to the
// server, and waiting for one is waiting as testing/synctest knows it.
type inMemory struct {
	dialed chan net.Conn
	closed chan struct{}
}

// startInMemory serves handler. Call it in a synctest bubble; it is over when the
// test's context is.
func startInMemory(t *testing.T, handler http.HandlerFunc) *http.Transport {
	t.Helper()
	network := &inMemory{dialed: make(chan net.Conn), closed: make(chan struct{})}
	var handlers sync.WaitGroup // Close does not wait for hijacked connections
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handlers.Add(1)
		defer handlers.Done()
		handler(w, r)
	})}
	served := make(chan error, 1)
	go func() { served <- s.Serve(network) }()
	transport := &http.Transport{DialContext: network.dial}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
		handlers.Wait()
	})
	return transport
}

func (n *inMemory) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case n.dialed <- theirs:
		return ours, nil
	case <-n.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (n *inMemory) Accept() (net.Conn, error) {
	select {
	case c := <-n.dialed:
		return c, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

func (n *inMemory) Close() error {
	close(n.closed)
	return nil
}

func (n *inMemory) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
