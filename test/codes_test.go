package test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	codeInGo   = regexp.MustCompile(`ReasonCode\s*=\s*"([A-Z_]+)"`)
	codeInRego = regexp.MustCompile(`(?m)^#\s+code: ([A-Z_]+)$`)
)

// TestReasonCodesAreInTheManual: callers and operators look a code up in docs. Each code
// that Go code or the base policies give stands there, in a table or a sentence.
func TestReasonCodesAreInTheManual(t *testing.T) {
	t.Parallel()
	declared := read(t, filepath.Join("..", "authz", "code.go"))
	codes := codeInGo.FindAllStringSubmatch(declared, -1)
	if len(codes) < 10 {
		t.Fatalf("%d codes of Go code were found, want 10 at the least", len(codes))
	}
	inGo := len(codes)
	err := filepath.WalkDir(filepath.Join("..", "policies"), func(path string, _ os.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".rego") && !strings.HasSuffix(path, "_test.rego") {
			codes = append(codes, codeInRego.FindAllStringSubmatch(read(t, path), -1)...)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(codes)-inGo < 30 {
		t.Fatalf("%d codes of policies were found, want 30 at the least", len(codes)-inGo)
	}
	chapters, err := filepath.Glob(filepath.Join("..", "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	var manual strings.Builder
	for _, chapter := range chapters {
		manual.WriteString(read(t, chapter))
	}
	for _, code := range codes {
		if !strings.Contains(manual.String(), "`"+code[1]+"`") {
			t.Errorf("%s is not in docs; want `%s` where its kind is listed", code[1], code[1])
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
