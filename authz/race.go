package authz

import "context"

// raceAttempts is how often Retry runs what loses every race.
const raceAttempts = 8

// Retry runs try, which reads, computes and writes on the condition that what it read is
// still so, and again while another write came in between: it fails with
// CodePrecondition, and ctx has not ended. Every other error is returned as it is. When
// other writes keep coming it is CodeUnavailable, with what the caller is to do then.
func Retry(ctx context.Context, then string, try func() error) (err error) {
	for range raceAttempts {
		if err = try(); CodeOf(err) != CodePrecondition || ctx.Err() != nil {
			return err
		}
	}
	return &Error{Code: CodeUnavailable, Message: "other writes kept coming in between; " + then, Cause: err}
}
