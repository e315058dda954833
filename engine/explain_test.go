package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/ast"
	"pgregory.net/rapid"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/engine"
)

// TestExplainingChangesNothing holds explained judgements to unexplained ones, and
// what the explanation says of each denial to the judgement.
func TestExplainingChangesNothing(t *testing.T) {
	_, s := basePolicies(t)
	p, err := engine.New(s, generous)
	if err != nil {
		t.Fatal(err)
	}
	outcomes := map[bool]int{}
	rapid.Check(t, func(t *rapid.T) {
		entities, q := disturbed(t)
		f := newFacts(entities)
		want := p.Evaluate(context.Background(), q, f)
		got, explanation := p.Explain(context.Background(), q, f)
		if canonical(t, want) != canonical(t, got) {
			t.Fatalf("judgement (-evaluated +explained):\n%s", cmp.Diff(want, got))
		}
		recorded, again := p.ExplainInput(context.Background(), mustInput(t, q), f)
		if canonical(t, want) != canonical(t, recorded) {
			t.Fatalf("judgement (-evaluated +explained from its record):\n%s", cmp.Diff(want, recorded))
		}
		if canonical(t, explanation) != canonical(t, again) {
			t.Fatalf("explanation (-live +recorded):\n%s", cmp.Diff(explanation, again))
		}
		agrees(t, got, explanation)
		if len(explanation.Facts) != want.KeysRead {
			t.Fatalf("%d facts, %d keys read", len(explanation.Facts), want.KeysRead)
		}
		outcomes[got.Allow]++
	})
	if outcomes[true] == 0 || outcomes[false] == 0 {
		t.Errorf("allowed and denied: %v", outcomes)
	}
}

// agrees holds that the deny rules that held are those of the reasons, and that
// every other one says where it stopped.
func agrees(t *rapid.T, j authz.Judgement, e *authz.Explanation) {
	t.Helper()
	said, held := map[string]bool{}, map[string]bool{}
	for _, r := range append(slices.Clone(j.Reasons), j.WouldDeny...) {
		if r.Guard != "decision" {
			said[r.Guard+" "+string(r.Code)] = true
		}
	}
	for _, guard := range e.Guards {
		for _, rule := range guard.Rules {
			switch {
			case rule.Outcome == authz.RuleHeld && rule.Stopped == nil:
				held[guard.Guard+" "+rule.Code] = true
			case rule.Outcome == authz.RuleNotHeld && rule.Stopped != nil && rule.Stopped.Expression != "" && rule.Stopped.Line >= rule.Line && rule.Stopped.File == rule.File:
			default:
				t.Fatalf("a deny rule of the base policies is not held or stopped: %+v", rule)
			}
		}
	}
	if diff := cmp.Diff(said, held); diff != "" {
		t.Fatalf("denials (-said +held):\n%s", diff)
	}
}

// TestRules explains one deny rule after the other, each with what it calls.
func TestRules(t *testing.T) {
	const line = 10 // of the first expression of a guard's body
	tests := map[string]struct {
		body  string
		more  string // of the guard's package
		stop  string // "" when it holds
		after int    // lines after the first expression
	}{
		"holds":                     {body: `input.action.name == "email.send"`},
		"the question rules it out": {body: `input.action.name == "other"`, stop: `input.action.name == "other"`},
		"after what holds":          {body: "input.action.name\n\tinput.context.a.b == 3\n\tinput.time", stop: `input.context.a.b == 3`, after: 1},
		"a member that is missing":  {body: `input.context.missing`, stop: `input.context.missing`},
		"one within another":        {body: `data.users[input.context.id].kind == "b"`, stop: `data.users[input.context.id].kind == "b"`},
		"a negation":                {body: "true\n\tnot input.subject.id", stop: `not input.subject.id`, after: 1},
		"a call":                    {body: `startswith(input.subject.id, "sv:")`, stop: `startswith(input.subject.id, "sv:")`},
		"the furthest of many":      {body: "some x in [1, 2, 3]\n\tx > 1\n\tx > 4\n\tx > 5", stop: "x > 4", after: 2},
		"nothing to choose from":    {body: "some x in []\n\tx > 1", stop: "some x in []"},
		"every":                     {body: `every x in [1, 2] { x > 1 }`, stop: `every x in [1, 2] { x > 1 }`},
		"several lines":             {body: "{x |\n\t\tsome x in [1]\n\t} == {2}", stop: "{x |\n\t\tsome x in [1]\n\t} == {2}"},
		"with":                      {body: `_helper with input.context.n as 2`, more: "_helper if input.context.n == 1", stop: `_helper with input.context.n as 2`},
		"a rule of its own":         {body: `_helper`, more: "_helper if input.context.n == 1", stop: `_helper`},
		"an assignment":             {body: "x := input.context.missing\n\tx == 1", stop: `x := input.context.missing`},
		"within a comprehension":    {body: `count({x | some x in input.context.list; x > 3}) > 0`, stop: `count({x | some x in input.context.list; x > 3}) > 0`},
		"held with a comprehension": {body: `count({x | some x in [4]; x > 3}) > 0`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := policy(t, guards, map[string]string{"guards/g/g.rego": guard("g", "NO", test.body) + "\n" + test.more + "\n"}, generous)
			q := question(nil)
			q.Context = map[string]any{"id": "u-1", "a": map[string]any{"b": 1}}
			_, e := p.Explain(t.Context(), q, newFacts(map[string]string{"users/u-1": `{"kind":"a"}`}))
			want := authz.RuleTrace{Name: "data.guards.g.deny", Code: "NO", File: "guards/g/g.rego", Line: line - 1, Outcome: authz.RuleHeld}
			if test.stop != "" {
				want.Outcome = authz.RuleNotHeld
				want.Stopped = &authz.Stop{File: "guards/g/g.rego", Line: line + test.after, Expression: test.stop}
			}
			if diff := cmp.Diff([]authz.GuardTrace{{Guard: "g", Rules: []authz.RuleTrace{want}}}, e.Guards); diff != "" {
				t.Errorf("guards (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOtherRules(t *testing.T) {
	p := policy(t, guards, map[string]string{
		"guards/g/g.rego": guard("g", "NO", "data.lib.small(7)"),
		"lib/lib.rego": `package lib

default limit := 5

limit := 9 if input.context.wide

small(n) if n < limit

small("x")

small([first, {"a": second}]) if first == second

never := 1

from[x] := 1 if some x in [1]
`,
	}, generous)
	_, e := p.Explain(t.Context(), question(nil), newFacts(nil))
	lib := slices.DeleteFunc(e.Rules, func(r authz.RuleTrace) bool { return r.File != "lib/lib.rego" })
	want := []authz.RuleTrace{
		{Name: "data.lib.limit", File: "lib/lib.rego", Line: 3, Outcome: authz.RuleHeld},
		{Name: "data.lib.limit", File: "lib/lib.rego", Line: 5, Outcome: authz.RuleNotHeld, Stopped: &authz.Stop{File: "lib/lib.rego", Line: 5, Expression: "input.context.wide"}},
		{Name: "data.lib.small", File: "lib/lib.rego", Line: 7, Outcome: authz.RuleNotHeld, Stopped: &authz.Stop{File: "lib/lib.rego", Line: 7, Expression: "n < limit"}},
		{Name: "data.lib.small", File: "lib/lib.rego", Line: 9, Outcome: authz.RuleNotHeld, Stopped: &authz.Stop{File: "lib/lib.rego", Line: 9, Expression: `small("x")`}},
		{Name: "data.lib.small", File: "lib/lib.rego", Line: 11, Outcome: authz.RuleNotHeld, Stopped: &authz.Stop{File: "lib/lib.rego", Line: 11, Expression: `small([first, {"a": second}])`}},
	}
	if diff := cmp.Diff(want, lib); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
}

func TestGuardsNobodyAskedAreListed(t *testing.T) {
	p := policy(t, "default allow := true\n", map[string]string{
		"guards/b/b.rego": guard("b", "NO", "input.subject.id"),
		"guards/a/a.rego": guard("a", "NO", "input.subject.id"),
	}, generous)
	_, e := p.Explain(t.Context(), question(nil), newFacts(nil))
	want := []authz.GuardTrace{
		{Guard: "a", Rules: []authz.RuleTrace{{Name: "data.guards.a.deny", Code: "NO", File: "guards/a/a.rego", Line: 9, Outcome: authz.RuleNotTried}}},
		{Guard: "b", Rules: []authz.RuleTrace{{Name: "data.guards.b.deny", Code: "NO", File: "guards/b/b.rego", Line: 9, Outcome: authz.RuleNotTried}}},
	}
	if diff := cmp.Diff(want, e.Guards); diff != "" {
		t.Errorf("guards (-want +got):\n%s", diff)
	}
}

func TestFactsThatWereRead(t *testing.T) {
	p := policy(t, guards, map[string]string{
		"guards/g/g.rego": guard("g", "NO", "data.users[\"u-1\"].kind\n\tcount(data.edges[input.subject.id]) > 0\n\tnot data.edges[\"mu:none\"]\n\tnot data.tenants[\"t\"].state"),
	}, generous)
	f := newFacts(nil)
	f.put("users/u-1", `{"kind":"a"}`, 7)
	f.put("edges/mu:a/svc:b", `{}`, 8)
	f.put("edges/mu:a/svc:c", `{}`, 9)
	j, e := p.Explain(t.Context(), question(nil), f)
	want := []authz.FactRead{
		{Collection: "edges", Key: "mu:a/svc:b", Revision: 8},
		{Collection: "edges", Key: "mu:a/svc:c", Revision: 9},
		{Collection: "edges", Key: "mu:none"},
		{Collection: "tenants", Key: "t"},
		{Collection: "users", Key: "u-1", Revision: 7},
	}
	if diff := cmp.Diff(want, e.Facts); diff != "" || j.Allow {
		t.Errorf("judgement %+v, facts (-want +got):\n%s", j, diff)
	}
}

// TestExplainFailures explains evaluations that fail: the judgement is that of
// Evaluate, and the reason is what has to go.
func TestExplainFailures(t *testing.T) {
	tests := map[string]struct {
		decision string
		facts    func(*facts)
		code     authz.ReasonCode
	}{
		"undefined":   {decision: "f(x) := x\n", code: authz.PolicyUndefined},
		"malformed":   {decision: "allow := 1\n", code: authz.PolicyMalformed},
		"conflict":    {decision: "default allow := false\n\nallow := true if input.time\n\nallow := false if input.subject\n", code: authz.PolicyConflict},
		"error":       {decision: "default allow := false\n\nallow := true if 1 / input.context.zero > 0\n", code: authz.PolicyError},
		"facts":       {decision: "default allow := false\n\nallow := true if data.users[input.subject.id]\n", code: authz.PolicyError, facts: func(f *facts) { f.err = errors.New("disk") }},
		"panic":       {decision: "default allow := false\n\nallow := true if data.users[input.subject.id]\n", code: authz.PolicyError, facts: func(f *facts) { f.onRead = func() { panic("broken") } }},
		"over budget": {decision: "default allow := false\n\nallow := true if [u | some i in numbers.range(1, 100); u := data.users[sprintf(\"u-%d\", [i])]]\n", code: authz.PolicyOverBudget},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := policy(t, test.decision, map[string]string{"guards/g/g.rego": guard("g", "NO", "input.subject.id")}, generous)
			f, q := newFacts(nil), question(nil)
			q.Context = map[string]any{"zero": 0}
			if test.facts != nil {
				test.facts(f)
			}
			j, e := p.Explain(t.Context(), q, f)
			if diff := cmp.Diff(p.Evaluate(t.Context(), q, f), j); diff != "" {
				t.Errorf("judgement (-evaluated +explained):\n%s", diff)
			}
			if len(j.Reasons) != 1 || j.Reasons[0].Code != test.code {
				t.Fatalf("judgement is %+v", j)
			}
			if len(e.Needs) != 1 || len(e.Needs[0]) == 0 || e.Needs[0][len(e.Needs[0])-1].Code != test.code {
				t.Errorf("needs are %+v", e.Needs)
			}
			if len(e.Guards) != 1 {
				t.Errorf("guards are %+v", e.Guards)
			}
		})
	}
}

// TestExplanationThatFailsLeavesTheJudgement has the facts fail once the decision
// is made.
func TestExplanationThatFailsLeavesTheJudgement(t *testing.T) {
	for name, fail := range map[string]func(*facts){
		"error": func(f *facts) { f.err = errors.New("disk") },
		"panic": func(*facts) { panic("broken") },
	} {
		t.Run(name, func(t *testing.T) {
			var faults []string
			p := policy(t, guards, map[string]string{"guards/g/g.rego": guard("g", "NO", "not data.users[input.subject.id]")},
				engine.Config{Timeout: generous.Timeout, Fault: func(_ context.Context, err error) { faults = append(faults, err.Error()) }})
			f := newFacts(nil)
			f.onRead = func() {
				if len(f.reads) == 2 { // the first is the decision's
					fail(f)
				}
			}
			j, e := p.Explain(t.Context(), question(nil), f)
			if len(j.Reasons) != 1 || j.Reasons[0].Code != "NO" {
				t.Errorf("judgement is %+v", j)
			}
			if diff := cmp.Diff([][]authz.Need{{{Code: "NO", Guard: "g", Message: "No.", Fix: "Ask."}}}, e.Needs); diff != "" {
				t.Errorf("needs (-want +got):\n%s", diff)
			}
			if len(faults) != 1 || !strings.HasPrefix(faults[0], "explaining a decision: ") {
				t.Errorf("faults are %q", faults)
			}
		})
	}
}

func TestExplainWithoutTimeOrPolicy(t *testing.T) {
	p := policy(t, "allow := true\n", nil, generous)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if j, e := p.Explain(gone, question(nil), newFacts(nil)); j.Allow || j.Reasons[0].Code != authz.PolicyTimeout || e == nil {
		t.Errorf("the caller is gone: %+v, explanation %+v, want a deny with %s and an explanation", j, e, authz.PolicyTimeout)
	}
	j, e := (*engine.Policy)(nil).Explain(t.Context(), question(nil), newFacts(nil))
	want := &authz.Explanation{Guards: []authz.GuardTrace{}, Rules: []authz.RuleTrace{}, Facts: []authz.FactRead{}, Needs: [][]authz.Need{{
		{Code: authz.PolicyMissing, Guard: "engine", Message: "No policy is active.", Fix: "Load a policy set."},
	}}}
	if diff := cmp.Diff(want, e); diff != "" || j.Allow {
		t.Errorf("judgement %+v, explanation (-want +got):\n%s", j, diff)
	}
}

// TestExplanationEnds bounds an explanation whose evaluations each take long.
func TestExplanationEnds(t *testing.T) {
	decision := guards + "\n_slow := count([x | some x in numbers.range(1, 3000)])\n"
	files := map[string]string{}
	for i := range 60 {
		files[fmt.Sprintf("guards/g%02d/g.rego", i)] = guard(fmt.Sprintf("g%02d", i), "NO", "input.subject.id")
	}
	p := policy(t, decision, files, engine.Config{Timeout: 30 * time.Millisecond})
	started := time.Now()
	j, e := p.Explain(t.Context(), question(nil), newFacts(nil))
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
	if j.Allow || len(e.Needs) == 0 {
		t.Errorf("judgement %+v, needs %+v", j, e.Needs)
	}
}

// TestExplanationOfManyDenials bounds what is done with denials between evaluations.
func TestExplanationOfManyDenials(t *testing.T) {
	files := map[string]string{}
	for i := range 20 {
		name := fmt.Sprintf("g%02d", i)
		files["guards/"+name+"/g.rego"] = strings.Replace(guard(name, "NO", "some n in numbers.range(1, 400)"), `{"code": "NO"}`, `{"code": "NO", "details": {"n": n}}`, 1)
	}
	p := policy(t, guards, files, generous)
	started := time.Now()
	j, e := p.Explain(t.Context(), question(nil), newFacts(nil))
	if took := time.Since(started); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
	if len(j.Reasons) != 8000 || len(e.Needs) != 1 || len(e.Needs[0]) != len(j.Reasons) {
		t.Errorf("%d reasons, %d sets of needs", len(j.Reasons), len(e.Needs))
	}
}

func BenchmarkExplain(b *testing.B) {
	_, s := basePolicies(b)
	p, err := engine.New(s, engine.Config{})
	if err != nil {
		b.Fatal(err)
	}
	q, f := invoiceQuestion(), newFacts(invoiceFacts())
	weak := q
	weak.Principal.Level = 1
	for name, q := range map[string]authz.Question{"allow": q, "deny": weak} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f.reads = f.reads[:0]
				if _, e := p.Explain(b.Context(), q, f); len(e.Guards) == 0 {
					b.Fatal("nothing explained")
				}
			}
		})
	}
}

// TestPreparingLeavesOthersTermsAlone: policies are prepared, and their explanations and
// masks with the first question, while others parse and compile. The race detector tells
// when a term of OPA's own, which all of them read, is written to.
func TestPreparingLeavesOthersTermsAlone(t *testing.T) {
	_, s := basePolicies(t)
	for name, term := range map[string]*ast.Term{"input": ast.InputRootDocument, "data": ast.DefaultRootDocument} {
		t.Run(name, func(t *testing.T) {
			prepared, end := context.WithCancel(t.Context())
			var reading sync.WaitGroup
			reading.Go(func() {
				for prepared.Err() == nil {
					if term.Value == nil {
						t.Error("the term has no value")
					}
				}
			})
			p, err := engine.New(s, generous)
			if err != nil {
				t.Fatal(err)
			}
			if _, e := p.Explain(t.Context(), question(nil), newFacts(nil)); e == nil {
				t.Error("there is no explanation")
			}
			if _, err := p.Mask(t.Context(), mustInput(t, question(nil)), []byte(allowed)); err != nil {
				t.Errorf("masking: %v", err)
			}
			end()
			reading.Wait()
		})
	}
}
