package credentials

import (
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// departedFor is how long a deleted machine user's tokens are remembered to be
// dead: longer than the oldest token any service may accept.
const departedFor = 367 * 24 * time.Hour

// Departure is the revocation to be written in the write that deletes a machine
// user, so that one made anew under the same id does not inherit its tokens. It is
// never weaker than the entry there is; before is nil when there is none.
func Departure(machineUser string, before *authz.Revocation, at time.Time) *authz.Revocation {
	r := &authz.Revocation{
		Listed:       authz.Listed{By: authz.BySubject, Of: machineUser, Reason: "the machine user was deleted"},
		IssuedBefore: at,
		Until:        at.Add(departedFor),
	}
	if before == nil {
		return r
	}
	if before.IssuedBefore.IsZero() || before.IssuedBefore.After(at) {
		r.IssuedBefore = before.IssuedBefore
	}
	if before.Until.IsZero() || before.Until.After(r.Until) {
		r.Until = before.Until
	}
	return r
}
