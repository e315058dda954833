package rotation

import (
	"slices"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// View is a rotation as people watch it.
type View struct {
	ID      string       `json:"id"`    // of the rotation set
	Phase   string       `json:"phase"` // PhaseNone, or one of the authz.Phase constants
	Steps   []StepView   `json:"steps"`
	Members []MemberView `json:"members"`
	// WaitingFor says what keeps the rotation from its next step, each to be read
	// after "waiting for"; empty when Advance would take it, or nothing runs.
	WaitingFor []string `json:"waiting_for"`
	// QuietLeftS is for how many seconds the old generations must yet be unused, when
	// nobody uses them meanwhile. Only of PhaseDrain; left out when none are left.
	QuietLeftS int64 `json:"quiet_left_s,omitzero"`
	// Breaks are the members that an emergency left without a generation that they
	// have proved. A member leaves the list by proving its new one.
	Breaks []string `json:"breaks,omitempty"`
}

// PhaseNone is the phase of a set that has never been rotated.
const PhaseNone = "none"

// StepView is one step: as it was taken, waited in, or to come.
type StepView struct {
	Step   string    `json:"step"`
	State  string    `json:"state"` // see the Step constants of this package
	At     time.Time `json:"at,omitzero"`
	Forced bool      `json:"forced,omitzero"`
}

// States of a step.
const (
	StepDone    = "done"
	StepWaiting = "waiting" // the rotation waits in it
	StepAhead   = "ahead"
)

// MemberView is one member: what it uses and what is waited for.
type MemberView struct {
	MachineUser string    `json:"machine_user"`
	Old         []string  `json:"old"`           // credential ids; while nothing runs yet, the accepted ones
	New         string    `json:"new,omitempty"` // credential id
	NewUsedAt   time.Time `json:"new_used_at,omitzero"`
	NewUsedFrom string    `json:"new_used_from,omitempty"`
	OldUsedAt   time.Time `json:"old_used_at,omitzero"` // the last use of any of Old
	OldUsedFrom string    `json:"old_used_from,omitempty"`
	Light       string    `json:"light,omitempty"` // see the Light constants; left out in PhaseNone
	// WaitingFor is to be read after "waiting for".
	WaitingFor string `json:"waiting_for,omitempty"`
}

// Lights of a member. After an abort the generation that should no longer be used
// is the new one: green says it is not, amber that it is.
const (
	LightGreen = "green" // has proved its new generation and, in drain, left the old ones alone
	LightAmber = "amber" // has proved its new generation; the quiet time of its old ones is not over
	LightRed   = "red"   // has not proved its new generation, or can no longer use it
)

// Look gives the rotation as it is in s.
func Look(s State) View {
	if s.Rotation == nil {
		return s.idle()
	}
	r := read(s)
	v := View{ID: r.rotation.ID, Phase: r.rotation.Phase, Steps: r.stepViews(), WaitingFor: []string{}}
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
func (s State) idle() View {
	v := View{ID: s.Set.ID, Phase: PhaseNone, WaitingFor: []string{}}
	for _, step := range mainSteps {
		v.Steps = append(v.Steps, StepView{Step: step, State: StepAhead})
	}
	for _, name := range s.Set.Members {
		accepted := s.accepted(name)
		m := MemberView{MachineUser: name, Old: ids(accepted)}
		if last := lastUsed(accepted); last != nil {
			m.OldUsedAt, m.OldUsedFrom = last.LastUsedAt, last.LastUsedFrom
		}
		v.Members = append(v.Members, m)
	}
	return v
}

// stepViews are the steps taken and, while the rotation runs, the one it waits in
// and those ahead.
func (r *run) stepViews() []StepView {
	var views []StepView
	for _, taken := range r.rotation.Steps {
		views = append(views, StepView{Step: taken.Step, State: StepDone, At: taken.At, Forced: taken.Forced})
	}
	if !r.running() {
		return views
	}
	here := slices.Index(mainSteps, r.rotation.Phase) // a phase waits in the step of its name
	views = append(views, StepView{Step: mainSteps[here], State: StepWaiting})
	for _, step := range mainSteps[here+1:] {
		views = append(views, StepView{Step: step, State: StepAhead})
	}
	return views
}

func (r *run) memberView(m member) MemberView {
	v := MemberView{MachineUser: m.MachineUser, Old: m.Old, New: m.New, Light: r.light(m)}
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
		return LightRed
	case r.rotation.Phase == authz.PhaseDrain && r.quietLeft(m) > 0:
		return LightAmber
	}
	return LightGreen
}

func (r *run) abortedLight(m member) string {
	retiring := !r.dead(m.next) && m.next.State == authz.CredentialRetiring
	if retiring && r.Now.Before(m.next.LastUsedAt.Add(r.quietTime())) {
		return LightAmber
	}
	return LightGreen
}
