package generations

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
)

// Activate puts generation n in force: on disk first, and then in use. It survives
// the loss of the process when Activate returns, and with it the change of ctx that it
// was within (authz.WithChange). Activating the active generation
// changes nothing; after a start that fell back it makes that choice final.
//
// The error is an *authz.Error, and then what was in force still is: CodeNotFound when
// n is not kept; CodeConflict for a candidate that would also undo what became active
// after it was made; that of the signature step when a bundle it brings is older than
// one that was active before, or no longer verifies with the keys there are. An older
// generation that was active can be had by Rollback.
func (s *Set) Activate(ctx context.Context, n uint64, by, message string) (authz.Generation, error) {
	if err := validateAuthor(by, message); err != nil {
		return authz.Generation{}, err
	}
	if err := acquire(ctx, s.writing); err != nil {
		return authz.Generation{}, err
	}
	defer s.writing.Release(1)
	v := s.view.Load()
	g, err := v.get(n)
	if err != nil {
		return authz.Generation{}, err
	}
	if v.activeOnDisk(g) {
		return v.show(g), nil
	}
	if err := s.mayActivate(v, g); err != nil {
		return authz.Generation{}, err
	}
	next := v.state.activated(n, v.running(), s.activation(ctx, by)).accepting(g.brought(v.active))
	return s.chooseLocked(g, next, message)
}

// Rollback puts a generation that was active in force again, as Activate does: to is
// its number, 0 the one that was active before. Bundles may be older than those that
// were active since; what is remembered of them does not change, so that only a
// Rollback gets there. The error is CodeConflict when there is nothing to go back to.
func (s *Set) Rollback(ctx context.Context, to uint64, by, message string) (authz.Generation, error) {
	if err := validateAuthor(by, message); err != nil {
		return authz.Generation{}, err
	}
	if err := acquire(ctx, s.writing); err != nil {
		return authz.Generation{}, err
	}
	defer s.writing.Release(1)
	v := s.view.Load()
	if to == 0 {
		if to = v.previous(); to == 0 {
			return authz.Generation{}, authz.Errorf(authz.CodeConflict, "no generation was active before this one; name the one to go back to")
		}
	}
	g, err := v.get(to)
	switch {
	case err != nil:
		return authz.Generation{}, err
	case v.activeOnDisk(g):
		return v.show(g), nil
	case v.candidate(g):
		return authz.Generation{}, authz.Errorf(authz.CodeConflict, "generation %d was never active, so it cannot be gone back to; activate it", to)
	}
	return s.chooseLocked(g, v.state.activated(to, v.running(), s.activation(ctx, by)), message)
}

// activation is what is remembered of an activation now, within the change of
// ctx.
func (s *Set) activation(ctx context.Context, by string) activation {
	return activation{At: s.config.Now().UTC(), By: by, Change: authz.ChangeOf(ctx)}
}

// mayActivate refuses a generation whose activation would do more than it was pushed for.
func (s *Set) mayActivate(v *view, g *generation) error {
	if v.active == nil {
		return notStarted()
	}
	if undone := v.undone(g); v.candidate(g) && len(undone) > 0 {
		return authz.Errorf(authz.CodeConflict, "generation %d changes %s, but was made before others were changed, and would undo that: %s; make the change again, on the active generation", g.Number, g.ChangedBundle, strings.Join(undone, ", "))
	}
	for _, ref := range g.brought(v.active) {
		if made(ref.Source) {
			continue
		}
		stored, err := s.stored(ref)
		if err != nil {
			return unreadable(ref, g, err)
		}
		if _, err := stored.Verify(s.config.Verification, v.state.Accepted[ref.Name]); err != nil {
			return refusal(authz.GateSignature, err)
		}
	}
	return s.mayOverlay(g)
}

// mayOverlay holds the modes of g to the signed bundles once more: signatures may be
// required only since it passed the gate.
func (s *Set) mayOverlay(g *generation) error {
	if _, ok := g.bundle(authz.ModesBundle); !ok || !s.config.Verification.Required {
		return nil
	}
	snapshot, err := s.Snapshot(g.Number)
	if err != nil {
		return err
	}
	return s.config.overlay(snapshot)
}

// undone lists the bundles that g does not have as the active generation has them: those
// beside the one it was made for, and the modes, each of which was set for itself, when
// others were set since.
func (v *view) undone(g *generation) []string {
	var names []string
	for _, ref := range append(g.brought(v.active), v.active.brought(g)...) {
		if ref.Name != g.ChangedBundle || g.ChangedBundle == authz.ModesBundle && v.activeDigest(g.ChangedBundle) != g.ReplacedDigest {
			names = append(names, ref.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// activeDigest is the digest of the active generation's bundle of that name, empty when it
// has none.
func (v *view) activeDigest(name string) string {
	ref, _ := v.active.bundle(name)
	return ref.Digest
}

// activeOnDisk reports whether g is active, here and on disk.
func (v *view) activeOnDisk(g *generation) bool { return g == v.active && g.Number == v.state.Active }

// chooseLocked activates what a caller chose, who knows how the start went.
func (s *Set) chooseLocked(g *generation, next state, message string) (authz.Generation, error) {
	active, err := s.activateLocked(g, next, message)
	if err == nil {
		s.status.chosen()
	}
	return active, err
}

// activateLocked makes g active and next the state. The caller holds writing.
func (s *Set) activateLocked(g *generation, next state, message string) (authz.Generation, error) {
	before := s.view.Load()
	snapshot, err := s.Snapshot(g.Number)
	if err != nil {
		return authz.Generation{}, err
	}
	v := *before
	v.state, v.active, v.snapshot, v.changed = next, g, snapshot, make(chan struct{})
	if err := s.swapLocked(&v, func() error { return s.commit(before.state, next, snapshot) }); err != nil {
		return authz.Generation{}, err
	}
	if before.snapshot != nil {
		s.compiled.add(before.snapshot) // a rollback finds it
	}
	s.compiled.drop(g.Number)
	s.status.activated()
	s.config.Log.Info("a generation was activated", "generation", g.Number, "digest", g.Digest, "before", before.running(), "by", next.Activated[g.Number].By, "message", message)
	s.pruneLocked()
	return s.view.Load().show(g), nil
}

// commit makes next the state on disk and puts snapshot in force, or leaves both as
// they were.
func (s *Set) commit(before, next state, snapshot *bundles.Snapshot) error {
	err := s.disk.writeState(next)
	if err != nil {
		err = unwritten(err)
	} else if err = s.use(snapshot); err == nil {
		return nil
	}
	if undo := s.disk.writeState(before); undo != nil {
		return ofDisk(fmt.Sprintf("%s is not active, but the disk may say that it is: it is then, after a restart; activate the generation you want", named(next.Active)), errors.Join(err, undo))
	}
	return err
}

// use puts a snapshot in force. The error is an *authz.Error.
func (s *Set) use(snapshot *bundles.Snapshot) error {
	err := s.config.Use(snapshot)
	var ours *authz.Error
	if err == nil || errors.As(err, &ours) {
		return err
	}
	return internal(named(snapshot.Ref().Generation)+" could not be put in force", err)
}
