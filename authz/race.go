package authz

import "context"

// raceAttempts is how often Retry calls try at most.
const raceAttempts = 8

// Retry calls try, which reads, computes and writes on the condition that what it read has
// not changed, and calls it again while another write came in between, that is while it
// returns CodePrecondition and ctx has not ended. Every other error is returned as it is. When
// other writes keep coming it is CodeUnavailable, with what the caller is to do then.
func Retry(ctx context.Context, then string, try func() error) (err error) {
	for range raceAttempts {
		if err = try(); CodeOf(err) != CodePrecondition || ctx.Err() != nil {
			return err
		}
	}
	return &Error{Code: CodeUnavailable, Message: "other writes kept coming in between; " + then, Cause: err}
}
