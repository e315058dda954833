package engine_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"

	"github.com/verdict-pdp/verdict/bundles"
	"github.com/verdict-pdp/verdict/engine"
)

// nothing stands for saying nothing among settings, which are what data may say of a
// mode.
type nothing struct{}

var settings = []any{nothing{}, "off", "observe", "flag", "enforce", "Observe", "loose", "", nil, false, true, 3, []any{"off"}, map[string]any{"mode": "off"}}

// asArchive is the base policies with guards that may be given modes, and with what
// their data and data.modes say of them.
func asArchive(t *testing.T, guards []string, own, over map[string]any) bundles.Archive {
	t.Helper()
	archive, err := bundles.Read(os.DirFS("../policies"))
	if err != nil {
		t.Fatal(err)
	}
	archive.Manifest.Roots = append(archive.Manifest.Roots, "modes")
	for _, name := range guards {
		path := "guards/" + name
		archive.Manifest.Roots = append(archive.Manifest.Roots, path)
		archive.Policies = append(archive.Policies, bundles.File{Path: path + "/guard.rego", Bytes: []byte(guard(name, strings.ToUpper(name), `input.action.name == "never"`))})
	}
	for i, file := range archive.Data {
		if file.Path == "verdict/config/data.json" {
			archive.Data[i].Bytes = withModes(t, file.Bytes, own)
		}
	}
	archive.Data = append(archive.Data, bundles.File{Path: "modes/data.json", Bytes: mustJSON(t, over)})
	return archive
}

func withModes(t *testing.T, config []byte, modes map[string]any) []byte {
	t.Helper()
	var all map[string]any
	if err := json.Unmarshal(config, &all); err != nil {
		t.Fatal(err)
	}
	all["modes"] = modes
	return mustJSON(t, all)
}

func mustJSON(t *testing.T, value any) []byte {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestModesAreThoseOfTheRego holds Policy.Mode to what verdict/lib/modes evaluates to,
// for a guard of each pair of what the two places that speak of modes may say.
func TestModesAreThoseOfTheRego(t *testing.T) {
	var guards []string
	own, over := map[string]any{}, map[string]any{}
	for i, ours := range settings {
		for j, theirs := range settings {
			name := fmt.Sprintf("g%dx%d", i, j)
			guards = append(guards, name)
			if _, unsaid := ours.(nothing); !unsaid {
				own[name] = ours
			}
			if _, unsaid := theirs.(nothing); !unsaid {
				over[name] = theirs
			}
		}
	}
	snapshot, err := bundles.Compile(asArchive(t, guards, own, over), bundles.Options{})
	if err != nil {
		t.Fatal(err)
	}
	policy, err := engine.New(snapshot, generous)
	if err != nil {
		t.Fatal(err)
	}
	var data map[string]any
	if err := json.Unmarshal([]byte(snapshot.Data().String()), &data); err != nil {
		t.Fatal(err)
	}
	query, err := rego.New(
		rego.Query("x := data.verdict.lib.modes.of(input)"), rego.Compiler(snapshot.Compiler()), rego.Store(inmem.NewFromObject(data)),
	).PrepareForEval(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range guards {
		results, err := query.Eval(t.Context(), rego.EvalInput(name))
		if err != nil || len(results) != 1 {
			t.Fatalf("guard %s evaluates to %v: %v", name, results, err)
		}
		mode, _, ok := policy.Mode(name)
		if want := results[0].Bindings["x"]; !ok || mode != want {
			t.Errorf("own %v, over %v: Mode(%s) = %q, %v; want %q, as modes.rego has it", own[name], over[name], name, mode, ok, want)
		}
	}
}

func TestModeOfNoGuard(t *testing.T) {
	p := withBase(t, guard("acme", "ACME_CLOSED", "false"), nil)
	if mode, own, ok := p.Mode("acme"); mode != "enforce" || own != "enforce" || !ok {
		t.Errorf("Mode(acme) = %q, %q, %v; want enforce, enforce, true", mode, own, ok)
	}
	if mode, own, ok := p.Mode("other"); mode != "" || own != "" || ok {
		t.Errorf("Mode(other) = %q, %q, %v; want nothing", mode, own, ok)
	}
	var none *engine.Policy
	if guards := none.Guards(); len(guards) > 0 {
		t.Errorf("no policy has the guards %v", guards)
	}
	if _, _, ok := none.Mode("acme"); ok {
		t.Error("no policy has a guard acme")
	}
}
