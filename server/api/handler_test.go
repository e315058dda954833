package api_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	wireapi "github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
	"github.com/verdict-pdp/verdict/server/servertest"
)

const question = `{
	"credential": {"token": "eyJ.e.s"},
	"subject":  {"type": "machine_user", "id": "mu:user-svc"},
	"action":   {"name": "email.send", "properties": {"p": 1}},
	"resource": {"type": "service", "id": "svc:email", "properties": {"recipient": "u-ana"}},
	"context":  {"source_ip": "10.4.2.19"},
	"at_least": 4812,
	"explain":  "reasons"}`

var denial = authz.Decision{
	ID:      "01J",
	Outcome: authz.Deny,
	Reasons: []authz.Reason{{Code: "SOURCE_IP_NOT_ALLOWED", Guard: "network", Message: "m", Fix: "f", Status: 403, Details: map[string]any{"source_ip": "10.9.9.9"}}},
	WouldDeny: []authz.Reason{
		{Code: "OUTSIDE_TIME_WINDOW", Guard: "schedule", Message: "m", Mode: "observe"},
	},
	Obligations:      []authz.Duty{{"id": "use_address", "address_id": "a1"}},
	Advice:           []authz.Duty{{"id": "renew_token", "within_s": 240}},
	Trust:            authz.Trust{Level: 3, Required: 4, Freshness: authz.Fresh},
	Policy:           authz.PolicyRef{Generation: 17, Digest: "sha256:ab"},
	DataRevision:     4815,
	CacheableForS:    5,
	IfPDPUnreachable: authz.Deny,
	Subject:          "mu:user-svc",
}

// asker records what it was asked.
type asker struct {
	requests []authz.Request
	batches  []authz.Batch
	decision authz.Decision
	err      error
}

func (a *asker) decide(_ context.Context, r authz.Request) (authz.Decision, error) {
	a.requests = append(a.requests, r)
	return a.decision, a.err
}

func (a *asker) batch(_ context.Context, b authz.Batch) ([]authz.Decision, error) {
	a.batches = append(a.batches, b)
	decisions := make([]authz.Decision, len(b.Items))
	for i := range decisions {
		decisions[i] = a.decision
	}
	return decisions, a.err
}

func start(t testing.TB, a *asker) *servertest.Node {
	return servertest.Start(t, func(c *servertest.Config) {
		c.API.Decide, c.API.Batch = a.decide, a.batch
	})
}

func TestDecideAsksAndAnswers(t *testing.T) {
	a := &asker{decision: denial}
	node := start(t, a)
	answer := node.Do(servertest.Call{URL: node.Decisions() + wireapi.PathDecide, Key: node.Key(authz.RoleDecide), Body: question})
	if answer.Status != http.StatusOK {
		t.Fatalf("got status %d, body %s; want status 200", answer.Status, answer.Body)
	}
	want := []authz.Request{{
		Caller:   authz.Caller{ID: "key_decide", Name: "test", Roles: []authz.Role{authz.RoleDecide}},
		Evidence: authz.Evidence{Token: "eyJ.e.s"},
		Subject:  &authz.Subject{Type: "machine_user", ID: "mu:user-svc"},
		Action:   authz.Action{Name: "email.send", Properties: map[string]any{"p": 1.0}},
		Resource: authz.Resource{Type: "service", ID: "svc:email", Properties: map[string]any{"recipient": "u-ana"}},
		Context:  map[string]any{"source_ip": "10.4.2.19"},
		AtLeast:  4812,
		Explain:  authz.ExplainReasons,
	}}
	if diff := cmp.Diff(want, a.requests); diff != "" {
		t.Error(diff)
	}
	const said = `{"id":"01J","decision":"deny",` +
		`"reasons":[{"code":"SOURCE_IP_NOT_ALLOWED","guard":"network","message":"m","fix":"f","status":403,"details":{"source_ip":"10.9.9.9"}}],` +
		`"would_deny":[{"code":"OUTSIDE_TIME_WINDOW","guard":"schedule","message":"m","mode":"observe"}],` +
		`"obligations":[{"address_id":"a1","id":"use_address"}],"advice":[{"id":"renew_token","within_s":240}],` +
		`"trust":{"level":3,"required":4,"freshness":"fresh"},"policy":{"generation":17,"digest":"sha256:ab"},` +
		`"data_revision":4815,"cacheable_for_s":5,"if_pdp_unreachable":"deny"}`
	if diff := cmp.Diff(said, answer.Body); diff != "" {
		t.Error(diff)
	}
}

// The JSON of the wire is that of the vocabulary, so that a decision reads the
// same in logs and answers.
func TestDecisionReadsLikeTheVocabulary(t *testing.T) {
	node := start(t, &asker{decision: denial})
	answer := node.Do(servertest.Call{URL: node.Decisions() + wireapi.PathDecide, Key: node.Key(authz.RoleDecide), Body: question})
	var got authz.Decision
	if err := ijson.Unmarshal([]byte(answer.Body), &got); err != nil {
		t.Fatal(err)
	}
	want := denial
	want.Subject = ""
	want.Advice = []authz.Duty{{"id": "renew_token", "within_s": 240.0}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestZeroDecisionDenies(t *testing.T) {
	node := start(t, &asker{})
	answer := node.Do(servertest.Call{URL: node.Decisions() + wireapi.PathDecide, Key: node.Key(authz.RoleDecide), Body: question})
	var got wireapi.Decision
	if err := ijson.Unmarshal([]byte(answer.Body), &got); err != nil {
		t.Fatal(err)
	}
	if got.Outcome != wireapi.Deny || got.IfPDPUnreachable != wireapi.Deny {
		t.Errorf("got %+v; want Outcome Deny, IfPDPUnreachable Deny", got)
	}
}

func TestExplainNoneKeepsCodesOnly(t *testing.T) {
	node := start(t, &asker{decision: denial})
	body := strings.Replace(question, `"reasons"`, `"none"`, 1)
	answer := node.Do(servertest.Call{URL: node.Decisions() + wireapi.PathDecide, Key: node.Key(authz.RoleDecide), Body: body})
	var got wireapi.Decision
	if err := ijson.Unmarshal([]byte(answer.Body), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]wireapi.Reason{{Code: "SOURCE_IP_NOT_ALLOWED", Guard: "network", Status: 403}}, got.Reasons); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]wireapi.Reason{{Code: "OUTSIDE_TIME_WINDOW", Guard: "schedule", Mode: "observe"}}, got.WouldDeny); diff != "" {
		t.Error(diff)
	}
}

const rest = `"action":{"name":"a"},"resource":{"type":"service","id":"s"}`

// refusal is a body that must not reach a decision.
type refusal struct {
	body   string
	status int
	code   authz.ErrorCode
	field  string
	says   string
}

func (r refusal) check(t *testing.T, node *servertest.Node, path string, roles ...authz.Role) {
	t.Helper()
	answer := node.Do(servertest.Call{URL: node.Decisions() + path, Key: node.Key(roles...), Body: r.body})
	problem := answer.Problem()
	if answer.Status != r.status || problem.Status != r.status || problem.Code != string(r.code) || problem.Field != r.field {
		t.Errorf("answered %d %s, want %d %s of %q", answer.Status, answer.Body, r.status, r.code, r.field)
	}
	if !strings.Contains(problem.Detail, r.says) {
		t.Errorf("detail %q does not say %q", problem.Detail, r.says)
	}
}

func TestDecideRefuses(t *testing.T) {
	deep := strings.Repeat("[", 40) + strings.Repeat("]", 40)
	tests := map[string]refusal{
		"broken":              {body: `{"action":`, status: 400, code: authz.CodeInvalid, field: "action", says: "JSON"},
		"a list":              {body: `[]`, status: 400, code: authz.CodeInvalid},
		"trailing":            {body: `{` + rest + `} {}`, status: 400, code: authz.CodeInvalid, says: "followed by"},
		"duplicate":           {body: `{"subject":{"type":"machine_user","id":"a"},"subject":{"type":"machine_user","id":"b"},` + rest + `}`, status: 400, code: authz.CodeInvalid, field: "subject", says: "twice"},
		"duplicate in depth":  {body: `{"context":{"a":{"b":1,"b":2}},` + rest + `}`, status: 400, code: authz.CodeInvalid, field: "context.a.b"},
		"unknown":             {body: `{"sub":1,` + rest + `}`, status: 400, code: authz.CodeInvalid, field: "sub", says: "not a known field"},
		"case":                {body: `{"Subject":null,` + rest + `}`, status: 400, code: authz.CodeInvalid, field: "Subject"},
		"deep":                {body: `{"context":{"a":` + deep + `},` + rest + `}`, status: 413, code: authz.CodeTooLarge, field: "context.a" + strings.Repeat("[0]", 30), says: "nested"},
		"no action":           {body: `{"resource":{"type":"service","id":"s"}}`, status: 400, code: authz.CodeInvalid, field: "action.name", says: "required"},
		"no resource":         {body: `{"action":{"name":"a"}}`, status: 400, code: authz.CodeInvalid, field: "resource.type"},
		"other resource":      {body: `{"action":{"name":"a"},"resource":{"type":"file","id":"s"}}`, status: 400, code: authz.CodeInvalid, field: "resource.type"},
		"other subject":       {body: `{"subject":{"type":"user","id":"a"},` + rest + `}`, status: 400, code: authz.CodeInvalid, field: "subject.type"},
		"token and claims":    {body: `{"credential":{"token":"a","claims":{}},` + rest + `}`, status: 400, code: authz.CodeInvalid, field: "credential", says: "more than one way"},
		"token and secret":    {body: `{"credential":{"token":"a","client_id":"mu:a","client_secret":"s"},` + rest + `}`, status: 400, code: authz.CodeInvalid, field: "credential", says: "more than one way"},
		"secret and nobody":   {body: `{"credential":{"client_secret":"s"},` + rest + `}`, status: 400, code: authz.CodeInvalid, field: "credential.client_id"},
		"nothing but a name":  {body: `{"credential":{"client_id":"mu:a"},` + rest + `}`, status: 400, code: authz.CodeInvalid, field: "credential.client_secret"},
		"issuer and no token": {body: `{"credential":{"issuer":"i","client_assertion":"a"},` + rest + `}`, status: 400, code: authz.CodeInvalid, field: "credential.issuer"},
		"proof and no token":  {body: `{"credential":{"client_assertion":"a","dpop":{"proof":"p","method":"GET","url":"https://a"}},` + rest + `}`, status: 400, code: authz.CodeInvalid, field: "credential.dpop"},
		"proof of no method":  {body: `{"credential":{"token":"a","dpop":{"proof":"p","url":"https://a"}},` + rest + `}`, status: 400, code: authz.CodeInvalid, field: "credential.dpop.method"},
		"two certificates":    {body: `{"credential":{"certificate":"AAAA","certificate_thumbprint":"a"},` + rest + `}`, status: 400, code: authz.CodeInvalid, field: "credential", says: "more than one way"},
		"no certificate":      {body: `{"credential":{"certificate":"?"},` + rest + `}`, status: 400, code: authz.CodeInvalid, field: "credential.certificate"},
		"a private key":       {body: `{"credential":{"certificate":"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"},` + rest + `}`, status: 400, code: authz.CodeInvalid, field: "credential.certificate", says: "never a private key"},
		"plain connection":    {body: `{"credential":{"connection":true},` + rest + `}`, status: 400, code: authz.CodeInvalid, field: "credential.connection", says: "over TLS"},
		"empty credential":    {body: `{"credential":{},` + rest + `}`, status: 400, code: authz.CodeInvalid, field: "credential", says: "empty"},
		"claims not object":   {body: `{"credential":{"claims":"x"},` + rest + `}`, status: 400, code: authz.CodeInvalid, field: "credential.claims"},
		"a time":              {body: `{"context":{"time":"2026-11-22T10:00:00Z"},` + rest + `}`, status: 400, code: authz.CodeInvalid, field: "context.time", says: "only /v1/simulate"},
		"explain":             {body: `{"explain":"all",` + rest + `}`, status: 400, code: authz.CodeInvalid, field: "explain", says: "none, reasons or full"},
		"negative revision":   {body: `{"at_least":-1,` + rest + `}`, status: 400, code: authz.CodeInvalid, field: "at_least"},
	}
	a := &asker{decision: denial}
	node := start(t, a)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test.check(t, node, wireapi.PathDecide, authz.RoleDecide) })
	}
	if len(a.requests) > 0 {
		t.Errorf("%d of them were decided", len(a.requests))
	}
}

func TestBodySizeAndType(t *testing.T) {
	a := &asker{decision: denial}
	node := servertest.Start(t, func(c *servertest.Config) {
		c.API.Decide, c.API.BodyLimit = a.decide, 100
	})
	large := `{"context":{"a":"` + strings.Repeat("x", 100) + `"},` + rest + `}`
	tests := map[string]struct {
		body   string
		header http.Header
		status int
		field  string
	}{
		"small":          {body: `{` + rest + `}`, status: 200},
		"charset":        {body: `{` + rest + `}`, header: http.Header{"Content-Type": {"application/json; charset=UTF-8"}}, status: 200},
		"large":          {body: large, status: 413},
		"large, chunked": {body: large, header: http.Header{"Transfer-Encoding": {"chunked"}}, status: 413},
		"spaces":         {body: `{` + rest + `}` + strings.Repeat(" ", 100), status: 413},
		"form":           {body: `{` + rest + `}`, header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, status: 415, field: "Content-Type"},
		"none":           {body: `{` + rest + `}`, header: http.Header{"Content-Type": nil}, status: 415, field: "Content-Type"},
		"other charset":  {body: `{` + rest + `}`, header: http.Header{"Content-Type": {"application/json; charset=latin1"}}, status: 415, field: "Content-Type"},
		"packed":         {body: `{` + rest + `}`, header: http.Header{"Content-Encoding": {"gzip"}}, status: 415, field: "Content-Encoding"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			answer := node.Do(servertest.Call{URL: node.Decisions() + wireapi.PathDecide, Key: node.Key(authz.RoleDecide), Body: test.body, Header: test.header})
			if answer.Status != test.status || answer.Problem().Field != test.field {
				t.Errorf("%d %s, want %d of %q", answer.Status, answer.Body, test.status, test.field)
			}
		})
	}
}

func TestRoles(t *testing.T) {
	tests := []struct {
		path   string
		body   string
		roles  []authz.Role
		status int
		says   string
	}{
		{wireapi.PathDecide, `{` + rest + `}`, []authz.Role{authz.RoleDecide}, 200, ""},
		{wireapi.PathDecide, `{` + rest + `}`, []authz.Role{authz.RoleSimulate, authz.RoleOperate}, 403, "role decide"},
		{wireapi.PathDecide, `{"credential":{"claims":{"sub":"a"}},` + rest + `}`, []authz.Role{authz.RoleDecide, authz.RoleAssertClaims}, 200, ""},
		{wireapi.PathDecide, `{` + rest + `}`, []authz.Role{authz.RoleAssertClaims}, 403, "role decide"},
		{wireapi.PathSimulate, `{` + rest + `}`, []authz.Role{authz.RoleSimulate}, 200, ""},
		{wireapi.PathSimulate, `{"credential":{"claims":{"sub":"a"}},` + rest + `}`, []authz.Role{authz.RoleSimulate}, 200, ""},
		{wireapi.PathSimulate, `{` + rest + `}`, []authz.Role{authz.RoleDecide, authz.RoleAssertClaims}, 403, "role simulate"},
		{wireapi.PathBatch, `{"items":[{}],` + rest + `}`, []authz.Role{authz.RoleDecide}, 200, ""},
		{wireapi.PathBatch, `{"items":[{}],` + rest + `}`, []authz.Role{authz.RoleSimulate}, 403, "role decide"},
	}
	node := start(t, &asker{decision: denial})
	for _, test := range tests {
		answer := node.Do(servertest.Call{URL: node.Decisions() + test.path, Key: node.Key(test.roles...), Body: test.body})
		if answer.Status != test.status || !strings.Contains(answer.Problem().Detail, test.says) {
			t.Errorf("%s with %v: %d %s", test.path, test.roles, answer.Status, answer.Body)
		}
	}
}

func TestSimulate(t *testing.T) {
	a := &asker{decision: denial}
	node := start(t, a)
	ask := func(context string) servertest.Answer {
		return node.Do(servertest.Call{
			URL:  node.Decisions() + wireapi.PathSimulate,
			Key:  node.Key(authz.RoleSimulate),
			Body: `{"subject":{"type":"machine_user","id":"mu:a"},"context":` + context + `,` + rest + `}`,
		})
	}
	if answer := ask(`{"time":"2027-03-01T12:00:00+02:00","env":"prod"}`); answer.Status != http.StatusOK {
		t.Fatalf("got status %d, body %s; want status 200", answer.Status, answer.Body)
	}
	if answer := ask(`{"env":"prod"}`); answer.Status != http.StatusOK {
		t.Fatalf("got status %d, body %s; want status 200", answer.Status, answer.Body)
	}
	then := authz.Request{
		Caller:    authz.Caller{ID: "key_simulate", Name: "test", Roles: []authz.Role{authz.RoleSimulate}},
		Subject:   &authz.Subject{Type: "machine_user", ID: "mu:a"},
		Action:    authz.Action{Name: "a"},
		Resource:  authz.Resource{Type: "service", ID: "s"},
		Context:   map[string]any{"env": "prod"},
		At:        time.Date(2027, 3, 1, 10, 0, 0, 0, time.UTC),
		Simulated: true,
	}
	now := then
	now.At = time.Time{}
	if diff := cmp.Diff([]authz.Request{then, now}, a.requests); diff != "" {
		t.Error(diff)
	}
	for _, context := range []string{`{"time":1}`, `{"time":"tomorrow"}`, `{"time":"0001-01-01T00:00:00Z"}`, `{"time":"2300-01-01T00:00:00Z"}`, `{"time":null}`} {
		if answer := ask(context); answer.Status != http.StatusBadRequest || answer.Problem().Field != "context.time" {
			t.Errorf(`%s: got status %d, body %s; want status 400, answer.Problem().Field "context.time"`, context, answer.Status, answer.Body)
		}
	}
}

func TestBatchAppliesDefaults(t *testing.T) {
	a := &asker{decision: denial}
	node := start(t, a)
	body := `{
		"credential": {"token": "default"},
		"action":   {"name": "read", "properties": {"deep": true}},
		"resource": {"type": "service", "id": "s"},
		"context":  {"source_ip": "10.0.0.1", "env": "prod"},
		"at_least": 7, "explain": "none", "semantics": "deny_on_first_deny",
		"items": [
			{},
			{"action": {"name": "write"}},
			{"context": {"env": "test"}, "explain": "reasons"},
			{"context": {}, "credential": {"token": "own"}}
		]}`
	answer := node.Do(servertest.Call{URL: node.Decisions() + wireapi.PathBatch, Key: node.Key(authz.RoleDecide), Body: body})
	if answer.Status != http.StatusOK {
		t.Fatalf("got status %d, body %s; want status 200", answer.Status, answer.Body)
	}
	item := func(edit func(*authz.Request)) authz.Request {
		r := authz.Request{
			Caller:   authz.Caller{ID: "key_decide", Name: "test", Roles: []authz.Role{authz.RoleDecide}},
			Evidence: authz.Evidence{Token: "default"},
			Action:   authz.Action{Name: "read", Properties: map[string]any{"deep": true}},
			Resource: authz.Resource{Type: "service", ID: "s"},
			Context:  map[string]any{"source_ip": "10.0.0.1", "env": "prod"},
			Explain:  authz.ExplainNone,
		}
		edit(&r)
		return r
	}
	want := []authz.Batch{{
		Items: []authz.Request{
			item(func(*authz.Request) {}),
			item(func(r *authz.Request) { r.Action = authz.Action{Name: "write"} }),
			item(func(r *authz.Request) {
				r.Context, r.Explain = map[string]any{"env": "test"}, authz.ExplainReasons
			}),
			item(func(r *authz.Request) { r.Context, r.Evidence.Token = map[string]any{}, "own" }),
		},
		Semantics: authz.DenyOnFirstDeny,
		AtLeast:   7,
	}}
	if diff := cmp.Diff(want, a.batches); diff != "" {
		t.Error(diff)
	}
	var got wireapi.BatchResponse
	if err := ijson.Unmarshal([]byte(answer.Body), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Decisions) != 4 || got.Decisions[0].Reasons[0].Message != "" || got.Decisions[2].Reasons[0].Message != "m" {
		t.Errorf(`got body %s; want len(got.Decisions) 4, got.Decisions[0].Reasons[0].Message "", got.Decisions[2].Reasons[0].Message "m"`, answer.Body)
	}
}

func TestBatchRefuses(t *testing.T) {
	tests := map[string]refusal{
		"no items":      {body: `{` + rest + `}`, status: 400, code: authz.CodeInvalid, field: "items", says: "1 to 1000"},
		"empty items":   {body: `{"items":[],` + rest + `}`, status: 400, code: authz.CodeInvalid, field: "items"},
		"too many":      {body: `{"items":[` + strings.Repeat("{},", 1000) + `{}],` + rest + `}`, status: 413, code: authz.CodeTooLarge, field: "items", says: "1001"},
		"bad item":      {body: `{"items":[{},{},{},{"action":{"name":"a b"}}],` + rest + `}`, status: 400, code: authz.CodeInvalid, field: "items[3].action.name"},
		"unknown":       {body: `{"items":[{},{"actoin":1}],` + rest + `}`, status: 400, code: authz.CodeInvalid, field: "items[1].actoin"},
		"at_least":      {body: `{"items":[{"at_least":1}],` + rest + `}`, status: 400, code: authz.CodeInvalid, field: "items[0].at_least"},
		"duplicate":     {body: `{"items":[{"context":{"a":1,"a":2}}],` + rest + `}`, status: 400, code: authz.CodeInvalid, field: "items[0].context.a"},
		"missing whole": {body: `{"items":[{}],"action":{"name":"a"}}`, status: 400, code: authz.CodeInvalid, field: "items[0].resource.type"},
		"a time":        {body: `{"items":[{"context":{"time":"2026-11-22T10:00:00Z"}}],` + rest + `}`, status: 400, code: authz.CodeInvalid, field: "items[0].context.time"},
		"semantics":     {body: `{"items":[{}],"semantics":"any",` + rest + `}`, status: 400, code: authz.CodeInvalid, field: "semantics", says: "execute_all"},
	}
	a := &asker{decision: denial}
	node := start(t, a)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test.check(t, node, wireapi.PathBatch, authz.RoleDecide) })
	}
	if len(a.batches) > 0 {
		t.Errorf("%d of them were decided", len(a.batches))
	}
}

func TestErrorsAreProblemsWithoutCause(t *testing.T) {
	tests := map[string]struct {
		err    error
		status int
		code   authz.ErrorCode
		detail string
		retry  string
	}{
		"behind":   {&authz.Error{Code: authz.CodeBehind, Field: "at_least", Message: "is 9, the data is at 7", Cause: errSecret}, 503, authz.CodeBehind, "at_least is 9, the data is at 7", "1"},
		"closed":   {authz.Errorf(authz.CodeUnavailable, "shutting down"), 503, authz.CodeUnavailable, "shutting down", "1"},
		"ours":     {&authz.Error{Code: authz.CodeInternal, Message: "reading secret", Cause: errSecret}, 500, authz.CodeInternal, "an internal error; the log has its cause under this request_id", ""},
		"unknown":  {errSecret, 500, authz.CodeInternal, "an internal error; the log has its cause under this request_id", ""},
		"too slow": {context.DeadlineExceeded, 503, authz.CodeUnavailable, "this took too long and was given up; try again", "1"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			node := start(t, &asker{decision: authz.Decision{Outcome: authz.Allow}, err: test.err})
			for path, body := range map[string]string{wireapi.PathDecide: `{` + rest + `}`, wireapi.PathBatch: `{"items":[{}],` + rest + `}`} {
				answer := node.Do(servertest.Call{URL: node.Decisions() + path, Key: node.Key(authz.RoleDecide), Body: body, Header: http.Header{wireapi.HeaderRequestID: {"req-1"}}})
				problem := answer.Problem()
				want := wireapi.Problem{Type: "about:blank", Title: http.StatusText(test.status), Status: test.status, Detail: test.detail, Instance: path, Code: string(test.code), Field: problem.Field, RequestID: "req-1"}
				if diff := cmp.Diff(want, problem); diff != "" || answer.Status != test.status {
					t.Errorf("got status %d, diff %s; want no diff, status %d", answer.Status, diff, test.status)
				}
				if got := answer.Header.Get("Retry-After"); got != test.retry {
					t.Errorf("Retry-After %q", got)
				}
				if strings.Contains(answer.Body, "s3cr3t") {
					t.Errorf("the cause is shown: %s", answer.Body)
				}
			}
		})
	}
}

type secretError struct{}

func (secretError) Error() string { return "s3cr3t" }

var errSecret = secretError{}

func TestPanicIsNoDecision(t *testing.T) {
	node := servertest.Start(t, func(c *servertest.Config) {
		c.API.Decide = func(context.Context, authz.Request) (authz.Decision, error) { panic("s3cr3t") }
	})
	answer := node.Do(servertest.Call{URL: node.Decisions() + wireapi.PathDecide, Key: node.Key(authz.RoleDecide), Body: `{` + rest + `}`})
	if answer.Status != http.StatusInternalServerError || strings.Contains(answer.Body, "s3cr3t") {
		t.Errorf(`got status %d, body %s; want status 500, body without "s3cr3t"`, answer.Status, answer.Body)
	}
	if !strings.Contains(node.Log.String(), "panic: s3cr3t") {
		t.Errorf("the panic is not logged: %s", node.Log)
	}
}

func TestMoreDecisionsThanQuestionsIsAnError(t *testing.T) {
	node := servertest.Start(t, func(c *servertest.Config) {
		c.API.Batch = func(context.Context, authz.Batch) ([]authz.Decision, error) { return make([]authz.Decision, 2), nil }
	})
	answer := node.Do(servertest.Call{URL: node.Decisions() + wireapi.PathBatch, Key: node.Key(authz.RoleDecide), Body: `{"items":[{}],` + rest + `}`})
	if answer.Status != http.StatusInternalServerError {
		t.Errorf("got status %d, body %s; want status 500", answer.Status, answer.Body)
	}
}

func TestTokensAreNotLogged(t *testing.T) {
	node := start(t, &asker{err: errSecret})
	key := node.Key(authz.RoleDecide)
	for _, body := range []string{question, `{"credential":{"token":"eyJ.e.s"},"token":"eyJ.e.s"}`, `{"credential":{"token":"eyJ.e.s"`} {
		node.Do(servertest.Call{URL: node.Decisions() + wireapi.PathDecide + "?token=eyJ.e.s", Key: key, Body: body})
	}
	if log := node.Log.String(); strings.Contains(log, "eyJ") || strings.Contains(log, key) || !strings.Contains(log, "caller=key_decide") {
		t.Error(log)
	}
}
