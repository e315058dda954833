package main_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// fake is a server that says what a script tells it to.
type fake struct {
	*httptest.Server
	dir string

	mu      sync.Mutex
	answers map[string]answer // :: "GET /v1/plans?limit=100" -> answer
}

type fakeKey struct{}

type answer struct {
	status int
	body   string
	header http.Header
	cut    bool // the connection breaks before the end
}

func newFake(dir string) *fake {
	f := &fake{dir: dir, answers: map[string]answer{}}
	f.Server = httptest.NewServer(f)
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := f.keep(r); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	f.mu.Lock()
	a, ok := f.answers[r.Method+" "+r.URL.RequestURI()]
	f.mu.Unlock()
	if !ok {
		http.Error(w, "the script has no answer to "+r.Method+" "+r.URL.RequestURI(), http.StatusTeapot)
		return
	}
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.WriteHeader(a.status)
	fmt.Fprint(w, a.body)
	if a.cut {
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// keep writes the request to the file "request", as far as scripts look at it.
func (f *fake) keep(r *http.Request) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", r.Method, r.URL.RequestURI())
	for _, name := range []string{"Authorization", "Content-Type", "If-Match", "If-None-Match"} {
		if value := r.Header.Get(name); value != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	if len(body) > 0 {
		fmt.Fprintf(&b, "\n%s\n", strings.TrimSuffix(string(body), "\n"))
	}
	return os.WriteFile(filepath.Join(f.dir, "request"), []byte(b.String()), 0o600)
}

// answerCommand is `answer STATUS METHOD PATH [FILE [HEADER VALUE]...]`.
func answerCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: answer STATUS METHOD PATH [FILE [HEADER VALUE]...]")
	}
	status, err := strconv.Atoi(args[0])
	ts.Check(err)
	a := answer{status: status, header: http.Header{"Content-Type": {"application/json"}}}
	if status >= 400 {
		a.header.Set("Content-Type", "application/problem+json")
	}
	if len(args) > 3 {
		a.body = ts.ReadFile(args[3])
	}
	for i := 4; i+1 < len(args); i += 2 {
		a.header.Set(args[i], args[i+1])
	}
	register(ts, args[1]+" "+args[2], a)
}

// cutCommand is `cut METHOD PATH FILE`: answer 200 with FILE, then break the
// connection.
func cutCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: cut METHOD PATH FILE")
	}
	register(ts, args[0]+" "+args[1], answer{status: http.StatusOK, body: ts.ReadFile(args[2]), header: http.Header{}, cut: true})
}

func register(ts *testscript.TestScript, request string, a answer) {
	f := ts.Value(fakeKey{}).(*fake)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers[request] = a
}
