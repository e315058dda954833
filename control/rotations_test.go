package control_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/store"
)

// runRotations has the node take steps until the test ends.
func (w *world) runRotations() {
	ctx, stop := context.WithCancel(w.t.Context())
	var running sync.WaitGroup
	from := w.store.Revision()
	running.Go(func() {
		w.Follow(ctx, from, func(authz.Collection, string) {}, func() { w.t.Error("the feed counts as lost") })
	})
	running.Go(func() {
		if err := w.RunRotations(ctx); err != nil {
			w.t.Error(err)
		}
	})
	w.t.Cleanup(func() { stop(); running.Wait() })
	w.await("the node to look for rotations", func() bool { return len(w.pauses()) > 0 })
}

// pauses are what the node waited for so far, on its clock.
func (w *world) pauses() []time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.asked)
}

func (w *world) await(what string, so func() bool) {
	w.t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	late := time.After(30 * time.Second)
	for !so() {
		select {
		case <-look.C:
		case <-late:
			w.t.Fatalf("waited too long for %s; the node waited for %v", what, w.pauses())
		}
	}
}

// until waits until the rotation of the pair is as it should be.
func (w *world) until(what string, so func(authz.RotationView) bool) (view authz.RotationView) {
	w.t.Helper()
	w.await("the rotation to "+what, func() (ok bool) {
		var err error
		if view, err = w.RotationStatus(w.t.Context(), "pair"); err != nil {
			w.t.Fatal(err)
		}
		return so(view)
	})
	return view
}

func in(phase string) func(authz.RotationView) bool {
	return func(v authz.RotationView) bool { return v.Phase == phase }
}

func waitingFor(n int) func(authz.RotationView) bool {
	return func(v authz.RotationView) bool { return v.Phase == authz.PhasePropagate && len(v.WaitingFor) == n }
}

// look moves the clock on, to where the node looks again or further, and waits until it
// has. It gives what the node waits for next.
func (w *world) look(d time.Duration) time.Duration {
	w.t.Helper()
	looks := len(w.pauses())
	w.pass(d)
	w.await("the node to look", func() bool { return len(w.pauses()) > looks })
	pauses := w.pauses()
	return pauses[len(pauses)-1]
}

// quiet waits until the node has looked at what was written, and waits for d.
func (w *world) quiet(d time.Duration) {
	w.t.Helper()
	w.await("the node to wait for "+d.String(), func() bool { p := w.pauses(); return p[len(p)-1] == d })
}

// use stores that credentials were used now.
func (w *world) use(ids ...string) {
	w.t.Helper()
	var ops []store.Op
	for _, id := range ids {
		entity, err := w.store.Get(authz.Credentials, id)
		if err != nil {
			w.t.Fatal(err)
		}
		entity.(*authz.Credential).LastUsedAt = w.clock()
		ops = append(ops, store.Op{Entity: entity})
	}
	if _, err := w.store.Apply(w.t.Context(), ops); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) startPair(advance string) {
	w.t.Helper()
	if _, _, err := w.StartRotation(w.t.Context(), everyone, "pair", advance, nil); err != nil {
		w.t.Fatal(err)
	}
}

// advances are the recorded advances: by whom, and what became of each.
func (w *world) advances() (all []string) {
	w.t.Helper()
	w.await("the outcomes of all changes", func() bool {
		all = nil
		pending := false
		for _, c := range w.changes() {
			pending = pending || c.Outcome == authz.ChangePending
			if c.Kind == authz.ChangeRotationAdvance {
				all = append(all, strings.TrimSpace(fmt.Sprintf("%s %s %s", c.By.Key, c.Outcome, c.Code)))
			}
		}
		return !pending
	})
	return all
}

// TestTheNodeAdvances: a first use moves the rotation on as soon as the feed tells of
// it, the end of the quiet time as soon as it is reached; and while it waits for a member
// it is looked at once a minute.
func TestTheNodeAdvances(t *testing.T) {
	w := newWorld(t)
	for _, member := range []string{"mu:a", "mu:b"} {
		if _, _, err := w.NewSecret(t.Context(), everyone, member, "", time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	w.runRotations()
	w.startPair(authz.AdvanceAuto)
	w.use("mu:a.secret.2")
	w.until("wait for one", waitingFor(1))
	w.quiet(time.Minute)
	for range 3 {
		if pause := w.look(time.Minute); pause != time.Minute {
			t.Errorf("while it waits for a member, the node looks again after %s, want a minute", pause)
		}
	}
	w.use("mu:b.secret.2")
	w.until("drain", in(authz.PhaseDrain))
	const quiet = 10 * time.Minute // of the set
	w.quiet(time.Minute)
	for left := quiet; left > time.Minute; left -= time.Minute {
		if pause := w.look(time.Minute); pause != time.Minute {
			t.Errorf("with %s of the quiet time left, the node looks again after %s, want a minute", left-time.Minute, pause)
		}
	}
	w.look(time.Minute)
	w.until("be done", in(authz.PhaseDone))
	if diff := cmp.Diff([]string{"node made", "node made"}, w.advances()); diff != "" {
		t.Errorf("advances in the audit (-want +got):\n%s", diff)
	}
}

// TestEvidenceWithoutAMember: one that has nothing that works is not waited for, and not
// said to have used what it did not.
func TestEvidenceWithoutAMember(t *testing.T) {
	w := newWorld(t)
	w.runRotations()
	w.startPair(authz.AdvanceAuto)
	gone, err := w.store.Get(authz.Credentials, "mu:a.secret.1")
	if err != nil {
		t.Fatal(err)
	}
	gone.(*authz.Credential).State = authz.CredentialRevoked
	if _, err := w.store.Apply(t.Context(), []store.Op{{Entity: gone}}); err != nil {
		t.Fatal(err)
	}
	w.use("mu:b.secret.1")
	w.until("be done", in(authz.PhaseDone))
	w.advances()
	for _, c := range w.changes() {
		if c.Kind != authz.ChangeRotationAdvance {
			continue
		}
		if !strings.HasPrefix(c.Message, "every member with a generation that works has used its new generation") || !strings.Contains(c.Message, "mu:a has no generation that works; mu:b used mu:b.secret.1") {
			t.Errorf("the evidence of a step is %q, want it of mu:b alone", c.Message)
		}
	}
}

// TestAbortedAsTheNodeAdvances: it is called off after the node saw the evidence, and
// before it took the step.
func TestAbortedAsTheNodeAdvances(t *testing.T) {
	w := newWorld(t)
	w.audit.announced = func(ctx context.Context, c authz.AuditedChange) error {
		if c.By.Key == authz.AuthorNode && c.Kind == authz.ChangeRotationAdvance {
			if _, err := w.StepRotation(ctx, everyone, "pair", authz.RotationAbort, ""); err != nil {
				t.Error(err)
			}
		}
		return w.audit.Log.Announce(ctx, c)
	}
	w.runRotations()
	w.startPair(authz.AdvanceAuto)
	w.use("mu:a.secret.1", "mu:b.secret.1")
	w.until("be aborted", in(authz.PhaseAborted))
	w.await("the refusal", func() bool { return slices.Contains(w.advances(), "node refused conflict") })
	w.look(time.Minute)
	if diff := cmp.Diff([]string{"node refused conflict"}, w.advances()); diff != "" {
		t.Errorf("advances in the audit (-want +got):\n%s", diff)
	}
	if view := w.until("stay aborted", in(authz.PhaseAborted)); view.AdvanceError != "" {
		t.Errorf("its status tells of the error %q, want none: it was meant to end", view.AdvanceError)
	}
	if got := w.log.String(); strings.Contains(got, "level=ERROR") {
		t.Errorf("it is logged as a fault:\n%s", got)
	}
}

// TestAStepThatFailsIsTriedAgain: less and less often; the status says why, and the log
// once.
func TestAStepThatFailsIsTriedAgain(t *testing.T) {
	w := newWorld(t)
	w.audit.announced = func(ctx context.Context, c authz.AuditedChange) error {
		if c.By.Key == authz.AuthorNode && w.clock().Before(start.Add(time.Hour)) {
			return authz.Errorf(authz.CodeUnavailable, "the disk is full")
		}
		return w.audit.Log.Announce(ctx, c)
	}
	w.runRotations()
	w.startPair(authz.AdvanceAuto)
	w.use("mu:a.secret.1", "mu:b.secret.1")
	view := w.until("fail", func(v authz.RotationView) bool { return v.AdvanceError != "" })
	if !strings.Contains(view.AdvanceError, "the disk is full") || view.Phase != authz.PhasePropagate || len(view.WaitingFor) > 0 {
		t.Errorf("it is %+v, want it to stay, waiting for nobody, and to say why", view)
	}
	for range 8 {
		w.look(time.Minute)
	}
	again := map[time.Duration]bool{}
	for _, pause := range w.pauses() {
		again[pause] = true
	}
	for _, want := range []time.Duration{2 * time.Second, 16 * time.Second, time.Minute} {
		if !again[want] {
			t.Errorf("the node waited for %v, want %s among it: it waits twice as long each time, up to a minute", w.pauses(), want)
		}
	}
	if n := strings.Count(w.log.String(), "a rotation cannot take its next step"); n != 1 {
		t.Errorf("it is logged %d times, want once:\n%s", n, w.log.String())
	}
	w.look(time.Hour)
	if view := w.until("be done, as there is no older generation", in(authz.PhaseDone)); view.AdvanceError != "" {
		t.Errorf("it still tells of %q", view.AdvanceError)
	}
	if got := w.advances(); got[len(got)-1] != "node made" || len(got) != 9+2 {
		t.Errorf("advances in the audit are %v, want 9 that failed, one a minute, and two that were made", got)
	}
}

// TestManualRotationsAreLeftAlone, with all the evidence there is.
func TestManualRotationsAreLeftAlone(t *testing.T) {
	w := newWorld(t)
	w.runRotations()
	w.startPair(authz.AdvanceManual)
	w.use("mu:a.secret.1", "mu:b.secret.1")
	for range 3 {
		w.look(time.Minute)
	}
	w.until("wait for the operator", waitingFor(0))
	if got := w.advances(); len(got) > 0 {
		t.Errorf("the audit has %v, want no advance", got)
	}
}

// TestWithoutAChangeFeed each is looked at every few seconds.
func TestWithoutAChangeFeed(t *testing.T) {
	w := newWorld(t, func(c *store.Config) { c.ChangeRetention = store.NoChangeLog })
	w.startPair(authz.AdvanceAuto)
	w.runRotations()
	w.quiet(5 * time.Second)
	w.use("mu:a.secret.1", "mu:b.secret.1")
	w.look(5 * time.Second)
	w.until("be done, as there is no older generation", in(authz.PhaseDone))
}

// TestRotationsOfAClosedStore: what cannot be read is tried again, and logged once.
func TestRotationsOfAClosedStore(t *testing.T) {
	w := newWorld(t)
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	w.runRotations()
	for range 3 {
		if pause := w.look(time.Second); pause != time.Second {
			t.Errorf("it is tried again after %s, want a second", pause)
		}
	}
	if n := strings.Count(w.log.String(), "running rotations cannot be looked for"); n != 1 {
		t.Errorf("it is logged %d times, want once:\n%s", n, w.log.String())
	}
}
