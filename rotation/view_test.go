package rotation_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/rotation"
)

// TestARotationFromBeforeTheChoiceIsManual: nothing moves on by itself that was begun
// when nothing did.
func TestARotationFromBeforeTheChoiceIsManual(t *testing.T) {
	for stored, want := range map[string]string{"": authz.AdvanceManual, authz.AdvanceManual: authz.AdvanceManual, authz.AdvanceAuto: authz.AdvanceAuto} {
		s := newWorld(t).state()
		plan, err := rotation.Start(s, stored, hashed)
		if err != nil {
			t.Fatal(err)
		}
		if got := rotation.Look(s.After(plan)).Advance; got != want {
			t.Errorf("stored as %q it is shown as %q, want %q", stored, got, want)
		}
	}
}

// TestLook follows one rotation and reads its view at every turn.
func TestLook(t *testing.T) {
	w := newWorld(t)
	look := func(phase, lights, steps string, quietLeft int64, waitingFor ...string) {
		t.Helper()
		v := rotation.Look(w.state())
		var gotLights, gotSteps string
		for _, m := range v.Members {
			gotLights += m.Light + " "
		}
		for _, s := range v.Steps {
			gotSteps += s.Step + ":" + s.State + " "
		}
		if waitingFor == nil {
			waitingFor = []string{}
		}
		if diff := cmp.Diff([]any{phase, lights, steps, quietLeft, waitingFor}, []any{v.Phase, gotLights, gotSteps, v.QuietLeftS, v.WaitingFor}); diff != "" {
			t.Error(diff)
		}
	}
	look("none", "   ", "prepare:ahead propagate:ahead switch:ahead drain:ahead retire:ahead ", 0)
	w.must(start)
	w.use(members[0], 4)
	w.use(members[1], 4)
	look("propagate", "green green red ", "prepare:done propagate:waiting switch:ahead drain:ahead retire:ahead ", 0,
		"mu:ledger-svc to use generation 4; it last used generation 3 60s ago from 10.4.7.3")
	w.must(rotation.Force)
	w.pass(90 * time.Second)
	look("drain", "amber amber red ", "prepare:done propagate:done switch:done drain:waiting retire:ahead ", 510,
		"mu:billing-svc to leave generation 3 unused for another 9m; it last used generation 3 3m ago from 10.4.7.3",
		"mu:invoice-svc to leave generation 3 unused for another 9m; it last used generation 3 3m ago from 10.4.7.3",
		"mu:ledger-svc to use generation 4; it last used generation 3 3m ago from 10.4.7.3")
	w.use(members[2], 4)
	w.use(members[1], 3)
	w.pass(quietTime - 90*time.Second)
	look("drain", "green amber green ", "prepare:done propagate:done switch:done drain:waiting retire:ahead ", 90,
		"mu:invoice-svc to leave generation 3 unused for another 90s; it last used generation 3 9m ago from 10.4.7.3")
	w.pass(90 * time.Second)
	look("drain", "green green green ", "prepare:done propagate:done switch:done drain:waiting retire:ahead ", 0)
	w.must(rotation.Advance)
	look("done", "green green green ", "prepare:done propagate:done switch:done drain:done retire:done ", 0)

	w.must(start)
	w.use(members[0], 5)
	w.must(rotation.Abort)
	look("aborted", "amber green green ", "prepare:done abort:done ", 0)
	w.pass(quietTime)
	look("aborted", "green green green ", "prepare:done abort:done ", 0)
}

func TestViewAsJSON(t *testing.T) {
	w := newWorld(t)
	w.must(start)
	w.use(members[0], 4)
	w.must(rotation.Force)
	v := rotation.Look(w.state())
	v.Members = v.Members[:1]
	got, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	want := `{
 "id": "money-trio",
 "phase": "drain",
 "advance": "auto",
 "steps": [
  {
   "step": "prepare",
   "state": "done",
   "at": "2026-11-22T10:01:00Z"
  },
  {
   "step": "propagate",
   "state": "done",
   "at": "2026-11-22T10:01:00Z",
   "forced": true
  },
  {
   "step": "switch",
   "state": "done",
   "at": "2026-11-22T10:01:00Z",
   "forced": true
  },
  {
   "step": "drain",
   "state": "waiting"
  },
  {
   "step": "retire",
   "state": "ahead"
  }
 ],
 "members": [
  {
   "machine_user": "mu:billing-svc",
   "light": "amber",
   "old": [
    "mu:billing-svc.secret.3"
   ],
   "old_used_at": "2026-11-22T10:00:00Z",
   "old_used_from": "10.4.7.3",
   "new": "mu:billing-svc.secret.4",
   "new_used_at": "2026-11-22T10:01:00Z",
   "new_used_from": "10.4.7.3",
   "waiting_for": "mu:billing-svc to leave generation 3 unused for another 10m; it last used generation 3 60s ago from 10.4.7.3"
  }
 ],
 "waiting_for": [
  "mu:billing-svc to leave generation 3 unused for another 10m; it last used generation 3 60s ago from 10.4.7.3",
  "mu:invoice-svc to use generation 4; it last used generation 3 60s ago from 10.4.7.3",
  "mu:ledger-svc to use generation 4; it last used generation 3 60s ago from 10.4.7.3"
 ],
 "quiet_left_s": 600,
 "data_revision": 0
}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}
