package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/client"
)

const key = "vk_test_secret"

// serve starts a server of handler and a client of it that tries once.
func serve(t *testing.T, handler http.HandlerFunc) *client.Client {
	t.Helper()
	return serveWith(t, client.Config{Key: key, Attempts: 1}, handler)
}

func serveWith(t *testing.T, config client.Config, handler http.HandlerFunc) *client.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	config.Server = server.URL
	c, err := client.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func failure(t *testing.T, err error) *client.Error {
	t.Helper()
	var failed *client.Error
	if !errors.As(err, &failed) {
		t.Fatalf("got %v, want a *client.Error", err)
	}
	return failed
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	followed := false
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed = true }))
	defer elsewhere.Close()
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
	})
	_, err := c.Status(t.Context())
	if failed := failure(t, err); failed.Status != http.StatusTemporaryRedirect {
		t.Errorf("the status is %d, want 307", failed.Status)
	}
	if followed {
		t.Error("the key went elsewhere")
	}
}

func TestProblems(t *testing.T) {
	for name, test := range map[string]struct {
		media, body string
		want        string
		ours        bool
	}{
		"with a field":           {"application/problem+json", `{"title":"Bad Request","detail":"is required","field":"id","code":"invalid_request"}`, "id is required", true},
		"field in the detail":    {"application/problem+json; charset=utf-8", `{"detail":"id is required","field":"id"}`, "id is required", true},
		"without a detail":       {"application/problem+json", `{"title":"Bad Request"}`, "Bad Request", true},
		"members of the future":  {"application/problem+json", `{"detail":"no","more":{"x":1}}`, "no", true},
		"not a problem document": {"text/html", `<h1>no</h1>`, "without saying why", false},
		"broken":                 {"application/problem+json", `{"detail":`, "without saying why", false},
		"of a token endpoint":    {"application/json", `{"error":"access_denied","error_description":"no edge","reasons":["EDGE_NOT_DECLARED"]}`, "access_denied: no edge (EDGE_NOT_DECLARED)", true},
		"other JSON":             {"application/json", `{"detail":"no"}`, "without saying why", false},
		"no media type":          {"", `{"detail":"no"}`, "without saying why", false},
	} {
		t.Run(name, func(t *testing.T) {
			c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Content-Type"] = []string{test.media}
				w.WriteHeader(http.StatusBadRequest)
				if _, err := io.WriteString(w, test.body); err != nil {
					t.Error(err)
				}
			})
			_, err := c.Status(t.Context())
			failed := failure(t, err)
			if !strings.Contains(failed.Error(), test.want) {
				t.Errorf("the message is %q, want %q in it", failed, test.want)
			}
			if failed.Status != http.StatusBadRequest {
				t.Errorf("the status is %d, want 400", failed.Status)
			}
			if ours := failed.Document != nil; ours != test.ours {
				t.Errorf("taken for an answer of Verdict: %t, want %t", ours, test.ours)
			}
		})
	}
}

func TestErrorsHoldWhatTheServerSaid(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", api.TypeProblem)
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusServiceUnavailable)
		io.WriteString(w, `{"status":503,"title":"Service Unavailable","detail":"is stopping","code":"unavailable","fix":"Wait.","request_id":"r1","errors":[{"file":"a.rego","line":3,"message":"no"}]}`)
	})
	_, err := c.Status(t.Context())
	failed := failure(t, err)
	want := client.Error{Code: authz.CodeUnavailable, Message: "is stopping", Fix: "Wait.", Status: 503, RequestID: "r1", RetryAfter: 7 * time.Second,
		Problems: []authz.Problem{{File: "a.rego", Line: 3, Message: "no"}}, Server: failed.Server, Document: failed.Document}
	if diff := cmp.Diff(want, *failed); diff != "" {
		t.Errorf("the error is not as the server said (-want +got):\n%s", diff)
	}
}

func TestErrorsDoNotHoldTheKey(t *testing.T) {
	refusing := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	breaking := serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	broken := serveWith(t, client.Config{Key: key + "\n", Attempts: 1}, func(http.ResponseWriter, *http.Request) {})
	for name, c := range map[string]*client.Client{"refusing": refusing, "breaking": breaking, "not a header": broken} {
		_, err := c.Status(t.Context())
		if err == nil {
			t.Fatalf("%s: there is no error", name)
		}
		if strings.Contains(fmt.Sprintf("%v %+v %+v", err, err, c), "secret") {
			t.Errorf("%s: the key is in %+v", name, err)
		}
	}
}

func TestKeys(t *testing.T) {
	var presented []string
	handler := func(w http.ResponseWriter, r *http.Request) {
		presented = append(presented, r.Header.Get("Authorization"))
		io.WriteString(w, `{"ok":true}`)
	}
	calls := 0
	turning := func(context.Context) (string, error) { calls++; return fmt.Sprintf("vk_%d", calls), nil }
	none, rotating := serveWith(t, client.Config{}, handler), serveWith(t, client.Config{KeyFunc: turning}, handler)
	for _, call := range []func() error{
		func() error { _, err := none.Status(t.Context()); return err },
		func() error { _, err := rotating.Status(t.Context()); return err },
		func() error { _, err := rotating.Status(t.Context()); return err },
		func() error { _, err := rotating.Health(t.Context()); return err },
		func() error {
			_, err := rotating.Token(t.Context(), client.TokenRequest{Client: client.TokenClient{ID: "mu:a", Secret: "s"}})
			return err
		},
	} {
		if err := call(); err != nil && !failure(t, err).Unreadable() {
			t.Error(err)
		}
	}
	if diff := cmp.Diff([]string{"", "Bearer vk_1", "Bearer vk_2", "", "Basic bXUlM0FhOnM="}, presented); diff != "" {
		t.Errorf("what was presented (-want +got):\n%s", diff)
	}
	failing := serveWith(t, client.Config{KeyFunc: func(context.Context) (string, error) { return "", io.ErrUnexpectedEOF }}, handler)
	if _, err := failing.Status(t.Context()); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v, want the error of finding the key", err)
	}
}

func TestAnInterruptIsNotTheServersFault(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	c := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel(enough)
		<-r.Context().Done()
	})
	if _, err := c.Status(ctx); !errors.Is(err, enough) {
		t.Errorf("got %v, want the cause of the context", err)
	}
}

func TestADeadlineOfTheCaller(t *testing.T) {
	release := make(chan struct{})
	c := serve(t, func(http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := c.Status(ctx)
	if failed := failure(t, err); !errors.Is(err, context.DeadlineExceeded) || !failed.NoAnswer() {
		t.Errorf("got %v, want that no answer came within the deadline", err)
	}
}

// full accepts some bytes and then none.
type full struct{ left int }

var errFull = errors.New("disk full")

func (f *full) Write(p []byte) (int, error) {
	if len(p) > f.left {
		return f.left, errFull
	}
	f.left -= len(p)
	return len(p), nil
}

func TestCopyingTellsReadingFromWriting(t *testing.T) {
	cut, calls := false, 0
	c := serveWith(t, client.Config{}, func(w http.ResponseWriter, _ *http.Request) {
		calls++
		if _, err := io.WriteString(w, strings.Repeat("x", 100_000)); err != nil {
			return // the client went away, as it should when it cannot write
		}
		if cut {
			panic(http.ErrAbortHandler)
		}
	})
	if err := c.Backup(t.Context(), &full{left: 10}); !errors.Is(err, errFull) {
		t.Errorf("got %v, want the error of writing", err)
	}
	var all bytes.Buffer
	if err := c.Backup(t.Context(), &all); err != nil || all.Len() != 100_000 {
		t.Errorf("got %d bytes and %v, want 100000 and no error", all.Len(), err)
	}
	cut, calls = true, 0
	if err := c.Backup(t.Context(), io.Discard); !failure(t, err).NoAnswer() || calls != 1 {
		t.Errorf("got %v after %d calls, want that the answer broke off, after one", err, calls)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	long := func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"problems":[],"version":"`+strings.Repeat("x", 2000)+`"}`)
	}
	if s, err := serveWith(t, client.Config{MaxAnswer: math.MaxInt64}, long).Status(t.Context()); err != nil || len(s.Version) != 2000 {
		t.Errorf("without a bound: got a version of %d bytes and %v, want all 2000", len(s.Version), err)
	}
	c := serveWith(t, client.Config{MaxAnswer: 1000, Attempts: 1}, long)
	if _, err := c.Status(t.Context()); !failure(t, err).Unreadable() || !strings.Contains(err.Error(), "longer than 1000 bytes") {
		t.Errorf("a document: got %v, want that it is too long", err)
	}
	if _, err := c.Replay(t.Context(), api.ReplayRequest{}, client.ReplayInput{}); !failure(t, err).Unreadable() {
		t.Errorf("a line: got %v, want that it is too long", err)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, base := range []string{"", "127.0.0.1:8182", "ftp://h", "http://", "http://u:p@h", "http://h?x=1", "http://h#f", "unix:", "unix:admin.sock", "unix:///"} {
		if _, err := client.New(client.Config{Server: base, Key: key}); err == nil {
			t.Errorf("%q was accepted", base)
		} else if strings.Contains(err.Error(), ":p@") {
			t.Errorf("%q is repeated with its password: %v", base, err)
		}
	}
}

func TestSockets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"ok":true}`) })}
	go server.Serve(listener)
	defer server.Close()
	c, err := client.New(client.Config{Server: "unix:" + path})
	if err != nil {
		t.Fatal(err)
	}
	if health, err := c.Health(t.Context()); err != nil || !health.OK {
		t.Errorf("got %v and %v, want that it is well", health, err)
	}
}

// TestAnswersThatAreNone: what a caller would act on has to be there.
func TestAnswersThatAreNone(t *testing.T) {
	answer := ""
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, answer) })
	for _, test := range []struct {
		answer string
		call   func(context.Context) error
		want   string
	}{
		{`{}`, func(ctx context.Context) error { _, err := c.Decide(ctx, api.DecideRequest{}); return err }, `a decision is ""`},
		{`{"decision":"maybe"}`, func(ctx context.Context) error { _, err := c.Decide(ctx, api.DecideRequest{}); return err }, `a decision is "maybe"`},
		{`{"Decision":"allow"}`, func(ctx context.Context) error { _, err := c.Decide(ctx, api.DecideRequest{}); return err }, `a decision is ""`},
		{`{"decision":"deny","decision":"allow"}`, func(ctx context.Context) error { _, err := c.Decide(ctx, api.DecideRequest{}); return err }, "cannot be read"},
		{`{"decisions":[{"decision":"allow"},{}]}`, func(ctx context.Context) error { _, err := c.DecideBatch(ctx, api.BatchRequest{}); return err }, `a decision is ""`},
		{`null`, func(ctx context.Context) error { _, err := c.Decide(ctx, api.DecideRequest{}); return err }, "cannot be read"},
		{`<html>`, func(ctx context.Context) error { _, err := c.Status(ctx); return err }, "cannot be read"},
		{`{}`, func(ctx context.Context) error { _, err := c.CreateKey(ctx, api.KeyRequest{}); return err }, "it has no key"},
		{`{}`, func(ctx context.Context) error { _, err := c.CreateSecret(ctx, api.SecretRequest{}); return err }, "it has no secret"},
		{`{}`, func(ctx context.Context) error { _, err := c.Rollback(ctx, api.RollbackRequest{}); return err }, "it names no generation"},
		{`{}`, func(ctx context.Context) error { _, err := c.Status(ctx); return err }, "it has no problems"},
		{`null`, func(ctx context.Context) error { _, err := c.Status(ctx); return err }, "it has no problems"},
		{`{}`, func(ctx context.Context) error { _, err := c.RotationStatus(ctx, "a"); return err }, "it has no phase"},
		{`{}`, func(ctx context.Context) error { _, err := c.Introspect(ctx, "t"); return err }, "whether the token is active"},
		{`{"progress":{"done":1,"total":2}}`, func(ctx context.Context) error {
			_, err := c.Replay(ctx, api.ReplayRequest{}, client.ReplayInput{})
			return err
		}, "without a report"},
		{`{"items":[],"next_after":3,"head":3}`, func(ctx context.Context) error {
			_, err := c.ListDecisionsAfter(ctx, authz.RecordFilter{}, client.Following{After: 4})
			return err
		}, "it goes on at 3, before 4"},
		{`{"items":[],"next_cursor":"again"}`, func(ctx context.Context) error { return some(c.ListKeys(ctx), 0) }, "this one again"},
	} {
		answer = test.answer
		if err := test.call(t.Context()); !strings.Contains(fmt.Sprint(err), test.want) {
			t.Errorf("%s was read: got the error %v, want %q in it", test.answer, err, test.want)
		}
	}
}

func TestListsFollowTheirCursors(t *testing.T) {
	var asked []string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RawQuery)
		next := map[string]string{"": "a", "a": "b", "b": ""}[r.URL.Query().Get("cursor")]
		fmt.Fprintf(w, `{"items":[{"id":"t%d"}],"next_cursor":%q,"data_revision":1}`, len(asked), next)
	})
	var ids []string
	for tenant, err := range c.Tenants().List(t.Context(), client.Filters{"plan": "p"}) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, tenant.ID)
	}
	if diff := cmp.Diff([]string{"t1", "t2", "t3"}, ids); diff != "" {
		t.Errorf("the items (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"limit=1000&plan=p", "cursor=a&limit=1000&plan=p", "cursor=b&limit=1000&plan=p"}, asked); diff != "" {
		t.Errorf("what was asked (-want +got):\n%s", diff)
	}
	asked = nil
	for range c.Tenants().List(t.Context(), nil) {
		break
	}
	if len(asked) != 1 {
		t.Errorf("%d pages were read by a loop that took one item, want 1", len(asked))
	}
}

// scripted answers as it is told, without a network, so that time is synctest's.
type scripted struct {
	answers []func(*http.Request) (*http.Response, error)
	at      []time.Time
	bodies  []string
}

func (s *scripted) RoundTrip(r *http.Request) (*http.Response, error) {
	s.at = append(s.at, time.Now())
	body, err := sentBody(r)
	if err != nil {
		return nil, err
	}
	s.bodies = append(s.bodies, body)
	answer := s.answers[min(len(s.at), len(s.answers))-1]
	return answer(r)
}

func status(code int, header ...string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		h := http.Header{}
		for i := 0; i+1 < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		return &http.Response{StatusCode: code, Status: fmt.Sprint(code), Header: h, Request: r, Body: io.NopCloser(strings.NewReader(`{"decision":"allow"}`))}, nil
	}
}

func broken(err error) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

// TestRetries: what is made again, how often and when.
func TestRetries(t *testing.T) {
	reset := broken(io.ErrUnexpectedEOF)
	refused := broken(&net.OpError{Op: "dial", Err: errors.New("connection refused")})
	decide := func(ctx context.Context, c *client.Client) error {
		_, err := c.Decide(ctx, api.DecideRequest{Action: &api.Action{Name: "a"}})
		return err
	}
	asserted := func(ctx context.Context, c *client.Client) error {
		_, err := c.Decide(ctx, api.DecideRequest{Credential: &api.Credential{ClientAssertion: "once"}})
		return err
	}
	proved := func(ctx context.Context, c *client.Client) error {
		_, err := c.DecideBatch(ctx, api.BatchRequest{Items: []api.BatchItem{{Credential: &api.Credential{DPoP: &api.DPoP{}}}}})
		return err
	}
	read := func(ctx context.Context, c *client.Client) error { _, err := c.Status(ctx); return err }
	write := func(ctx context.Context, c *client.Client) error {
		_, err := c.Rollback(ctx, api.RollbackRequest{})
		return err
	}
	upload := func(ctx context.Context, c *client.Client) error {
		_, err := c.Import(ctx, strings.NewReader("{}"))
		return err
	}
	for name, test := range map[string]struct {
		call    func(context.Context, *client.Client) error
		answers []func(*http.Request) (*http.Response, error)
		want    int           // calls
		least   time.Duration // that passes until the last one
	}{
		"a question whose answer was lost":       {decide, []func(*http.Request) (*http.Response, error){reset, status(200)}, 2, 1},
		"a question that was not taken":          {decide, []func(*http.Request) (*http.Response, error){status(503, "Retry-After", "9"), status(200)}, 2, 9 * time.Second},
		"a question, to the end":                 {decide, []func(*http.Request) (*http.Response, error){status(502)}, client.DefaultAttempts, 1},
		"a question with an assertion":           {asserted, []func(*http.Request) (*http.Response, error){reset}, 1, 0},
		"a question with a proof":                {proved, []func(*http.Request) (*http.Response, error){status(503)}, 1, 0},
		"an assertion that was not sent":         {asserted, []func(*http.Request) (*http.Response, error){refused, status(200)}, 2, 1},
		"a read":                                 {read, []func(*http.Request) (*http.Response, error){status(504), reset, status(200)}, 3, 2},
		"a read that is refused":                 {read, []func(*http.Request) (*http.Response, error){status(404)}, 1, 0},
		"a fault of the server":                  {read, []func(*http.Request) (*http.Response, error){status(500)}, 1, 0},
		"a write whose answer was lost":          {write, []func(*http.Request) (*http.Response, error){reset}, 1, 0},
		"a write that was perhaps made":          {write, []func(*http.Request) (*http.Response, error){status(503, "Retry-After", "1")}, 1, 0},
		"a write that was not sent":              {write, []func(*http.Request) (*http.Response, error){refused}, client.DefaultAttempts, 1},
		"a write that came too often":            {write, []func(*http.Request) (*http.Response, error){status(429, "Retry-After", "3"), status(200)}, 2, 3 * time.Second},
		"an upload that was not sent":            {upload, []func(*http.Request) (*http.Response, error){refused}, 1, 0},
		"a wait that is longer than there is":    {decide, []func(*http.Request) (*http.Response, error){status(503, "Retry-After", "3600")}, 1, 0},
		"a deadline that ends among the retries": {decide, []func(*http.Request) (*http.Response, error){status(503, "Retry-After", "40")}, 2, 40 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				c, err := client.New(client.Config{Server: "http://verdict.example"})
				if err != nil {
					t.Fatal(err)
				}
				s := &scripted{answers: test.answers}
				c.Through(func(http.RoundTripper) http.RoundTripper { return s })
				begun := time.Now()
				err = test.call(ctx, c)
				if len(s.at) != test.want {
					t.Fatalf("%d calls, want %d; the last error is %v", len(s.at), test.want, err)
				}
				if passed := s.at[len(s.at)-1].Sub(begun); passed < test.least {
					t.Errorf("the last call was made after %s, want %s", passed, test.least)
				}
				if slices.ContainsFunc(s.bodies, func(body string) bool { return body != s.bodies[0] }) {
					t.Errorf("the bodies differ: %q", s.bodies)
				}
			})
		})
	}
}

// TestNoServerHasACallWaitForLong: nor if its context has no deadline.
func TestNoServerHasACallWaitForLong(t *testing.T) {
	for name, answer := range map[string]func(*http.Request) (*http.Response, error){
		"a read":                      status(503, "Retry-After", "86400"),
		"the longest there is":        status(429, "Retry-After", "2147483647"),
		"until a time far from today": status(503, "Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, err := client.New(client.Config{Server: "http://verdict.example"})
				if err != nil {
					t.Fatal(err)
				}
				s := &scripted{answers: []func(*http.Request) (*http.Response, error){answer}}
				c.Through(func(http.RoundTripper) http.RoundTripper { return s })
				begun := time.Now()
				_, err = c.Status(context.Background())
				if failed := failure(t, err); failed.RetryAfter < 24*time.Hour || len(s.at) != 1 {
					t.Errorf("after %d calls the error says to wait for %s, want one call and what the server said", len(s.at), failed.RetryAfter)
				}
				if waited := time.Since(begun); waited > time.Minute {
					t.Errorf("the call returned after %s, want it at once", waited)
				}
			})
		})
	}
}

// TestImports: who imports the client gets no server, store or policy engine with it.
func TestImports(t *testing.T) {
	for _, of := range []string{".", "./clienttest"} {
		list, err := exec.CommandContext(t.Context(), "go", "list", "-deps", of).Output()
		if err != nil {
			t.Fatal(err)
		}
		const ours = "github.com/verdict-pdp/verdict/"
		allowed := []string{ours + "api", ours + "authz", ours + "ijson", ours + "client", ours + "client/clienttest",
			"github.com/cenkalti/backoff/v5"}
		const json = "github.com/go-json-experiment/json" // and, before Go 1.27, its parts
		for _, name := range strings.Fields(string(list)) {
			if head, _, _ := strings.Cut(name, "/"); strings.Contains(head, ".") && !strings.HasPrefix(name, "golang.org/x/") && name != json && !strings.HasPrefix(name, json+"/") && !slices.Contains(allowed, name) {
				t.Errorf("%s imports %s", of, name)
			}
		}
	}
}
