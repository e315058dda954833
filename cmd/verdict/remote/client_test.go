package remote_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/cmd/verdict/remote"
)

const key = "vk_test_secret"

// serve starts a server of handler and a client of it.
func serve(t *testing.T, handler http.HandlerFunc) *remote.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	client, err := remote.New(remote.Config{Server: server.URL, Key: key, UserAgent: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func get(path string) remote.Call { return remote.Call{Method: http.MethodGet, Path: path} }

func TestRedirectsAreNotFollowed(t *testing.T) {
	followed := false
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed = true }))
	defer elsewhere.Close()
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
	})
	_, err := client.Do(context.Background(), get("/x"))
	var problem *remote.Problem
	if !errors.As(err, &problem) || problem.Status != http.StatusTemporaryRedirect {
		t.Errorf("got %v, want a problem of status 307", err)
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
			client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Content-Type"] = []string{test.media}
				w.WriteHeader(http.StatusBadRequest)
				if _, err := io.WriteString(w, test.body); err != nil {
					t.Error(err)
				}
			})
			_, err := client.Do(context.Background(), get("/x"))
			var problem *remote.Problem
			if !errors.As(err, &problem) {
				t.Fatalf("got %v, want a problem", err)
			}
			if !strings.Contains(problem.Error(), test.want) {
				t.Errorf("%q does not say %q", problem, test.want)
			}
			if problem.Status != http.StatusBadRequest {
				t.Errorf("status %d", problem.Status)
			}
			if ours := problem.Raw != nil; ours != test.ours {
				t.Errorf("taken for ours: %v, want %v", ours, test.ours)
			}
		})
	}
}

func TestErrorsDoNotHoldTheKey(t *testing.T) {
	refusing := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	breaking := serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	for name, client := range map[string]*remote.Client{"refusing": refusing, "breaking": breaking} {
		_, err := client.Do(context.Background(), get("/x"))
		if err == nil {
			t.Fatalf("%s: no error", name)
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf(`%s: got error %v; want error without "secret"`, name, err)
		}
	}
}

func TestNoKeyIsNotPresented(t *testing.T) {
	var presented []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { presented = r.Header["Authorization"] }))
	defer server.Close()
	client, err := remote.New(remote.Config{Server: server.URL, UserAgent: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Do(context.Background(), get("/x")); err != nil {
		t.Fatal(err)
	}
	if presented != nil {
		t.Errorf("presented %q", presented)
	}
	call := get("/x")
	call.Header = http.Header{"Authorization": {"Basic eDp5"}}
	if _, err := client.Do(context.Background(), call); err != nil {
		t.Fatal(err)
	}
	if len(presented) != 1 || presented[0] != "Basic eDp5" {
		t.Errorf("presented %q, want the call's own", presented)
	}
}

func TestAnInterruptIsNotTheServersFault(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	client := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	if _, err := client.Do(ctx, get("/x")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
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

func TestDownloadTellsReadingFromWriting(t *testing.T) {
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.WriteString(w, strings.Repeat("x", 100_000)); err != nil {
			return // the client went away, as it should when it cannot write
		}
		if r.URL.Path == "/cut" {
			panic(http.ErrAbortHandler)
		}
	})
	if err := client.Download(context.Background(), get("/whole"), &full{left: 10}); !errors.Is(err, errFull) {
		t.Errorf("got %v, want the error of writing", err)
	}
	var unreachable *remote.Unreachable
	if err := client.Download(context.Background(), get("/cut"), io.Discard); !errors.As(err, &unreachable) {
		t.Errorf("got %v, want unreachable", err)
	}
	var all bytes.Buffer
	if err := client.Download(context.Background(), get("/whole"), &all); err != nil || all.Len() != 100_000 {
		t.Errorf("got %d bytes and %v", all.Len(), err)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, base := range []string{"", "127.0.0.1:8182", "ftp://h", "http://", "http://u:p@h", "http://h?x=1", "http://h#f", "unix:", "unix:admin.sock", "unix:///"} {
		if _, err := remote.New(remote.Config{Server: base, Key: key, UserAgent: "test"}); err == nil {
			t.Errorf("%q was accepted", base)
		} else if strings.Contains(err.Error(), ":p@") {
			t.Errorf("%q is repeated with its password: %v", base, err)
		}
	}
}

func TestLines(t *testing.T) {
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "{\"a\":1}\n{\"b\":2}")
		if r.URL.Path == "/broken" {
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
	})
	read := func(path string) ([]string, error) {
		var lines []string
		err := client.Lines(context.Background(), get(path), func(line []byte) error {
			lines = append(lines, string(line))
			return nil
		})
		return lines, err
	}
	lines, err := read("/whole")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{`{"a":1}`, `{"b":2}`}, lines); diff != "" {
		t.Error(diff)
	}
	if _, err := read("/broken"); !errors.As(err, new(*remote.Unreachable)) {
		t.Errorf("an answer that breaks off: got %v, want that the server gave none", err)
	}
	enough := errors.New("enough")
	if err := client.Lines(context.Background(), get("/whole"), func([]byte) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("got %v, want the error of the one who takes the lines", err)
	}
}

func TestParseProblem(t *testing.T) {
	p, err := remote.ParseProblem([]byte(`{"detail":"no","code":"unavailable","request_id":"r-1"}`))
	if err != nil || p.Error() != "no" || p.RequestID != "r-1" || len(p.Raw) == 0 {
		t.Errorf("got %+v, %v", p, err)
	}
	if _, err := remote.ParseProblem([]byte(`{"detail":`)); err == nil {
		t.Error("a broken document was read")
	}
}
