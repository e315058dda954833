package test

import (
	"encoding/json"
	"os/exec"
	"testing"
)

// TestToolsHaveTheProductsVersions holds tools/go.mod, which the opa command line is
// built with, to go.mod: what both name has one version. So policies are tested with the
// OPA that judges with them.
func TestToolsHaveTheProductsVersions(t *testing.T) {
	product, tools := requirements(t, "../go.mod"), requirements(t, "../tools/go.mod")
	const opa = "github.com/open-policy-agent/opa"
	if product[opa] == "" || tools[opa] == "" {
		t.Fatalf("OPA is at %q in go.mod and at %q in tools/go.mod; want it in both", product[opa], tools[opa])
	}
	for path, version := range tools {
		if ours := product[path]; ours != "" && ours != version {
			t.Errorf("%s is at %s in go.mod and at %s in tools/go.mod: run go get %[1]s@%[2]s in both, and go mod tidy", path, ours, version)
		}
	}
}

// requirements is what a go.mod asks for.
func requirements(t *testing.T, file string) map[string]string { // :: module -> version
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json", file).Output()
	if err != nil {
		t.Fatalf("go mod edit -json %s: %v", file, err)
	}
	var read struct {
		Require []struct{ Path, Version string }
	}
	if err := json.Unmarshal(out, &read); err != nil {
		t.Fatal(err)
	}
	versions := map[string]string{}
	for _, r := range read.Require {
		versions[r.Path] = r.Version
	}
	return versions
}
