package generations_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/generations"
)

// TestOfANewerBinary: what this binary does not know is left alone, and said, also when
// members have another type than it knows.
func TestOfANewerBinary(t *testing.T) {
	for _, test := range []struct{ file, member, another string }{
		{"state.json", "", ""},
		{"generations/1.json", "", ""},
		{"state.json", `"active": 1`, `"active": {"number": 1}`},
		{"generations/1.json", `"changed_bundle": "base"`, `"changed_bundle": ["base"]`},
	} {
		file := test.file
		t.Run(file+test.member, func(t *testing.T) {
			r := started(t, t.TempDir())
			name := filepath.Join(r.dir, file)
			content, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			newer := strings.Replace(string(content), `"schema": 2`, `"schema": 3`, 1)
			if newer == string(content) {
				t.Fatalf("%s has no schema 2: %s", file, content)
			}
			if !strings.Contains(newer, test.member) {
				t.Fatalf("%s has no %s: %s", file, test.member, content)
			}
			newer = strings.Replace(newer, test.member, test.another, 1)
			if err := os.WriteFile(name, []byte(newer), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err = generations.Open(r.config)
			fails(t, err, authz.CodeUnavailable, file+" has schema 3, and this binary reads 2: it was written by a newer one")
			if got, err := os.ReadFile(name); err != nil || string(got) != newer {
				t.Errorf("the file was touched (%v), want it as it was:\n%s", err, got)
			}
		})
	}
}

// TestOfTheFirstSchema: a folder that the last binary before schema 2 wrote is read as it
// was meant: what a candidate would undo, and what was active when the state is lost,
// hang on the names that changed. What is written next has the new ones, and no older
// binary takes it for its own.
func TestOfTheFirstSchema(t *testing.T) {
	open := func(t *testing.T) *rig {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS("testdata/schema1")); err != nil {
			t.Fatal(err)
		}
		if content := readFile(t, dir, "generations/3.json"); !strings.Contains(content, `"for": "acme"`) {
			t.Fatalf("the folder is not of the first schema: %s", content)
		}
		return newRig(t, dir)
	}
	t.Run("a candidate is made on what is active", func(t *testing.T) {
		r := open(t)
		if state := readFile(t, r.dir, "state.json"); !strings.Contains(state, `"schema": 2`) {
			t.Errorf("once opened the state is %s, want schema 2", state)
		}
		r.start(base(1))
		r.stands("5 kept, 4 candidate, 3 active, 2 kept, 1 kept")
		r.activate(4)
		r.rollback(0)
		r.stands("5 kept, 4 kept, 3 active, 2 kept, 1 kept")
		made := r.push("acme", acme(9))
		if content := readFile(t, r.dir, "generations/6.json"); made.Number != 6 ||
			!strings.Contains(content, `"changed_bundle": "acme"`) || !strings.Contains(content, `"parent": 3`) || !strings.Contains(content, `"replaced_digest": "sha256:d2c3`) {
			t.Errorf("generation %d is written as %s, want 6 with the names of schema 2", made.Number, content)
		}
		started(t, r.dir).stands("6 candidate, 5 kept, 4 kept, 3 active, 2 kept, 1 kept")
	})
	t.Run("a candidate would undo what came later", func(t *testing.T) {
		r := open(t)
		r.start(base(1))
		r.activate(r.push("other", other(1)).Number)
		_, err := r.Activate(t.Context(), 4, "ann", "go")
		fails(t, err, authz.CodeConflict, "generation 4 changes acme, but was made before others were changed, and would undo that: other")
	})
	t.Run("the state is lost", func(t *testing.T) {
		r := open(t)
		for _, name := range []string{"state.json", "state.copy.json"} {
			if err := os.WriteFile(filepath.Join(r.dir, name), []byte("{"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		started(t, r.dir).stands("5 candidate, 4 candidate, 3 active, 2 candidate, 1 candidate")
	})
}

func readFile(t *testing.T, dir, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// TestUnreadable: a file that cannot be read now is not given up.
func TestUnreadable(t *testing.T) {
	for _, name := range []string{"state.json", "generations/1.json"} {
		r := started(t, t.TempDir())
		r.activate(r.push("acme", acme(1)).Number)
		aside := filepath.Join(t.TempDir(), "aside")
		if err := os.Rename(filepath.Join(r.dir, name), aside); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Base(name), filepath.Join(r.dir, name)); err != nil { // a loop
			t.Fatal(err)
		}
		_, err := generations.Open(r.config)
		fails(t, err, authz.CodeInternal, "cannot be read")
		if err := os.Remove(filepath.Join(r.dir, name)); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(aside, filepath.Join(r.dir, name)); err != nil {
			t.Fatal(err)
		}
		started(t, r.dir).stands("2 active, 1 kept")
	}
}

func TestOpenNeedsAFolder(t *testing.T) {
	r := started(t, t.TempDir())
	r.config.Dir = filepath.Join(r.dir, "state.json")
	_, err := generations.Open(r.config)
	fails(t, err, authz.CodeInternal, "cannot be read")
}

// oddFiles are contents for state.json and generations/2.json, as the files of a folder
// with an active generation 2 were or might be after damage.
func oddFiles(t testing.TB, dir string) [][2][]byte {
	t.Helper()
	var whole [2][]byte
	for i, name := range []string{"state.json", "generations/2.json"} {
		var err error
		if whole[i], err = os.ReadFile(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	state, generation := whole[0], whole[1]
	return [][2][]byte{
		whole,
		{[]byte(`{"schema":1,"active":1,"next":18446744073709551615}`), generation},
		{[]byte(`{"schema":1,"active":7,"next":9,"activated":null,"accepted":null}`), []byte(`{"generation":2,"bundles":[{"name":"base","digest":"sha256:../../x"}]}`)},
		{[]byte(`{"schema":0,"next":0}`), []byte(`{"generation":2,"bundles":[]}`)},
		{[]byte(`null`), []byte(`{"generation":1}`)},
		{[]byte(`{}`), generation},
		{state[:len(state)/2], generation[:len(generation)/2]},
		{[]byte(`{"sChema":21,"next":0}`), []byte(`{"sChema":21}`)}, // found by FuzzFiles
		{nil, nil},
		{[]byte(strings.Replace(string(state), `"active": 2`, `"active": 1`, 1)), []byte(strings.Replace(string(generation), `"acme"`, `"base"`, 1))},
	}
}

// TestOpenWithOddFiles puts odd contents in the place of the files: a node starts all
// the same, with a generation that is whole, and takes another one.
func TestOpenWithOddFiles(t *testing.T) {
	seed := started(t, t.TempDir())
	seed.activate(seed.push("acme", acme(1)).Number)
	for i, odd := range oddFiles(t, seed.dir) {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(seed.dir)); err != nil {
			t.Fatal(err)
		}
		for name, content := range map[string][]byte{"state.json": odd[0], "state.copy.json": odd[0], "generations/2.json": odd[1]} {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		r := started(t, dir)
		if active := r.Active(); active.Number == 0 || active.Number != r.inForce().Generation {
			t.Fatalf("%d: active %+v, in force %+v", i, active, r.inForce())
		}
		next := r.push("other", other(1))
		if r.activate(next.Number).State != authz.GenerationActive {
			t.Fatal(i, next)
		}
	}
}

// FuzzFiles reads anything as a state and as a generation: what is read is within what
// the rest relies on, and nothing outside the folder is touched.
func FuzzFiles(f *testing.F) {
	seed := started(f, f.TempDir())
	seed.activate(seed.push("acme", acme(1)).Number)
	for _, odd := range oddFiles(f, seed.dir) {
		f.Add(odd[0], odd[1])
	}
	f.Add([]byte(`{"schema":21}`), []byte(`{"schema":21}`))
	dir := f.TempDir()
	if err := os.CopyFS(dir, os.DirFS(seed.dir)); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, state, generation []byte) {
		if err := generations.CheckFiles(dir, state, generation); err != nil {
			t.Fatal(err)
		}
	})
}

// BenchmarkActivate is one activation of a generation that is compiled: two files
// written and synced, and the pointer stored.
func BenchmarkActivate(b *testing.B) {
	r := started(b, b.TempDir())
	r.push("acme", acme(1))
	r.activate(2)
	for n := uint64(0); b.Loop(); n++ {
		r.activate(1 + n%2)
	}
}

// TestFindChange finds what a change did, before and after a restart, and in a folder
// from before changes were remembered nothing.
func TestFindChange(t *testing.T) {
	r := started(t, t.TempDir())
	ctx := authz.WithChange(t.Context(), "one")
	g, _, err := r.Push(ctx, generations.Push{Name: "acme", Body: bytes.NewReader(acme(1).pack(t)), Source: authz.SourcePush, Author: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Activate(ctx, g.Number, "ann", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Rollback(authz.WithChange(t.Context(), "two"), 0, "ann", ""); err != nil {
		t.Fatal(err)
	}
	// The same bundle again makes nothing, and is no change of that generation.
	if _, _, err := r.Push(authz.WithChange(t.Context(), "three"), generations.Push{Name: "base", Body: bytes.NewReader(base(1).pack(t)), Source: authz.SourcePush, Author: "ann"}); err != nil {
		t.Fatal(err)
	}
	check := func(r *rig) {
		t.Helper()
		for id, want := range map[string][2]uint64{"one": {2, 2}, "two": {0, 1}, "three": {}, "none": {}, "": {}} {
			if made, activated := r.FindChange(id); made != want[0] || activated != want[1] {
				t.Errorf("FindChange(%q) = %d, %d; want %v", id, made, activated, want)
			}
		}
		if g, err := r.Get(2); err != nil || g.Change != "one" || g.ActivatedChange != "one" {
			t.Errorf("generation 2 is %+v: %v; want it made and activated by one", g, err)
		}
	}
	check(r)
	check(started(t, r.dir))

	old := withoutChanges(t, r.dir)
	if made, activated := old.FindChange("one"); made != 0 || activated != 0 {
		t.Errorf("a folder without changes has %d, %d for one", made, activated)
	}
	old.stands("2 kept, 1 active")
}

// withoutChanges opens a copy of dir as it was before changes were remembered.
func withoutChanges(t *testing.T, dir string) *rig {
	t.Helper()
	old := t.TempDir()
	if err := os.CopyFS(old, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	change := regexp.MustCompile(`,\s*"change": "[a-z]+"`)
	for _, name := range []string{"state.json", "state.copy.json", "generations/1.json", "generations/2.json"} {
		content, err := os.ReadFile(filepath.Join(old, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(old, name), change.ReplaceAll(content, nil), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return started(t, old)
}
