package server_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server"
	"github.com/verdict-pdp/verdict/server/apikey"
	"github.com/verdict-pdp/verdict/server/servertest"
)

const question = `{"action":{"name":"a"},"resource":{"type":"service","id":"s"}}`

func TestAuthentication(t *testing.T) {
	node := servertest.Start(t, nil)
	good := node.Key(authz.RoleOperate)
	other := node.Key(authz.RoleReview)
	stored := func(id string, edit func(*authz.APIKey)) string {
		secret, hash := apikey.New(id)
		key := &authz.APIKey{Header: authz.Header{ID: id}, Hash: hash, Roles: authz.Roles()}
		edit(key)
		node.Memory.Keep(key)
		return secret
	}
	tests := map[string]struct {
		authorization []string
		status        int
		says          string
	}{
		"valid":            {[]string{"Bearer " + good}, 200, ""},
		"any case":         {[]string{"bEARER " + good}, 200, ""},
		"spaces":           {[]string{"Bearer   " + good}, 200, ""},
		"none":             {nil, 401, "missing"},
		"twice":            {[]string{"Bearer " + good, "Bearer " + good}, 401, "more than once"},
		"two keys in one":  {[]string{"Bearer " + good + ", Bearer " + good}, 401, "not a"},
		"basic":            {[]string{"Basic " + good}, 401, "Bearer"},
		"bare":             {[]string{good}, 401, "Bearer"},
		"empty":            {[]string{"Bearer "}, 401, "send Authorization: Bearer"},
		"no key":           {[]string{"Bearer eyJ"}, 401, "not an API key"},
		"wrong secret":     {[]string{"Bearer " + good[:len(good)-1] + "-"}, 401, "not a valid API key"},
		"another's secret": {[]string{"Bearer vk_key_operate_" + other[len(other)-43:]}, 401, "not a valid API key"},
		"unknown id":       {[]string{"Bearer vk_nobody_" + good[len(good)-43:]}, 401, "not a valid API key"},
		"revoked":          {[]string{"Bearer " + stored("r", func(k *authz.APIKey) { k.Revoked = true })}, 401, "revoked"},
		"expired":          {[]string{"Bearer " + stored("e", func(k *authz.APIKey) { k.ExpiresAt = servertest.Now })}, 401, "expired"},
		"expires later":    {[]string{"Bearer " + stored("l", func(k *authz.APIKey) { k.ExpiresAt = servertest.Now.Add(1) })}, 200, ""},
		"revoked, no hash": {[]string{"Bearer vk_r_" + strings.Repeat("0", 43)}, 401, "not a valid API key"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for _, path := range []string{api.PathStatus, api.PathMetrics} {
				answer := node.Do(servertest.Call{URL: node.Admin() + path, Header: http.Header{"Authorization": test.authorization}})
				if answer.Status != test.status || !strings.Contains(answer.Problem().Detail, test.says) {
					t.Errorf("%s: got status %d, body %s; want status %d, answer.Problem().Detail with %q", path, answer.Status, answer.Body, test.status, test.says)
				}
				if challenged := answer.Header.Get("WWW-Authenticate") == "Bearer"; challenged != (test.status == 401) {
					t.Errorf("%s: WWW-Authenticate %q", path, answer.Header.Get("WWW-Authenticate"))
				}
			}
		})
	}
	if log := node.Log.String(); strings.Contains(log, good) || strings.Contains(log, good[len(good)-43:]) {
		t.Error("a key is in the log")
	}
}

// public are the paths that need no API key, on every listener and where they are.
var public = []string{
	api.PathHealth, api.PathReady, api.PathOpenAPI,
	api.PathToken, api.PathRevokeOwn, api.PathJWKS, api.PathMetadata, // whose own tests call them
}

// Every route of every listener refuses callers without a key, and those whose roles
// are for something else, but for the public ones; HEAD as GET.
func TestClosedByDefault(t *testing.T) {
	node := servertest.Start(t, func(c *servertest.Config) { c.Listeners = []server.Listener{third(greeting{})} })
	heads := 0
	for _, route := range node.Server.Routes() {
		if route.Method == http.MethodHead {
			heads++
		}
		if slices.Contains(public, route.Path) {
			continue
		}
		path := strings.NewReplacer(":id", "x", ":from", "x", ":to", "y", ":holder", "user:x", ":feature", "y", ":by", "subject", ":of", "y", ":name", "x", ":generation", "1", ":other", "2").Replace(route.Path)
		answer := node.Do(servertest.Call{Method: route.Method, URL: node.URL(route.Listener) + path})
		if answer.Status != http.StatusUnauthorized {
			t.Errorf("%s %s at %s without a key: %d, want 401", route.Method, route.Path, route.Listener, answer.Status)
		}
		answer = node.Do(servertest.Call{Method: route.Method, URL: node.URL(route.Listener) + path, Key: node.Key(elsewhereRole(route))})
		if answer.Status != http.StatusForbidden {
			t.Errorf("%s %s at %s with a role for something else: %d, want 403", route.Method, route.Path, route.Listener, answer.Status)
		}
	}
	if heads < 30 {
		t.Errorf("%d routes for HEAD, want one for each of GET", heads)
	}
}

// What every listener has answers anybody, by GET and by HEAD.
func TestPublicOnEveryListener(t *testing.T) {
	node := servertest.Start(t, func(c *servertest.Config) { c.Listeners = []server.Listener{third()} })
	for _, listener := range []string{"third", "decisions", "admin"} {
		for _, path := range []string{api.PathHealth, api.PathReady, api.PathOpenAPI} {
			get := node.Do(servertest.Call{URL: node.URL(listener) + path})
			head := node.Do(servertest.Call{Method: http.MethodHead, URL: node.URL(listener) + path})
			if get.Status != http.StatusOK || get.Body == "" {
				t.Errorf("GET %s at %s: %d with %d bytes, want 200 with some", path, listener, get.Status, len(get.Body))
			}
			if head.Status != get.Status || head.Header.Get("Content-Length") != strconv.Itoa(len(get.Body)) {
				t.Errorf("HEAD %s at %s: %d of length %q, want %d of %d", path, listener, head.Status, head.Header.Get("Content-Length"), get.Status, len(get.Body))
			}
		}
	}
}

// elsewhereRole is a role that no path of a route's listener asks for.
func elsewhereRole(route server.Route) authz.Role {
	if route.Listener == "decisions" {
		return authz.RoleAuthor
	}
	return authz.RoleTransmit
}

func TestKeyLookupFailureIsNoAccess(t *testing.T) {
	node := servertest.Start(t, nil)
	key := node.Key(authz.RoleDecide)
	broken := servertest.Start(t, func(c *servertest.Config) {
		c.Keys.Keys = finderFunc(func(context.Context, string) (*authz.APIKey, bool, error) {
			return &authz.APIKey{Roles: authz.Roles()}, true, errors.New("disk on fire")
		})
		c.API.Decide = func(context.Context, authz.Request) (authz.Decision, error) {
			t.Error("decided")
			return authz.Decision{}, nil
		}
	})
	answer := broken.Do(servertest.Call{URL: broken.Decisions() + api.PathDecide, Key: key, Body: question})
	if answer.Status != http.StatusInternalServerError || strings.Contains(answer.Body, "fire") {
		t.Errorf(`got status %d, body %s; want status 500, body without "fire"`, answer.Status, answer.Body)
	}
	if !strings.Contains(broken.Log.String(), "disk on fire") {
		t.Error("the cause is not logged")
	}
}

type finderFunc func(context.Context, string) (*authz.APIKey, bool, error)

func (f finderFunc) APIKey(ctx context.Context, id string) (*authz.APIKey, bool, error) {
	return f(ctx, id)
}

func TestPaths(t *testing.T) {
	node := servertest.Start(t, nil)
	for _, id := range []string{"u-a", "u@b"} {
		node.Memory.Keep(&authz.User{Header: authz.Header{ID: id, Revision: 1}, State: "active"})
	}
	tests := map[string]struct {
		method string
		path   string
		status int
		code   string
	}{
		"plain":               {"GET", "/v1/users/u-a", 200, ""},
		"encoded letter":      {"GET", "/v1/users/%75-a", 200, ""},
		"encoded at":          {"GET", "/v1/users/u%40b", 200, ""},
		"encoded in the room": {"GET", "/v1/%75sers/u-a", 200, ""},
		"unknown":             {"GET", "/v1/nothing", 404, "unknown_path"},
		"root":                {"GET", "/", 404, "unknown_path"},
		"no room of its own":  {"GET", "/v1/api_keys", 404, "unknown_path"},
		"other listener":      {"POST", "/v1/decide", 404, "unknown_path"},
		"too deep":            {"GET", "/v1/users/a/b", 404, "unknown_path"},
		"no id":               {"GET", "/v1/users/", 404, "unknown_path"},
		"encoded slash":       {"GET", "/v1/users%2fu-a", 400, "invalid_request"},
		"encoded slash in id": {"GET", "/v1/edges/a%2Fb", 400, "invalid_request"},
		"dots":                {"GET", "/v1/../v1/users", 400, "invalid_request"},
		"encoded dots":        {"GET", "/v1/users/%2e%2e/keys", 400, "invalid_request"},
		"a dot":               {"GET", "/v1/./users", 400, "invalid_request"},
		"two slashes":         {"GET", "//v1/users", 400, "invalid_request"},
		"backslash":           {"GET", "/v1%5cusers", 400, "invalid_request"},
		"null":                {"GET", "/v1/users/a%00", 400, "invalid_request"},
		"encoded twice":       {"GET", "/v1/users/a%252f", 400, "invalid_request"},
		"parameter":           {"GET", "/v1/users;a=b", 400, "invalid_request"},
		"wrong method":        {"PATCH", "/v1/users/u-a", 405, "method_not_allowed"},
		"made-up method":      {"BREW", "/v1/status", 405, "method_not_allowed"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			answer := node.Do(servertest.Call{Method: test.method, URL: node.Admin() + test.path, Key: node.Key(authz.RoleOperate)})
			if answer.Status != test.status || answer.Problem().Code != test.code {
				t.Errorf("got status %d, body %s; want status %d, answer.Problem().Code %q", answer.Status, answer.Body, test.status, test.code)
			}
		})
	}
	answer := node.Do(servertest.Call{Method: "PATCH", URL: node.Admin() + "/v1/users/u-a", Key: node.Key(authz.RoleOperate)})
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		if !strings.Contains(answer.Header.Get("Allow"), method) {
			t.Errorf("Allow %q lacks %s", answer.Header.Get("Allow"), method)
		}
	}
}

func TestEveryAnswerHasItsHeaders(t *testing.T) {
	node := servertest.Start(t, nil)
	for _, call := range []servertest.Call{
		{URL: node.Decisions() + api.PathHealth},
		{URL: node.Decisions() + "/nothing"},
		{URL: node.Decisions() + "//"},
		{URL: node.Decisions() + api.PathDecide, Key: node.Key(authz.RoleDecide), Body: question},
	} {
		answer := node.Do(call)
		want := map[string]string{
			"Cache-Control":          "no-store",
			"X-Content-Type-Options": "nosniff",
		}
		for name, value := range want {
			if got := answer.Header.Get(name); got != value {
				t.Errorf("%s: %s is %q", call.URL, name, got)
			}
		}
		if len(answer.Header.Get(api.HeaderRequestID)) != 26 {
			t.Errorf("%s: request id %q", call.URL, answer.Header.Get(api.HeaderRequestID))
		}
	}
}

func TestRequestID(t *testing.T) {
	tests := map[string]struct {
		given []string
		kept  bool
	}{
		"kept":      {[]string{"trace-1/2~!"}, true},
		"longest":   {[]string{strings.Repeat("x", 128)}, true},
		"too long":  {[]string{strings.Repeat("x", 129)}, false},
		"empty":     {[]string{""}, false},
		"space":     {[]string{"a b"}, false},
		"not ASCII": {[]string{"ä"}, false},
		"two":       {[]string{"a", "b"}, false},
	}
	node := servertest.Start(t, nil)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			answer := node.Do(servertest.Call{URL: node.Admin() + api.PathStatus, Header: http.Header{api.HeaderRequestID: test.given}})
			got := answer.Header.Get(api.HeaderRequestID)
			if (got == test.given[0]) != test.kept || got == "" || answer.Problem().RequestID != got {
				t.Errorf("request id %q, in the problem %q", got, answer.Problem().RequestID)
			}
			if !strings.Contains(node.Log.String(), "request_id="+got) {
				t.Errorf("%q is not logged", got)
			}
		})
	}
}

func TestReadiness(t *testing.T) {
	var policy, store error
	node := servertest.Start(t, func(c *servertest.Config) {
		c.Ready = []server.Check{
			{Name: "store", Ready: func() error { return store }},
			{Name: "policy", Ready: func() error { return policy }},
		}
	})
	ask := func() (int, string) {
		t.Helper()
		one := node.Do(servertest.Call{URL: node.Decisions() + api.PathReady})
		two := node.Do(servertest.Call{URL: node.Admin() + api.PathReady})
		if diff := cmp.Diff(one.Body, two.Body); diff != "" {
			t.Error(diff)
		}
		return one.Status, one.Body
	}
	if status, body := ask(); status != 200 || body != `{"ready":true}` {
		t.Errorf("got status %d, body %s; want status 200, body `{\"ready\":true}`", status, body)
	}
	policy = errors.New("s3cr3t")
	if status, body := ask(); status != 503 || body != `{"ready":false,"not_ready":["policy"]}` {
		t.Errorf("got status %d, body %s; want status 503, body `{\"ready\":false,\"not_ready\":[\"policy\"]}`", status, body)
	}
	store = errors.New("s3cr3t")
	if status, body := ask(); status != 503 || body != `{"ready":false,"not_ready":["store","policy"]}` {
		t.Errorf("got status %d, body %s; want status 503, body `{\"ready\":false,\"not_ready\":[\"store\",\"policy\"]}`", status, body)
	}
}

// A warning shows and takes nobody away from this node.
func TestReadinessWarns(t *testing.T) {
	var store, bundle error
	node := servertest.Start(t, func(c *servertest.Config) {
		c.Ready = []server.Check{{Name: "store", Ready: func() error { return store }}}
		c.Warnings = []server.Check{
			{Name: "decision_log", Ready: func() error { return nil }},
			{Name: "bundles", Ready: func() error { return bundle }},
		}
	})
	expect := func(status int, body string) {
		t.Helper()
		if answer := node.Do(servertest.Call{URL: node.Decisions() + api.PathReady}); answer.Status != status || answer.Body != body {
			t.Errorf("got status %d, body %s; want status %d, body %q", answer.Status, answer.Body, status, body)
		}
	}
	expect(200, `{"ready":true}`)
	bundle = errors.New("s3cr3t")
	expect(200, `{"ready":true,"warnings":["bundles"]}`)
	store = errors.New("s3cr3t")
	expect(503, `{"ready":false,"not_ready":["store"],"warnings":["bundles"]}`)
}

func TestMetricsAreBounded(t *testing.T) {
	node := servertest.Start(t, nil)
	operator := node.Key(authz.RoleOperate)
	for _, path := range []string{"/v1/users/a", "/v1/users/b", "/made/up", "/made/up/too"} {
		for _, method := range []string{"GET", "BREW", "BOIL"} {
			node.Do(servertest.Call{Method: method, URL: node.Admin() + path, Key: operator})
		}
	}
	node.Do(servertest.Call{URL: node.Decisions() + api.PathDecide, Key: node.Key(authz.RoleDecide), Body: question})
	text := node.Do(servertest.Call{URL: node.Admin() + api.PathMetrics, Key: operator}).Body
	for _, line := range []string{
		`verdict_http_requests_total{listener="admin",method="GET",route="/v1/users/:id",status="404"} 2`,
		`verdict_http_requests_total{listener="admin",method="other",route="/v1/users/:id",status="405"} 4`,
		`verdict_http_requests_total{listener="admin",method="GET",route="unmatched",status="404"} 2`,
		`verdict_http_requests_total{listener="admin",method="other",route="unmatched",status="404"} 4`,
		`verdict_http_requests_total{listener="decisions",method="POST",route="/v1/decide",status="200"} 1`,
		`verdict_http_request_seconds_count{listener="decisions",route="/v1/decide"} 1`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no %s", line)
		}
	}
	if strings.Contains(text, "made") || strings.Contains(text, "BREW") {
		t.Error("what callers make up is a label")
	}
}

func TestMetricsNeedARole(t *testing.T) {
	node := servertest.Start(t, nil)
	for role, want := range map[authz.Role]int{authz.RoleOperate: 200, authz.RoleReview: 200, authz.RoleDecide: 403} {
		if got := node.Do(servertest.Call{URL: node.Admin() + api.PathMetrics, Key: node.Key(role)}).Status; got != want {
			t.Errorf("%s: got %d; want %d", role, got, want)
		}
	}
}

func TestTraces(t *testing.T) {
	spans := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	node := servertest.Start(t, func(c *servertest.Config) { c.Tracer = provider })
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for _, header := range []string{parent, "00-broken"} {
		answer := node.Do(servertest.Call{
			URL: node.Decisions() + api.PathDecide, Key: node.Key(authz.RoleDecide), Body: question,
			Header: http.Header{"Traceparent": {header}},
		})
		if answer.Status != http.StatusOK {
			t.Errorf("got status %d, body %s; want status 200", answer.Status, answer.Body)
		}
	}
	node.Stop()
	if err := <-node.Done; err != nil {
		t.Fatal(err)
	}
	ended := spans.GetSpans()
	if len(ended) != 2 {
		t.Fatalf("%d spans", len(ended))
	}
	for i, span := range ended {
		if span.Name != "POST /v1/decide" {
			t.Errorf("span %q", span.Name)
		}
		if joined := span.SpanContext.TraceID().String() == "0af7651916cd43dd8448eb211c80319c"; joined != (i == 0) {
			t.Errorf("trace %s", span.SpanContext.TraceID())
		}
	}
}

func TestShutdownFinishesWhatIsInFlight(t *testing.T) {
	deciding, decide := make(chan struct{}), make(chan struct{})
	node := servertest.Start(t, func(c *servertest.Config) {
		c.API.Decide = func(ctx context.Context, _ authz.Request) (authz.Decision, error) {
			close(deciding)
			<-decide
			return authz.Decision{Outcome: authz.Allow}, ctx.Err()
		}
	})
	answers := make(chan servertest.Answer, 1)
	call := servertest.Call{URL: node.Decisions() + api.PathDecide, Key: node.Key(authz.RoleDecide), Body: question}
	go func() {
		answer, err := node.Try(call)
		if err != nil {
			t.Error(err)
		}
		answers <- answer
	}()
	<-deciding
	node.Stop()
	awaitRefusal(t, node.Server.Addr("decisions"))
	awaitRefusal(t, node.Server.Addr("admin"))
	select {
	case err := <-node.Done:
		t.Fatalf("Run returned %v with a request in flight", err)
	default:
	}
	close(decide)
	if answer := <-answers; answer.Status != http.StatusOK || !strings.Contains(answer.Body, `"decision":"allow"`) {
		t.Errorf("got status %d, body %s; want status 200, body with `\"decision\":\"allow\"`", answer.Status, answer.Body)
	}
	if err := <-node.Done; err != nil {
		t.Error(err)
	}
}

// awaitRefusal returns when nobody listens at addr any more.
func awaitRefusal(t *testing.T, addr net.Addr) {
	t.Helper()
	for t.Context().Err() == nil {
		conn, err := net.DialTimeout("tcp", addr.String(), time.Second)
		if err != nil {
			return
		}
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestShutdownSaysNotReadyFirst(t *testing.T) {
	draining, drained := make(chan struct{}), make(chan time.Time)
	node := servertest.Start(t, func(c *servertest.Config) {
		c.DrainDelay = time.Hour
		c.After = func(d time.Duration) <-chan time.Time {
			if d != time.Hour {
				t.Errorf("drains for %v", d)
			}
			close(draining)
			return drained
		}
	})
	node.Stop()
	<-draining
	answer := node.Do(servertest.Call{URL: node.Decisions() + api.PathReady})
	if answer.Status != http.StatusServiceUnavailable || answer.Body != `{"ready":false,"not_ready":["shutting_down"]}` {
		t.Errorf("got status %d, body %s; want status 503, body `{\"ready\":false,\"not_ready\":[\"shutting_down\"]}`", answer.Status, answer.Body)
	}
	// It still decides: who has not looked at /readyz yet is not turned away.
	if answer := node.Do(servertest.Call{URL: node.Decisions() + api.PathDecide, Key: node.Key(authz.RoleDecide), Body: question}); answer.Status != http.StatusOK {
		t.Errorf("got status %d, body %s; want status 200", answer.Status, answer.Body)
	}
	close(drained)
	if err := <-node.Done; err != nil {
		t.Error(err)
	}
}

func TestShutdownGivesUpOnTime(t *testing.T) {
	deciding, decide := make(chan struct{}), make(chan struct{})
	node := servertest.Start(t, func(c *servertest.Config) {
		c.ShutdownTimeout = time.Millisecond
		c.API.Decide = func(context.Context, authz.Request) (authz.Decision, error) {
			close(deciding)
			<-decide
			return authz.Decision{Outcome: authz.Allow}, nil
		}
	})
	call := servertest.Call{URL: node.Decisions() + api.PathDecide, Key: node.Key(authz.RoleDecide), Body: question}
	failed := make(chan error, 1)
	go func() {
		_, err := node.Try(call)
		failed <- err
	}()
	<-deciding
	node.Stop()
	if err := <-node.Done; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Run returned %v", err)
	}
	if err := <-failed; err == nil {
		t.Error("a request that was cut off got an answer")
	}
	close(decide)
}

func TestListeners(t *testing.T) {
	given, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	node := servertest.Start(t, func(c *servertest.Config) { c.Decisions.Net = given })
	if node.Server.Addr("decisions") != given.Addr() {
		t.Errorf("%v is not %v", node.Server.Addr("decisions"), given.Addr())
	}
	if answer := node.Do(servertest.Call{URL: node.Decisions() + api.PathHealth}); answer.Status != http.StatusOK || answer.Body != `{"ok":true}` {
		t.Errorf("got status %d, body %s; want status 200, body `{\"ok\":true}`", answer.Status, answer.Body)
	}
}

func TestConnectionsAreKept(t *testing.T) {
	node := servertest.Start(t, nil)
	conn, err := net.Dial("tcp", node.Server.Addr("decisions").String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	reader := bufio.NewReader(conn)
	for range 3 {
		if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			t.Fatal(err)
		}
	}
}

func TestHeaderLimit(t *testing.T) {
	node := servertest.Start(t, nil)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, node.Decisions()+api.PathHealth, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Large", strings.Repeat("x", 32<<10))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("got status %d; want status 431", response.StatusCode)
	}
}

func TestLogLine(t *testing.T) {
	node := servertest.Start(t, nil)
	node.Do(servertest.Call{URL: node.Admin() + "/v1/users/u-secret", Key: node.Key(authz.RoleOperate)})
	lines := strings.Split(node.Log.String(), "\n")
	found := slices.ContainsFunc(lines, func(line string) bool {
		return strings.Contains(line, `msg="http request" listener=admin method=GET route=/v1/users/:id status=404`) &&
			strings.Contains(line, "caller=key_operate") && strings.Contains(line, "code=not_found") && !strings.Contains(line, "u-secret")
	})
	if !found {
		t.Error(node.Log)
	}
}
