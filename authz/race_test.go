package authz_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/verdict-pdp/verdict/authz"
)

func TestRetry(t *testing.T) {
	lost := authz.Errorf(authz.CodePrecondition, "another write came in between")
	failed := authz.Errorf(authz.CodeConflict, "it is taken")
	for name, test := range map[string]struct {
		losses int   // how often try loses
		end    int   // after which run ctx ends; 0: never
		then   error // of try after that
		runs   int
		want   error
		code   authz.ErrorCode
	}{
		"no race":             {runs: 1},
		"lost and won":        {losses: 7, runs: 8},
		"another error":       {losses: 2, then: failed, runs: 3, want: failed, code: authz.CodeConflict},
		"races without end":   {losses: 100, runs: 8, want: lost, code: authz.CodeUnavailable},
		"the context ends":    {losses: 100, end: 3, runs: 3, want: lost, code: authz.CodePrecondition},
		"it ends, but is won": {losses: 1, end: 2, runs: 2},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			runs := 0
			err := authz.Retry(ctx, "send it again", func() error {
				if runs++; runs == test.end {
					cancel()
				}
				if runs <= test.losses {
					return lost
				}
				return test.then
			})
			if runs != test.runs || authz.CodeOf(err) != test.code || !errors.Is(err, test.want) {
				t.Errorf("%d runs, %q %v; want %d, %q %v", runs, authz.CodeOf(err), err, test.runs, test.code, test.want)
			}
			if test.code == authz.CodeUnavailable && !strings.HasSuffix(err.Error(), "in between; send it again") {
				t.Errorf("%v does not say what to do", err)
			}
		})
	}
}
