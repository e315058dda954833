//go:build unix

package bundles_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/verdict-pdp/verdict/bundles"
)

// TestIrregularFiles holds Read to files and folders: opening anything else
// could wait for ever.
func TestIrregularFiles(t *testing.T) {
	dir := t.TempDir()
	for name, file := range set(nil) {
		write(t, filepath.Join(dir, name), file.Data)
	}
	outside := t.TempDir()
	write(t, filepath.Join(outside, "linked.rego"), []byte("package lib.linked\n\nr := 1\n"))
	write(t, filepath.Join(outside, ".hidden", "x.rego"), []byte("not Rego"))
	link := func(target, name string) {
		t.Helper()
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	pipe := func(name string) {
		t.Helper()
		if err := syscall.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// As a mounted Kubernetes ConfigMap has them.
	link(filepath.Join(outside, "linked.rego"), "linked.rego")
	link(filepath.Join(outside, ".hidden"), "..data")
	archive, err := bundles.Read(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	var policies []string
	for _, f := range archive.Policies {
		policies = append(policies, f.Path)
	}
	if got, want := strings.Join(policies, " "), "guards/door/door.rego linked.rego verdict/decision/decision.rego"; got != want {
		t.Errorf("policies are %s, want %s", got, want)
	}

	pipe("guards/f.rego")
	pipe("data.json")
	pipe("readme")
	link("guards/f.rego", "l.rego")
	link("nowhere", "m.rego")
	link("loop.rego", "loop.rego")
	link(outside, "more")
	_, err = bundles.Read(os.DirFS(dir))
	wantProblems(t, err, []string{
		"data.json: is neither a file nor a folder",
		"guards/f.rego: is neither a file nor a folder",
		"l.rego: is neither a file nor a folder",
		"loop.rego: is a link that cannot be followed",
		"m.rego: is a link that cannot be followed",
		"more: is a link to a folder",
		"readme: is neither a file nor a folder",
	})
}

func write(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
}
