package engine_test

import (
	"fmt"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
	"github.com/verdict-pdp/verdict/engine"
)

// unchecked prepares policies that bundles.Compile might refuse.
func unchecked(t testing.TB, modules map[string]string) *engine.Policy {
	t.Helper()
	parsed := map[string]*ast.Module{}
	for name, text := range modules {
		parsed[name] = ast.MustParseModuleWithOpts(text, ast.ParserOptions{ProcessAnnotation: true})
	}
	compiler := ast.NewCompiler().WithCapabilities(bundles.Capabilities())
	if compiler.Compile(parsed); compiler.Failed() {
		t.Fatal(compiler.Errors)
	}
	p, err := engine.Prepare(compiler, ast.NewObject(), generous)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestNoShapeReadsACollection evaluates the rule shapes for which OPA, with its
// rule index, reads a collection whole. Each must read a bounded number of keys
// or be refused by name; how many entities there are must not matter.
func TestNoShapeReadsACollection(t *testing.T) {
	const whole = -1
	shapes := []struct {
		rules string
		keys  int
	}{
		// Point reads, although OPA's index would read /entitlements whole.
		{`r contains "x" if data.entitlements[input.subject.id]`, 1},
		{`r contains "x" if data.users[input.subject.id]`, 1},
		{`r contains "x" if data.users[input.subject.id].roles.admin`, 1},
		{`r contains input.time if data.users[input.subject.id]`, 1},
		{`r := 1 if data.users[input.resource.id] else := 2 if data.users[input.subject.id]`, 2},
		{`r := 1 if data.users[input.subject.id].kind == "a"` + "\n" + `r := 2 if data.users[input.subject.id].kind == "b"`, 1},
		{`r if data.users[input.subject.id] == "gold"`, 1},
		{`r if data.users[input.subject.id].kind == "gold"`, 1},
		{`r if "gold" in data.users[input.subject.id].roles`, 1},
		{`r if not data.users[input.subject.id]`, 1},
		{`r if { e := data.users[input.subject.id]; e.kind == "a" }`, 1},
		{`r if every x in data.users[input.subject.id].roles { x != "y" }`, 1},
		{`r if h(input.subject.id)` + "\n" + `h(id) if data.users[id].kind == "a"`, 1},
		{`r if data.edges[input.subject.id][input.resource.id].mode == "off"`, 1},
		{`r contains m if m := data.edges[input.subject.id][_].mode`, 3},
		{`r := count(data.edges[input.subject.id])`, 3},
		{`r := object.get(data.edges[input.subject.id], "svc:b", 1)`, 3},
		{`r if data.users[input.missing]`, 0},
		{`r := [u | some id in ["a", "b", "c"]; u := data.users[id]]`, 3},

		// Whole reads, refused.
		{`r := object.get(data.users, input.subject.id, 1)`, whole},
		{`r if g(data.users, input.subject.id)` + "\n" + `g(c, k) if c[k]`, whole},
		{`r := object.keys(data.users)`, whole},
		{`r := count(data.users)`, whole},
		{`r if data.users[_].kind == "a"`, whole},
		{`r := x if data.users[x].kind == "a"`, whole},
		{`r if { data.users[x]; x == input.subject.id }`, whole},
		{`r := {k: v | some k, v in data.users}`, whole},
		{`r if every u in data.users { u.kind == "a" }`, whole},
		{`r if { x := data.users; x[input.subject.id] }`, whole},
		{`r if data.edges[_][input.resource.id]`, whole},
		{`r if walk(data.users, [_, "x"])`, whole},
		{`r if data[input.context.c].zz == 1`, 0}, // a collection chosen by value: the key zz, here of nothing
	}
	f := newFacts(nil)
	for i := range 1000 {
		f.put(fmt.Sprintf("users/u-%04d", i), `{"kind": "a"}`, 1)
		f.put(fmt.Sprintf("edges/mu:%04d/svc:b", i), `{"kind": "a"}`, 1)
		f.put(fmt.Sprintf("entitlements/user:%04d/f", i), `{}`, 1)
	}
	f.put("users/mu:a", `{"kind": "a", "roles": ["gold"]}`, 1)
	f.put("edges/mu:a/svc:b", `{"mode": "off"}`, 1)
	f.put("edges/mu:a/svc:c", `{"mode": "off"}`, 1)
	f.put("edges/mu:a/svc:d", `{"mode": "off"}`, 1)
	for _, shape := range shapes {
		t.Run(shape.rules, func(t *testing.T) {
			p := unchecked(t, map[string]string{
				"decision.rego": "package verdict.decision\n\nallow := true\n\n_r := data.lib.r\n",
				"r.rego":        "package lib\n\n" + shape.rules + "\n",
			})
			f.reads = nil
			got := p.Evaluate(t.Context(), question(nil), f)
			if shape.keys == whole {
				if got.Allow || len(got.Reasons) != 1 || got.Reasons[0].Code != authz.PolicyOverBudget || got.Reasons[0].Details["whole"] != true {
					t.Errorf("judgement is %+v", got)
				}
				if len(f.reads) != 0 {
					t.Errorf("reads %v before refusing", f.reads)
				}
				return
			}
			if !got.Allow || got.KeysRead != shape.keys {
				t.Errorf("judgement is %+v after %v, want %d keys", got, f.reads, shape.keys)
			}
		})
	}
}

// TestAllOfDataIsRefused asks for everything at once.
func TestAllOfDataIsRefused(t *testing.T) {
	store := engine.NewStore(ast.NewObject())
	f := newFacts(map[string]string{"users/u": "{}"})
	if v, err := store.Read(t.Context(), engine.NewView(f, 8), nil); err == nil || len(f.reads) != 0 {
		t.Errorf("value %v, error %v, reads %v", v, err, f.reads)
	}
	txn, err := store.NewTransaction(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if v, err := store.Read(t.Context(), txn, []string{"users", "u"}); err == nil {
		t.Errorf("facts without an evaluation: %v", v)
	}
	if err := store.Truncate(t.Context(), txn, storage.WriteParams, nil); err == nil {
		t.Error("the store was truncated")
	}
}
