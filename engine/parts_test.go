package engine_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/util"

	"github.com/verdict-pdp/verdict/engine"
)

// waysToAsk are masks that hide what they see of a record, reached in every way the
// language has.
var waysToAsk = map[string]string{
	"constant path":         `mask contains {"op": "upsert", "path": "/input/x", "value": input.input.context.a}`,
	"path into a list":      `mask contains {"op": "upsert", "path": "/input/x", "value": input.input.context.list[1].b}`,
	"the whole":             `mask contains {"op": "upsert", "path": "/input/x", "value": input}`,
	"the whole, by a name":  "mask contains {\"op\": \"upsert\", \"path\": \"/input/x\", \"value\": all.input.context.a} if all := input",
	"names that vary":       `mask contains {"op": "upsert", "path": "/input/x", "value": v} if { some k; v := input[k].context.a }`,
	"names of names":        `mask contains {"op": "upsert", "path": "/input/x", "value": input.input.context[input.input.context.which]}`,
	"walk":                  `mask contains {"op": "upsert", "path": "/input/x", "value": v} if walk(input.input, [["context", "a"], v])`,
	"object.get":            `mask contains {"op": "upsert", "path": "/input/x", "value": object.get(input, ["result", "decision"], 0)}`,
	"keys":                  `mask contains {"op": "upsert", "path": "/input/x", "value": object.keys(input.input)}`,
	"comprehension":         `mask := [{"op": "upsert", "path": "/input/x", "value": v} | some v in input.input.context.list]`,
	"every":                 `mask contains "/input/x" if every k, v in input.input.context { k != "z"; v != 8 }`,
	"not":                   `mask contains "/input/x" if not input.input.context.none`,
	"not what is there":     `mask contains "/input/x" if not input.input.context.a`,
	"function":              "mask contains {\"op\": \"upsert\", \"path\": \"/input/x\", \"value\": f(input.result)}\nf(r) := r.decision",
	"function on its own":   "mask contains {\"op\": \"upsert\", \"path\": \"/input/x\", \"value\": f(1)}\nf(_) := input.result.decision",
	"else":                  "mask := [] if input.input.context.none else := [{\"op\": \"upsert\", \"path\": \"/input/x\", \"value\": input.result.reasons}]",
	"another package":       `mask contains {"op": "upsert", "path": "/input/x", "value": data.other.a}`,
	"a package as a whole":  `mask contains {"op": "upsert", "path": "/input/x", "value": data.other}`,
	"a rule that varies":    `mask contains {"op": "upsert", "path": "/input/x", "value": data.other[input.input.context.which]}`,
	"with":                  `mask contains {"op": "upsert", "path": "/input/x", "value": v} if v := data.other.a with input.input.context.b as 8`,
	"with another input":    `mask contains {"op": "upsert", "path": "/input/x", "value": v} if v := data.other.a with input as {"input": {"context": {"a": input.result.decision}}}`,
	"with another rule":     `mask contains {"op": "upsert", "path": "/input/x", "value": v} if v := data.other.a with data.other.b as input.result`,
	"with another function": "mask contains {\"op\": \"upsert\", \"path\": \"/input/x\", \"value\": v} if v := count([1]) with count as f\nf(_) := input.input.context.a",
	"partial object":        "mask contains {\"op\": \"upsert\", \"path\": \"/input/x\", \"value\": o}\no[k] := v if some k, v in input.input.context",
	"a default":             "mask contains {\"op\": \"upsert\", \"path\": \"/input/x\", \"value\": d}\ndefault d := 1\nd := 2 if input.input.context.list[0] == 1",
	"template":              `mask contains {"op": "upsert", "path": "/input/x", "value": sprintf("%v", [input.input.context.b])}`,
	"nothing":               `mask := ["/input/x"]`,
}

const other = `package other

a := input.input.context.a
b := input.input.context.b
`

// TestMaskSeesWhatItAsksFor holds that what Mask does not read, no rule can ask for:
// OPA, shown the whole record, gives the same masks.
func TestMaskSeesWhatItAsksFor(t *testing.T) {
	q := question(map[string]any{"c": "\\\"é"})
	q.Context = map[string]any{"a": 7, "b": "text", "list": []any{1, map[string]any{"b": 2}}, "which": "b", "\"é": true}
	input, result := mustInput(t, q), []byte(`{"decision":"deny","reasons":[{"code":"A","message":"m"}]}`)
	for name, log := range waysToAsk {
		t.Run(name, func(t *testing.T) {
			log := "package verdict.log\n\n" + log + "\n"
			p := policy(t, "default allow := false\n", map[string]string{"verdict/log/mask.rego": log, "other/other.rego": other}, generous)
			got, err := p.Mask(t.Context(), input, result)
			if err != nil {
				t.Fatal(err)
			}
			whole := map[string]any{"input": util.MustUnmarshalJSON(input), "result": util.MustUnmarshalJSON(result)}
			results, err := rego.New(rego.Query("data.verdict.log.mask"), rego.Module("log", log), rego.Module("other", other), rego.Input(whole), rego.GenerateJSON(asValue)).Eval(t.Context())
			if err != nil || len(results) != 1 {
				t.Fatalf("plain OPA: %v, %v", results, err)
			}
			want, err := engine.MasksIn(results[0].Expressions[0].Value)
			if err != nil || len(want) == 0 && name != "not what is there" {
				t.Fatalf("plain OPA: %v, %v", want, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("masks (-OPA +engine):\n%s", diff)
			}
		})
	}
}
