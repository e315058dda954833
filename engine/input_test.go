package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/engine"
	"github.com/verdict-pdp/verdict/ijson"
)

func mustInput(t tester, q authz.Question) []byte {
	t.Helper()
	input, err := engine.Input(q)
	if err != nil {
		t.Fatal(err)
	}
	return input
}

// canonical is v as JSON of which equal values have equal bytes.
func canonical(t tester, v any) string {
	t.Helper()
	text, err := ijson.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestInputIsTheDocumentWithItsMembersSorted(t *testing.T) {
	q := question(map[string]any{"b": json.Number("1.50"), "a": "<é\"\u2028>", "c": nil})
	q.Time = time.Date(2026, 11, 22, 13, 0, 0, 250, time.FixedZone("", 3600))
	want := `{"action":{"name":"email.send","properties":{}},"context":{},"credential":{"kind":"none"},` +
		`"resource":{"id":"svc:b","properties":{"a":"<é\"` + "\u2028" + `>","b":1.50,"c":null},"type":"service"},` +
		`"subject":{"id":"mu:a","properties":{},"type":"machine_user"},"time":"2026-11-22T12:00:00.00000025Z","trust":{"level":0}}`
	if diff := cmp.Diff(want, string(mustInput(t, q))); diff != "" {
		t.Errorf("input (-want +got):\n%s", diff)
	}
}

func TestInputOfEvidenceThatProvedNobody(t *testing.T) {
	q := question(nil)
	q.Principal = authz.Principal{Evidence: authz.EvidenceJWT, Fault: &authz.Fault{Code: authz.TokenInvalid}}
	q.Subject.ID = ""
	var document struct {
		Credential struct{ Kind string }
		Subject    struct{ ID *string }
	}
	if err := json.Unmarshal(mustInput(t, q), &document); err != nil {
		t.Fatal(err)
	}
	if document.Credential.Kind != "jwt" || document.Subject.ID == nil || *document.Subject.ID != "" {
		t.Errorf("document is %+v", document)
	}
}

func TestInputRefuses(t *testing.T) {
	tests := map[string]func(*authz.Question){
		"no time":             func(q *authz.Question) { q.Time = time.Time{} },
		"a year of 5 digits":  func(q *authz.Question) { q.Time = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"a year before 0":     func(q *authz.Question) { q.Time = time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC) },
		"text not UTF-8":      func(q *authz.Question) { q.Context = map[string]any{"a": []any{"\xff"}} },
		"a name not UTF-8":    func(q *authz.Question) { q.Context = map[string]any{"\xff": 1} },
		"an id not UTF-8":     func(q *authz.Question) { q.Subject.ID = "\xff" },
		"a number not JSON":   func(q *authz.Question) { q.Context = map[string]any{"a": json.Number("0x10")} },
		"no double holds it":  func(q *authz.Question) { q.Context = map[string]any{"a": json.Number("1e999")} },
		"a channel":           func(q *authz.Question) { q.Context = map[string]any{"a": make(chan int)} },
		"a member after that": func(q *authz.Question) { q.Context = map[string]any{"a": "\xff", "b": 1} },
	}
	for name, spoil := range tests {
		q := question(nil)
		spoil(&q)
		if input, err := engine.Input(q); authz.CodeOf(err) != authz.CodeInvalid || input != nil {
			t.Errorf("%s: input %q, error %v", name, input, err)
		}
	}
}

// TestInputSaysTheWholeQuestion reads back what was written, numbers letter by
// letter, members in the order of their names.
func TestInputSaysTheWholeQuestion(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := anyQuestion(t)
		q.Action.Properties = map[string]any{"n": json.Number(rapid.StringMatching(`-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,6})?([eE][+-]?[0-9]{1,2})?`).Draw(t, "number"))}
		input := mustInput(t, q)
		got, err := engine.DecodeJSON(input)
		if err != nil {
			t.Fatal(err)
		}
		want, err := engine.QuestionValue(q)
		if err != nil {
			t.Fatal(err)
		}
		if got.String() != want.String() || got.Compare(want) != 0 || got.Hash() != want.Hash() {
			t.Fatalf("read back\n%v, want\n%v", got, want)
		}
		sorted, err := engine.AppendJSON(nil, want)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(input, sorted) {
			t.Fatalf("written as\n%s, want\n%s", input, sorted)
		}
	})
}

// TestRecordedQuestionsAreJudgedAlike is what a replay stands on.
func TestRecordedQuestionsAreJudgedAlike(t *testing.T) {
	_, s := basePolicies(t)
	p, err := engine.New(s, generous)
	if err != nil {
		t.Fatal(err)
	}
	outcomes := map[bool]int{}
	rapid.Check(t, func(t *rapid.T) {
		entities, q := disturbed(t)
		q.Time = q.Time.Add(time.Duration(rapid.Int64Range(0, 999_999_999).Draw(t, "ns")))
		f := newFacts(entities)
		want := p.Evaluate(context.Background(), q, f)
		got := p.EvaluateInput(context.Background(), mustInput(t, q), f)
		if canonical(t, want) != canonical(t, got) {
			t.Fatalf("judgement (-live +recorded):\n%s", cmp.Diff(want, got))
		}
		outcomes[got.Allow]++
	})
	if outcomes[true] == 0 || outcomes[false] == 0 {
		t.Errorf("allowed and denied: %v", outcomes)
	}
}

// TestRecordedTextReachesThePolicyUnchanged has the policy repeat what it saw.
func TestRecordedTextReachesThePolicyUnchanged(t *testing.T) {
	p := policy(t, `allow := true

advice contains {"id": "saw", "input": json.marshal(input), "now": time.now_ns(), "number": sprintf("%v", [object.get(input.context, "n", 0)])}
`, nil, generous)
	rapid.Check(t, func(t *rapid.T) {
		q := anyQuestion(t)
		q.Context = map[string]any{"n": json.Number(rapid.SampledFrom([]string{"1", "1.0", "1e2", "-0", "0.10", "9007199254740993", "1E+3"}).Draw(t, "n"))}
		want := p.Evaluate(context.Background(), q, newFacts(nil))
		got := p.EvaluateInput(context.Background(), mustInput(t, q), newFacts(nil))
		if !got.Allow || canonical(t, want) != canonical(t, got) {
			t.Fatalf("judgement (-live +recorded):\n%s", cmp.Diff(want, got))
		}
	})
}

func TestEvaluateInputRefuses(t *testing.T) {
	p := policy(t, "allow := true\n", nil, generous)
	for _, input := range []string{``, `null`, `[]`, `{`, `{}`, `{"time":"2026-11-22T12:00:00Z"} {}`, `{"time":1}`, `{"time":"noon"}`, `{"time":"2026-11-22T12:00:00Z","time":"2026-11-22T12:00:00Z"}`} {
		got := p.EvaluateInput(t.Context(), []byte(input), newFacts(nil))
		if got.Allow || len(got.Reasons) != 1 || got.Reasons[0].Code != authz.PolicyError {
			t.Errorf("EvaluateInput(%s) = %+v, want a deny with %s alone", input, got, authz.PolicyError)
		}
	}
	if got := p.EvaluateInput(t.Context(), []byte(`{"time":"2026-11-22T12:00:00Z"}`), newFacts(nil)); !got.Allow {
		t.Errorf("an input with a time: %+v", got)
	}
	if got := (*engine.Policy)(nil).EvaluateInput(t.Context(), []byte(`{}`), newFacts(nil)); got.Allow || got.Reasons[0].Code != authz.PolicyMissing {
		t.Errorf("no policy: %+v", got)
	}
}

func BenchmarkInput(b *testing.B) {
	q := invoiceQuestion()
	b.ReportAllocs()
	for b.Loop() {
		mustInput(b, q)
	}
}
