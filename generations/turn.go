package generations

import (
	"context"

	"github.com/verdict-pdp/verdict/authz"
)

// turn lets one caller at a time through; the others wait as long as their
// contexts do.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

// take waits for the turn. The error is an *authz.Error, CodeUnavailable; without
// one the caller must call end.
func (t turn) take(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return givenUp(err)
	}
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return givenUp(ctx.Err())
	}
}

func (t turn) end() { <-t }

// givenUp is the error for a caller that did not wait for the end.
func givenUp(cause error) error {
	return &authz.Error{Code: authz.CodeUnavailable, Message: "the policies were not changed: the caller did not wait for it, or another change took too long; try again", Cause: cause}
}
