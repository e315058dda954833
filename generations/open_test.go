package generations_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/generations"
)

// TestOfANewerBinary: what this binary does not know is left alone.
func TestOfANewerBinary(t *testing.T) {
	r := started(t, t.TempDir())
	name := filepath.Join(r.dir, "state.json")
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	newer := strings.Replace(string(content), `"schema": 1`, `"schema": 2`, 1)
	if err := os.WriteFile(name, []byte(newer), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = generations.Open(r.config)
	fails(t, err, authz.CodeInternal, "cannot be read")
	if got, err := os.ReadFile(name); err != nil || string(got) != newer {
		t.Fatal("the file was touched", err)
	}
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

// FuzzOpen puts anything in the place of the files: a node starts all the same, with
// a generation that is whole.
func FuzzOpen(f *testing.F) {
	seed := started(f, f.TempDir())
	seed.activate(seed.push("acme", acme(1)).Number)
	var contents [2][]byte
	for i, name := range []string{"state.json", "generations/2.json"} {
		var err error
		if contents[i], err = os.ReadFile(filepath.Join(seed.dir, name)); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(contents[0], contents[1])
	f.Add([]byte(`{"schema":1,"active":1,"next":18446744073709551615}`), contents[1])
	f.Add([]byte(`{"schema":1,"active":7,"next":9,"activated":null,"accepted":null}`), []byte(`{"generation":2,"bundles":[{"name":"base","digest":"sha256:../../x"}]}`))
	f.Add([]byte(`{"schema":0,"next":0}`), []byte(`{"generation":2,"bundles":[]}`))
	f.Add([]byte(`null`), []byte(`{"generation":1}`))
	f.Add([]byte(strings.Replace(string(contents[0]), `"active": 2`, `"active": 1`, 1)), []byte(strings.Replace(string(contents[1]), `"acme"`, `"base"`, 1)))
	f.Fuzz(func(t *testing.T, state, generation []byte) {
		if strings.Contains(string(state), "schema") && !strings.Contains(string(state), `"schema":1`) && !strings.Contains(string(state), `"schema": 1`) && !strings.Contains(string(state), `"schema":0`) {
			t.Skip("of a newer binary")
		}
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(seed.dir)); err != nil {
			t.Fatal(err)
		}
		for name, content := range map[string][]byte{"state.json": state, "state.copy.json": state, "generations/2.json": generation} {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		r := started(t, dir)
		if active := r.Active(); active.Number == 0 || active.Number != r.inForce().Generation {
			t.Fatalf("active %+v, in force %+v", active, r.inForce())
		}
		next := r.push("other", other(1))
		if r.activate(next.Number).State != authz.GenerationActive {
			t.Fatal(next)
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
