package engine_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"pgregory.net/rapid"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
	"github.com/verdict-pdp/verdict/engine"
)

// TestIndexChangesNothing evaluates policies made at random with the index that
// bundles.Compile gives them, without any, and in plain OPA with all data in
// memory. Judgements must be the same: errors, conflicts and exceeded budgets
// too, and between the first two the keys read.
func TestIndexChangesNothing(t *testing.T) {
	outcomes := map[authz.ReasonCode]int{}
	same := func(t *rapid.T) {
		decision := randomDecision(t)
		entities := rapid.SampledFrom([]map[string]string{
			{},
			{"users/mu:a": `{"state": "on"}`, "edges/mu:a/svc:b": `{}`},
			{"users/x": `{"state": "off"}`, "users/u-1": `{}`, "edges/mu:a/svc:b": `{}`, "edges/mu:a/svc:c": `{}`},
		}).Draw(t, "entities")
		q := question(nil)
		q.Context = rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "n", "l"}), rapid.SampledFrom([]any{
			"x", "mu:a", "", true, false, nil, 0.0, 1.0, []any{}, []any{"x", "y"}, map[string]any{"b": "x"}, map[string]any{"b": false},
		}), 0, 4).Draw(t, "context")
		config := engine.Config{Timeout: generous.Timeout, MaxKeys: rapid.SampledFrom([]int{1, 64}).Draw(t, "max keys")}

		a, err := bundles.Read(policySet(decision, nil))
		if err != nil {
			t.Fatal(err)
		}
		s, err := bundles.Compile(a, bundles.Options{})
		if err != nil {
			t.Fatalf("compiling: %v\n%s", err, decision)
		}
		indexed, err := engine.New(s, config)
		if err != nil {
			t.Fatal(err)
		}
		compiler := compiled(t, a)
		bare, err := engine.Prepare(compiler, s.Data(), config)
		if err != nil {
			t.Fatal(err)
		}
		got, want := indexed.Evaluate(context.Background(), q, newFacts(entities)), bare.Evaluate(context.Background(), q, newFacts(entities))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("judgement (-without index +with):\n%s\n%s", diff, decision)
		}
		code := got.Reasons[0].Code
		outcomes[code]++
		if code == authz.PolicyOverBudget {
			return // plain OPA has no budget
		}
		plain, err := plainOPA(t, compiler, s.Data(), entities, true, rego.StrictBuiltinErrors(true), rego.GenerateJSON(asValue)).
			Eval(context.Background(), rego.EvalParsedInput(inputOf(t, q)), rego.EvalTime(q.Time), rego.EvalRuleIndexing(false), rego.EvalEarlyExit(false))
		if (err != nil) != (code == authz.PolicyError || code == authz.PolicyConflict) {
			t.Fatalf("plain OPA: %v; the engine: %+v\n%s", err, got, decision)
		}
		if err != nil {
			return
		}
		if diff := cmp.Diff(engine.Judge(plain[0].Expressions[0].Value.(ast.Value)), got, cmpopts.IgnoreFields(authz.Judgement{}, "KeysRead")); diff != "" {
			t.Fatalf("judgement (-OPA +engine):\n%s\n%s", diff, decision)
		}
	}
	for range 5 {
		rapid.Check(t, same)
	}
	for _, code := range []authz.ReasonCode{"SEEN", authz.PolicyError, authz.PolicyConflict, authz.PolicyOverBudget} {
		if outcomes[code] == 0 {
			t.Errorf("no judgement was %s: %v", code, outcomes)
		}
	}
	t.Logf("judgements: %v", outcomes)
}

// randomConditions are what random rules are made of: what an index could see
// in the question, and what it must not get ahead of. A %d is another number in
// each use.
var randomConditions = []string{
	`true`,
	`input.context.a`,
	`not input.context.a`,
	`input.context.a.b`,
	`not input.context.a.b`,
	`input.context.a == "x"`,
	`"x" == input.context.b`,
	`input.context.b == true`,
	`input.context.b != "x"`,
	`input.context.n == 1`,
	`input.context.a == input.context.b`,
	`input.context.a == {"b": "x"}`,
	`input.context.a == "x" with input.context.a as "x"`,
	`input.context.l[0] == "x"`,
	`input.context.l[_] == "y"`,
	`"x" in input.context.l`,
	`every v in input.context.l { v != "x" }`,
	"x%[1]d := input.context.a\n\tx%[1]d != \"\"",
	"x%[1]d := input.context.missing\n\tx%[1]d != \"\"",
	"x%[1]d := {\"b\": \"x\"}\n\tx%[1]d == input.context.a",
	`1 / input.context.n == 1`,
	`startswith(input.context.a, "x")`,
	`data.users[input.subject.id].state == "on"`,
	`data.users[input.context.a]`,
	`not data.users["u-1"]`,
	`not data.users["u-2"].state`,
	`data.users.x.state != "on"`,
	`count(data.edges[input.subject.id]) == 1`,
	`_helper`,
	`not _helper`,
	`_helper with input.context as {"a": "x"}`,
	`_is(input.context.a)`,
}

var randomHeads = []string{
	`_complete := 1`,
	`_complete := 2`,
	`_complete := input.context.a`,
	`_set contains "k"`,
	`_set contains input.context.a`,
	`_object["k"] := 1`,
	`_object["k"] := 2`,
	`_object[input.context.b] := input.context.a`,
	`_groups["g"] contains "k"`,
	`_groups[input.context.b] contains input.context.a`,
	`_function(_) := 1`,
	`_function(x) := x`,
	`_defaulted := 1`,
	`_defaulted := 2`,
	`_helper`,
}

// randomDecision shows what its random rules answer in the one reason it gives.
func randomDecision(t *rapid.T) string {
	var text strings.Builder
	text.WriteString(`allow := false

default _defaulted := 0

_is(x) if x == "x"

_is(x) if input.context.b == x

_helper if input.context.n == 7

_complete := 3 if input.context.n == 7

_set contains "seven" if input.context.n == 7

_object["seven"] := 7 if input.context.n == 7

_groups["seven"] contains 7 if input.context.n == 7

_function(_) := 7 if input.context.n == 7

reasons contains {"code": "SEEN", "guard": "g", "message": "m", "fix": "f", "details": {
	"complete": [x | x := _complete],
	"set": _set,
	"member": [1 | _set.k],
	"object": _object,
	"groups": [[k, v] | some k, v in _groups],
	"function": [x | x := _function("x")],
	"defaulted": _defaulted,
}}
`)
	n := 0
	body := func(label string) string {
		var conditions []string
		for _, c := range rapid.SliceOfN(rapid.SampledFrom(randomConditions), 1, 3).Draw(t, label) {
			if strings.Contains(c, "%[1]d") {
				n++
				c = fmt.Sprintf(c, n)
			}
			conditions = append(conditions, c)
		}
		return " if {\n\t" + strings.Join(conditions, "\n\t") + "\n}"
	}
	for _, head := range rapid.SliceOfN(rapid.SampledFrom(randomHeads), 1, 6).Draw(t, "heads") {
		conditions := body("body")
		if strings.HasPrefix(head, "_helper") && strings.Contains(conditions, "_helper") {
			continue // recursion
		}
		text.WriteString("\n" + head + conditions)
		if name, _, complete := strings.Cut(head, " := "); complete && slices.Contains([]string{"_complete", "_defaulted"}, name) && rapid.Bool().Draw(t, "else") {
			text.WriteString(" else := 9" + body("else body"))
		}
		text.WriteString("\n")
	}
	return text.String()
}

// compiled is a policy set compiled by OPA alone, with OPA's own index.
func compiled(t tester, a bundles.Archive) *ast.Compiler {
	t.Helper()
	modules := map[string]*ast.Module{}
	for _, f := range a.Policies {
		m, err := ast.ParseModuleWithOpts(f.Path, string(f.Bytes), ast.ParserOptions{ProcessAnnotation: true})
		if err != nil {
			t.Fatal(err)
		}
		modules[f.Path] = m
	}
	compiler := ast.NewCompiler().WithCapabilities(bundles.Capabilities())
	if compiler.Compile(modules); compiler.Failed() {
		t.Fatal(compiler.Errors)
	}
	return compiler
}
