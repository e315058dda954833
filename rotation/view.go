package rotation

import (
	"cmp"
	"slices"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// Look is the rotation as it is in s.
func Look(s State) authz.RotationView {
	if s.Rotation == nil {
		return s.idle()
	}
	r := read(s)
	v := authz.RotationView{
		ID: r.rotation.ID, Phase: r.rotation.Phase, Advance: cmp.Or(r.rotation.Advance, authz.AdvanceManual),
		Steps: r.stepViews(), WaitingFor: []string{},
	}
	for _, m := range r.members {
		member := r.memberView(m)
		v.Members = append(v.Members, member)
		if member.WaitingFor != "" {
			v.WaitingFor = append(v.WaitingFor, member.WaitingFor)
		}
		if r.rotation.Phase == authz.PhaseDrain {
			v.QuietLeftS = max(v.QuietLeftS, ceil(r.quietLeft(m), time.Second))
		}
	}
	if !r.stepAt(authz.StepEmergency).IsZero() {
		v.Breaks = r.breaks()
	}
	return v
}

var mainSteps = []string{authz.StepPrepare, authz.StepPropagate, authz.StepSwitch, authz.StepDrain, authz.StepRetire}

// idle is the view of a set before its first rotation.
func (s State) idle() authz.RotationView {
	v := authz.RotationView{ID: s.Set.ID, Phase: authz.PhaseNone, WaitingFor: []string{}}
	for _, step := range mainSteps {
		v.Steps = append(v.Steps, authz.RotationStepView{Step: step, State: authz.StepAhead})
	}
	for _, name := range s.Set.Members {
		accepted := s.accepted(name)
		m := authz.RotationMemberView{MachineUser: name, Old: ids(accepted)}
		if last := lastUsed(accepted); last != nil {
			m.OldUsedAt, m.OldUsedFrom = last.LastUsedAt, last.LastUsedFrom
		}
		v.Members = append(v.Members, m)
	}
	return v
}

// stepViews are the steps taken and, while the rotation runs, the one it waits in
// and those ahead.
func (r *run) stepViews() []authz.RotationStepView {
	var views []authz.RotationStepView
	for _, taken := range r.rotation.Steps {
		views = append(views, authz.RotationStepView{Step: taken.Step, State: authz.StepDone, At: taken.At, Forced: taken.Forced})
	}
	if !r.running() {
		return views
	}
	here := slices.Index(mainSteps, r.rotation.Phase) // a phase waits in the step of its name
	views = append(views, authz.RotationStepView{Step: mainSteps[here], State: authz.StepWaiting})
	for _, step := range mainSteps[here+1:] {
		views = append(views, authz.RotationStepView{Step: step, State: authz.StepAhead})
	}
	return views
}

func (r *run) memberView(m member) authz.RotationMemberView {
	v := authz.RotationMemberView{MachineUser: m.MachineUser, Old: m.Old, New: m.New, Light: r.light(m)}
	if v.Old == nil {
		v.Old = []string{}
	}
	if r.running() {
		v.WaitingFor = r.waitsFor(m)
	}
	if m.next != nil {
		v.NewUsedAt, v.NewUsedFrom = m.next.LastUsedAt, m.next.LastUsedFrom
	}
	if last := lastUsed(m.old); last != nil {
		v.OldUsedAt, v.OldUsedFrom = last.LastUsedAt, last.LastUsedFrom
	}
	return v
}

func (r *run) light(m member) string {
	switch {
	case r.rotation.Phase == authz.PhaseAborted:
		return r.abortedLight(m)
	case !r.proved(m) || r.dead(m.next):
		return authz.LightRed
	case r.rotation.Phase == authz.PhaseDrain && r.quietLeft(m) > 0:
		return authz.LightAmber
	}
	return authz.LightGreen
}

func (r *run) abortedLight(m member) string {
	retiring := !r.dead(m.next) && m.next.State == authz.CredentialRetiring
	if retiring && r.Now.Before(m.next.LastUsedAt.Add(r.quietTime())) {
		return authz.LightAmber
	}
	return authz.LightGreen
}
