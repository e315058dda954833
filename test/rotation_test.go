package test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/test/pdptest"
)

// The rotation set of these tests, and how long its old generations must be unused.
const (
	trioSet    = "payment-trio"
	trioQuietS = 1
)

// trio is a Verdict with three machine users whose secrets rotate as a set.
type trio struct {
	operator
	members []*trioMember
}

// trioMember is one of the machine users. Old and next are its secrets; current is
// the one it uses.
type trioMember struct {
	id, old, next string
	current       atomic.Pointer[string]
}

func (m *trioMember) use(secret string) { m.current.Store(&secret) }

// question is what the member asks, with the secret it uses now.
func (m *trioMember) question() map[string]any { return m.questionWith(*m.current.Load()) }

func (m *trioMember) questionWith(secret string) map[string]any {
	return map[string]any{
		"credential": map[string]any{"client_id": m.id, "client_secret": secret},
		"action":     map[string]any{"name": "payment.post"},
		"resource":   map[string]any{"type": "service", "id": "svc:payment"},
		"context":    map[string]any{"source_ip": "10.4.5.1", "env": "prod"},
	}
}

// newTrio starts a Verdict with the set. Each member has a first secret and has
// used it. With shared, the members are given one secret together.
func newTrio(t *testing.T, shared bool, s pdptest.Settings) *trio {
	t.Helper()
	r := &trio{operator: operator{pdptest.Start(t, s)}}
	set := &authz.RotationSet{Header: authz.Header{ID: trioSet}, Kind: authz.KindSharedSecret, Shared: shared, QuietS: trioQuietS}
	level := 1
	r.Put(&authz.Service{Header: authz.Header{ID: "svc:payment"}, Tier: 2, Env: "prod", RequiredLevel: authz.RequiredLevel{Internal: &level}})
	for _, id := range []string{"mu:billing", "mu:invoice", "mu:ledger"} {
		r.Put(&authz.MachineUser{Header: authz.Header{ID: id}, Kind: "service", Origin: authz.OriginInternal, Env: "prod", Owner: "finance", Tier: 2})
		r.Put(&authz.Edge{From: id, To: "svc:payment", Actions: []string{"payment.post"}})
		set.Members = append(set.Members, id)
		r.members = append(r.members, &trioMember{id: id})
	}
	r.Put(set)
	for _, m := range r.members {
		_, m.old = r.NewSecret(m.id, "")
		m.use(m.old)
		r.allowed(m, m.old)
	}
	return r
}

// start starts the rotation and hands out the new secrets, which nobody uses yet. The
// test asks for each further step.
func (r *trio) start() { r.startAs(authz.AdvanceManual) }

// startAs is start that says who takes the further steps.
func (r *trio) startAs(advance string) {
	r.T.Helper()
	secrets := r.startRotation(trioSet, advance)
	for _, m := range r.members {
		if m.next = secrets[m.id]; m.next == "" || m.next == m.old {
			r.T.Fatalf("%s was given no new secret", m.id)
		}
	}
}

// load has all members ask, perSecond times together, while the clock goes with the
// system's.
func (r *trio) load() *pdptest.Load {
	var askers []pdptest.Asker
	for _, m := range r.members {
		askers = append(askers, pdptest.Asker{Name: m.id, Question: func() map[string]any {
			r.Clock.Set(time.Now())
			return m.question()
		}})
	}
	return r.StartLoad(time.Second/perSecond, askers...)
}

func (r *trio) status() api.Rotation {
	r.T.Helper()
	return r.rotation(trioSet)
}

func (r *trio) step(action string) api.Rotation {
	r.T.Helper()
	return r.stepRotation(trioSet, action)
}

// move moves the clock on.
func (r *trio) move(d time.Duration) { r.Clock.Set(r.Clock.Now().Add(d)) }

// allowed wants a decision by a secret to allow, and gives it.
func (r *trio) allowed(m *trioMember, secret string) api.Decision {
	r.T.Helper()
	d := r.Ask(m.questionWith(secret))
	if d.Outcome != api.Allow {
		r.T.Errorf("%s is denied: %+v", m.id, d.Reasons)
	}
	return d
}

// deniedAs wants a decision by a secret to deny with one code.
func (r *trio) deniedAs(m *trioMember, secret, code string) {
	r.T.Helper()
	d := r.Ask(m.questionWith(secret))
	if diff := cmp.Diff([]string{code}, pdptest.Codes(d.Reasons)); diff != "" || d.Outcome != api.Deny {
		r.T.Errorf("%s: got d.Outcome %s, diff %s; want no diff, d.Outcome Deny", m.id, d.Outcome, diff)
	}
}

// prove has members use their new secrets once.
func (r *trio) prove(members ...*trioMember) {
	r.T.Helper()
	for _, m := range members {
		m.use(m.next)
		r.allowed(m, m.next)
	}
}

// taken are the steps that were taken, with "!" where one was forced.
func taken(view api.Rotation) (steps []string) {
	for _, s := range view.Steps {
		if s.State != authz.StepDone {
			continue
		}
		step := s.Step
		if s.Forced {
			step += "!"
		}
		steps = append(steps, step)
	}
	return steps
}

// lights are the members' lights, in order.
func lights(view api.Rotation) (all []string) {
	for _, m := range view.Members {
		all = append(all, m.Light)
	}
	return all
}

func (r *trio) states(generation int) (states []string) {
	r.T.Helper()
	for _, m := range r.members {
		states = append(states, r.credential(m.id+".secret."+string(rune('0'+generation))).State)
	}
	return states
}

func each(state string) []string { return []string{state, state, state} }

func same[T any](t testing.TB, what string, want, got T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// TestRotationUnderLoad: three machine users ask perSecond times together while
// their secrets are rotated, and nobody is denied. Members switch one after the
// other; whoever operates takes a step whenever nothing is waited for, and not
// otherwise.
func TestRotationUnderLoad(t *testing.T) {
	for name, shared := range map[string]bool{"a secret each": false, "one secret for all": true} {
		t.Run(name, func(t *testing.T) {
			r := newTrio(t, shared, pdptest.Settings{})
			load := r.load()
			load.Await(perSecond)
			r.start()
			if shared && (r.members[0].next != r.members[1].next || r.members[0].next != r.members[2].next) {
				t.Error("the members of a set that shares a secret were given several")
			}
			r.rotateUnder(load)
			load.Await(perSecond) // the new generation alone
			tally := load.Stop()
			t.Log(tally)
			if tally.Denied() > 0 || len(tally.Failures) > 0 {
				t.Errorf("got tally.Denials %v, tally.Failures %v; want tally.Denied() 0, no tally.Failures", tally.Denials, tally.Failures)
			}

			view := r.status()
			same(t, "steps", []string{authz.StepPrepare, authz.StepPropagate, authz.StepSwitch, authz.StepDrain, authz.StepRetire}, taken(view))
			same(t, "lights", each(authz.LightGreen), lights(view))
			same(t, "old generation", each(authz.CredentialRetired), r.states(1))
			same(t, "new generation", each(authz.CredentialActive), r.states(2))
			for _, m := range r.members {
				r.deniedAs(m, m.old, "CREDENTIAL_RETIRED")
				if d := r.allowed(m, m.next); len(d.Advice) > 0 {
					t.Errorf("advice for the new secret: %v", d.Advice)
				}
			}
		})
	}
}

// rotateUnder switches the members one after the other and takes the steps that
// have their evidence, until the rotation is done. It looks ten times a second.
func (r *trio) rotateUnder(load *pdptest.Load) {
	r.T.Helper()
	switched := 0
	for {
		view := r.status()
		switch {
		case view.Phase == authz.PhaseDone:
			return
		case len(view.WaitingFor) == 0:
			r.step(authz.RotationAdvance)
		case view.Phase == authz.PhasePropagate && len(view.WaitingFor) == len(r.members)-switched:
			// Every member told so far has proved its new secret: it is the next one's turn.
			m := r.members[switched]
			m.use(m.next)
			switched++
		}
		load.Await(perSecond / 10)
	}
}

// TestRotationWaitsForTheOneThatStays: a member that never switches holds the
// set, by name, until somebody forces it; only then is it denied.
func TestRotationWaitsForTheOneThatStays(t *testing.T) {
	r := newTrio(t, false, pdptest.Settings{})
	laggard := r.members[2]
	load := r.load()
	r.start()
	for _, m := range r.members[:2] {
		m.use(m.next)
	}
	for len(r.status().WaitingFor) > 1 {
		load.Await(perSecond / 10)
	}
	same(t, "who is waited for", []string{"mu:ledger to use generation 2"}, cutTails(r.status().WaitingFor))
	for range 3 {
		r.staysIn(authz.PhasePropagate, "mu:ledger to use generation 2")
		load.Await(perSecond / 10)
	}
	if view := r.step(authz.RotationForce); view.Phase != authz.PhaseDrain {
		t.Fatalf("forced into %s", view.Phase)
	}
	for len(r.status().WaitingFor) > 1 { // the quiet time of the others
		load.Await(perSecond / 10)
	}
	r.staysIn(authz.PhaseDrain, "mu:ledger to use generation 2")
	same(t, "advice", []api.Duty{{"id": "retiring_credential", "credential": "mu:ledger.secret.1", "generation": 1.0}}, r.allowed(laggard, laggard.old).Advice)
	if tally := load.Stop(); tally.Denied() > 0 || len(tally.Failures) > 0 {
		t.Errorf("got tally.Denials %v, tally.Failures %v; want tally.Denied() 0, no tally.Failures", tally.Denials, tally.Failures)
	} else {
		t.Log(tally)
	}

	view := r.step(authz.RotationForce)
	same(t, "steps", []string{authz.StepPrepare, authz.StepPropagate + "!", authz.StepSwitch + "!", authz.StepDrain + "!", authz.StepRetire + "!"}, taken(view))
	same(t, "lights", []string{authz.LightGreen, authz.LightGreen, authz.LightRed}, lights(view))
	r.deniedAs(laggard, laggard.old, "CREDENTIAL_RETIRED")
	r.allowed(laggard, laggard.next)
	for _, m := range r.members[:2] {
		r.allowed(m, m.next)
	}
}

// staysIn wants an advance to be refused with a conflict that names who is waited
// for, and the phase to stay.
func (r *trio) staysIn(phase, waiting string) {
	r.T.Helper()
	problem := r.refused(http.StatusConflict, http.MethodPost, api.PathRotationSets+trioSet+"/"+authz.RotationAdvance, nil)
	view := r.status()
	if problem.Code != string(authz.CodeConflict) || !strings.Contains(problem.Detail, waiting) || strings.Contains(problem.Detail, "mu:billing") {
		r.T.Errorf("advanced: %+v", problem)
	}
	if view.Phase != phase || len(view.WaitingFor) != 1 || !strings.HasPrefix(view.WaitingFor[0], waiting) {
		r.T.Errorf("in %s, waiting for %v", view.Phase, view.WaitingFor)
	}
}

// cutTails drops what follows the semicolon: when the member was last seen.
func cutTails(texts []string) (heads []string) {
	for _, text := range texts {
		head, _, _ := strings.Cut(text, ";")
		heads = append(heads, head)
	}
	return heads
}

// TestAbortDeniesNobody: whichever generation a member uses, and whenever the
// rotation is called off, it goes on working.
func TestAbortDeniesNobody(t *testing.T) {
	for name, test := range map[string]struct {
		prove int // members that use the new generation
		drain bool
		want  []string // states of the new generation
	}{
		"before anybody switched": {prove: 0, want: each(authz.CredentialRevoked)},
		"in propagate":            {prove: 2, want: []string{authz.CredentialRetiring, authz.CredentialRetiring, authz.CredentialRevoked}},
		"in drain":                {prove: 3, drain: true, want: each(authz.CredentialRetiring)},
	} {
		t.Run(name, func(t *testing.T) {
			r := newTrio(t, false, pdptest.Settings{})
			r.start()
			r.prove(r.members[:test.prove]...)
			if test.drain {
				if view := r.step(authz.RotationAdvance); view.Phase != authz.PhaseDrain {
					t.Fatalf("in %s", view.Phase)
				}
			}
			load := r.load()
			load.Await(perSecond / 5)
			view := r.step(authz.RotationAbort)
			load.Await(perSecond / 2)
			tally := load.Stop()
			if tally.Denied() > 0 || len(tally.Failures) > 0 {
				t.Errorf("%s: got tally.Denials %v, tally.Failures %v; want tally.Denied() 0, no tally.Failures", tally, tally.Denials, tally.Failures)
			}
			if view.Phase != authz.PhaseAborted || len(view.WaitingFor) > 0 {
				t.Errorf(`got %+v; want Phase "aborted", no WaitingFor`, view)
			}
			same(t, "old generation", each(authz.CredentialActive), r.states(1))
			same(t, "new generation", test.want, r.states(2))
			for _, m := range r.members {
				r.allowed(m, m.old) // the way back is open to those who switched
			}
			for _, m := range r.members[test.prove:] {
				r.deniedAs(m, m.next, "CREDENTIAL_REVOKED") // handed out and never used
			}
		})
	}
}

// TestEmergency: the old generation leaked. It ends with the next decision, and
// who breaks is known at once.
func TestEmergency(t *testing.T) {
	t.Parallel()
	r := newTrio(t, false, pdptest.Settings{})
	if problem := r.refused(http.StatusConflict, http.MethodPost, api.PathRotationSets+trioSet+"/"+authz.RotationEmergency, nil); problem.Detail == "" {
		t.Error("without a rotation there is nothing to move to, and the answer does not say so")
	}
	r.start()
	r.prove(r.members[0])
	view := r.step(authz.RotationEmergency)
	same(t, "breaks", []string{"mu:invoice", "mu:ledger"}, view.Breaks)
	same(t, "phase", authz.PhaseDone, view.Phase)
	same(t, "steps", []string{authz.StepPrepare, authz.StepSwitch + "!", authz.StepEmergency + "!"}, taken(view))
	for _, m := range r.members {
		r.deniedAs(m, m.old, "CREDENTIAL_REVOKED")
		r.allowed(m, m.next)
	}
	if view := r.status(); len(view.Breaks) > 0 {
		t.Errorf("all use the new generation, and %v are still said to break", view.Breaks)
	}
}

// TestRotationSurvivesARestart: what members proved before it is evidence after it.
func TestRotationSurvivesARestart(t *testing.T) {
	t.Parallel()
	r := newTrio(t, false, pdptest.Settings{})
	restart := func() {
		t.Helper()
		at := r.Clock.Now()
		r.Stop()
		r.operator = operator{pdptest.Start(t, pdptest.Settings{Dir: r.Dir, At: at})}
	}
	r.start()
	r.prove(r.members[:2]...)
	restart()
	r.staysIn(authz.PhasePropagate, "mu:ledger to use generation 2")
	same(t, "lights", []string{authz.LightGreen, authz.LightGreen, authz.LightRed}, lights(r.status()))
	for _, m := range r.members {
		r.allowed(m, *m.current.Load())
	}
	r.prove(r.members[2])
	if view := r.step(authz.RotationAdvance); view.Phase != authz.PhaseDrain {
		t.Fatalf("in %s", view.Phase)
	}
	restart()
	if view := r.status(); view.Phase != authz.PhaseDrain || view.QuietLeftS != trioQuietS {
		t.Errorf("in %s, quiet for another %d s", view.Phase, view.QuietLeftS)
	}
	for _, m := range r.members {
		r.allowed(m, m.old)
	}
	r.move(trioQuietS * time.Second)
	view := r.step(authz.RotationAdvance)
	same(t, "steps", []string{authz.StepPrepare, authz.StepPropagate, authz.StepSwitch, authz.StepDrain, authz.StepRetire}, taken(view))
	restart()
	for _, m := range r.members {
		r.deniedAs(m, m.old, "CREDENTIAL_RETIRED")
		r.allowed(m, m.next)
	}
}
