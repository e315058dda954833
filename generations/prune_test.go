package generations_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/generations"
)

func keep(n int) func(*generations.Config) {
	return func(c *generations.Config) { c.Keep = n }
}

// onDisk counts the files of a folder.
func (r *rig) onDisk(folder string) int {
	r.t.Helper()
	entries, err := os.ReadDir(filepath.Join(r.dir, folder))
	if err != nil {
		r.t.Fatal(err)
	}
	return len(entries)
}

func TestKeep(t *testing.T) {
	r := started(t, t.TempDir(), keep(2))
	for version := range 6 {
		r.activate(r.push("acme", acme(version)).Number)
	}
	r.stands("7 active, 6 kept, 5 kept, 4 kept") // the active one, the one before, two more
	if generations, bundles := r.onDisk("generations"), r.onDisk("bundles"); generations != 4 || bundles != 5 {
		t.Fatalf("%d generations, %d bundles on disk", generations, bundles)
	}
	_, err := r.Get(3)
	fails(t, err, authz.CodeNotFound, "no longer kept")
	_, err = r.Snapshot(3)
	fails(t, err, authz.CodeNotFound, "no longer kept")

	// Candidates do not push out what was active, nor grow without an end.
	for version := range 4 {
		r.push("acme", acme(10+version))
	}
	r.stands("11 candidate, 10 candidate, 7 active, 6 kept, 5 kept, 4 kept")
	r.rollback(4)
	r.stands("11 candidate, 10 candidate, 7 kept, 6 kept, 5 kept, 4 active")
	r.rollback(0)
	r.activate(11) // 10 is now one of the older
	r.stands("11 active, 10 candidate, 7 kept, 6 kept")
	if generations, bundles := r.onDisk("generations"), r.onDisk("bundles"); generations != 4 || bundles != 5 {
		t.Fatalf("%d generations, %d bundles on disk", generations, bundles)
	}
	r = started(t, r.dir, keep(1))
	r.stands("11 active, 10 candidate, 7 kept")
	r = started(t, r.dir)
	r.stands("11 active, 10 candidate, 7 kept")
}

// TestNumbersAreNotUsedAgain: also not those of generations that are gone.
func TestNumbersAreNotUsedAgain(t *testing.T) {
	r := started(t, t.TempDir(), keep(1))
	var seen []uint64
	for version := range 12 {
		g := r.push("acme", acme(version))
		if slices.Contains(seen, g.Number) || g.Number != uint64(version+2) {
			t.Fatalf("push %d made %d", version, g.Number)
		}
		seen = append(seen, g.Number)
		switch version % 3 {
		case 1:
			r.activate(g.Number)
		case 2:
			r = started(t, r.dir, keep(1))
		}
	}
}

// TestKeptSnapshots: a few are kept compiled, others are compiled when asked for.
func TestKeptSnapshots(t *testing.T) {
	r := started(t, t.TempDir())
	for version := range 5 {
		r.activate(r.push("acme", acme(version)).Number)
	}
	same := func(n uint64) bool {
		t.Helper()
		a, err := r.Snapshot(n)
		if err != nil {
			t.Fatal(err)
		}
		b, err := r.Snapshot(n)
		if err != nil {
			t.Fatal(err)
		}
		if a.Ref() != b.Ref() || a.Ref().Generation != n {
			t.Fatalf("got a.Ref() %+v, b.Ref() %+v; want a.Ref() b.Ref(), a.Ref().Generation %d", a.Ref(), b.Ref(), n)
		}
		return a == b
	}
	for _, g := range r.List() {
		if !same(g.Number) {
			t.Errorf("generation %d is compiled each time", g.Number)
		}
	}
	first, err := r.Snapshot(1)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []uint64{2, 3, 4} {
		same(n)
	}
	again, err := r.Snapshot(1)
	if err != nil {
		t.Fatal(err)
	}
	if first == again {
		t.Error("all snapshots are kept in memory")
	}
}
