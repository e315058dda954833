package generations

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
)

// modeAttempts is how often a mode is set anew when another change became active
// in between.
const modeAttempts = 5

// SetMode gives a guard another mode: it makes a generation, as SetModes does, and
// activates it. A mode is made stricter one step at a time, so that each step has its
// evidence, and less strict by as many as one likes. When another change becomes active
// in between it is made again on that one, and held to the rule again.
//
// The error is CodeNotFound when the active generation has no such guard, CodeConflict
// for more than one step up.
func (s *Set) SetMode(ctx context.Context, guard, mode, author, message string) (g authz.Generation, err error) {
	for range modeAttempts {
		if g, err = s.setModes(ctx, guard, mode, author, message, oneStep); err != nil {
			return authz.Generation{}, err
		}
		if g, err = s.Activate(ctx, g.Number, author, message); authz.CodeOf(err) != authz.CodeConflict {
			return g, err
		}
	}
	return authz.Generation{}, err
}

// oneStep refuses to make a guard stricter by more than one mode.
func oneStep(active *bundles.Snapshot, guard, mode string) error {
	now, _ := active.Mode(guard)
	if authz.Strictness(mode) > authz.Strictness(now)+1 {
		return authz.Errorf(authz.CodeConflict, "guard %s is at %s; one step up is %s, so that each step has its evidence", guard, now, authz.NextMode(now))
	}
	return nil
}

// SetModes keeps what the active generation becomes with another mode of one guard as
// a candidate, as Push does: in the bundle authz.ModesBundle, which speaks over the
// modes that the other bundles give. Any step will do, since nothing decides by it yet.
// With Verification.Required it may not be less strict than theirs. The error is
// CodeNotFound when there is no such guard.
func (s *Set) SetModes(ctx context.Context, guard, mode, author, message string) (authz.Generation, error) {
	return s.setModes(ctx, guard, mode, author, message, func(*bundles.Snapshot, string, string) error { return nil })
}

func (s *Set) setModes(ctx context.Context, guard, mode, author, message string, step func(active *bundles.Snapshot, guard, mode string) error) (authz.Generation, error) {
	if !slices.Contains(authz.Modes(), mode) {
		return authz.Generation{}, authz.Invalid("mode", "must be one of "+strings.Join(authz.Modes(), ", "))
	}
	if err := validateAuthor(author, message); err != nil {
		return authz.Generation{}, err
	}
	g, _, err := s.change(ctx, offer{
		name: authz.ModesBundle,
		may: func(on *view) error {
			if !slices.ContainsFunc(on.snapshot.Guards(), func(g bundles.Guard) bool { return g.Name == guard }) {
				return authz.Errorf(authz.CodeNotFound, "the active generation has no guard %s", strconv.Quote(guard))
			}
			return step(on.snapshot, guard, mode)
		},
		read:   func(on *view) (bundles.Package, error) { return withMode(on.snapshot, guard, mode) },
		source: authz.SourceModes, author: author, message: message,
	})
	return g, err
}

// withMode makes the modes bundle of active with another mode of a guard.
func withMode(active *bundles.Snapshot, guard, mode string) (bundles.Package, error) {
	set, _ := active.Modes()
	set[guard] = mode
	return bundles.ModesPackage(set, "")
}

// overlay refuses a set whose modes bundle is less strict than what its other
// bundles, which are signed, say. Where signatures are not required anything goes.
func (c Config) overlay(s *bundles.Snapshot) error {
	if !c.Verification.Required {
		return nil
	}
	over, signed := s.Modes()
	var problems []authz.Problem
	for _, guard := range slices.Sorted(maps.Keys(over)) {
		if authz.Strictness(over[guard]) < authz.Strictness(signed[guard]) {
			problems = append(problems, authz.Problem{
				File:    authz.ModesBundle,
				Message: fmt.Sprintf("sets guard %s to %s, which is less strict than %s in the signed bundles", guard, over[guard], authz.Modes()[authz.Strictness(signed[guard])]),
				Fix:     fmt.Sprintf("set guard %s to %s or stricter, or sign a bundle that says %s", guard, authz.Modes()[authz.Strictness(signed[guard])], over[guard]),
			})
		}
	}
	if len(problems) == 0 {
		return nil
	}
	e := &authz.Error{Code: authz.CodeInvalid, Message: "modes may only be made stricter where signatures are required", Problems: problems}
	for _, p := range problems {
		e.Message += "\n" + p.String()
	}
	return e
}
