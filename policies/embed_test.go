package policies_test

import (
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/policies"
)

func TestBundleHoldsTheWholeTree(t *testing.T) {
	want := files(t, os.DirFS("."))
	want = slices.DeleteFunc(want, func(name string) bool { return strings.HasSuffix(name, ".go") })
	if diff := cmp.Diff(want, files(t, policies.Bundle)); diff != "" {
		t.Errorf("files embedded (-on disk +embedded):\n%s", diff)
	}
	if !slices.Contains(want, ".manifest") {
		t.Error("the tree has no .manifest")
	}
}

func files(t *testing.T, tree fs.FS) []string {
	t.Helper()
	var names []string
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// A denial reads its code, message, fix and status from its METADATA, so every
// denial of a guard must have them all.
func TestEveryDenialSaysCodeMessageFixAndStatus(t *testing.T) {
	guards, err := fs.Glob(policies.Bundle, "guards/*/*.rego")
	if err != nil {
		t.Fatal(err)
	}
	complete := regexp.MustCompile(`(?s)^# METADATA\n# description: .+\n# custom:\n#   code: [A-Z_]+\n#   fix: .+\n#   status: (401|403|503)$`)
	denials := 0
	for _, name := range guards {
		if strings.HasSuffix(name, "_test.rego") {
			continue
		}
		source, err := fs.ReadFile(policies.Bundle, name)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range strings.Split(string(source), "\n\n") {
			metadata, rule, ok := strings.Cut(block, "\ndeny contains ")
			if !ok && !strings.HasPrefix(block, "deny contains ") {
				continue
			}
			denials++
			if !complete.MatchString(metadata) || !strings.HasPrefix(rule, "reasons.denial(rego.metadata.rule(), ") {
				t.Errorf("%s: this denial does not say its code, message, fix and status:\n%s", name, block)
			}
		}
	}
	if denials < 30 {
		t.Errorf("found %d denials, want the more than thirty of the base bundle", denials)
	}
}
