package engine_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
	"github.com/verdict-pdp/verdict/engine"
)

var (
	_ authz.Evaluator = (*engine.Policy)(nil)
	_ authz.Explainer = (*engine.Policy)(nil)
	_ authz.Rejudger  = (*engine.Policy)(nil)
)

func TestAllow(t *testing.T) {
	p := policy(t, `allow := true

obligations contains {"id": "use_address", "address_id": "addr-1"}

obligations contains {"id": "log_full"}

advice := [{"id": "renew_token", "within_s": 240, "share": 0.5, "to": {"a"}}]

would_deny contains {"code": "RATE_LIMITED", "guard": "limits", "message": "m", "fix": "f", "mode": "observe"}

required_level := 3

cacheable_for_s := 5

if_pdp_unreachable := "allow"

_helper := 1
`, nil, engine.Config{})
	got := p.Evaluate(t.Context(), question(nil), newFacts(nil))
	want := authz.Judgement{
		Allow:            true,
		WouldDeny:        []authz.Reason{{Code: "RATE_LIMITED", Guard: "limits", Message: "m", Fix: "f", Mode: "observe"}},
		Obligations:      []authz.Duty{{"id": "log_full"}, {"id": "use_address", "address_id": "addr-1"}},
		Advice:           []authz.Duty{{"id": "renew_token", "within_s": 240, "share": 0.5, "to": []any{"a"}}},
		RequiredLevel:    3,
		CacheableForS:    5,
		IfPDPUnreachable: authz.Allow,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("judgement (-want +got):\n%s", diff)
	}
	if got := p.Policy(); got.Generation != 4 || !strings.HasPrefix(got.Digest, "sha256:") {
		t.Errorf("policy is %+v", got)
	}
}

// TestDenyReadsFacts is the ordinary case: guards over facts, each key read
// once however often it is used.
func TestDenyReadsFacts(t *testing.T) {
	p := policy(t, guards, map[string]string{
		"guards/state.rego": guard("state", "USER_STATE", `data.users[input.resource.properties.to].state != "active"`),
		"guards/twice.rego": guard("twice", "USER_TENANT", `u := data.users[input.resource.properties.to]; u.tenant != data.limits.tenant; not data.users[input.resource.properties.to].missing.member`),
		"guards/edge.rego":  guard("edge", "EDGE_NOT_DECLARED", `not data.edges[input.subject.id][input.resource.id]`),
		"guards/list.rego":  guard("list", "TOO_MANY", `count(data.edges[input.subject.id]) > 1; some to, e in data.edges[input.subject.id]; e.from == input.subject.id; to == "svc:c"`),
		"guards/none.rego":  guard("none", "NEVER", `data.entitlements["user:u"]`),
		"limits/data.json":  `{"tenant": "acme"}`,
	}, engine.Config{})
	f := newFacts(map[string]string{
		"users/u-1":        `{"state": "left", "tenant": "other"}`,
		"edges/mu:a/svc:c": `{"from": "mu:a"}`,
		"edges/mu:a/svc:d": `{"from": "mu:a"}`,
		"edges/mu:b/svc:b": `{"from": "mu:b"}`,
	})
	got := p.Evaluate(t.Context(), question(map[string]any{"to": "u-1"}), f)
	var codes []string
	for _, r := range got.Reasons {
		codes = append(codes, r.Guard+":"+string(r.Code))
	}
	if diff := cmp.Diff([]string{"edge:EDGE_NOT_DECLARED", "list:TOO_MANY", "state:USER_STATE", "twice:USER_TENANT"}, codes); diff != "" {
		t.Errorf("codes (-want +got):\n%s\n%+v", diff, got)
	}
	if diff := cmp.Diff([]string{"edges/mu:a/svc:b", "edges/mu:a/*2", "entitlements/user:u/*0", "users/u-1"}, f.reads); diff != "" {
		t.Errorf("reads (-want +got):\n%s", diff)
	}
	if got.KeysRead != 5 {
		t.Errorf("%d keys read, want 5: a miss, a group of two, an empty group, a user", got.KeysRead)
	}
}

// TestKeysThatNameNothing holds ids from a question to reaching only the entity
// they name: a separator must not reach another one.
func TestKeysThatNameNothing(t *testing.T) {
	p := policy(t, guards, map[string]string{
		"guards/a.rego": guard("a", "FOUND_PAIR", `data.edges[input.resource.properties.from][input.resource.properties.to]`),
		"guards/b.rego": guard("b", "FOUND_GROUP", `data.edges[input.resource.properties.from]`),
		"guards/c.rego": guard("c", "FOUND_ONE", `data.users[input.resource.properties.to]`),
	}, generous)
	for _, from := range []string{"mu:a/svc:b", "mu:a/", "/", "", "..", strings.Repeat("x", 300)} {
		f := newFacts(map[string]string{"edges/mu:a/svc:b": `{}`, "users/u": `{}`})
		got := p.Evaluate(t.Context(), question(map[string]any{"from": from, "to": from}), f)
		if !got.Allow || len(f.reads) != 0 {
			t.Errorf("from %q: %+v, reads %v", from, got, f.reads)
		}
	}
}

// TestTimeIsTheQuestions holds policies to the clock of the question.
func TestTimeIsTheQuestions(t *testing.T) {
	p := policy(t, fmt.Sprintf("default allow := false\n\nallow if {\n\ttime.now_ns() == %d\n\tinput.time == \"2026-11-22T12:00:00Z\"\n}\n", noon.UnixNano()), nil, generous)
	if got := p.Evaluate(t.Context(), question(nil), newFacts(nil)); !got.Allow {
		t.Errorf("judgement is %+v", got)
	}
}

// TestFailures holds every way an evaluation can end badly to its code.
func TestFailures(t *testing.T) {
	decides := func(s string) map[string]string { return map[string]string{"": s} }
	content := guard("content", "NEVER", "false")
	tests := []struct {
		name    string
		files   map[string]string // "" is the decision; guards when absent
		config  engine.Config
		facts   *facts
		ask     func(*authz.Question)
		code    authz.ReasonCode
		details map[string]any
	}{
		{name: "division by zero in one guard", files: map[string]string{"guards/a.rego": content, "guards/b.rego": guard("b", "X", "1 / input.resource.properties.zero == 1")},
			code: authz.PolicyError, details: map[string]any{"at": "guards/b.rego:10", "error": "eval_builtin_error"}},
		{name: "a built-in fails in a helper", files: map[string]string{"guards/b.rego": guard("b", "X", "not _ok") + "\n_ok if time.parse_rfc3339_ns(input.subject.id) > 0\n"},
			code: authz.PolicyError, details: map[string]any{"at": "guards/b.rego:13", "error": "eval_builtin_error"}},
		{name: "a built-in gets the wrong type", files: map[string]string{"guards/b.rego": guard("b", "X", "startswith(input.resource.properties.zero, \"x\")")},
			code: authz.PolicyError, details: map[string]any{"at": "guards/b.rego:10", "error": "eval_type_error"}},
		{name: "complete rules conflict", files: map[string]string{"guards/b.rego": guard("b", "X", "_v == 1") + "\n_v := 1 if input.subject.id\n\n_v := 2 if input.subject.type\n"},
			code: authz.PolicyConflict, details: map[string]any{"at": "guards/b.rego:15"}},
		{name: "allow conflicts", files: decides("default allow := false\n\nallow := true if input.subject.id\n\nallow := false if input.subject.type\n"),
			code: authz.PolicyConflict, details: map[string]any{"at": "verdict/decision/decision.rego:7"}},
		{name: "object keys conflict", files: map[string]string{"guards/b.rego": guard("b", "X", "{k: v | k := \"k\"; some v in [input.subject.id, input.subject.type]}.k == 1")},
			code: authz.PolicyConflict, details: map[string]any{"at": "guards/b.rego:10"}},
		{name: "constant keys conflict", files: map[string]string{"guards/b.rego": guard("b", "X", "_p == data.users.u") + "\n_p[\"x\"] := 1\n\n_p[\"x\"] := 2\n"}, facts: newFacts(map[string]string{"users/u": "{}"}),
			code: authz.PolicyConflict, details: map[string]any{"at": "guards/b.rego:15"}},
		{name: "functions conflict", files: map[string]string{"guards/b.rego": guard("b", "X", "_f(1) == 1") + "\n_f(x) := x if input.subject.id\n\n_f(x) := x + 1 if input.subject.type\n"},
			code: authz.PolicyConflict, details: map[string]any{"at": "guards/b.rego:15"}},
		{name: "undefined entrypoint", files: decides("f(x) := x\n"), code: authz.PolicyUndefined},
		{name: "loop", files: map[string]string{"guards/b.rego": guard("b", "X", "some x in numbers.range(1, 100000); some y in numbers.range(1, 100000); x + y == -1")},
			config: engine.Config{Timeout: 30 * time.Millisecond}, code: authz.PolicyTimeout, details: map[string]any{"timeout_ms": 30}},
		{name: "loop inside one built-in", files: map[string]string{"guards/b.rego": guard("b", "X", "count(numbers.range(1, 1000000000)) == 1")},
			config: engine.Config{Timeout: 30 * time.Millisecond}, code: authz.PolicyTimeout, details: map[string]any{"timeout_ms": 30}},
		{name: "over budget by iteration", files: map[string]string{"guards/b.rego": guard("b", "X", `some i in numbers.range(1, 1000); data.users[sprintf("u-%d", [i])]`)},
			code: authz.PolicyOverBudget, details: map[string]any{"collection": "users", "max_keys": 64}},
		{name: "over budget by a group", files: map[string]string{"guards/b.rego": guard("b", "X", `count(data.edges[input.subject.id]) == 1`)},
			config: engine.Config{MaxKeys: 3}, facts: crowd(4), code: authz.PolicyOverBudget, details: map[string]any{"collection": "edges", "max_keys": 3}},
		{name: "over budget when nothing is left for a group", files: map[string]string{"guards/b.rego": guard("b", "X", `data.users.a; count(data.edges[input.subject.id]) == 1`)},
			config: engine.Config{MaxKeys: 1}, facts: newFacts(map[string]string{"users/a": "{}"}), code: authz.PolicyOverBudget, details: map[string]any{"collection": "edges", "max_keys": 1}},
		{name: "facts fail", files: map[string]string{"guards/b.rego": guard("b", "X", `not data.users[input.subject.id]`)},
			facts: &facts{err: errors.New("disk on fire, secret hunter2")}, code: authz.PolicyError, details: map[string]any{"collection": "users"}},
		{name: "a group of facts fails", files: map[string]string{"guards/b.rego": guard("b", "X", `not data.edges[input.subject.id]`)},
			facts: &facts{err: errors.New("disk on fire, secret hunter2")}, code: authz.PolicyError, details: map[string]any{"collection": "edges"}},
		{name: "a fact is not JSON", files: map[string]string{"guards/b.rego": guard("b", "X", `not data.users[input.subject.id]`)},
			facts: newFacts(map[string]string{"users/mu:a": `{"broken": `}), code: authz.PolicyError, details: map[string]any{"collection": "users"}},
		{name: "a question without a time", files: map[string]string{"guards/a.rego": content}, ask: func(q *authz.Question) { q.Time = time.Time{} }, code: authz.PolicyError},
		{name: "a context that is not JSON", files: map[string]string{"guards/a.rego": content}, ask: func(q *authz.Question) { q.Context = map[string]any{"f": func() {}} }, code: authz.PolicyError},

		{name: "not an object", files: map[string]string{"": "f(x) := x\n", "verdict/decision/data.json": "[1]"}, code: authz.PolicyMalformed, details: map[string]any{"wrong": "it is an array, not an object"}},
		{name: "allow with reasons", files: decides(`allow := true` + "\n\n" + `reasons := [{"code": "A", "guard": "g", "message": "m", "fix": "f"}]`), code: authz.PolicyMalformed, details: map[string]any{"wrong": "allow is true together with reasons"}},
		{name: "deny without reasons", files: decides("allow := false\n"), code: authz.PolicyMalformed, details: map[string]any{"wrong": "allow is false without a reason"}},
		{name: "no allow", files: decides("reasons := []\n"), code: authz.PolicyMalformed, details: map[string]any{"wrong": "allow is missing"}},
		{name: "allow is a string", files: decides(`allow := "true"`), code: authz.PolicyMalformed, details: map[string]any{"wrong": "allow is a string, not a boolean"}},
		{name: "unknown member", files: decides("allow := true\n\nalow := false\n"), code: authz.PolicyMalformed, details: map[string]any{"wrong": `it has a member "alow", which is not part of a decision`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			decision := guards
			files := map[string]string{}
			for name, content := range test.files {
				if name == "" {
					decision = content
					continue
				}
				files[name] = content
			}
			q := question(map[string]any{"zero": 0})
			if test.ask != nil {
				test.ask(&q)
			}
			f := test.facts
			if f == nil {
				f = newFacts(nil)
			}
			if test.config.Timeout == 0 {
				test.config.Timeout = generous.Timeout
			}
			start := time.Now()
			got := policy(t, decision, files, test.config).Evaluate(t.Context(), q, f)
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("took %v: the time limit of the evaluation does not hold", took)
			}
			if got.Allow || len(got.Reasons) != 1 {
				t.Fatalf("judgement is %+v", got)
			}
			r := got.Reasons[0]
			if r.Code != test.code || r.Guard != "engine" || r.Message == "" || r.Fix == "" || got.IfPDPUnreachable != authz.Deny {
				t.Errorf("judgement is %+v, want %s", got, test.code)
			}
			if diff := cmp.Diff(test.details, r.Details); diff != "" {
				t.Errorf("details (-want +got):\n%s", diff)
			}
			if text := fmt.Sprintf("%+v", r); strings.Contains(text, "hunter2") || strings.Contains(text, "mu:a") {
				t.Errorf("a reason shows a value: %s", text)
			}
		})
	}
}

// crowd has n edges of mu:a.
func crowd(n int) *facts {
	f := newFacts(nil)
	for i := range n {
		f.put(fmt.Sprintf("edges/mu:a/svc:%03d", i), `{}`, 1)
	}
	return f
}

func TestContextEnds(t *testing.T) {
	p := policy(t, guards, map[string]string{"guards/b.rego": guard("b", "X", "data.users.u; some x in numbers.range(1, 100000); some y in numbers.range(1, 100000); x + y == -1")}, generous)
	for name, cancelled := range map[string]func(context.CancelFunc, *facts){
		"before": func(cancel context.CancelFunc, _ *facts) { cancel() },
		"during": func(cancel context.CancelFunc, f *facts) { f.onRead = cancel },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			f := newFacts(map[string]string{"users/u": "{}"})
			cancelled(cancel, f)
			got := p.Evaluate(ctx, question(nil), f)
			if got.Allow || len(got.Reasons) != 1 || got.Reasons[0].Code != authz.PolicyTimeout {
				t.Errorf("judgement is %+v", got)
			}
		})
	}
}

func TestPanicDenies(t *testing.T) {
	var faults []error
	config := generous
	config.Fault = func(_ context.Context, err error) { faults = append(faults, err) }
	p := policy(t, guards, map[string]string{"guards/b.rego": guard("b", "X", "data.users.u")}, config)
	f := newFacts(nil)
	f.onRead = func() { panic("secret hunter2") }
	got := p.Evaluate(t.Context(), question(nil), f)
	if got.Allow || len(got.Reasons) != 1 || got.Reasons[0].Code != authz.PolicyError || got.KeysRead != 1 || strings.Contains(fmt.Sprint(got), "hunter2") {
		t.Errorf("judgement is %+v", got)
	}
	cause := errors.New("disk on fire")
	p.Evaluate(t.Context(), question(nil), &facts{err: cause})
	if len(faults) != 2 || !strings.Contains(faults[0].Error(), "facts_test.go") || !errors.Is(faults[1], cause) {
		t.Errorf("faults are %v", faults)
	}
}

// TestFailureSticks holds an evaluation to its first failure even where the
// interpreter would go on and allow.
func TestFailureSticks(t *testing.T) {
	p := policy(t, "default allow := true\n", nil, generous)
	if got := p.Evaluate(t.Context(), question(nil), newFacts(nil)); !got.Allow {
		t.Fatalf("judgement is %+v", got)
	}
	p = policy(t, "allow := count([1 | data.users[input.subject.id]]) == 0\n", nil, generous)
	if got := p.Evaluate(t.Context(), question(nil), &facts{err: errors.New("no")}); got.Allow {
		t.Errorf("judgement is %+v", got)
	}
}

func TestConfig(t *testing.T) {
	s := compile(t, "allow := true\n", nil)
	for _, c := range []engine.Config{{Timeout: -1}, {MaxKeys: -1}, {DecodedFacts: -1}} {
		if _, err := engine.New(s, c); authz.CodeOf(err) != authz.CodeInvalid {
			t.Errorf("New with %+v: error %v, want %s", c, err, authz.CodeInvalid)
		}
	}
}

func TestEngineSwaps(t *testing.T) {
	var e engine.Engine
	if e.Evaluator() != nil {
		t.Error("an engine without a policy has an evaluator")
	}
	got := e.Active().Evaluate(t.Context(), question(nil), newFacts(nil))
	if got.Allow || len(got.Reasons) != 1 || got.Reasons[0].Code != authz.PolicyMissing || e.Active().Policy() != (authz.PolicyRef{}) {
		t.Errorf("judgement is %+v", got)
	}
	first, second := policy(t, "allow := true\n", nil, generous), policy(t, guards, map[string]string{"guards/b.rego": guard("b", "X", "true")}, generous)
	if e.Activate(first) != nil || e.Active() != first || e.Evaluator() != authz.Evaluator(first) {
		t.Error("the first policy is not active")
	}
	if e.Activate(second) != first {
		t.Error("the first policy was not returned")
	}
	if got := e.Evaluator().Evaluate(t.Context(), question(nil), newFacts(nil)); got.Allow {
		t.Errorf("judgement is %+v", got)
	}
}

// TestConcurrent asks one policy from many goroutines while another is swapped
// in, and expects each answer to be one policy's, and no goroutine left.
func TestConcurrent(t *testing.T) {
	files := map[string]string{
		"guards/b.rego": guard("b", "X", `u := data.users[input.resource.properties.to]; u.state != "active"; count([k | some k, _ in u]) == 3; regex.match(input.resource.properties.pattern, "u")`),
	}
	var e engine.Engine
	e.Activate(policy(t, guards, files, engine.Config{Timeout: generous.Timeout, DecodedFacts: 4}))
	before := runtime.NumGoroutine()
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			f := newFacts(nil)
			for i := range 20 {
				f.put(fmt.Sprintf("users/u-%d", i), fmt.Sprintf(`{"z": 1, "state": %q, "a": []}`, []string{"active", "left"}[i%2]), uint64(i))
			}
			for i := range 200 {
				if i == 100 && worker == 0 {
					e.Activate(policy(t, guards, files, generous))
				}
				q := question(map[string]any{"to": fmt.Sprintf("u-%d", i%20), "pattern": fmt.Sprintf("^u{0,%d}$", i%50+1)})
				ctx, cancel := context.WithCancel(t.Context())
				got := e.Active().Evaluate(ctx, q, f)
				cancel()
				if got.Allow != (i%2 == 0) || got.KeysRead != 1 {
					t.Errorf("question %d: %+v", i, got)
				}
			}
		})
	}
	wg.Wait()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); runtime.Gosched() {
		if runtime.NumGoroutine() <= before {
			return
		}
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}

// TestSameQuestionSameBytes judges a decision full of sets and objects again
// and again.
func TestSameQuestionSameBytes(t *testing.T) {
	p := policy(t, `allow := false

reasons := [r | some name, v in input.context; r := {"code": upper(name), "guard": v.guard, "message": "m", "fix": "f", "details": {"set": {x | some x in v.list}, "as": v}}]

obligations contains {"id": v.guard, "n": count(name)} if some name, v in input.context

advice := [{"id": "z"}, {"id": "a"}, {"id": "a", "b": 1}]
`, nil, generous)
	q := question(nil)
	q.Context = map[string]any{}
	for i := range 20 {
		q.Context[fmt.Sprintf("c%d", i)] = map[string]any{"guard": fmt.Sprintf("g%d", i%3), "list": []any{"b", "a", float64(i)}}
	}
	want := fmt.Sprintf("%+v", p.Evaluate(t.Context(), q, newFacts(nil)))
	if !strings.Contains(want, "C19") {
		t.Fatal(want)
	}
	for range 50 {
		if got := fmt.Sprintf("%+v", p.Evaluate(t.Context(), q, newFacts(nil))); got != want {
			t.Fatalf("judgement is\n%s, was\n%s", got, want)
		}
	}
}

// TestDecodedFacts holds the cache to the revision of each fact.
func TestDecodedFacts(t *testing.T) {
	p := policy(t, guards, map[string]string{"guards/b.rego": guard("b", "X", `data.users.u.state != "active"`)}, generous)
	f := newFacts(nil)
	for revision, state := range []string{"active", "left", "active"} {
		f.put("users/u", fmt.Sprintf(`{"state": %q}`, state), uint64(revision+1))
		for range 2 {
			if got := p.Evaluate(t.Context(), question(nil), f); got.Allow != (state == "active") {
				t.Errorf("revision %d: %+v", revision, got)
			}
		}
	}
	older := newFacts(nil)
	older.put("users/u", `{"state": "left"}`, 2)
	if got := p.Evaluate(t.Context(), question(nil), older); got.Allow {
		t.Error("an older view saw a newer fact")
	}
}

// TestRefusedBuiltinNeverLoads is the load-time half of the promise that no
// policy reaches the network.
func TestRefusedBuiltinNeverLoads(t *testing.T) {
	for _, body := range []string{`http.send({}).status_code == 1`, `http.send({}) with http.send as 1`, `opa.runtime()`, `count([1]) == 1 with count as http.send`} {
		a, err := bundles.Read(policySet(guards, map[string]string{"guards/b.rego": guard("b", "X", body)}))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bundles.Compile(a, bundles.Options{}); err == nil || !strings.Contains(err.Error(), "guards/b.rego:10: ") {
			t.Errorf("compiling %s: error %v, want one at guards/b.rego:10", body, err)
		}
	}
}
