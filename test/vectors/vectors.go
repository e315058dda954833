// Package vectors finds the public test vectors, which lie beside the project and not
// in it. A test that needs them is skipped, saying so, where there are none.
package vectors

import (
	"os"
	"path/filepath"
	"testing"
)

// Read gives the bytes of a file, by its path inside the folder of vectors.
func Read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(folder(t), path))
	if err != nil {
		skip(t, err)
	}
	return data
}

// Names lists the files of a folder, of which there are at least so many.
func Names(t testing.TB, path string, least int) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(folder(t), path))
	if err != nil {
		skip(t, err)
	}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	if len(names) < least {
		t.Fatalf("%d vectors in %s, want %d", len(names), path, least)
	}
	return names
}

func skip(t testing.TB, err error) {
	t.Helper()
	t.Skipf("no public vectors here, set VERDICT_VECTORS to their folder: %v", err)
}

// folder is VERDICT_VECTORS, or shared/vectors beside the project, whose root is the
// first folder above the test's own that has a go.mod.
func folder(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv("VERDICT_VECTORS"); dir != "" {
		return dir
	}
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			return filepath.Join(root, "..", "shared", "vectors")
		}
		above := filepath.Dir(root)
		if above == root {
			t.Fatal("no go.mod above the test's folder")
		}
		root = above
	}
}
