package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"pgregory.net/rapid"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
	"github.com/verdict-pdp/verdict/engine"
)

// needed is needs in short: "g1 NO + g2 NO | g3 NO".
func needed(needs [][]authz.Need) string {
	var sets []string
	for _, set := range needs {
		var all []string
		for _, n := range set {
			all = append(all, n.Guard+" "+string(n.Code))
		}
		sets = append(sets, strings.Join(all, " + "))
	}
	return strings.Join(sets, " | ")
}

// TestNeeds asks decisions of other shapes than "any denial denies".
func TestNeeds(t *testing.T) {
	const reason = `"message": "No.", "fix": "Ask."`
	collected := "\nreasons contains object.union({\"guard\": name, " + reason + "}, denial) if {\n\tnot allow\n\tsome denial in data.guards[name].deny\n}\n"
	tests := map[string]struct {
		decision string
		denying  []string // guards
		want     string
	}{
		"allowed":             {guards, nil, ""},
		"one":                 {guards, []string{"a"}, "a NO"},
		"all of them":         {guards, []string{"b", "a", "c"}, "a NO + b NO + c NO"},
		"any two may stay":    {"default allow := false\n\nallow if count([d | d := data.guards[_].deny[_]]) < 3\n" + collected, []string{"a", "b", "c", "d"}, "a NO + b NO | a NO + c NO | a NO + d NO | b NO + c NO | b NO + d NO | c NO + d NO"},
		"either":              {"default allow := false\n\nallow if count(data.guards.a.deny) == 0\n\nallow if count(data.guards.b.deny) == 0\n" + collected, []string{"a", "b", "c"}, "a NO | b NO"},
		"one and either":      {"default allow := false\n\nallow if {\n\tcount(data.guards.c.deny) == 0\n\tcount(data.guards.a.deny) * count(data.guards.b.deny) == 0\n}\n" + collected, []string{"a", "b", "c"}, "a NO + c NO | b NO + c NO"},
		"one that is ignored": {"default allow := false\n\nallow if count(data.guards.a.deny) == 0\n" + collected, []string{"a", "b"}, "a NO"},
		"said otherwise":      {"default allow := false\n\nallow if count(data.guards.a.deny) == 0\n\nreasons contains {\"code\": \"OTHER\", \"guard\": \"x\", " + reason + "} if not allow\n", []string{"a"}, "a NO"},
		"nothing grants":      {"default allow := false\n\nreasons contains {\"code\": \"DEFAULT_DENY\", \"guard\": \"decision\", " + reason + "}\n", nil, "decision DEFAULT_DENY"},
		"nothing grants, and guards deny": {"default allow := false\n\n_all := {object.union({\"guard\": name, " + reason + "}, denial) | some denial in data.guards[name].deny}\n\nreasons := _all if {\n\tcount(_all) > 0\n} else := {{\"code\": \"DEFAULT_DENY\", \"guard\": \"decision\", " + reason + "}}\n",
			[]string{"a", "b"}, "a NO + b NO + decision DEFAULT_DENY"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{}
			for _, g := range []string{"a", "b", "c", "d"} {
				files["guards/"+g+"/g.rego"] = guard(g, "NO", fmt.Sprintf("%q in input.context.denying", g))
			}
			p := policy(t, test.decision, files, generous)
			q := question(nil)
			q.Context = map[string]any{"denying": toAny(test.denying)}
			j, e := p.Explain(t.Context(), q, newFacts(nil))
			if diff := cmp.Diff(test.want, needed(e.Needs)); diff != "" {
				t.Errorf("judgement %+v, needs (-want +got):\n%s", j, diff)
			}
		})
	}
}

func toAny(list []string) []any {
	all := []any{}
	for _, s := range list {
		all = append(all, s)
	}
	return all
}

// TestNeedsOfOneGuardAreToldApart by their details.
func TestNeedsOfOneGuardAreToldApart(t *testing.T) {
	text := strings.Replace(guard("g", "NO", "some x in [1, 2]"), `deny contains {"code": "NO"}`, `deny contains {"code": "NO", "details": {"x": x}}`, 1)
	_, e := policy(t, guards, map[string]string{"guards/g/g.rego": text}, generous).Explain(t.Context(), question(nil), newFacts(nil))
	need := func(x int) authz.Need {
		return authz.Need{Code: "NO", Guard: "g", Message: "No.", Fix: "Ask.", Details: map[string]any{"x": x}}
	}
	if diff := cmp.Diff([][]authz.Need{{need(1), need(2)}}, e.Needs); diff != "" {
		t.Errorf("needs (-want +got):\n%s", diff)
	}
}

// TestNeedsAreInTheWordsOfTheDecision, whatever it made of what the guard said.
func TestNeedsAreInTheWordsOfTheDecision(t *testing.T) {
	decision := "default allow := false\n\nreasons contains {\"code\": \"NO\", \"guard\": \"g\", \"message\": \"Not now.\", \"fix\": \"Wait.\"} if some _ in data.guards.g.deny\n\nallow if count(reasons) == 0\n"
	for name, denial := range map[string]string{
		"without the details": `{"code": "NO", "details": {"x": 1}}`,
		"with a code":         `{"x": 1}`,
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(guard("g", "NO", "input.subject.id"), `{"code": "NO"}`, denial, 1)
			_, e := policy(t, decision, map[string]string{"guards/g/g.rego": text}, generous).Explain(t.Context(), question(nil), newFacts(nil))
			if diff := cmp.Diff([][]authz.Need{{{Code: "NO", Guard: "g", Message: "Not now.", Fix: "Wait."}}}, e.Needs); diff != "" {
				t.Errorf("needs (-want +got):\n%s", diff)
			}
		})
	}
}

// TestNeedsPastTheBoundOfChoices has more choices than can be tried: any four of
// ten may stay.
func TestNeedsPastTheBoundOfChoices(t *testing.T) {
	decision := "default allow := false\n\nallow if count(data.guards.g.deny) < 5\n\nreasons contains object.union({\"guard\": \"g\", \"message\": \"No.\", \"fix\": \"Ask.\"}, d) if {\n\tnot allow\n\tsome d in data.guards.g.deny\n}\n"
	text := strings.Replace(guard("g", "NO", "some x in numbers.range(1, 10)"), `deny contains {"code": "NO"}`, `deny contains {"code": "NO", "details": {"x": x}}`, 1)
	_, e := policy(t, decision, map[string]string{"guards/g/g.rego": text}, generous).Explain(t.Context(), question(nil), newFacts(nil))
	if len(e.Needs) != 1 || len(e.Needs[0]) != 10 {
		t.Errorf("%d sets: %s", len(e.Needs), needed(e.Needs))
	}
}

// TestNeedsPastTheBound gives one set, which was tried.
func TestNeedsPastTheBound(t *testing.T) {
	text := strings.Replace(guard("g", "NO", "some x in numbers.range(1, 100)"), `deny contains {"code": "NO"}`, `deny contains {"code": "NO", "details": {"x": x}}`, 1)
	_, e := policy(t, guards, map[string]string{"guards/g/g.rego": text}, generous).Explain(t.Context(), question(nil), newFacts(nil))
	if len(e.Needs) != 1 || len(e.Needs[0]) != 100 {
		t.Errorf("%d sets: %s", len(e.Needs), needed(e.Needs))
	}
}

// TestNeedsOfBasePolicies tries with plain OPA that what an explanation asks for is
// enough for an allow, and that nothing less is.
func TestNeedsOfBasePolicies(t *testing.T) {
	a, s := basePolicies(t)
	p, err := engine.New(s, generous)
	if err != nil {
		t.Fatal(err)
	}
	compiler, sizes := compiled(t, a), map[int]int{}
	rapid.Check(t, func(t *rapid.T) {
		entities, q := disturbed(t)
		j, e := p.Explain(context.Background(), q, newFacts(entities))
		if j.Allow {
			if len(e.Needs) != 0 {
				t.Fatalf("allowed, needs %s", needed(e.Needs))
			}
			return
		}
		if len(e.Needs) != 1 {
			t.Fatalf("denied with %d sets: %s", len(e.Needs), needed(e.Needs))
		}
		set := e.Needs[0]
		sizes[len(set)]++
		without := func(needs []authz.Need) authz.Judgement {
			return plainWithout(t, compiler, s.Data(), entities, q, needs)
		}
		left := without(set)
		if !left.Allow && (left.Reasons[0].Code != authz.DefaultDeny || set[len(set)-1].Code != authz.DefaultDeny) {
			t.Fatalf("without %s: %+v", needed(e.Needs), left)
		}
		for n, need := range set {
			if need.Fix == "" || need.Message == "" {
				t.Fatalf("a need without words: %+v", need)
			}
			less := append(append([]authz.Need{}, set[:n]...), set[n+1:]...)
			if j := without(less); need.Code != authz.DefaultDeny && canonical(t, j) == canonical(t, left) {
				t.Fatalf("%+v is not needed", need)
			}
		}
	})
	if sizes[1] == 0 || sizes[2] == 0 {
		t.Errorf("sets by size: %v", sizes)
	}
}

// plainWithout asks plain OPA, with the denials of needs taken away.
func plainWithout(t *rapid.T, compiler *ast.Compiler, data ast.Object, entities map[string]string, q authz.Question, needs []authz.Need) authz.Judgement {
	t.Helper()
	root, err := ast.JSON(data)
	if err != nil {
		t.Fatal(err)
	}
	world := root.(map[string]any)
	for path, text := range entities {
		var value any
		if err := json.Unmarshal([]byte(text), &value); err != nil {
			t.Fatal(err)
		}
		put(world, strings.Split(path, "/"), value)
	}
	question, err := ast.JSON(inputOf(t, q))
	if err != nil {
		t.Fatal(err)
	}
	gone := make([]any, len(needs))
	for n, need := range needs {
		details := any(map[string]any{})
		if need.Details != nil {
			details = need.Details
		}
		gone[n] = []any{need.Guard, string(need.Code), details}
	}
	var query strings.Builder
	names := []string{"subject", "credential", "token", "edge", "assurance", "network", "schedule", "entitlement"}
	for _, g := range names {
		fmt.Fprintf(&query, "%s_all := data.guards.%s.deny with input as input.question\n", g, g)
		fmt.Fprintf(&query, "%s := {d | some d in %s_all; not [%q, d.code, json.unmarshal(json.marshal(d.details))] in input.gone}\n", g, g, g)
	}
	query.WriteString("decision := " + bundles.Entrypoint + " with input as input.question")
	for _, g := range names {
		fmt.Fprintf(&query, " with data.guards.%s.deny as %s", g, g)
	}
	results, err := rego.New(
		rego.Query(query.String()),
		rego.Compiler(compiler),
		rego.Data(world),
		rego.Input(map[string]any{"gone": gone, "question": question}),
		rego.Time(q.Time),
		rego.StrictBuiltinErrors(true),
		rego.GenerateJSON(asValue),
	).Eval(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return engine.Judge(results[0].Bindings["decision"].(ast.Value))
}
