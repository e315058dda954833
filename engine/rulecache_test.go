package engine_test

import (
	"slices"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
	"pgregory.net/rapid"

	"github.com/verdict-pdp/verdict/engine"
)

// TestAnswersAreWhatOPAKeeps does at random what evaluations do to the cache of
// rules, and holds it to OPA's own, several evaluations after one another.
func TestAnswersAreWhatOPAKeeps(t *testing.T) {
	refs := []ast.Ref{
		ast.MustParseRef("data.a"), ast.MustParseRef("data.a.b"), ast.MustParseRef("data.a.b.c"), ast.MustParseRef("data.b.a"),
		ast.MustParseRef("data.a[1]"), ast.MustParseRef("data.a[1.0]"), ast.MustParseRef(`data.a["1"]`), ast.MustParseRef("data.f[[1, {2}]]"),
		ast.MustParseRef("data.f[[1, {2, 3}]]"), ast.MustParseRef("data.f[null]"), ast.MustParseRef("data.f[false]"),
	}
	rapid.Check(t, func(t *rapid.T) {
		for range 3 {
			got, release := engine.NewRuleCache()
			want, frames := topdown.NewVirtualCache(), 1
			t.Repeat(map[string]func(*rapid.T){
				"": func(t *rapid.T) {
					for _, ref := range refs {
						gotTerm, gotUndefined := got.Get(ref)
						wantTerm, wantUndefined := want.Get(ref)
						if gotTerm != wantTerm || gotUndefined != wantUndefined {
							t.Fatalf("%v is %v, %v; OPA's is %v, %v", ref, gotTerm, gotUndefined, wantTerm, wantUndefined)
						}
					}
					if g, w := sorted(got.Keys()), sorted(want.Keys()); !slices.Equal(g, w) {
						t.Fatalf("keys are %v; OPA's are %v", g, w)
					}
				},
				"put": func(t *rapid.T) {
					ref := slices.Clone(rapid.SampledFrom(refs).Draw(t, "ref"))
					value := rapid.SampledFrom([]*ast.Term{nil, ast.InternedTerm(1), ast.InternedTerm("x")}).Draw(t, "value")
					if known, undefined := got.Get(ref); undefined || known != nil && value == nil {
						return // whether a rule has an answer is found once
					}
					got.Put(ref, value)
					want.Put(ref, value)
					clear(ref) // a reference is its caller's
				},
				"push": func(*rapid.T) {
					frames++
					got.Push()
					want.Push()
				},
				"pop": func(t *rapid.T) {
					if frames == 1 {
						t.Skip("an evaluation keeps its first frame")
					}
					frames--
					got.Pop()
					want.Pop()
				},
			})
			release()
		}
	})
}

func sorted(refs []ast.Ref) []string {
	var names []string
	for _, ref := range refs {
		names = append(names, ref.String())
	}
	slices.Sort(names)
	return names
}
