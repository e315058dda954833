package generations_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
	"github.com/verdict-pdp/verdict/engine"
	"github.com/verdict-pdp/verdict/generations"
	"github.com/verdict-pdp/verdict/policies"
)

// TestRestart: all there is to know is on disk.
func TestRestart(t *testing.T) {
	r := started(t, t.TempDir())
	r.activate(r.push("acme", acme(1)).Number)
	r.activate(r.push("acme", acme(2)).Number)
	r.rollback(2)
	r.push("other", other(1))
	want, active := r.List(), r.Active()
	again := newRig(t, r.dir)
	if again.Active().Number != 0 {
		t.Fatal("active before the start")
	}
	again.start(base(1))
	again.stands("4 candidate, 3 kept, 2 active, 1 kept")
	if diff := cmp.Diff(want, again.List()); diff != "" {
		t.Fatal(diff)
	}
	if diff := cmp.Diff(active, again.Active()); diff != "" {
		t.Fatal(diff)
	}
	if r.inForce() != again.inForce() {
		t.Fatal("another policy is in force")
	}
	again.noFailures()
	again.rollback(0)
	again.stands("4 candidate, 3 active, 2 kept, 1 kept")
	if g := again.push("acme", acme(3)); g.Number != 5 {
		t.Fatalf("got %+v; want Number 5", g)
	}
}

// damage is one way in which a file is no longer what it was.
var damage = map[string]func(t *testing.T, name string){
	"truncated": func(t *testing.T, name string) {
		info, err := os.Stat(name)
		if err == nil {
			err = os.Truncate(name, info.Size()/2)
		}
		if err != nil {
			t.Fatal(err)
		}
	},
	"empty": func(t *testing.T, name string) {
		if err := os.Truncate(name, 0); err != nil {
			t.Fatal(err)
		}
	},
	"other bytes": func(t *testing.T, name string) {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		content[len(content)/2] ^= 0x80
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	},
	"{}": func(t *testing.T, name string) {
		if err := os.WriteFile(name, []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
	},
	"gone": func(t *testing.T, name string) {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	},
}

// bundleFile is where a bundle of the active generation is.
func (r *rig) bundleFile(name string) string {
	r.t.Helper()
	_, ref, err := r.Bundle(name)
	if err != nil {
		r.t.Fatal(err)
	}
	return filepath.Join(r.dir, "bundles", strings.TrimPrefix(ref.Digest, "sha256:")+".tar.gz")
}

func broken(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, "broken"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// TestFallBack: of the active generation one file is damaged; the last good one is
// active, says so, and no number is used twice.
func TestFallBack(t *testing.T) {
	for how, spoil := range damage {
		for _, what := range []string{"generation", "bundle"} {
			t.Run(what+" "+how, func(t *testing.T) {
				r := started(t, t.TempDir())
				r.activate(r.push("acme", acme(1)).Number)
				r.activate(r.push("acme", acme(2)).Number)
				r.push("other", other(1)) // candidate, with the same file
				name := filepath.Join(r.dir, "generations", "3.json")
				left := "4 candidate, 2 active, 1 kept"
				if what == "bundle" {
					name, left = r.bundleFile("acme"), "2 active, 1 kept"
				}
				spoil(t, name)
				if what == "generation" && how == "other bytes" {
					// A byte of a text may be read as another text.
					damage["truncated"](t, name)
				}

				r = started(t, r.dir)
				r.stands(left)
				r.failure("generation 3", generations.StepStart, "damaged or gone")
				if how != "gone" && !slices.Contains(broken(t, r.dir), filepath.Base(name)) {
					t.Errorf("%s was not set aside, but %v", filepath.Base(name), broken(t, r.dir))
				}
				// It is not given up, and not forgotten either.
				r = started(t, r.dir)
				r.failure("generation 3", generations.StepStart, "damaged or gone")
				if g := r.push("acme", acme(2)); g.Number != 5 {
					t.Fatalf("got %+v; want Number 5", g)
				}
				r.activate(5)
				r.noFailures()
				r = started(t, r.dir)
				r.noFailures()
				if r.Active().Number != 5 {
					t.Fatalf("got r.Active() %+v; want r.Active().Number 5", r.Active())
				}
			})
		}
	}
}

// TestFallBackOrder: the generation before comes first, then what was active last.
func TestFallBackOrder(t *testing.T) {
	r := started(t, t.TempDir())
	for version := range 4 {
		r.activate(r.push("acme", acme(version)).Number)
	}
	r.rollback(2)
	r.rollback(4) // 4, before it 2, then 5, 3, 1
	for _, want := range []uint64{4, 2, 5, 3, 1} {
		r = started(t, r.dir)
		if r.Active().Number != want {
			t.Fatalf("active is %d, want %d", r.Active().Number, want)
		}
		damage["gone"](t, filepath.Join(r.dir, "generations", fmt.Sprint(want, ".json")))
	}
	// With nothing left it starts over.
	r = started(t, r.dir)
	r.stands("6 active")
	if diff := cmp.Diff(map[string]string{"base": authz.SourceBuiltIn}, refs(r.Active())); diff != "" {
		t.Fatal(diff)
	}
}

// TestFallBackFromUse: a generation that is whole and cannot be used is tried again.
func TestFallBackFromUse(t *testing.T) {
	r := started(t, t.TempDir())
	r.activate(r.push("acme", acme(1)).Number)
	fault := newRig(t, r.dir, func(c *generations.Config) {
		use := c.Use
		c.Use = func(s *bundles.Snapshot) error {
			if s.Ref().Generation == 2 {
				return errors.New("not in this binary")
			}
			return use(s)
		}
	})
	fault.start(base(1))
	fault.stands("2 kept, 1 active")
	fault.failure("generation 2", generations.StepStart, "")
	if fault.Status().Previous != 0 {
		t.Fatalf("got fault.Status() %+v; want fault.Status().Previous 0", fault.Status())
	}
	r = started(t, r.dir)
	r.stands("2 active, 1 kept")
	r.noFailures()

	// Activating what a start fell back to makes it final.
	fault.start(base(1))
	fault.activate(1)
	fault.noFailures()
	r = started(t, r.dir)
	r.stands("2 kept, 1 active")
	r.rollback(2)
}

// TestNewBinaryNeedsItsBase: a binary in which the base before does not work any more
// brings one that does. What authors pushed goes on, and nothing falls back.
func TestNewBinaryNeedsItsBase(t *testing.T) {
	r := started(t, t.TempDir())
	r.activate(r.push("acme", acme(1)).Number)
	r.activate(r.push("other", other(1)).Number)
	newer := func(c *generations.Config) {
		use := c.Use
		c.Use = func(s *bundles.Snapshot) error {
			for _, g := range s.Guards() {
				if g.Name == "door" && !strings.HasSuffix(g.Description, "version 2.") {
					return errors.New("not in this binary")
				}
			}
			return use(s)
		}
	}
	r = newRig(t, r.dir, newer)
	r.start(base(2))
	r.stands("4 active, 3 kept, 2 kept, 1 kept")
	if diff := cmp.Diff(map[string]string{"base": authz.SourceBuiltIn, "acme": authz.SourcePush, "other": authz.SourcePush}, refs(r.Active())); diff != "" {
		t.Fatal(diff)
	}
	r.noFailures()
	r = newRig(t, r.dir, newer)
	r.start(base(2))
	r.stands("4 active, 3 kept, 2 kept, 1 kept")
	_, err := r.Rollback(t.Context(), 0, "ann", "")
	fails(t, err, authz.CodeInternal, "")
	r.stands("4 active, 3 kept, 2 kept, 1 kept")
	if r.Status().Previous != 3 {
		t.Fatal(r.Status())
	}
	// The binary before finds its base again.
	r = started(t, r.dir)
	r.stands("5 active, 4 kept, 3 kept, 2 kept, 1 kept")
	r.noFailures()
}

// TestFallBackKeepsItsBase: a new base waits until somebody has looked at a fall back.
func TestFallBackKeepsItsBase(t *testing.T) {
	r := started(t, t.TempDir())
	r.activate(r.push("acme", acme(1)).Number)
	r.activate(r.push("acme", acme(2)).Number)
	damage["truncated"](t, r.bundleFile("acme"))
	r = newRig(t, r.dir)
	r.start(base(2))
	r.stands("2 active, 1 kept")
	r.failure("generation 3", generations.StepStart, "damaged or gone")
	r.activate(2)
	r = newRig(t, r.dir)
	r.start(base(2))
	r.stands("4 active, 2 kept, 1 kept")
	r.noFailures()
}

func TestDamagedState(t *testing.T) {
	for how, spoil := range damage {
		t.Run(how, func(t *testing.T) {
			r := started(t, t.TempDir())
			r.activate(r.push("acme", acme(1)).Number)
			r.push("acme", acme(2))
			state, second := filepath.Join(r.dir, "state.json"), filepath.Join(r.dir, "state.copy.json")
			spoil(t, state)
			if how == "other bytes" {
				damage["truncated"](t, state)
			}
			r = started(t, r.dir)
			r.stands("3 candidate, 2 active, 1 kept")
			r.noFailures()

			// Without the copy too nobody knows what was active. What 3 was made on was, and
			// 3 itself perhaps never.
			r.rollback(0) // writes both
			damage["truncated"](t, state)
			spoil(t, second)
			if how == "other bytes" {
				damage["truncated"](t, second)
			}
			r = started(t, r.dir)
			r.stands("3 candidate, 2 active, 1 candidate")
			r.failure("state.json", generations.StepStart, "the record of which generation was active is damaged; generation 2, which the newest was made on, is active")
			r = started(t, r.dir)
			r.stands("3 candidate, 2 active, 1 candidate")
			r.activate(r.push("acme", acme(3)).Number)
		})
	}
}

// TestUnfinished: what was being written is removed, and nothing that was not.
func TestUnfinished(t *testing.T) {
	r := started(t, t.TempDir())
	r.activate(r.push("acme", acme(1)).Number)
	unfinished := []string{".new-1", ".new-2", "generations/.new-3", "bundles/.new-4"}
	for _, name := range unfinished {
		if err := os.WriteFile(filepath.Join(r.dir, name), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	unused := filepath.Join(r.dir, "bundles", strings.Repeat("00", 32)+".tar.gz") // of a push that was cut off
	if err := os.WriteFile(unused, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	r = started(t, r.dir)
	r.stands("2 active, 1 kept")
	for _, name := range append(unfinished, strings.TrimPrefix(unused, r.dir)) {
		if _, err := os.Stat(filepath.Join(r.dir, name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is there: %v", name, err)
		}
	}
	if names := broken(t, r.dir); len(names) > 0 {
		t.Fatal(names)
	}
}

// TestDamageSeenLater: the digest is checked whenever a bundle is read.
func TestDamageSeenLater(t *testing.T) {
	r := started(t, t.TempDir())
	r.activate(r.push("acme", acme(1)).Number)
	name := r.bundleFile("acme")
	for version := range 6 { // so that its snapshot is no longer kept
		r.activate(r.push("acme", acme(version+2)).Number)
	}
	damage["other bytes"](t, name)
	_, err := r.Snapshot(2)
	fails(t, err, authz.CodeUnavailable, "bundle acme of generation 2 cannot be read from disk")
	_, err = r.Rollback(t.Context(), 2, "ann", "")
	fails(t, err, authz.CodeUnavailable, "bundle acme of generation 2 cannot be read from disk")
	_, err = r.Diff(2, 3)
	fails(t, err, authz.CodeUnavailable, "bundle acme of generation 2 cannot be read from disk")
	if r.Active().Number != 8 || r.inForce().Generation != 8 {
		t.Fatal(r.Active(), r.inForce())
	}
	damage["truncated"](t, r.bundleFile("acme"))
	_, _, err = r.Bundle("acme")
	fails(t, err, authz.CodeInternal, "cannot be read")
}

// TestNewBase: another binary brings another base, and a rollback from it holds.
func TestNewBase(t *testing.T) {
	r := started(t, t.TempDir())
	r.activate(r.push("acme", acme(1)).Number)
	upgrade := func(version int) {
		t.Helper()
		r = newRig(t, r.dir)
		r.start(base(version))
	}
	upgrade(2)
	r.stands("3 active, 2 kept, 1 kept")
	if g := r.Active(); g.Author != authz.SourceBuiltIn || g.ActivatedBy != authz.SourceBuiltIn || r.Status().Previous != 2 {
		t.Fatalf(`got %+v; want Author "built-in", ActivatedBy "built-in", r.Status().Previous 2`, g)
	}
	if diff := cmp.Diff(map[string]string{"base": authz.SourceBuiltIn, "acme": authz.SourcePush}, refs(r.Active())); diff != "" {
		t.Fatal(diff)
	}
	r.rollback(0)
	upgrade(2) // the same binary
	r.stands("3 kept, 2 active, 1 kept")
	upgrade(3)
	r.stands("4 active, 3 kept, 2 kept, 1 kept")
	upgrade(1) // back to the first
	r.stands("5 active, 4 kept, 3 kept, 2 kept, 1 kept")
	upgrade(1)
	r.stands("5 active, 4 kept, 3 kept, 2 kept, 1 kept")
	r.noFailures()
}

// TestNewBaseDoesNotFit: the base in force stays, and why is told until it fits.
func TestNewBaseDoesNotFit(t *testing.T) {
	r := started(t, t.TempDir())
	r.activate(r.push("acme", acme(1)).Number)
	taken := base(2).with("guards/acme/acme.rego", guard("acme", 9)).with(".manifest", `{"roots": ["verdict", "guards"], "rego_version": 1}`)
	for range 2 {
		r = newRig(t, r.dir)
		r.start(taken)
		r.stands("2 active, 1 kept")
		r.failure("base", authz.GateCompile, "guards")
	}
	r = newRig(t, r.dir)
	r.start(files{"x.rego": "package x\n"}) // no bundle at all
	r.stands("2 active, 1 kept")
	r.failure("base", authz.GateRead, ".manifest")
	r = newRig(t, r.dir)
	r.start(base(2))
	r.stands("3 active, 2 kept, 1 kept")
	r.noFailures()
}

// TestBaseOfAnotherKind: what was pushed, or comes from a folder, is not replaced by
// what is in the binary.
func TestBaseOfAnotherKind(t *testing.T) {
	r := started(t, t.TempDir())
	folder := func(version int) {
		t.Helper()
		r = newRig(t, r.dir)
		if err := r.Start(t.Context(), generations.Base{Files: base(version).tree(), Source: authz.SourceFolder}); err != nil {
			t.Fatal(err)
		}
	}
	folder(2)
	r.stands("2 active, 1 kept")
	if diff := cmp.Diff(map[string]string{"base": authz.SourceFolder}, refs(r.Active())); diff != "" {
		t.Fatal(diff)
	}
	folder(3) // edited
	r.stands("3 active, 2 kept, 1 kept")
	r = started(t, r.dir)
	r.stands("3 active, 2 kept, 1 kept")
	r.activate(r.push("base", base(4)).Number)
	folder(5)
	r.stands("4 active, 3 kept, 2 kept, 1 kept")
	r.noFailures()
}

// TestFolderIsVerified: a base from a folder is verified as a push is.
func TestFolderIsVerified(t *testing.T) {
	r := newRig(t, t.TempDir(), required(t, newSigner(t, "ann")))
	err := r.Start(t.Context(), generations.Base{Files: base(1).tree(), Source: authz.SourceFolder})
	fails(t, err, authz.CodeInvalid, "must be signed")
	if r.Active().Number != 0 || len(r.List()) > 0 {
		t.Fatal(r.List())
	}
	r.failure("base", authz.GateSignature, "must be signed")
}

func TestFirstStartFails(t *testing.T) {
	r := newRig(t, t.TempDir())
	err := r.Start(t.Context(), generations.Base{Files: base(1).with("guards/door/door.rego", "package").tree(), Source: authz.SourceBuiltIn})
	fails(t, err, authz.CodeInvalid, "guards/door/door.rego")
	r.refuse = errors.New("the engine has a fault")
	err = r.Start(t.Context(), generations.Base{Files: base(1).tree(), Source: authz.SourceBuiltIn})
	fails(t, err, authz.CodeInternal, "")
	r.refuse = nil
	r.start(base(1))
	r.stands("1 active")
}

// TestRealBase starts with the policies of the binary and an engine.
func TestRealBase(t *testing.T) {
	var active engine.Engine
	config := engine.Config{}
	r := newRig(t, t.TempDir(), func(c *generations.Config) {
		c.Try = func(s *bundles.Snapshot) error {
			_, err := engine.New(s, config)
			return err
		}
		use := c.Use
		c.Use = func(s *bundles.Snapshot) error {
			policy, err := engine.New(s, config)
			if err != nil {
				return err
			}
			active.Activate(policy)
			return use(s)
		}
	})
	if err := r.Start(t.Context(), generations.Base{Files: policies.Bundle, Source: authz.SourceBuiltIn}); err != nil {
		t.Fatal(err)
	}
	r.activate(r.push("acme", acme(1)).Number)
	r.activate(r.mode("network", authz.ModeObserve).Number)
	r.stands("3 active, 2 kept, 1 kept")
	if got := active.Evaluator().Policy(); got != r.inForce() {
		t.Fatalf("the engine has %+v", got)
	}
}
