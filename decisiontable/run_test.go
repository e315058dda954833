package decisiontable_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/decisiontable"
)

// spy answers nothing and keeps the facts it was given.
type spy struct{ facts []authz.Facts }

func (*spy) Policy() authz.PolicyRef { return authz.PolicyRef{} }

func (s *spy) EvaluateInput(_ context.Context, _ []byte, f authz.Facts) authz.Judgement {
	s.facts = append(s.facts, f)
	return authz.Judgement{Allow: true}
}

func (s *spy) ExplainInput(ctx context.Context, input []byte, f authz.Facts) (authz.Judgement, *authz.Explanation) {
	return s.EvaluateInput(ctx, input, f), nil
}

func TestRun(t *testing.T) {
	table := load(t, `
time: 2026-11-22T10:00:00Z
input: {subject: {id: mu:a}, action: {name: x}, resource: {id: svc:b}}
cases:
  - {name: passes, want: deny, reasons: [B, A, A], would_deny: [W], advice: [n]}
  - name: fails
    want: allow
    reasons: []
    obligations: [o]
    advice: [m]
  - {name: lacks a reason, want: deny, reasons: [A, B, C], would_deny: [W], advice: [n]}
`)
	judgement := authz.Judgement{
		Reasons:     []authz.Reason{{Code: "A", Guard: "g", Message: "The first."}, {Code: "B", Guard: "h", Message: "The second."}, {Code: "A", Guard: "g"}},
		WouldDeny:   []authz.Reason{{Code: "W", Guard: "w", Message: "The third.", Mode: "observe"}},
		Obligations: []authz.Duty{{"id": "p"}},
		Advice:      []authz.Duty{{"id": "n"}, {"id": "n", "x": 1}},
	}
	got := decisiontable.Run(t.Context(), fixed(judgement), []decisiontable.Table{table})
	answer := decisiontable.Answer{Reasons: []string{"A", "B"}, WouldDeny: []string{"W"}, Advice: []string{"n"}}
	longer := answer
	longer.Reasons = []string{"A", "B", "C"}
	want := decisiontable.Report{Passed: 1, Failed: 2, Cases: []decisiontable.Result{
		{Table: "a", Name: "passes", File: "a_table.yaml", Line: 5, Outcome: decisiontable.Pass, Want: answer, Got: answer},
		{Table: "a", Name: "fails", File: "a_table.yaml", Line: 6, Outcome: decisiontable.Fail, Got: answer,
			Want: decisiontable.Answer{Outcome: authz.Allow, Obligations: []string{"o"}, Advice: []string{"m"}},
			Diff: []string{
				"want allow, got deny", "reasons: A is not wanted (g: The first.)", "reasons: B is not wanted (h: The second.)",
				"would_deny: W is not wanted (w: The third.)", "obligations: o is missing", "advice: m is missing", "advice: n is not wanted",
			}},
		{Table: "a", Name: "lacks a reason", File: "a_table.yaml", Line: 11, Outcome: decisiontable.Fail, Want: longer, Got: answer, Diff: []string{"reasons: C is missing"}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// fixed is a policy with one answer.
type fixed authz.Judgement

func (fixed) Policy() authz.PolicyRef { return authz.PolicyRef{} }

func (f fixed) EvaluateInput(context.Context, []byte, authz.Facts) authz.Judgement {
	return authz.Judgement(f)
}

func (f fixed) ExplainInput(context.Context, []byte, authz.Facts) (authz.Judgement, *authz.Explanation) {
	return authz.Judgement(f), nil
}

func TestNotJudged(t *testing.T) {
	table := load(t, minimal+"  - {name: it has to, want: deny, reasons: [POLICY_TIMEOUT]}\n")
	slow := fixed{Reasons: []authz.Reason{{Code: authz.PolicyTimeout, Guard: "engine", Message: "It took too long."}}}
	got := decisiontable.Run(t.Context(), slow, []decisiontable.Table{table})
	if got.Cases[0].Outcome != decisiontable.Error || got.Cases[1].Outcome != decisiontable.Pass || got.Failed != 1 {
		t.Errorf(`got %+v; want Cases[0].Outcome "error", Cases[1].Outcome "pass", Failed 1`, got)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got = decisiontable.Run(ctx, fixed{Allow: true}, []decisiontable.Table{table})
	if got.Failed != 2 || got.Cases[0].Outcome != decisiontable.Error || got.Cases[0].Diff[0] != "not judged: context canceled" {
		t.Errorf(`got %+v; want Failed 2, Cases[0].Outcome "error", Cases[0].Diff[0] "not judged: context canceled"`, got)
	}
}

// An allow with reasons denies, as everywhere.
func TestAllowWithReasonsDenies(t *testing.T) {
	table := load(t, minimal)
	got := decisiontable.Run(t.Context(), fixed{Allow: true, Reasons: []authz.Reason{{Code: "A", Guard: "g"}}}, []decisiontable.Table{table})
	if got.Passed != 0 || got.Cases[0].Got.Outcome != authz.Deny {
		t.Errorf("got %+v; want Passed 0, Cases[0].Got.Outcome Deny", got)
	}
}
