package engine_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
	"github.com/verdict-pdp/verdict/engine"
)

// masking is a policy with package verdict.log.
func masking(t testing.TB, log string, config engine.Config) *engine.Policy {
	t.Helper()
	return policy(t, "default allow := false\n", map[string]string{"verdict/log/mask.rego": "package verdict.log\n\n" + log, "lib/people.rego": peopleLib}, config)
}

// peopleLib reads a fact where the gate does not look for one.
const peopleLib = "package lib.people\n\nknown(id) if data.users[id]\n"

const allowed = `{"decision":"allow","reasons":[]}`

func TestMask(t *testing.T) {
	tests := map[string]struct {
		log  string
		want []authz.Mask
	}{
		"a pointer is removed":    {`mask contains "/input/context/note"`, []authz.Mask{{Op: "remove", Path: "/input/context/note"}}},
		"none":                    {"mask := set()", []authz.Mask{}},
		"the rule does not hold":  {`mask := ["/input/x"] if input.input.time == "never"`, []authz.Mask{}},
		"no such rule":            {"other := 1", []authz.Mask{}},
		"both forms, set's order": {`mask := {{"op": "remove", "path": "/result/reasons/0/message"}, "/input/b", "/input/a"}`, []authz.Mask{{Op: "remove", Path: "/input/a"}, {Op: "remove", Path: "/input/b"}, {Op: "remove", Path: "/result/reasons/0/message"}}},
		"a list keeps its order":  {`mask := ["/input/b", "/input/a"]`, []authz.Mask{{Op: "remove", Path: "/input/b"}, {Op: "remove", Path: "/input/a"}}},
		"upsert":                  {`mask contains {"op": "upsert", "path": "/input/context/note", "value": {"was": [1, null]}}`, []authz.Mask{{Op: "upsert", Path: "/input/context/note", Value: map[string]any{"was": []any{1, nil}}}}},
		"upsert of null":          {`mask contains {"op": "upsert", "path": "/input/context/note", "value": null}`, []authz.Mask{{Op: "upsert", Path: "/input/context/note"}}},
		"by input and result":     {`mask contains sprintf("/input/context/%s", [input.result.decision]) if input.input.subject.id == "mu:a"`, []authz.Mask{{Op: "remove", Path: "/input/context/allow"}}},
		"by the time of input":    {`mask contains "/input/x" if time.now_ns() == time.parse_rfc3339_ns(input.input.time)`, []authz.Mask{{Op: "remove", Path: "/input/x"}}},
		"escapes":                 {`mask contains "/input/context/a~1b~0c"`, []authz.Mask{{Op: "remove", Path: "/input/context/a~1b~0c"}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := masking(t, test.log+"\n", generous).Mask(t.Context(), mustInput(t, question(nil)), []byte(allowed))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("masks (-want +got):\n%s", diff)
			}
		})
	}
}

// TestMaskFails holds that what to hide is known or an error, whose text says
// nothing of the record.
func TestMaskFails(t *testing.T) {
	const secret = "s3cret"
	tests := map[string]string{
		"no set":             `mask := {"/input/x": true}`,
		"a number":           `mask := [1]`,
		"another place":      `mask := ["/else/x"]`,
		"the whole input":    `mask := ["/input"]`,
		"nothing below":      `mask := ["/input/"]`,
		"no pointer":         `mask := ["input.x"]`,
		"a bad escape":       `mask := ["/input/a~2"]`,
		"no op":              `mask := [{"path": "/input/x"}]`,
		"another op":         `mask := [{"op": "hash", "path": "/input/x"}]`,
		"no path":            `mask := [{"op": "remove"}]`,
		"path is a number":   `mask := [{"op": "remove", "path": 1}]`,
		"names are numbers":  `mask := [{1: "remove"}]`,
		"conflict":           "mask := [] if input.input\nmask := [\"/input/x\"] if input.result",
		"a built-in fails":   `mask contains "/input/x" if time.parse_rfc3339_ns(input.input.context.secret) > 0`,
		"facts":              `mask contains "/input/x" if data.lib.people.known(input.input.subject.id)`,
		"longer than limit":  `mask := [x | some x in numbers.range(1, 100000000)]`,
		"text of the record": `mask := [input.input.context.secret]`,
	}
	q := question(nil)
	q.Context = map[string]any{"secret": secret}
	for name, log := range tests {
		t.Run(name, func(t *testing.T) {
			p := masking(t, log+"\n", engine.Config{Timeout: 200 * time.Millisecond})
			masks, err := p.Mask(t.Context(), mustInput(t, q), []byte(allowed))
			if authz.CodeOf(err) != authz.CodeInternal || masks != nil {
				t.Fatalf("masks %v, error %v", masks, err)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error says %q", err)
			}
		})
	}
}

func TestMaskOfWhatIsNoRecord(t *testing.T) {
	p := masking(t, "mask := []\n", generous)
	input := mustInput(t, question(nil))
	if _, err := p.Mask(t.Context(), []byte(`{`), []byte(allowed)); err == nil {
		t.Error("broken input has masks")
	}
	if _, err := p.Mask(t.Context(), []byte(`{}`), []byte(allowed)); err == nil {
		t.Error("input without a time has masks")
	}
	if _, err := p.Mask(t.Context(), input, nil); err == nil {
		t.Error("no result has masks")
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Mask(gone, input, []byte(allowed)); err == nil {
		t.Error("a context that ended has masks")
	}
	if _, err := (*engine.Policy)(nil).Mask(t.Context(), input, []byte(allowed)); err == nil {
		t.Error("no policy has masks")
	}
}

// Masks are looked for only where a policy has some, in whatever form it has them. What
// is no mask is an error and not none.
func TestMaskWhereverItIsDefined(t *testing.T) {
	one := []authz.Mask{{Op: "remove", Path: "/input/context/note"}}
	tests := map[string]struct {
		files map[string]string
		want  []authz.Mask // nil: an error
	}{
		"nowhere":                 {nil, []authz.Mask{}},
		"another package":         {map[string]string{"a/a.rego": "package a.log\n\nmask := [\"/input/context/note\"]\n"}, []authz.Mask{}},
		"a rule":                  {map[string]string{"a/a.rego": "package verdict.log\n\nmask := [\"/input/context/note\"]\n"}, one},
		"a rule of the parent":    {map[string]string{"a/a.rego": "package verdict\n\nlog := {\"mask\": [\"/input/context/note\"]}\n"}, one},
		"a name of several parts": {map[string]string{"a/a.rego": "package verdict\n\nlog.mask contains \"/input/context/note\"\n"}, one},
		"data":                    {map[string]string{"verdict/log/data.json": `{"mask": ["/input/context/note"]}`}, one},
		"data of the parent":      {map[string]string{"verdict/data.json": `{"log": {"mask": ["/input/context/note"]}}`}, one},
		"other data":              {map[string]string{"verdict/log/data.json": `{"masks": ["/input/context/note"]}`}, []authz.Mask{}},
		"data that is no mask":    {map[string]string{"verdict/log/data.json": `{"mask": {"a": 1}}`}, nil},
		"a package":               {map[string]string{"a/a.rego": "package verdict.log.mask\n\nx := 1\n"}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := policy(t, "default allow := false\n", test.files, generous)
			got, err := p.Mask(t.Context(), mustInput(t, question(nil)), []byte(allowed))
			if (err != nil) != (test.want == nil) {
				t.Fatalf("masks %v, error %v; want masks %v", got, err, test.want)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("masks (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBasePoliciesMaskCredentialsThatCallersSent(t *testing.T) {
	_, s := basePolicies(t)
	p, err := engine.New(s, generous)
	if err != nil {
		t.Fatal(err)
	}
	q := invoiceQuestion()
	q.Context["headers"] = map[string]any{"Authorization": "Bearer x", "accept": "*/*"}
	q.Subject.Properties = map[string]any{"password": "x"}
	got, err := p.Mask(t.Context(), mustInput(t, q), []byte(allowed))
	if err != nil {
		t.Fatal(err)
	}
	want := []authz.Mask{{Op: "remove", Path: "/input/context/headers/Authorization"}, {Op: "remove", Path: "/input/subject/properties/password"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("masks (-want +got):\n%s", diff)
	}
}

func BenchmarkMask(b *testing.B) {
	_, base := basePolicies(b)
	for name, s := range map[string]*bundles.Snapshot{"base": base, "none": compile(b, "default allow := false\n", nil)} {
		b.Run(name, func(b *testing.B) {
			p, err := engine.New(s, engine.Config{})
			if err != nil {
				b.Fatal(err)
			}
			input := mustInput(b, invoiceQuestion())
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Mask(b.Context(), input, []byte(allowed)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
