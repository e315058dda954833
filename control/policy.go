package control

import (
	"context"
	"io"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/generations"
)

// Policies changes the policy set: *generations.Set. by is the id of the caller's API
// key.
type Policies interface {
	// Receive reads the bundle of a push, however slowly it comes; push runs the gate.
	Receive(ctx context.Context, p generations.Push) (push func(context.Context) (g authz.Generation, created bool, err error), err error)
	Remove(ctx context.Context, name, by, message string) (authz.Generation, error)
	Activate(ctx context.Context, number uint64, by, message string) (authz.Generation, error)
	Rollback(ctx context.Context, to uint64, by, message string) (authz.Generation, error)
	SetMode(ctx context.Context, guard, mode, by, message string) (authz.Generation, error)
	// Active is the active generation.
	Active() authz.Generation
	// FindChange returns the generation that the change id made, and the one that it
	// activated; 0 for none.
	FindChange(id string) (made, activated uint64)
}

// withPolicies is do for a change of the policy set. effect returns the generation that
// it made or activated.
func (s *Service) withPolicies(ctx context.Context, by authz.Author, c *authz.AuditedChange, rules func() error, effect func(context.Context) (authz.Generation, error)) (g authz.Generation, err error) {
	err = s.do(ctx, by, c, func() error {
		if s.config.Policies == nil {
			return missing("policies")
		}
		if err := ValidateMessage(c.Message); err != nil {
			return err
		}
		c.Before = s.config.Policies.Active().Digest
		return rules()
	}, func(ctx context.Context) error {
		if g, err = effect(ctx); err != nil {
			return err
		}
		c.Generation, c.After = g.Number, g.Digest
		return nil
	})
	return g, err
}

func noRules() error { return nil }

// Push runs the gate on a bundle with the other bundles of the active generation, and
// returns the candidate; created is false when there was such a generation already. body is
// gzipped tar. What is wrong with the bundle is CodeInvalid with Problems, and nothing of it
// is stored.
func (s *Service) Push(ctx context.Context, by authz.Author, name string, body io.Reader, message string) (g authz.Generation, created bool, err error) {
	c := &authz.AuditedChange{Kind: authz.ChangePush, Bundle: name, Message: message}
	var push func(context.Context) (authz.Generation, bool, error)
	g, err = s.withPolicies(ctx, by, c, func() (err error) {
		push, err = s.config.Policies.Receive(ctx, generations.Push{Name: name, Body: body, Source: authz.SourcePush, Author: by.Key, Message: message})
		return err
	}, func(ctx context.Context) (authz.Generation, error) {
		g, created, err = push(ctx)
		return g, err
	})
	return g, created, err
}

// RemoveBundle makes a candidate without a bundle, which passes the gate as well.
// CodeNotFound when the active generation has none of that name.
func (s *Service) RemoveBundle(ctx context.Context, by authz.Author, name, message string) (authz.Generation, error) {
	c := &authz.AuditedChange{Kind: authz.ChangeRemove, Bundle: name, Message: message}
	return s.withPolicies(ctx, by, c, noRules, func(ctx context.Context) (authz.Generation, error) {
		return s.config.Policies.Remove(ctx, name, by.Key, message)
	})
}

// Activate makes a generation the active one, durably, and returns it. CodeNotFound when
// it is not stored any more.
func (s *Service) Activate(ctx context.Context, by authz.Author, number uint64, message string) (authz.Generation, error) {
	c := &authz.AuditedChange{Kind: authz.ChangeActivate, Generation: number, Message: message}
	return s.withPolicies(ctx, by, c, noRules, func(ctx context.Context) (authz.Generation, error) {
		return s.config.Policies.Activate(ctx, number, by.Key, message)
	})
}

// ActivatePulled is Activate of a pulled bundle, by the node itself.
func (s *Service) ActivatePulled(ctx context.Context, bundle string, number uint64, source string) (authz.Generation, error) {
	message := "pulled from " + source
	c := &authz.AuditedChange{Kind: authz.ChangeActivate, Bundle: bundle, Generation: number, Message: message}
	return s.withPolicies(ctx, authz.Node(), c, noRules, func(ctx context.Context) (authz.Generation, error) {
		return s.config.Policies.Activate(ctx, number, source, message)
	})
}

// Rollback is Activate of a generation that was active before: the last such one when
// to is 0, CodeConflict when there is none.
func (s *Service) Rollback(ctx context.Context, by authz.Author, to uint64, message string) (authz.Generation, error) {
	c := &authz.AuditedChange{Kind: authz.ChangeRollback, Generation: to, Message: message}
	return s.withPolicies(ctx, by, c, noRules, func(ctx context.Context) (authz.Generation, error) {
		return s.config.Policies.Rollback(ctx, to, by.Key, message)
	})
}

// SetMode makes a generation with another mode of a guard and activates it.
// CodeNotFound when there is no such guard, CodeConflict for more than one step up.
func (s *Service) SetMode(ctx context.Context, by authz.Author, guard, mode, message string) (authz.Generation, error) {
	c := &authz.AuditedChange{Kind: authz.ChangeMode, Guard: guard, Mode: mode, Message: message}
	return s.withPolicies(ctx, by, c, noRules, func(ctx context.Context) (authz.Generation, error) {
		return s.config.Policies.SetMode(ctx, guard, mode, by.Key, message)
	})
}
