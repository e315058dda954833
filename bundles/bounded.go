package bundles

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// bounded does work and waits at most limit for it: OPA's parser and compiler
// heed no context. Work that takes longer goes on in the background, its context
// over, until it ends by itself. A panic in it is an error, because policies come
// from outside and must not end the process. doing names the work in errors.
func bounded[T any](ctx context.Context, limit time.Duration, doing string, work func(context.Context) (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	within, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	done := make(chan outcome, 1)
	go func() {
		var o outcome
		defer func() {
			if fault := recover(); fault != nil {
				o.err = &authz.Error{
					Code: authz.CodeInvalid, Message: doing + " failed unexpectedly; leave out the last change and report it with the policies",
					Cause: fmt.Errorf("panic: %v\n%s", fault, debug.Stack()),
				}
			}
			done <- o
		}()
		o.value, o.err = work(within)
	}()
	var o outcome
	select {
	case o = <-done:
	case <-within.Done():
		o.err = within.Err()
	}
	if errors.Is(o.err, context.DeadlineExceeded) && ctx.Err() == nil {
		o.err = authz.Errorf(authz.CodeInvalid, "%s took longer than %s; make them simpler or raise the limit", doing, limit)
	}
	return o.value, o.err
}
