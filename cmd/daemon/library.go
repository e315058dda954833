package daemon

import (
	"context"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/generations"
	"github.com/verdict-pdp/verdict/server/admin"
)

// library is the generations of policies as the admin surface sees them.
type library struct {
	*generations.Keeper
	daemon *Daemon
}

// Push implements admin.Bundles.
func (l library) Push(ctx context.Context, p admin.PolicyPush) (authz.Generation, bool, error) {
	return l.Keeper.Push(ctx, generations.Push{Name: p.Name, Body: p.Body, Source: authz.SourcePush, Author: p.Author, Message: p.Message})
}

// Diff implements admin.Generations.
func (l library) Diff(ctx context.Context, a, b uint64, last int) (admin.Diff, error) {
	files, err := l.Keeper.Diff(a, b)
	if err != nil || last == 0 {
		return admin.Diff{Files: files}, err
	}
	decisions, err := l.daemon.compareGenerations(ctx, a, b, last)
	return admin.Diff{Files: files, Decisions: decisions}, err
}

// Status implements admin.Generations.
func (l library) Status() authz.PolicyStatus { return l.daemon.policyStatus() }

// Guards implements admin.Guards.
func (l library) Guards(ctx context.Context) ([]api.GuardMode, error) {
	return l.daemon.guardModes(ctx)
}

// modeAttempts is how often a mode is set anew when somebody else's change became
// active in between.
const modeAttempts = 5

// SetMode implements admin.Guards.
func (l library) SetMode(ctx context.Context, guard, mode, by, message string) (g authz.Generation, err error) {
	for range modeAttempts {
		if err = l.daemon.checkStep(guard, mode); err != nil {
			return authz.Generation{}, err
		}
		if g, err = l.Keeper.SetModes(ctx, guard, mode, by, message); err != nil {
			return authz.Generation{}, err
		}
		if g, err = l.Keeper.Activate(ctx, g.Number, by, message); authz.CodeOf(err) != authz.CodeConflict {
			return g, err
		}
	}
	return authz.Generation{}, err
}

// modeSetter is the generations of policies as control sees them.
type modeSetter struct {
	*generations.Keeper
	daemon *Daemon
}

// SetMode implements control.Policies.
func (m modeSetter) SetMode(ctx context.Context, guard, mode, by, message string) (authz.Generation, error) {
	return library{m.Keeper, m.daemon}.SetMode(ctx, guard, mode, by, message)
}
