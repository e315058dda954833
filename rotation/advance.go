package rotation

import "github.com/verdict-pdp/verdict/authz"

// Advance plans the next step, on evidence. It is a conflict when no rotation runs
// or evidence is missing; the error then names the members it waits for, and for what.
func Advance(s State) (Plan, error) {
	r, err := resume(s)
	if err != nil {
		return Plan{}, err
	}
	if waits := r.waits(); len(waits) > 0 {
		return Plan{}, authz.Errorf(authz.CodeConflict, "waiting for %s", join(waits))
	}
	return r.advance(false), nil
}

// Force plans the same step without evidence, and records that it was forced. It is
// a conflict when no rotation runs, or when a member's new generation is dead while
// an old one is not: that member could never recover.
func Force(s State) (Plan, error) {
	r, err := resume(s)
	if err != nil {
		return Plan{}, err
	}
	for _, m := range r.members {
		if r.lost(m) {
			return Plan{}, authz.Errorf(authz.CodeConflict, "waiting for %s", r.lostText(m))
		}
	}
	return r.advance(true), nil
}

func (r *run) advance(forced bool) Plan {
	if r.rotation.Phase == authz.PhasePropagate {
		r.step(authz.StepPropagate, forced)
		r.step(authz.StepSwitch, forced)
		r.activateNew()
		r.endOld(authz.CredentialRetiring)
		return r.plan(authz.PhaseDrain)
	}
	r.step(authz.StepDrain, forced)
	r.step(authz.StepRetire, forced)
	r.endOld(authz.CredentialRetired)
	return r.plan(authz.PhaseDone)
}

// activateNew makes the new generations active.
func (r *run) activateNew() {
	for _, m := range r.members {
		if m.next != nil {
			r.move(m.next, authz.CredentialActive)
		}
	}
}

func (r *run) endOld(state string) {
	for _, m := range r.members {
		for _, c := range m.old {
			r.move(c, state)
		}
	}
}

// Emergency plans the end of every old generation now: they are revoked, the new
// ones are active and the rotation is done. authz.RotationView.Breaks names the members that have
// not proved their new generation. It is a conflict when no rotation runs, because
// then there is nothing that members could move to.
func Emergency(s State) (Plan, error) {
	r, err := resume(s)
	if err != nil {
		return Plan{}, err
	}
	if r.rotation.Phase == authz.PhasePropagate {
		r.step(authz.StepSwitch, true)
	}
	r.step(authz.StepEmergency, true)
	r.activateNew()
	r.endOld(authz.CredentialRevoked)
	return r.plan(authz.PhaseDone), nil
}

// breaks lists the members without a generation that is known to work.
func (r *run) breaks() []string {
	var names []string
	for _, m := range r.members {
		if !r.proved(m) || r.dead(m.next) {
			names = append(names, m.MachineUser)
		}
	}
	return names
}
