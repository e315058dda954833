package generations_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
)

// TestUndone: a candidate that would undo another bundle's change is not activated.
func TestUndone(t *testing.T) {
	r := started(t, t.TempDir())
	r.push("acme", acme(1))
	r.push("other", other(1))
	r.push("acme", acme(2))
	r.activate(2)
	_, err := r.Activate(t.Context(), 3, "ann", "")
	fails(t, err, authz.CodeConflict, "generation 3 changes other, but was made before others were changed, and would undo that: acme")
	r.activate(4) // of the same name
	r.stands("4 active, 3 candidate, 2 kept, 1 kept")
	again := r.push("other", other(1))
	if again.Number != 5 {
		t.Fatalf("got %+v; want Number 5", again)
	}
	r.activate(5)
	if diff := cmp.Diff(map[string]string{"base": authz.SourceBuiltIn, "acme": authz.SourcePush, "other": authz.SourcePush}, refs(r.Active())); diff != "" {
		t.Fatal(diff)
	}
	// What was active once is chosen as it was.
	r.activate(2)
	// And a mode that was set since is not lost.
	set, err := r.SetModes(t.Context(), "door", authz.ModeEnforce, "bob", "")
	if err != nil {
		t.Fatal(err)
	}
	waiting := r.push("other", other(2))
	r.activate(set.Number)
	_, err = r.Activate(t.Context(), waiting.Number, "ann", "")
	fails(t, err, authz.CodeConflict, "modes")
}

// TestNotActivated: when a generation cannot be used, or the disk does not take the
// activation, nothing changes, now or after a restart.
func TestNotActivated(t *testing.T) {
	for name, change := range map[string]func(*testing.T, *rig) (undo func()){
		"use": func(_ *testing.T, r *rig) func() {
			r.refuse = errors.New("the engine has a fault")
			return func() { r.refuse = nil }
		},
		"disk": func(t *testing.T, r *rig) func() {
			state := filepath.Join(r.dir, "state.json")
			aside := filepath.Join(t.TempDir(), "state.json")
			if err := errors.Join(os.Rename(state, aside), os.MkdirAll(filepath.Join(state, "in the way"), 0o700)); err != nil {
				t.Fatal(err)
			}
			return func() {
				if err := errors.Join(os.RemoveAll(state), os.Rename(aside, state)); err != nil {
					t.Fatal(err)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := started(t, t.TempDir())
			r.push("acme", acme(1))
			changed := r.Changed()
			before := r.Active()
			undo := change(t, r)
			_, err := r.Activate(t.Context(), 2, "ann", "")
			code := map[string]authz.ErrorCode{"use": authz.CodeInternal, "disk": authz.CodeUnavailable}[name]
			fails(t, err, code, "")
			undo()
			r.stands("2 candidate, 1 active")
			if closed(changed) || r.Stats().Activations != 1 || r.Status().Previous != 0 {
				t.Fatal("something changed")
			}
			again := started(t, r.dir)
			again.stands("2 candidate, 1 active")
			if diff := cmp.Diff(before, again.Active()); diff != "" {
				t.Fatal(diff)
			}
			again.activate(2)
		})
	}
}

// TestNotPushed: a candidate that the disk does not take is none, and its number is
// the next one's.
func TestNotPushed(t *testing.T) {
	r := started(t, t.TempDir())
	blocked := filepath.Join(r.dir, "generations", "2.json")
	if err := os.MkdirAll(filepath.Join(blocked, "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := r.offer("acme", acme(1).pack(t))
	fails(t, err, authz.CodeUnavailable, "make sure that it has space")
	r.stands("1 active")
	if err := os.RemoveAll(blocked); err != nil {
		t.Fatal(err)
	}
	if g := r.push("acme", acme(1)); g.Number != 2 {
		t.Fatalf("got %+v; want Number 2", g)
	}
}

// TestOrder is the memory of what was accepted: it moves at activation, survives a
// restart, is not lowered by a rollback, and is held against pushes and activations.
func TestOrder(t *testing.T) {
	ann := newSigner(t, "ann")
	offer := func(r *rig, version int, at int64) (authz.Generation, error) {
		return r.offer("acme", ann.sign(t, acme(version), at))
	}
	mustOffer := func(r *rig, version int, at int64) authz.Generation {
		t.Helper()
		g, err := offer(r, version, at)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	r := started(t, t.TempDir(), required(t, ann))
	mustOffer(r, 3, 300) // generation 2
	mustOffer(r, 1, 100) // generation 3: older, and nothing was activated yet
	if ref := r.List()[0].Bundles[0]; ref.SignedBy != "ann" || ref.SignedAt != 100 {
		t.Fatalf(`got %+v; want SignedBy "ann", SignedAt 100`, ref)
	}
	r.activate(3)
	r.activate(2)
	_, err := r.Activate(t.Context(), 3, "ann", "")
	fails(t, err, authz.CodeInvalid, "roll") // by activation never
	r.rollback(3)

	r = started(t, r.dir, required(t, ann))
	r.stands("3 active, 2 kept, 1 kept")
	_, err = offer(r, 2, 200) // newer than what is active, older than what was
	fails(t, err, authz.CodeInvalid, "before the bundle accepted last")
	r.failure("acme", authz.GateSignature, "before the bundle accepted last")
	// A change of something else does not lower what is remembered.
	body := ann.sign(t, other(1), 50)
	g, err := r.offer("other", body)
	if err != nil {
		t.Fatal(err)
	}
	r.activate(g.Number)
	_, err = offer(r, 2, 200)
	fails(t, err, authz.CodeInvalid, "before the bundle accepted last")
	g = mustOffer(r, 4, 400)
	r.activate(g.Number)
	// Taking the bundle away is not a way around.
	gone, err := r.Remove(t.Context(), "acme", "ann", "")
	if err != nil {
		t.Fatal(err)
	}
	r.activate(gone.Number)
	_, err = offer(r, 3, 300)
	fails(t, err, authz.CodeInvalid, "before the bundle accepted last")
}

// TestKeyTakenAway: what is active stays so without its key, also over a restart; a
// candidate signed with it is not activated, and a rollback goes where it went.
func TestKeyTakenAway(t *testing.T) {
	old, fresh := newSigner(t, "old"), newSigner(t, "fresh")
	r := started(t, t.TempDir(), required(t, old, fresh))
	for version := range 3 {
		if _, err := r.offer("acme", old.sign(t, acme(version), int64(100+version))); err != nil {
			t.Fatal(err)
		}
	}
	r.activate(2)
	r.activate(3)
	r = started(t, r.dir, required(t, fresh))
	r.stands("4 candidate, 3 active, 2 kept, 1 kept")
	_, err := r.Activate(t.Context(), 4, "ann", "")
	fails(t, err, authz.CodeInvalid, "")
	r.rollback(0)
	r.stands("4 candidate, 3 kept, 2 active, 1 kept")
	if _, err := r.offer("other", fresh.sign(t, other(1), 100)); err != nil {
		t.Fatal(err) // the signature of acme is not asked for again
	}
}
