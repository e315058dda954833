package rotation

import (
	"slices"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// run is a rotation as it was read from a State, and the plan of a step of it.
type run struct {
	State
	rotation *authz.Rotation // a copy
	members  []member
	put      []authz.Entity
}

// member is one machine user of a run. Its credentials are copies.
type member struct {
	authz.RotationMember
	old  []*authz.Credential // those of Old that are still there, in its order
	next *authz.Credential   // nil when New is gone
}

// resume reads a rotation that is to take a step. It is a conflict when none runs.
func resume(s State) (*run, error) {
	if s.running() {
		return read(s), nil
	}
	if s.Rotation == nil {
		return nil, authz.Errorf(authz.CodeConflict, "no rotation of %s runs; start one", s.Set.ID)
	}
	return nil, authz.Errorf(authz.CodeConflict, "no rotation of %s runs, the last one is %s; start one", s.Set.ID, s.Rotation.Phase)
}

func read(s State) *run {
	rotation := *s.Rotation
	rotation.Steps = slices.Clone(rotation.Steps)
	r := &run{State: s, rotation: &rotation}
	for _, m := range rotation.Members {
		r.members = append(r.members, s.member(m))
	}
	return r
}

func (s State) member(m authz.RotationMember) member {
	read := member{RotationMember: m}
	byID := map[string]*authz.Credential{} // :: id -> credential
	for _, c := range s.credentials(m.MachineUser, s.Rotation.Kind) {
		byID[c.ID] = c
	}
	for _, id := range m.Old {
		if c, ok := byID[id]; ok {
			read.old = append(read.old, c)
		}
	}
	read.next = byID[m.New]
	return read
}

// move puts a credential that is still accepted into a state.
func (r *run) move(c *authz.Credential, state string) {
	if !c.Accepted() || c.State == state {
		return
	}
	c.State = state
	r.put = append(r.put, c)
}

func (r *run) step(step string, forced bool) {
	r.rotation.Steps = append(r.rotation.Steps, authz.RotationStep{Step: step, At: r.Now, By: r.By, Forced: forced})
}

// plan ends the step in a phase.
func (r *run) plan(phase string) Plan {
	r.rotation.Phase = phase
	return Plan{Put: append(r.put, r.rotation)}
}

// stepAt is when a step was last taken; the zero time when it was not.
func (r *run) stepAt(step string) time.Time {
	for _, taken := range slices.Backward(r.rotation.Steps) {
		if taken.Step == step {
			return taken.At
		}
	}
	return time.Time{}
}

func (r *run) quietTime() time.Duration { return time.Duration(r.rotation.QuietS) * time.Second }

// proved reports whether the member has used its new generation. A use from before
// the rotation is of a deleted credential that had the same id.
func (r *run) proved(m member) bool {
	return m.next != nil && !m.next.LastUsedAt.IsZero() && !m.next.LastUsedAt.Before(r.stepAt(authz.StepPrepare))
}

// alive are the old generations that still prove the member.
func (r *run) alive(m member) []*authz.Credential {
	return slices.DeleteFunc(slices.Clone(m.old), r.dead)
}

// lost reports whether ending the old generations would leave the member with none.
func (r *run) lost(m member) bool { return r.dead(m.next) && len(r.alive(m)) > 0 }

// over reports whether the member has nothing but dead generations.
func (r *run) over(m member) bool { return r.dead(m.next) && len(r.alive(m)) == 0 }

// quietLeft is how long the member's old generations must yet be unused; zero or
// less when they may be retired.
func (r *run) quietLeft(m member) time.Duration {
	var left time.Duration
	for _, c := range r.alive(m) {
		since := r.maybeUsed(c)
		if switched := r.stepAt(authz.StepSwitch); since.Before(switched) {
			since = switched
		}
		left = max(left, since.Add(r.quietTime()).Sub(r.Now))
	}
	return left
}

// lastUsed is the one of credentials that was used last; nil when none was.
func lastUsed(credentials []*authz.Credential) *authz.Credential {
	var last *authz.Credential
	for _, c := range credentials {
		if !c.LastUsedAt.IsZero() && (last == nil || c.LastUsedAt.After(last.LastUsedAt)) {
			last = c
		}
	}
	return last
}
