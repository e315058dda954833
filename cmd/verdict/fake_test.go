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
	"github.com/verdict-pdp/verdict/server/servertest"
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
	// undocumented answers are not held against the OpenAPI document.
	undocumented bool
}

func newFake(dir string) *fake {
	f := &fake{dir: dir, answers: map[string][]answer{}}
	f.Server = httptest.NewServer(f)
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	sent, err := f.keep(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	a, ok := f.next(r.Method + " " + r.URL.RequestURI())
	if !ok {
		http.Error(w, "the script has no answer to "+r.Method+" "+r.URL.RequestURI(), http.StatusTeapot)
		return
	}
	if _, err := servertest.CheckRequest(r, sent); err != nil && a.status < 300 && !a.undocumented {
		http.Error(w, "the command sent what is not as documented: "+err.Error(), http.StatusTeapot)
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
func (f *fake) keep(r *http.Request) (body string, err error) {
	read, err := io.ReadAll(r.Body)
	if err != nil {
		return "", err
	}
	body = string(read)
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", r.Method, r.URL.RequestURI())
	for _, name := range []string{"Authorization", "Content-Type", "If-Match", "If-None-Match"} {
		if value := r.Header.Get(name); value != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	if len(body) > 0 {
		fmt.Fprintf(&b, "\n%s\n", strings.TrimSuffix(body, "\n"))
	}
	return body, os.WriteFile(filepath.Join(f.dir, "request"), []byte(b.String()), 0o600)
}

// answerCommand is `answer [undocumented] STATUS METHOD PATH [FILE [HEADER VALUE]...]`:
// what to answer from now on. In FILE {{-5m}} is the time five minutes ago, {{1h}} that
// in an hour. An answer is one that the OpenAPI document has, unless the script says that
// it is not; so is what the command sends for an answer of success.
func answerCommand(ts *testscript.TestScript, neg bool, args []string) {
	request, a := readAnswer(ts, neg, args)
	register(ts, request, func([]answer) []answer { return []answer{a} })
}

// thenCommand is `then [undocumented] STATUS METHOD PATH [FILE [HEADER VALUE]...]`: what
// to answer once what was registered before has been answered, each once.
func thenCommand(ts *testscript.TestScript, neg bool, args []string) {
	request, a := readAnswer(ts, neg, args)
	register(ts, request, func(before []answer) []answer { return append(before, a) })
}

func readAnswer(ts *testscript.TestScript, neg bool, args []string) (request string, a answer) {
	if a.undocumented = len(args) > 0 && args[0] == "undocumented"; a.undocumented {
		args = args[1:]
	}
	if neg || len(args) < 3 {
		ts.Fatalf("usage: answer|then [undocumented] STATUS METHOD PATH [FILE [HEADER VALUE]...]")
	}
	var err error
	a.status, err = strconv.Atoi(args[0])
	ts.Check(err)
	a.header = http.Header{"Content-Type": {mediaTypeOf(args[1], args[2], a.status)}}
	if len(args) > 3 {
		a.body = withTimes(ts, ts.ReadFile(args[3]))
	}
	for i := 4; i+1 < len(args); i += 2 {
		a.header.Set(args[i], args[i+1])
	}
	if !a.undocumented {
		checkAnswer(ts, args[1], args[2], a)
	}
	return args[1] + " " + args[2], a
}

// mediaTypeOf is how the server answers: a problem, or what the OpenAPI document has.
func mediaTypeOf(method, path string, status int) string {
	if status >= 400 {
		return "application/problem+json"
	}
	path, _, _ = strings.Cut(path, "?")
	operation, err := servertest.OperationOf(method, path)
	if err == nil && operation != nil {
		if of := operation.Responses.Value(strconv.Itoa(status)); of != nil {
			for mediaType := range of.Value.Content {
				return mediaType
			}
		}
	}
	return "application/json"
}

// lineSchemas are of answers that are a JSON document a line.
var lineSchemas = map[string]string{
	"POST /v1/replay":          "ReplayLine",
	"GET /v1/decisions/export": "Record",
}

// checkAnswer holds an answer against the OpenAPI document.
func checkAnswer(ts *testscript.TestScript, method, path string, a answer) {
	path, _, _ = strings.Cut(path, "?")
	if err := servertest.CheckAnswer(method, path, servertest.Answer{Status: a.status, Header: a.header, Body: a.body}); err != nil {
		ts.Fatalf("the answer to %s %s is not as documented: %v", method, path, err)
	}
	schema := lineSchemas[method+" "+path]
	for line := range strings.Lines(a.body) {
		if schema == "" || a.status >= 300 {
			break
		}
		if err := servertest.ValidateAs(schema, []byte(line)); err != nil {
			ts.Fatalf("a line of the answer to %s %s is not as documented: %v\n%s", method, path, err, line)
		}
	}
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
