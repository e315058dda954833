package daemon

import (
	"context"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/generations"
)

// library is the generations of policies as the admin surface reads them.
type library struct {
	*generations.Keeper
	daemon *Daemon
}

// Diff implements admin.Policies.
func (l library) Diff(ctx context.Context, a, b uint64, last int) (authz.Difference, error) {
	files, err := l.Keeper.Diff(a, b)
	difference := authz.Difference{From: a, To: b, Files: files}
	if err != nil || last == 0 {
		return difference, err
	}
	decisions, err := l.daemon.history().Compare(ctx, a, b, last)
	difference.Decisions = &decisions
	return difference, err
}

// Status implements admin.Policies.
func (l library) Status() authz.PolicyStatus { return l.daemon.policyStatus() }

// Guards implements admin.Policies: those of the policies that are active when it is
// asked, with what each said lately.
func (l library) Guards(ctx context.Context) ([]authz.GuardMode, error) {
	active := l.daemon.engine.Active()
	said, err := l.daemon.history().Evidence(ctx)
	if err != nil {
		return nil, err
	}
	return active.GuardModes(said.Of), nil
}
