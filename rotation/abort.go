package rotation

import "github.com/verdict-pdp/verdict/authz"

// Abort plans the way back: each member's old generation is active again. A new
// generation that was never used is revoked; one that was becomes retiring, so that
// no member breaks, and the next rotation retires it. The new generation of a member
// that has no old one to go back to stays. It is a conflict when no rotation runs.
func Abort(s State) (Plan, error) {
	r, err := resume(s)
	if err != nil {
		return Plan{}, err
	}
	for _, m := range r.members {
		r.goBack(m)
	}
	r.step(authz.StepAbort, false)
	return r.plan(authz.PhaseAborted), nil
}

func (r *run) goBack(m member) {
	alive := r.alive(m)
	if len(alive) == 0 {
		if r.proved(m) {
			r.move(m.next, authz.CredentialActive)
		}
		return
	}
	if back := alive[0]; back.State == authz.CredentialRetiring {
		r.move(back, authz.CredentialActive)
	}
	switch {
	case m.next == nil:
	case r.proved(m):
		r.move(m.next, authz.CredentialRetiring)
	default:
		r.move(m.next, authz.CredentialRevoked)
	}
}
