package sources_test

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
	"github.com/verdict-pdp/verdict/policies"
	"github.com/verdict-pdp/verdict/sources"
)

// pack writes the files of a folder one after another, as "path=text;".
func pack(w io.Writer, files fs.FS) error {
	return fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(files, path)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "%s=%s;", path, text)
		return err
	})
}

// watching is a puller that watches one folder. It looks at it every hour only: what
// arrives before was noticed.
type watching struct {
	*testing.T
	folder string
	pushed chan string
	puller *sources.Puller
	gate   *gate
}

func watch(t *testing.T, folder string, change func(*sources.Config)) *watching {
	t.Helper()
	w := &watching{T: t, folder: folder, pushed: make(chan string, 100), gate: &gate{}}
	w.gate.says(func(body string) (bool, error) {
		w.pushed <- body
		return true, nil
	})
	config := sources.Config{
		Sources: []sources.Source{{Name: "acme", Folder: folder, MinDelay: time.Hour, MaxDelay: time.Hour, MaxBytes: 1000}},
		Push:    w.gate.push, Pack: pack, Debounce: 20 * time.Millisecond,
	}
	if change != nil {
		change(&config)
	}
	p, err := sources.New(config)
	if err != nil {
		t.Fatal(err)
	}
	w.puller = p
	start(t, p)
	return w
}

// gets waits for a push.
func (w *watching) gets(want string) {
	w.Helper()
	select {
	case got := <-w.pushed:
		if got != want {
			w.Fatalf("pushed %q, want %q", got, want)
		}
	case <-time.After(patience):
		w.Fatalf("waited in vain for %q: %+v", want, w.puller.Status())
	}
}

func (w *watching) write(path, text string) {
	w.Helper()
	write(w.T, filepath.Join(w.folder, path), text)
}

func (w *watching) does(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func TestFolderThatIsEdited(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "acme")
	write(t, filepath.Join(folder, "a.rego"), "1")
	w := watch(t, folder, nil)
	w.gets("a.rego=1;")
	if w.gate.from != "acme from folder" {
		t.Error(w.gate.from)
	}
	if got := eventually(t, w.puller, "success", func(s authz.SourceStatus) bool { return !s.LastSuccess.IsZero() }); got.Source != folder || !strings.HasPrefix(got.ETag, "sha256:") {
		t.Errorf(`got %+v; want Source %q, ETag beginning "sha256:"`, got, folder)
	}
	w.write("a.rego", "2")
	w.gets("a.rego=2;")
	w.write("deep/er/b.rego", "3")
	w.gets("a.rego=2;deep/er/b.rego=3;")
	w.write("deep/er/b.rego", "4") // in a folder that was not there at the start
	w.gets("a.rego=2;deep/er/b.rego=4;")
	w.does(os.Rename(filepath.Join(folder, "deep/er/b.rego"), filepath.Join(folder, "c.rego")))
	w.gets("a.rego=2;c.rego=4;")
	w.does(os.Remove(filepath.Join(folder, "a.rego")))
	w.gets("c.rego=4;")
	file, err := os.OpenFile(filepath.Join(folder, "c.rego"), os.O_WRONLY|os.O_APPEND, 0)
	w.does(err)
	_, err = file.WriteString("+") // in place
	w.does(err)
	w.does(file.Close())
	w.gets("c.rego=4+;")
	w.write("../beside.rego", "9") // not in it
	w.write("c.rego", "5")
	w.gets("c.rego=5;")
}

func TestFolderThatIsRemovedAndComesBack(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "acme")
	write(t, filepath.Join(folder, "a.rego"), "1")
	w := watch(t, folder, nil)
	w.gets("a.rego=1;")
	before := eventually(t, w.puller, "success", func(s authz.SourceStatus) bool { return !s.LastSuccess.IsZero() })
	w.does(os.Rename(folder, folder+".away"))
	gone := eventually(t, w.puller, "an error", func(s authz.SourceStatus) bool { return s.Error != "" })
	if !strings.Contains(gone.Error, "no such file") || gone.ETag != before.ETag {
		t.Errorf(`got %+v; want Error with "no such file", ETag %q`, gone, before.ETag)
	}
	w.does(os.Rename(folder+".away", folder))
	eventually(t, w.puller, "success again", func(s authz.SourceStatus) bool { return s.Error == "" })
	w.write("a.rego", "2")
	w.gets("a.rego=2;") // and "1" was not pushed once more
}

func TestFolderThatIsNotThereYet(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "acme")
	w := watch(t, folder, nil)
	eventually(t, w.puller, "an error", func(s authz.SourceStatus) bool { return s.Error != "" })
	staged := filepath.Join(t.TempDir(), "staged")
	write(t, filepath.Join(staged, "a.rego"), "1")
	w.does(os.Rename(staged, folder))
	w.gets("a.rego=1;")
}

func TestLinkToAFolderThatIsSwapped(t *testing.T) {
	top := t.TempDir()
	for _, v := range []string{"1", "2"} {
		write(t, filepath.Join(top, "releases", v, "a.rego"), v)
	}
	current := filepath.Join(top, "current")
	swap := func(v string) error {
		if err := os.Symlink(filepath.Join("releases", v), current+".new"); err != nil {
			return err
		}
		return os.Rename(current+".new", current)
	}
	if err := swap("1"); err != nil {
		t.Fatal(err)
	}
	w := watch(t, current, nil)
	w.gets("a.rego=1;")
	w.does(swap("2"))
	w.gets("a.rego=2;")
	write(t, filepath.Join(top, "releases", "2", "a.rego"), "3")
	w.gets("a.rego=3;")
}

// What is written while it is read is not pushed: the folder is changed after it was
// packed, each of the first five times.
func TestHalfWrittenFolder(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "acme")
	write(t, filepath.Join(folder, "a.rego"), "half")
	var packed atomic.Int64
	w := watch(t, folder, func(c *sources.Config) {
		c.Pack = func(out io.Writer, files fs.FS) error {
			if err := pack(out, files); err != nil {
				return err
			}
			if n := packed.Add(1); n <= 5 {
				write(t, filepath.Join(folder, fmt.Sprintf("%d.rego", n)), "")
			}
			return nil
		}
	})
	w.gets("1.rego=;2.rego=;3.rego=;4.rego=;5.rego=;a.rego=half;")
}

func TestFolderThatNeverRests(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "acme")
	write(t, filepath.Join(folder, "a.rego"), "1")
	var packed atomic.Int64
	w := watch(t, folder, func(c *sources.Config) {
		c.Debounce = time.Millisecond
		c.Pack = func(out io.Writer, _ fs.FS) error {
			_, err := fmt.Fprint(out, packed.Add(1))
			return err
		}
	})
	eventually(t, w.puller, "an error", func(s authz.SourceStatus) bool { return strings.Contains(s.Error, "stay the same") })
	w.gate.got(t)
}

// A file that is no part of the bundle may be written all the time.
func TestNoiseDoesNotMakeItReadAllTheTime(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "acme")
	write(t, filepath.Join(folder, "a.rego"), "1")
	var packed atomic.Int64
	w := watch(t, folder, func(c *sources.Config) {
		c.Debounce = 100 * time.Millisecond
		c.Pack = func(out io.Writer, _ fs.FS) error {
			packed.Add(1)
			_, err := io.WriteString(out, "same")
			return err
		}
	})
	w.gets("same")
	began, before := time.Now(), packed.Load()
	for time.Since(began) < 500*time.Millisecond {
		w.write("noise.log", time.Now().String())
	}
	if n, most := packed.Load()-before, int64(time.Since(began)/(100*time.Millisecond))+1; n > most {
		t.Errorf("packed %d times in %v", n, time.Since(began))
	}
}

func TestFoldersThatCannotBePacked(t *testing.T) {
	tests := map[string]struct {
		make func(t *testing.T, folder string)
		says string
	}{
		"too large": {func(t *testing.T, folder string) {
			write(t, filepath.Join(folder, "a.rego"), strings.Repeat("x", 1001))
		}, "larger than 1000 bytes"},
		"a link out of it": {func(t *testing.T, folder string) {
			write(t, filepath.Join(folder, "a.rego"), "1")
			write(t, filepath.Join(filepath.Dir(folder), "secret"), "s3cret")
			if err := os.Symlink("../secret", filepath.Join(folder, "b.rego")); err != nil {
				t.Fatal(err)
			}
		}, "escapes"},
		"a file": {func(t *testing.T, folder string) { write(t, folder, "1") }, "not a directory"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			folder := filepath.Join(t.TempDir(), "acme")
			test.make(t, folder)
			w := watch(t, folder, nil)
			eventually(t, w.puller, test.says, func(s authz.SourceStatus) bool { return strings.Contains(s.Error, test.says) })
			w.gate.got(t)
		})
	}
}

func TestFolderByARelativePath(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "a.rego", "1")
	w := watch(t, ".", nil)
	w.gets("a.rego=1;")
	w.write("a.rego", "2")
	w.gets("a.rego=2;")
}

// The base policies, packed as they are pushed, are a bundle; and what was active
// before the start is known by its digest.
func TestRealPoliciesFromAFolder(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "base")
	if err := os.CopyFS(folder, policies.Bundle); err != nil {
		t.Fatal(err)
	}
	var active string
	pull := func(last string) {
		t.Helper()
		p, err := sources.New(sources.Config{
			Sources: []sources.Source{{Name: "base", Folder: folder, LastActive: last}}, Pack: bundles.Pack, Debounce: time.Millisecond,
			Push: func(_ context.Context, _ string, body io.Reader, _ string) (bool, error) {
				b, err := bundles.ReadTar(body, bundles.Limits{})
				active = b.Digest
				return true, err
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		end := start(t, p)
		got := eventually(t, p, "an attempt", func(s authz.SourceStatus) bool { return s.Error != "" || !s.LastSuccess.IsZero() })
		end()
		if got.Error != "" || got.ETag == "" || last != "" && got.ETag != last {
			t.Errorf(`got %+v; want Error "", ETag other than "", last "" or ETag %q`, got, last)
		}
	}
	pull("")
	first := active
	if !strings.HasPrefix(first, "sha256:") {
		t.Fatalf("nothing was pushed: %q", first)
	}
	active = "nothing"
	pull(first)
	if active != "nothing" {
		t.Errorf("pushed %s, which was active before", active)
	}
}
