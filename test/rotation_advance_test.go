package test

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/test/pdptest"
)

// reaches waits until the rotation is in a phase, which nobody asks for.
func (r *trio) reaches(phase string) (view api.Rotation) {
	r.T.Helper()
	r.Await("the rotation to be in "+phase, func() bool {
		view = r.status()
		return view.Phase == phase
	})
	return view
}

// serverLooks moves the clock on by a minute and waits until the server has looked at
// all running rotations since: a rotation of another set is done only after that. It has
// its evidence later, and comes last in the order that they are looked at in.
func (r *trio) serverLooks() {
	r.T.Helper()
	id := "z-" + strconv.FormatInt(r.Clock.Now().UnixNano(), 10)
	m := &trioMember{id: "mu:" + id}
	r.Put(&authz.MachineUser{Header: authz.Header{ID: m.id}, Kind: "service", Origin: authz.OriginInternal, Env: "prod", Owner: "finance", Tier: 2})
	r.Put(&authz.RotationSet{Header: authz.Header{ID: id}, Members: []string{m.id}, Kind: authz.KindSharedSecret, QuietS: 1})
	next := r.startRotation(id, authz.AdvanceAuto)[m.id]
	r.move(time.Minute)
	r.Ask(m.questionWith(next))
	r.Await("the other rotation", func() bool { return r.rotation(id).Phase == authz.PhaseDone })
}

// stays wants the rotation to be in a phase still, after the server looked.
func (r *trio) stays(phase string, waiting ...string) api.Rotation {
	r.T.Helper()
	r.serverLooks()
	view := r.status()
	if view.Phase != phase {
		r.T.Fatalf("the rotation is in %s, want it to stay in %s", view.Phase, phase)
	}
	same(r.T, "who is waited for", waiting, cutTails(view.WaitingFor))
	return view
}

// advances are the recorded changes that advanced the trio's rotation, oldest first,
// once their outcomes are recorded: a step shows before its author is answered.
func (r *trio) advances() (made []authz.AuditedChange) {
	r.T.Helper()
	r.Await("the outcomes of all changes", func() bool {
		var page authz.AuditPage
		r.must(http.StatusOK, http.MethodGet, api.PathAudit+"?kind="+string(authz.ChangeRotationAdvance)+"&key="+trioSet, nil, &page)
		made = slices.Clone(page.Items)
		slices.Reverse(made)
		return !slices.ContainsFunc(made, func(c authz.AuditedChange) bool { return c.Outcome == authz.ChangePending })
	})
	return made
}

// TestRotationGoesOnByItself: nobody watches it. Each step is in the audit, as made by
// the node, with its evidence.
func TestRotationGoesOnByItself(t *testing.T) {
	t.Parallel()
	r := newTrio(t, false, pdptest.Settings{})
	r.startAs("") // as when it is left out
	r.prove(r.members...)
	view := r.reaches(authz.PhaseDrain)
	same(t, "advance", authz.AdvanceAuto, view.Advance)
	same(t, "lights", []string{authz.LightAmber, authz.LightAmber, authz.LightAmber}, lights(view))
	r.move(trioQuietS * time.Second)
	view = r.reaches(authz.PhaseDone)

	same(t, "steps", []string{authz.StepPrepare, authz.StepPropagate, authz.StepSwitch, authz.StepDrain, authz.StepRetire}, taken(view))
	same(t, "old generation", each(authz.CredentialRetired), r.states(1))
	same(t, "new generation", each(authz.CredentialActive), r.states(2))
	for _, m := range r.members {
		r.deniedAs(m, m.old, "CREDENTIAL_RETIRED")
		r.allowed(m, m.next)
	}
	advances := r.advances()
	if len(advances) != 2 {
		t.Fatalf("%d advances are in the audit, want 2: %+v", len(advances), advances)
	}
	for i, want := range []string{
		"every member has used its new generation: mu:billing used mu:billing.secret.2 at ",
		"every member has used its new generation, and left the old ones unused for the quiet time: mu:billing used mu:billing.secret.2 at ",
	} {
		c := advances[i]
		if c.By.Key != authz.AuthorNode || c.Outcome != authz.ChangeMade || c.Revision == 0 || !strings.HasPrefix(c.Message, want) ||
			!strings.Contains(c.Message, "from 10.4.5.1") || !strings.Contains(c.Message, "mu:ledger.secret.2") {
			t.Errorf("advance %d is %+v, want it made by the node with a message that begins %q and names all", i+1, c, want)
		}
	}
}

// TestRotationGoesOnAcrossRestarts: what was proved before one is evidence after it, and
// the node goes on without being asked.
func TestRotationGoesOnAcrossRestarts(t *testing.T) {
	t.Parallel()
	r := newTrio(t, false, pdptest.Settings{})
	restart := func() {
		t.Helper()
		at := r.Clock.Now()
		r.Stop()
		r.operator = operator{pdptest.Start(t, pdptest.Settings{Dir: r.Dir, At: at})}
	}
	r.startAs(authz.AdvanceAuto)
	r.prove(r.members[:2]...)
	restart()
	r.stays(authz.PhasePropagate, "mu:ledger to use generation 2")
	r.prove(r.members[2])
	r.reaches(authz.PhaseDrain)
	restart()
	if view := r.status(); view.Phase != authz.PhaseDrain || view.Advance != authz.AdvanceAuto {
		t.Errorf("after a restart it is in %s, with advance %s; want drain, auto", view.Phase, view.Advance)
	}
	at := r.Clock.Now()
	r.Stop()
	// The quiet time ends while it is down, also of uses that a crash might have lost.
	const lost = time.Minute + time.Second // credentials.use_every, and the write
	r.operator = operator{pdptest.Start(t, pdptest.Settings{Dir: r.Dir, At: at.Add(trioQuietS*time.Second + lost)})}
	view := r.reaches(authz.PhaseDone)
	same(t, "steps", []string{authz.StepPrepare, authz.StepPropagate, authz.StepSwitch, authz.StepDrain, authz.StepRetire}, taken(view))
}

// TestManualRotationStays: whoever started it takes each step.
func TestManualRotationStays(t *testing.T) {
	t.Parallel()
	r := newTrio(t, false, pdptest.Settings{})
	r.startAs(authz.AdvanceManual)
	r.prove(r.members...)
	view := r.stays(authz.PhasePropagate)
	same(t, "advance", authz.AdvanceManual, view.Advance)
	r.step(authz.RotationAdvance)
	r.move(trioQuietS * time.Second)
	r.stays(authz.PhaseDrain)
	if view := r.step(authz.RotationAdvance); view.Phase != authz.PhaseDone {
		t.Errorf("it is in %s, want it done", view.Phase)
	}
	for _, c := range r.advances() {
		if c.By.Key != "operator" {
			t.Errorf("the step %+v was taken by %s, want the operator alone", c, c.By.Key)
		}
	}
}

// TestRacingAdvancesTakeOneStep: many ask for the step that the server takes too.
func TestRacingAdvancesTakeOneStep(t *testing.T) {
	t.Parallel()
	for _, advance := range []string{authz.AdvanceManual, authz.AdvanceAuto} {
		t.Run(advance, func(t *testing.T) {
			r := newTrio(t, false, pdptest.Settings{})
			r.startAs(advance)
			r.prove(r.members...)
			statuses := make([]int, 8)
			var asking sync.WaitGroup
			for i := range statuses {
				asking.Go(func() {
					statuses[i] = r.send(http.MethodPost, api.PathRotationSets+trioSet+"/"+authz.RotationAdvance, nil).Status
				})
			}
			asking.Wait()
			view := r.reaches(authz.PhaseDrain)
			same(t, "steps", []string{authz.StepPrepare, authz.StepPropagate, authz.StepSwitch}, taken(view))
			made, answered := 0, 0
			for _, c := range r.advances() {
				if c.Outcome == authz.ChangeMade {
					made++
				}
			}
			for _, status := range statuses {
				switch status {
				case http.StatusOK:
					answered++
				case http.StatusConflict:
				default:
					t.Errorf("an advance was answered %d, want 200 or 409", status)
				}
			}
			if made != 1 || answered > 1 || advance == authz.AdvanceManual && answered != 1 {
				t.Errorf("%d steps were made and %d answered 200 (%v), want one", made, answered, statuses)
			}
		})
	}
}

// TestTheOneThatStaysHoldsTheServer, until it is forced; a force that comes late, for a
// phase that is over, does nothing.
func TestTheOneThatStaysHoldsTheServer(t *testing.T) {
	t.Parallel()
	r := newTrio(t, false, pdptest.Settings{})
	r.startAs(authz.AdvanceAuto)
	r.prove(r.members[:2]...)
	r.stays(authz.PhasePropagate, "mu:ledger to use generation 2")
	force := api.PathRotationSets + trioSet + "/" + authz.RotationForce + "?phase="
	var view api.Rotation
	r.must(http.StatusOK, http.MethodPost, force+authz.PhasePropagate, nil, &view)
	same(t, "phase", authz.PhaseDrain, view.Phase)
	problem := r.refused(http.StatusConflict, http.MethodPost, force+authz.PhasePropagate, nil)
	if !strings.Contains(problem.Detail, "in phase drain") {
		t.Errorf("a late force is refused with %q, want the phase that it is in", problem.Detail)
	}
	r.stays(authz.PhaseDrain, "mu:ledger to use generation 2")
	r.prove(r.members[2])
	r.move(trioQuietS * time.Second)
	view = r.reaches(authz.PhaseDone)
	same(t, "steps", []string{authz.StepPrepare, authz.StepPropagate + "!", authz.StepSwitch + "!", authz.StepDrain, authz.StepRetire}, taken(view))
}

// TestGoingBackToTheOldOneHoldsTheServer: the quiet time begins anew, the status says by
// whom, and the audit has no refusal of it.
func TestGoingBackToTheOldOneHoldsTheServer(t *testing.T) {
	t.Parallel()
	r := newTrio(t, false, pdptest.Settings{})
	set := authz.RotationSet{Header: authz.Header{ID: trioSet}, Kind: authz.KindSharedSecret, QuietS: 600}
	for _, m := range r.members {
		set.Members = append(set.Members, m.id)
	}
	r.Put(&set)
	r.startAs(authz.AdvanceAuto)
	r.prove(r.members...)
	r.reaches(authz.PhaseDrain)
	for range 3 {
		r.move(9 * time.Minute)
		r.allowed(r.members[1], r.members[1].old)
	}
	view := r.stays(authz.PhaseDrain, "mu:invoice to leave generation 1 unused for another 9m")
	if !strings.Contains(view.WaitingFor[0], "it last used generation 1") || view.AdvanceError != "" {
		t.Errorf("it waits for %q (%s), want to be told what was used last, and of no error", view.WaitingFor, view.AdvanceError)
	}
	r.move(9 * time.Minute)
	r.reaches(authz.PhaseDone)
	var outcomes []string
	for _, c := range r.advances() {
		outcomes = append(outcomes, fmt.Sprint(c.By.Key, " ", c.Outcome))
	}
	if diff := cmp.Diff([]string{"node made", "node made"}, outcomes); diff != "" {
		t.Errorf("advances in the audit (-want +got):\n%s", diff)
	}
}

// TestAbortAgainstTheServer: it is called off while the last member proves itself and
// the server takes the step. Whichever comes first, it ends aborted and denies nobody.
func TestAbortAgainstTheServer(t *testing.T) {
	t.Parallel()
	r := newTrio(t, false, pdptest.Settings{})
	r.startAs(authz.AdvanceAuto)
	r.prove(r.members[:2]...)
	var view api.Rotation
	var both sync.WaitGroup
	both.Go(func() { r.prove(r.members[2]) })
	both.Go(func() { view = r.step(authz.RotationAbort) })
	both.Wait()
	same(t, "phase", authz.PhaseAborted, view.Phase)
	r.stays(authz.PhaseAborted)
	same(t, "old generation", each(authz.CredentialActive), r.states(1))
	for _, m := range r.members {
		r.allowed(m, m.old)
	}
}
