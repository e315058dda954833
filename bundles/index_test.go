package bundles_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-pdp/verdict/bundles"
)

// asked is an ast.ValueResolver of one question.
type asked struct{ input ast.Value }

func (a asked) Resolve(ref ast.Ref) (ast.Value, error) {
	if !ref.HasPrefix(ast.InputRootRef) {
		return nil, ast.UnknownValueErr{}
	}
	value, err := a.input.Find(ref[1:])
	if err != nil {
		return nil, nil // undefined
	}
	return value, nil
}

// TestIndexLeavesOut holds the index to the rules it may leave out: those whose
// body ends at something it asks of the question before it could read or fail.
func TestIndexLeavesOut(t *testing.T) {
	const input = `{"yes": true, "no": false, "null": null, "x": "x", "one": 1, "list": ["x"], "o": {"x": "x"}}`
	tests := []struct {
		body string
		kept bool
	}{
		{`true`, true},
		{`input.x`, true},
		{`input.o.x`, true},
		{`input.null`, true},
		{`input.no`, false},
		{`input.missing`, false},
		{`input.x.x`, false},
		{`not input.x`, false},
		{`not input.null`, false},
		{`not input.no`, true},
		{`not input.missing`, true},
		{`input.x == "x"`, true},
		{`"y" == input.x`, false},
		{`input.x == "y"`, false},
		{`input.one == "1"`, false},
		{`input.missing == "x"`, false},
		{`input.yes == true`, true},
		{`input.yes == false`, false},
		{`input.no == false`, true},
		{`x := input.no; x == true`, true},
		{`x := input.missing; x == true`, false},
		{`x := {"k": 1}; x.k == input.one; input.x`, true},
		{`input.x; input.missing; data.users.u`, false},

		// Not looked at.
		{`input.x != "x"`, true},
		{`input.one == 2`, true},
		{`input.x == input.missing`, true},
		{`input.list[0] == "y"`, true},
		{`input.list[_] == "y"`, true},
		{`input[input.x] == "y"`, true},
		{`input.x == "y" with input.x as "y"`, true},
		{`not input.x == "x"`, true},
		{`"y" in input.list`, true},
		{`every e in input.list { e == "y" }`, true},

		// Not looked past: they read a fact, or could fail.
		{`data.users.u; input.missing`, true},
		{`1 / input.one == 1; input.missing`, true},
		{`startswith(input.one, "x"); input.missing`, true},
		{`_other; input.missing`, true},
		{`x := {"k": data.users.u}; x.k; input.missing`, true},
		{`x := [e | e := data.users.u]; x == []; input.missing`, true},
	}
	for _, test := range tests {
		t.Run(test.body, func(t *testing.T) {
			if got := candidates(t, "_rule if { "+test.body+" }", input); (got == 1) != test.kept {
				t.Errorf("%d rules kept, want %v", got, test.kept)
			}
		})
	}
}

func TestIndexOfSeveralRules(t *testing.T) {
	tests := map[string]struct {
		rules string
		kept  int
	}{
		"each by itself":             {"_rule := 1 if input.x\n\n_rule := 2 if input.missing\n\n_rule := 3 if _other\n", 2},
		"an else may hold":           {"_rule := 1 if { input.missing } else := 2 if { input.x }\n", 1},
		"a function has a signature": {"_rule(x) := x if input.missing\n", 1},
		"a head is evaluated":        {"_rule contains input.missing\n\n_rule contains input.x\n", 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := candidates(t, test.rules, `{"x": "x"}`); got != test.kept {
				t.Errorf("%d rules kept, want %d", got, test.kept)
			}
		})
	}
}

// candidates is how many rules named _rule are to be evaluated for input. They
// are looked up twice with others in between: results are used again.
func candidates(t *testing.T, rules, input string) int {
	t.Helper()
	s := mustLoad(t, map[string]string{"verdict/decision/decision.rego": "package verdict.decision\n\nallow := false\n\n_other if data.users.u\n\n_elsewhere := 1 if { data.users.u } else := 2\n\n" + rules + "\n"})
	resolver := asked{ast.MustParseTerm(input).Value}
	index := s.Compiler().RuleIndex(ast.MustParseRef(bundles.Entrypoint + "._rule"))
	first, err := index.Lookup(resolver)
	if err != nil {
		t.Fatal(err)
	}
	kept, branches := len(first.Rules), len(first.Else)
	ast.IndexResultPool.Put(first)
	other, err := s.Compiler().RuleIndex(ast.MustParseRef(bundles.Entrypoint + "._elsewhere")).AllRules(resolver)
	if err != nil || len(other.Rules) != 1 || len(other.Else) != 1 {
		t.Fatalf("result %+v, error %v", other, err)
	}
	ast.IndexResultPool.Put(other)
	again, err := index.AllRules(resolver)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{kept, branches}, []int{len(again.Rules), len(again.Else)}); diff != "" || again.EarlyExit {
		t.Errorf("looked up again (-first +second):\n%s%+v", diff, again)
	}
	return kept
}
