package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/admin"
	"github.com/verdict-pdp/verdict/server/servertest"
)

// push sends a bundle as an author.
func (o operator) push(path, body string, header ...string) servertest.Answer {
	return o.as(authz.RoleAuthor, "PUT", api.PathBundles+"/"+path, body, append([]string{"Content-Type", "application/gzip"}, header...)...)
}

func generationOf(t *testing.T, answer servertest.Answer) (g authz.Generation) {
	t.Helper()
	if err := json.Unmarshal([]byte(answer.Body), &g); err != nil {
		t.Fatalf("%d %s: got error %v; want no error", answer.Status, answer.Body, err)
	}
	return g
}

func TestPush(t *testing.T) {
	o := start(t, nil)
	made := o.push("acme?message=tighten+up", "a bundle")
	expect(t, made, http.StatusCreated, "")
	if got := made.Header.Get("Location"); got != "/v1/generations/2" {
		t.Errorf("Location %q", got)
	}
	g := generationOf(t, made)
	if g.Number != 2 || g.State != authz.GenerationCandidate || g.Author != "key_author" || g.Message != "tighten up" || len(g.Bundles) != 2 || g.Gate == nil {
		t.Errorf(`got %+v; want Number 2, State "candidate", Author "key_author", Message "tighten up", len(Bundles) 2, Gate`, g)
	}
	if got := generationOf(t, o.as(authz.RoleReview, "GET", made.Header.Get("Location"), "")); !cmp.Equal(got, g) {
		t.Error(cmp.Diff(g, got))
	}
	active := o.push("acme?message=again&activate=true", "another")
	expect(t, active, http.StatusCreated, "")
	if g := generationOf(t, active); g.Number != 3 || g.State != authz.GenerationActive || g.ActivatedBy != "key_author" {
		t.Errorf(`got %+v; want Number 3, State "active", ActivatedBy "key_author"`, g)
	}
	// What is active already makes nothing new, and is not activated again.
	same := o.push("acme?activate=true", "another")
	expect(t, same, http.StatusOK, "")
	if g := generationOf(t, same); g.Number != 3 || same.Header.Get("Location") != "" {
		t.Errorf(`got %+v; want Number 3, same.Header.Get("Location") ""`, g)
	}
	want := []string{"push acme by key_author: tighten up", "push acme by key_author: again", "activate by key_author: again", "push acme by key_author: "}
	if diff := cmp.Diff(want, o.Policies.Asked()); diff != "" {
		t.Error(diff)
	}
}

func TestRemoveBundle(t *testing.T) {
	o := start(t, nil)
	expect(t, o.push("acme?activate=true", "a bundle"), http.StatusCreated, "")
	removed := o.as(authz.RoleAuthor, "DELETE", "/v1/bundles/acme?message=not+needed", "")
	expect(t, removed, http.StatusOK, "")
	if g := generationOf(t, removed); g.State != authz.GenerationCandidate || len(g.Bundles) != 1 {
		t.Errorf(`got %+v; want State "candidate", len(Bundles) 1`, g)
	}
	expect(t, o.as(authz.RoleAuthor, "DELETE", "/v1/bundles/acme?activate=true", ""), http.StatusOK, "")
	expect(t, o.as(authz.RoleReview, "GET", "/v1/bundles/acme", ""), http.StatusNotFound, "")
	expect(t, o.as(authz.RoleAuthor, "DELETE", "/v1/bundles/acme", ""), http.StatusNotFound, "")
}

// A bundle has no limit here: Policies holds it to its own.
func TestPushStreams(t *testing.T) {
	o := start(t, func(c *servertest.Config) { c.Admin.BodyLimit = 10 })
	large := strings.Repeat("bundle", 1<<20)
	expect(t, o.push("acme?activate=true", large), http.StatusCreated, "")
	for _, contentType := range []string{"application/x-gzip", "application/octet-stream", api.TypeBundle} {
		expect(t, o.push("acme", large, "Content-Type", contentType), http.StatusUnsupportedMediaType, "Content-Type") // two of them
		answer := o.as(authz.RoleAuthor, "PUT", "/v1/bundles/acme", large, "Content-Type", contentType)
		expect(t, answer, http.StatusOK, "")
	}
	if got := o.as(authz.RoleDecide, "GET", "/v1/bundles/acme", ""); got.Body != large || got.Header.Get("Content-Type") != api.TypeBundle {
		t.Errorf("%v with %d bytes", got.Header, len(got.Body))
	}
}

func TestPushRefuses(t *testing.T) {
	tests := map[string]struct {
		path   string
		header []string
		status int
		field  string
	}{
		"name":           {"-acme", nil, 400, "name"},
		"parameter":      {"acme?force=true", nil, 400, "force"},
		"activate":       {"acme?activate=yes", nil, 400, "activate"},
		"message":        {"acme?message=" + strings.Repeat("m", authz.MaxTextLength+1), nil, 400, "message"},
		"control":        {"acme?message=a%1b[31m", nil, 400, "message"},
		"empty message":  {"acme?message=", nil, 400, "message"},
		"match":          {"acme", []string{"If-Match", `"sha256:ab"`}, 400, "If-Match"},
		"none match":     {"acme", []string{"If-None-Match", `*`}, 400, "If-None-Match"},
		"encoding":       {"acme", []string{"Content-Encoding", "gzip"}, 415, "Content-Encoding"},
		"a deeper path":  {"acme/x", nil, 404, ""},
		"nothing's name": {"", nil, 404, ""},
	}
	o := start(t, nil)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { expect(t, o.push(test.path, "x", test.header...), test.status, test.field) })
	}
	expect(t, o.as(authz.RoleAuthor, "PUT", "/v1/bundles/acme", "{}"), http.StatusUnsupportedMediaType, "Content-Type")
	for _, path := range []string{"/v1/bundles/-acme", "/v1/bundles/acme?force=1", "/v1/bundles/acme?activate=1"} {
		if answer := o.as(authz.RoleAuthor, "DELETE", path, ""); answer.Status != http.StatusBadRequest {
			t.Errorf("%s: got status %d, body %s; want status 400", path, answer.Status, answer.Body)
		}
	}
	if asked := o.Policies.Asked(); len(asked) != 0 {
		t.Errorf("asked %v", asked)
	}
}

// What the gate refuses names file, line and fix.
func TestPushThatFailsTheGate(t *testing.T) {
	o := start(t, nil)
	o.Policies.Err = &authz.Error{Code: authz.CodeInvalid, Message: "acme.rego:7: var x is unsafe; bind it", Problems: []authz.Problem{{File: "acme.rego", Line: 7, Message: "var x is unsafe", Fix: "bind it"}}}
	answer := o.push("acme", "x")
	expect(t, answer, http.StatusBadRequest, "")
	if diff := cmp.Diff([]api.FileError{{File: "acme.rego", Line: 7, Message: "var x is unsafe", Fix: "bind it"}}, answer.Problem().Errors); diff != "" {
		t.Error(diff)
	}
}

// A candidate that could not be activated is there, and the answer says so.
func TestPushThatIsNotActivated(t *testing.T) {
	o := start(t, func(c *servertest.Config) {
		c.Admin.Control = unactivated{c.Admin.Control}
	})
	answer := o.push("acme?activate=true", "x")
	expect(t, answer, http.StatusConflict, "")
	if want := "generation 2 passed the gate and is a candidate, but was not activated: another one is on its way"; answer.Problem().Detail != want {
		t.Error(answer.Body)
	}
}

type unactivated struct{ admin.Control }

func (unactivated) Activate(context.Context, authz.Author, uint64, string) (authz.Generation, error) {
	return authz.Generation{}, authz.Errorf(authz.CodeConflict, "another one is on its way")
}

// The gate outlasts the timeouts of the listener.
func TestPushTakesItsTime(t *testing.T) {
	o := start(t, func(c *servertest.Config) {
		c.ReadTimeout, c.WriteTimeout = 100*time.Millisecond, 100*time.Millisecond
		c.Admin.StreamIdle = 100 * time.Millisecond
	})
	o.Policies.Busy = func(ctx context.Context) error {
		working, cancel := context.WithTimeout(ctx, 400*time.Millisecond)
		defer cancel()
		<-working.Done()
		return ctx.Err()
	}
	expect(t, o.push("acme", "x"), http.StatusCreated, "")
}

func TestPushThatTakesTooLong(t *testing.T) {
	o := start(t, func(c *servertest.Config) { c.Admin.TaskTime = time.Millisecond })
	o.Policies.Busy = untilDone(nil)
	answer := o.push("acme", "x")
	expect(t, answer, http.StatusServiceUnavailable, "")
	if !strings.Contains(answer.Problem().Detail, "too long") {
		t.Error(answer.Body)
	}
}

// untilDone works until it is told to stop, and tells when it has begun.
func untilDone(begun chan<- struct{}) func(context.Context) error {
	return func(ctx context.Context) error {
		if begun != nil {
			begun <- struct{}{}
		}
		<-ctx.Done()
		return ctx.Err()
	}
}

func TestShutdownEndsPush(t *testing.T) {
	begun := make(chan struct{}, 1)
	o := start(t, nil)
	o.Policies.Busy = untilDone(begun)
	answers := o.later(t, o.call(authz.RoleAuthor, "PUT", "/v1/bundles/acme", "x", "Content-Type", "application/gzip"))
	<-begun
	o.Stop()
	answer := <-answers
	if answer.Status != http.StatusServiceUnavailable || !strings.Contains(answer.Problem().Detail, "shutting down") {
		t.Errorf(`got status %d, body %s; want status 503, answer.Problem().Detail with "shutting down"`, answer.Status, answer.Body)
	}
	if err := <-o.Done; err != nil {
		t.Error(err)
	}
}

func TestPushEndsWithItsCaller(t *testing.T) {
	begun := make(chan struct{}, 1)
	o := start(t, nil)
	o.Policies.Busy = untilDone(begun)
	o.leave(t, begun, o.call(authz.RoleAuthor, "PUT", "/v1/bundles/acme", "x", "Content-Type", "application/gzip"))
	if log := o.Log.String(); !strings.Contains(log, "status=499") {
		t.Error(log)
	}
}

// A body that stops arriving is given up, however much of it has arrived.
func TestPushThatStalls(t *testing.T) {
	o := start(t, func(c *servertest.Config) { c.Admin.StreamIdle = 50 * time.Millisecond })
	body, send := io.Pipe()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, o.Admin()+"/v1/bundles/acme", body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/gzip")
	request.Header.Set("Authorization", "Bearer "+o.Key(authz.RoleAuthor))
	request.ContentLength = 1 << 20
	go func() {
		if _, err := io.WriteString(send, "the first part"); err != nil {
			t.Error(err)
		}
	}()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close(), send.Close()); err != nil {
		t.Error(err)
	}
	if response.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(text), "did not arrive in time") {
		t.Errorf(`got status %d, text %s; want status 503, text with "did not arrive in time"`, response.StatusCode, text)
	}
}

func TestListBundles(t *testing.T) {
	o := start(t, nil)
	expect(t, o.push("acme?activate=true", "x"), http.StatusCreated, "")
	var list api.BundleList
	if err := json.Unmarshal([]byte(o.send("GET", "/v1/bundles", "").Body), &list); err != nil {
		t.Fatal(err)
	}
	if list.Generation != 2 || list.Digest != "sha256:ab" || len(list.Bundles) != 2 || list.Bundles[0].Name != "acme" {
		t.Errorf(`got %+v; want Generation 2, Digest "sha256:ab", len(Bundles) 2, Bundles[0].Name "acme"`, list)
	}
	expect(t, o.send("GET", "/v1/bundles?name=acme", ""), http.StatusBadRequest, "name")
}

func TestBundleConditions(t *testing.T) {
	o := start(t, nil)
	expect(t, o.push("acme?activate=true", "x"), http.StatusCreated, "")
	first := o.as(authz.RoleDecide, "GET", "/v1/bundles/acme", "")
	expect(t, first, http.StatusOK, "")
	tag := first.Header.Get("ETag")
	if first.Body != "x" || len(tag) != 73 || !strings.HasPrefix(tag, `"sha256:`) || first.Header.Get("Content-Length") != "1" {
		t.Errorf("got first.Header %v, body %s; want body \"x\", len(tag) 73, tag beginning `\"sha256:`, first.Header.Get(\"Content-Length\") \"1\"", first.Header, first.Body)
	}
	tests := map[string]struct {
		header []string
		status int
		field  string
	}{
		"known":                {[]string{"If-None-Match", tag}, 304, ""},
		"known weakly":         {[]string{"If-None-Match", "W/" + tag}, 304, ""},
		"known in a list":      {[]string{"If-None-Match", `"sha256:00", ` + tag}, 304, ""},
		"any":                  {[]string{"If-None-Match", `*`}, 304, ""},
		"unknown":              {[]string{"If-None-Match", `"sha256:00"`}, 200, ""},
		"match":                {[]string{"If-Match", tag}, 200, ""},
		"no match":             {[]string{"If-Match", `"sha256:00"`}, 412, "If-Match"},
		"malformed":            {[]string{"If-None-Match", `sha256:00`}, 400, "If-None-Match"},
		"not wanting to wait":  {[]string{"If-None-Match", tag, "Prefer", "wait=0"}, 304, ""},
		"waiting, but unknown": {[]string{"If-None-Match", `"sha256:00"`, "Prefer", "modes=snapshot,delta;wait=60"}, 200, ""},
		"waiting for anything": {[]string{"Prefer", "wait=60"}, 200, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			answer := o.as(authz.RoleDecide, "GET", "/v1/bundles/acme", "", test.header...)
			expect(t, answer, test.status, test.field)
			if answer.Status < 400 && answer.Header.Get("ETag") != tag {
				t.Errorf(`got answer.Header %v; want status at least 400 or answer.Header.Get("ETag") %q`, answer.Header, tag)
			}
		})
	}
	expect(t, o.as(authz.RoleDecide, "GET", "/v1/bundles/other", ""), http.StatusNotFound, "")
	expect(t, o.as(authz.RoleDecide, "GET", "/v1/bundles/-", ""), http.StatusBadRequest, "name")
	expect(t, o.as(authz.RoleDecide, "GET", "/v1/bundles/acme?v=1", ""), http.StatusBadRequest, "v")
}

func TestPreferredWait(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"modes=snapshot,delta;wait=10": 10 * time.Second, // as OPA sends it
		"wait=10":                      10 * time.Second,
		"respond-async, wait=10":       10 * time.Second,
		"WAIT = 10":                    10 * time.Second,
		`wait="10"`:                    10 * time.Second,
		"wait=10, wait=20":             10 * time.Second,
		"wait=100":                     time.Minute,
		"wait=-1":                      0,
		"wait=99999999999999999999":    0,
		"wait":                         0,
		"awaits=10":                    0,
		"":                             0,
	} {
		if got := admin.PreferredWait(http.Header{"Prefer": {value}}); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
	if got := admin.PreferredWait(http.Header{}); got != 0 {
		t.Errorf("without one %v", got)
	}
}

// polling is a long poll for the bundle acme, which the server waits in when it
// returns.
func polling(t *testing.T) (o operator, poll servertest.Call, awaiting <-chan struct{}) {
	t.Helper()
	waits := make(chan struct{}, 100)
	o = start(t, func(c *servertest.Config) {
		c.ReadTimeout, c.WriteTimeout = 100*time.Millisecond, 100*time.Millisecond
	})
	expect(t, o.push("acme?activate=true", "x"), http.StatusCreated, "")
	tag := o.as(authz.RoleDecide, "GET", "/v1/bundles/acme", "").Header.Get("ETag")
	o.Policies.Awaiting = waits
	return o, o.call(authz.RoleDecide, "GET", "/v1/bundles/acme", "", "If-None-Match", tag, "Prefer", "modes=snapshot,delta;wait=60"), waits
}

func TestLongPollEndsWithAnActivation(t *testing.T) {
	o, poll, awaiting := polling(t)
	answers := o.later(t, poll)
	<-awaiting
	// An activation that leaves this bundle as it is does not end the wait.
	expect(t, o.push("other?activate=true", "y"), http.StatusCreated, "")
	<-awaiting
	expect(t, o.push("acme?activate=true", "z"), http.StatusCreated, "")
	if answer := <-answers; answer.Status != http.StatusOK || answer.Body != "z" {
		t.Errorf(`got status %d, body %s; want status 200, body "z"`, answer.Status, answer.Body)
	}
}

func TestLongPollEndsWhenTheBundleGoes(t *testing.T) {
	o, poll, awaiting := polling(t)
	answers := o.later(t, poll)
	<-awaiting
	expect(t, o.as(authz.RoleAuthor, "DELETE", "/v1/bundles/acme?activate=true", ""), http.StatusOK, "")
	if answer := <-answers; answer.Status != http.StatusNotFound {
		t.Errorf("got status %d, body %s; want status 404", answer.Status, answer.Body)
	}
}

func TestLongPollInVain(t *testing.T) {
	o, poll, _ := polling(t)
	poll.Header.Set("Prefer", "wait=1")
	if answer := o.Do(poll); answer.Status != http.StatusNotModified || answer.Header.Get("ETag") != poll.Header.Get("If-None-Match") {
		t.Errorf(`got status %d, body %s; want status 304, answer.Header.Get("ETag") poll.Header.Get("If-None-Match")`, answer.Status, answer.Body)
	}
}

func TestShutdownEndsLongPoll(t *testing.T) {
	o, poll, awaiting := polling(t)
	answers := o.later(t, poll)
	<-awaiting
	o.Stop()
	if answer := <-answers; answer.Status != http.StatusNotModified {
		t.Errorf("got status %d, body %s; want status 304", answer.Status, answer.Body)
	}
	if err := <-o.Done; err != nil {
		t.Error(err)
	}
}

func TestLongPollEndsWithItsCaller(t *testing.T) {
	o, poll, awaiting := polling(t)
	o.leave(t, awaiting, poll)
	if log := o.Log.String(); !strings.Contains(log, "status=499") && !strings.Contains(log, "status=304") {
		t.Error(log)
	}
}

// TestNameThatNoBundleHas is refused before anybody is asked: no push could ever clear
// a failure of that name.
func TestNameThatNoBundleHas(t *testing.T) {
	o := start(t, nil)
	for _, name := range []string{"Acme", "a:b", strings.Repeat("a", 65)} {
		expect(t, o.push(name, "x"), http.StatusBadRequest, "name")
		expect(t, o.as(authz.RoleAuthor, "DELETE", "/v1/bundles/"+name, ""), http.StatusBadRequest, "name")
		expect(t, o.as(authz.RoleDecide, "GET", "/v1/bundles/"+name, ""), http.StatusBadRequest, "name")
	}
	if asked := o.Policies.Asked(); len(asked) > 0 {
		t.Errorf("asked were %v, want nothing", asked)
	}
}
