package main_test

import (
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// fake is a server that says what a script tells it to.
type fake struct {
	*httptest.Server
	dir string

	mu      sync.Mutex
	answers map[string][]answer // :: "GET /v1/plans?limit=100" -> answers in turn, the last for good
}

type fakeKey struct{}

type answer struct {
	status int
	body   string
	header http.Header
	cut    bool // the connection breaks before the end
}

func newFake(dir string) *fake {
	f := &fake{dir: dir, answers: map[string][]answer{}}
	f.Server = httptest.NewServer(f)
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := f.keep(r); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	a, ok := f.next(r.Method + " " + r.URL.RequestURI())
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

func (f *fake) next(request string) (answer, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	answers := f.answers[request]
	if len(answers) == 0 {
		return answer{}, false
	}
	if len(answers) > 1 {
		f.answers[request] = answers[1:]
	}
	return answers[0], true
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

// answerCommand is `answer STATUS METHOD PATH [FILE [HEADER VALUE]...]`: what to
// answer from now on. In FILE {{-5m}} is the time five minutes ago, {{1h}} that in
// an hour.
func answerCommand(ts *testscript.TestScript, neg bool, args []string) {
	a := readAnswer(ts, neg, args)
	register(ts, args[1]+" "+args[2], func([]answer) []answer { return []answer{a} })
}

// thenCommand is `then STATUS METHOD PATH [FILE [HEADER VALUE]...]`: what to answer
// once what was registered before has been answered, each once.
func thenCommand(ts *testscript.TestScript, neg bool, args []string) {
	a := readAnswer(ts, neg, args)
	register(ts, args[1]+" "+args[2], func(before []answer) []answer { return append(before, a) })
}

func readAnswer(ts *testscript.TestScript, neg bool, args []string) answer {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: answer|then STATUS METHOD PATH [FILE [HEADER VALUE]...]")
	}
	status, err := strconv.Atoi(args[0])
	ts.Check(err)
	a := answer{status: status, header: http.Header{"Content-Type": {"application/json"}}}
	if status >= 400 {
		a.header.Set("Content-Type", "application/problem+json")
	}
	if len(args) > 3 {
		a.body = withTimes(ts, ts.ReadFile(args[3]))
	}
	for i := 4; i+1 < len(args); i += 2 {
		a.header.Set(args[i], args[i+1])
	}
	return a
}

var moment = regexp.MustCompile(`\{\{(-?[0-9a-z]+)\}\}`)

func withTimes(ts *testscript.TestScript, text string) string {
	return moment.ReplaceAllStringFunc(text, func(m string) string {
		d, err := time.ParseDuration(strings.Trim(m, "{}"))
		ts.Check(err)
		return time.Now().Add(d).UTC().Format(time.RFC3339)
	})
}

// cutCommand is `cut METHOD PATH FILE`: answer 200 with FILE, then break the
// connection.
func cutCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: cut METHOD PATH FILE")
	}
	a := answer{status: http.StatusOK, body: ts.ReadFile(args[2]), header: http.Header{}, cut: true}
	register(ts, args[0]+" "+args[1], func([]answer) []answer { return []answer{a} })
}

// tlsCommand is `tls`: from now on the fake is also at $TLS_SERVER, over TLS, with the
// certificate in the file ca.pem, which is made out to 127.0.0.1. It asks for a client
// certificate and takes any or none: client.pem with client.key is one, and other.key
// belongs to none.
func tlsCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: tls")
	}
	server := httptest.NewUnstartedServer(ts.Value(fakeKey{}).(*fake))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that scripts mean to fail
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	server.StartTLS()
	ts.Defer(server.Close)
	ts.Setenv("TLS_SERVER", server.URL)
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	ts.Check(os.WriteFile(ts.MkAbs("ca.pem"), certificate, 0o600))
	authority := newAuthority()
	authority.issue(ts.MkAbs("client"), time.Hour)
	authority.issue(ts.MkAbs("other"), time.Hour)
}

func register(ts *testscript.TestScript, request string, change func([]answer) []answer) {
	f := ts.Value(fakeKey{}).(*fake)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers[request] = change(f.answers[request])
}
