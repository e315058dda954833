package disk_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/disk"
)

// names are those of the files in a folder.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, entry := range entries {
		all = append(all, entry.Name())
	}
	return all
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state.json")
	for _, step := range []struct {
		content string
		mode    fs.FileMode
	}{{"one", 0o600}, {"", 0o600}, {"three", 0o640}} {
		if err := disk.WriteFile(path, []byte(step.content), step.mode); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != step.content || info.Mode() != step.mode {
			t.Errorf("there is %q, mode %v; want %q, mode %v", got, info.Mode(), step.content, step.mode)
		}
	}
	if diff := cmp.Diff([]string{"state.json"}, names(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// TestWriteFileThatFails leaves what was there, and nothing else.
func TestWriteFileThatFails(t *testing.T) {
	dir := t.TempDir()
	blocked := filepath.Join(dir, "state.json")
	if err := os.MkdirAll(filepath.Join(blocked, "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := disk.WriteFile(blocked, []byte("x"), 0o600); err == nil {
		t.Error("a file took the place of a folder, want an error")
	}
	if diff := cmp.Diff([]string{"state.json"}, names(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if err := disk.WriteFile(filepath.Join(dir, "none", "state.json"), nil, 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a folder that is not there: %v, want fs.ErrNotExist", err)
	}
	if err := disk.SyncDir(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("syncing a folder that is not there: %v, want fs.ErrNotExist", err)
	}
}

func TestUnfinished(t *testing.T) {
	for name, want := range map[string]bool{".new-123": true, "state.json": false, "a.new-1": false, ".new": false} {
		if got := disk.Unfinished(name); got != want {
			t.Errorf("Unfinished(%q) = %t, want %t", name, got, want)
		}
	}
}
