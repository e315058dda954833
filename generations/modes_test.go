package generations_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
	"github.com/verdict-pdp/verdict/generations"
)

func (r *rig) mode(guard, mode string) authz.Generation {
	r.t.Helper()
	g, err := r.SetModes(r.t.Context(), guard, mode, "bob", "because")
	if err != nil {
		r.t.Fatalf("mode %s of %s: %v", mode, guard, err)
	}
	return g
}

// modes is data.modes of the active snapshot.
func (r *rig) modes() map[string]string {
	r.t.Helper()
	s, err := r.Snapshot(r.Active().Number)
	if err != nil {
		r.t.Fatal(err)
	}
	var data struct {
		Modes map[string]string `json:"modes"`
	}
	if err := json.Unmarshal([]byte(s.Data().String()), &data); err != nil {
		r.t.Fatal(err)
	}
	return data.Modes
}

func TestModes(t *testing.T) {
	r := started(t, t.TempDir())
	r.activate(r.push("acme", acme(1)).Number)
	g := r.mode("door", authz.ModeEnforce)
	if g.Number != 3 || g.State != authz.GenerationCandidate || g.Author != "bob" || refs(g)["modes"] != authz.SourceModes {
		t.Fatalf(`got %+v; want Number 3, State "candidate", Author "bob", refs(g)["modes"] "modes"`, g)
	}
	if !strings.Contains(steps(t, g), "signature skipped: the bundle is made by Verdict itself, compile") {
		t.Fatal(steps(t, g))
	}
	r.activate(3)
	if diff := cmp.Diff(map[string]string{"door": "enforce"}, r.modes()); diff != "" {
		t.Fatal(diff)
	}
	r.activate(r.mode("acme", authz.ModeFlag).Number)
	r.activate(r.mode("door", authz.ModeOff).Number)
	if diff := cmp.Diff(map[string]string{"door": "off", "acme": "flag"}, r.modes()); diff != "" {
		t.Fatal(diff)
	}
	if same := r.mode("door", authz.ModeOff); same.State != authz.GenerationActive {
		t.Fatalf("the same mode made %+v", same)
	}
	r.stands("5 active, 4 kept, 3 kept, 2 kept, 1 kept")

	// They survive a restart and a push, and can be taken away.
	r = started(t, r.dir)
	r.activate(r.push("acme", acme(2)).Number)
	if diff := cmp.Diff(map[string]string{"door": "off", "acme": "flag"}, r.modes()); diff != "" {
		t.Fatal(diff)
	}
	gone, err := r.Remove(t.Context(), authz.ModesBundle, "bob", "")
	if err != nil {
		t.Fatal(err)
	}
	r.activate(gone.Number)
	if len(r.modes()) > 0 {
		t.Fatal(r.modes())
	}
}

func TestModesRefused(t *testing.T) {
	r := started(t, t.TempDir())
	_, err := r.SetModes(t.Context(), "door", "enforced", "bob", "")
	fails(t, err, authz.CodeInvalid, "mode must be one of off, observe, flag, enforce")
	_, err = r.SetModes(t.Context(), "acme", authz.ModeOff, "bob", "")
	fails(t, err, authz.CodeNotFound, `no guard "acme"`)
	_, err = r.SetModes(t.Context(), "door", authz.ModeOff, "", "")
	fails(t, err, authz.CodeInvalid, "author")
	r.noFailures()
	r.stands("1 active")
}

// TestModesAreStricterThanSigned: where signatures are required, modes without one only
// make guards stricter, and stay so when what is signed gets stricter.
func TestModesAreStricterThanSigned(t *testing.T) {
	ann := newSigner(t, "ann")
	r := started(t, t.TempDir(), required(t, ann))
	g, err := r.offer("acme", ann.sign(t, acme(1), 100))
	if err != nil {
		t.Fatal(err)
	}
	r.activate(g.Number)
	// The base says that door observes, and nothing of acme: it enforces.
	_, err = r.SetModes(t.Context(), "door", authz.ModeOff, "bob", "")
	fails(t, err, authz.CodeInvalid, "sets guard door to off, which is less strict than observe in the signed bundles")
	_, err = r.SetModes(t.Context(), "acme", authz.ModeFlag, "bob", "")
	fails(t, err, authz.CodeInvalid, "sets guard acme to flag, which is less strict than enforce in the signed bundles")
	r.noFailures()
	r.mode("acme", authz.ModeEnforce)
	r.mode("door", authz.ModeObserve)
	r.activate(r.mode("door", authz.ModeFlag).Number)
	if diff := cmp.Diff(map[string]string{"door": "flag"}, r.modes()); diff != "" {
		t.Fatal(diff)
	}

	stricter := base(2).with("verdict/config/data.json", `{"modes": {"door": "enforce"}}`)
	_, err = r.offer("base", ann.sign(t, stricter, 100))
	fails(t, err, authz.CodeInvalid, "set guard door to enforce or stricter")
	r.failure("base", authz.GateCompile, "less strict")
	r.activate(r.mode("door", authz.ModeEnforce).Number)
	if g, err = r.offer("base", ann.sign(t, stricter, 100)); err != nil {
		t.Fatal(err)
	}
	r.activate(g.Number)
	r.noFailures()
}

// TestModesSetAtOnce: of two modes that were set at the same time neither is lost.
func TestModesSetAtOnce(t *testing.T) {
	r := started(t, t.TempDir())
	r.activate(r.push("acme", acme(1)).Number)
	door, other := r.mode("door", authz.ModeEnforce), r.mode("acme", authz.ModeFlag)
	r.activate(door.Number)
	_, err := r.Activate(t.Context(), other.Number, "bob", "")
	fails(t, err, authz.CodeConflict, "would undo that: modes")
	r.activate(r.mode("acme", authz.ModeFlag).Number)
	if diff := cmp.Diff(map[string]string{"door": "enforce", "acme": "flag"}, r.modes()); diff != "" {
		t.Fatal(diff)
	}
}

// TestModesSetBefore: modes that were set before signatures were required are held to
// what is signed when they are activated.
func TestModesSetBefore(t *testing.T) {
	r := started(t, t.TempDir())
	laxer, stricter := r.mode("door", authz.ModeOff), r.mode("door", authz.ModeEnforce)
	r = started(t, r.dir, required(t, newSigner(t, "ann")))
	_, err := r.Activate(t.Context(), laxer.Number, "bob", "")
	fails(t, err, authz.CodeInvalid, "sets guard door to off, which is less strict than observe in the signed bundles")
	r.activate(stricter.Number)
}

// TestSetModeIsOneStepUp: a guard gets stricter one mode at a time, and less strict at
// once; what is refused is no refusal of the gate.
func TestSetModeIsOneStepUp(t *testing.T) {
	r := started(t, t.TempDir()) // the base says that door observes
	set := func(guard, mode string) error {
		_, err := r.SetMode(t.Context(), guard, mode, "bob", "because")
		return err
	}
	fails(t, set("door", authz.ModeEnforce), authz.CodeConflict, "guard door is at observe; one step up is flag, so that each step has its evidence")
	fails(t, set("none", authz.ModeOff), authz.CodeNotFound, `no guard "none"`)
	fails(t, set("door", "loose"), authz.CodeInvalid, "mode")
	if got := r.Stats(); len(got.Refused) > 0 {
		t.Errorf("the gate refused %v, want nothing", got.Refused)
	}
	for _, mode := range []string{authz.ModeFlag, authz.ModeEnforce, authz.ModeOff, authz.ModeObserve, authz.ModeObserve} {
		if err := set("door", mode); err != nil {
			t.Fatalf("door to %s: %v", mode, err)
		}
		if diff := cmp.Diff(map[string]string{"door": mode}, r.modes()); diff != "" {
			t.Errorf("modes (-want +got):\n%s", diff)
		}
	}
	r.stands("5 active, 4 kept, 3 kept, 2 kept, 1 kept")
}

// TestSetModeOnALostRace sets a mode while another generation becomes active between its
// candidate and its activation: it is made again, on that one.
func TestSetModeOnALostRace(t *testing.T) {
	var r *rig
	lost := false
	r = started(t, t.TempDir(), func(c *generations.Config) {
		c.Try = func(s *bundles.Snapshot) error {
			if lost || r == nil || s.Ref().Generation != 3 {
				return nil
			}
			lost = true // the candidate with the mode is in the gate
			_, err := r.Activate(t.Context(), 2, "ann", "faster")
			return err
		}
	})
	r.push("other", other(1))
	g, err := r.SetMode(t.Context(), "door", authz.ModeFlag, "bob", "")
	if err != nil || !lost || g.Number != 4 || g.State != authz.GenerationActive {
		t.Fatalf("SetMode: generation %d, %s: %v; want 4, active, after a lost race", g.Number, g.State, err)
	}
	if refs := refs(g); refs["other"] == "" || refs["modes"] == "" {
		t.Errorf("generation 4 is of %v, want other and modes in it", refs)
	}
}
