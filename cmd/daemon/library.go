package daemon

import (
	"context"

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
func (l library) Diff(ctx context.Context, a, b uint64, last int) (authz.Difference, error) {
	files, err := l.Keeper.Diff(a, b)
	difference := authz.Difference{From: a, To: b, Files: files}
	if err != nil || last == 0 {
		return difference, err
	}
	difference.Decisions, err = l.daemon.compareGenerations(ctx, a, b, last)
	return difference, err
}

// Status implements admin.Generations.
func (l library) Status() authz.PolicyStatus { return l.daemon.policyStatus() }

// Guards implements admin.Guards.
func (l library) Guards(ctx context.Context) ([]authz.GuardMode, error) {
	return l.daemon.guardModes(ctx)
}
