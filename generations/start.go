package generations

import (
	"cmp"
	"context"
	"io/fs"
	"slices"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
)

// Base is the policy set that a node starts with, and falls back to when it keeps
// none: the bundle authz.BaseBundle.
type Base struct {
	Files  fs.FS
	Source string // authz.SourceBuiltIn, which is trusted, or authz.SourceFolder
}

// Start makes a generation active: the one that was active last. When that one cannot
// be used it is tried with base in the place of its own, because a newer binary may
// need its newer base; then the last good one is tried, and Status says why; when there
// is none, one is made of base alone.
//
// A base that is not the one of the last start (another binary, another or an edited
// folder) takes the place of the base in force, unless that one was pushed or pulled;
// when it cannot, the base in force stays and Status says why. Neither tests nor a
// replay hold up a start.
//
// The error is an *authz.Error: nothing is active.
func (s *Set) Start(ctx context.Context, base Base) error {
	if base.Source != authz.SourceBuiltIn && base.Source != authz.SourceFolder {
		return authz.Invalid("source", "of the base must be "+authz.SourceBuiltIn+" or "+authz.SourceFolder)
	}
	if err := acquire(ctx, s.gate); err != nil {
		return err
	}
	defer s.gate.Release(1)
	if err := acquire(ctx, s.writing); err != nil {
		return err
	}
	defer s.writing.Release(1)
	b := readBase(base)
	if err := s.resumeLocked(ctx, b); err != nil {
		return err
	}
	v := s.view.Load()
	if v.active != nil && (v.running() != v.state.Active || v.state.Base == b.pkg.Digest || !b.replaces(v.active)) {
		return nil
	}
	err := s.rebaseLocked(ctx, b, v.active)
	if v.active != nil && ctx.Err() == nil {
		return nil // what stopped it is a failure of the base bundle
	}
	return err
}

// offeredBase is a Base as it was read, or why it could not be.
type offeredBase struct {
	source string
	pkg    bundles.Package
	err    error
}

func readBase(b Base) offeredBase {
	pkg, err := bundles.ReadFolder(b.Files, bundles.Limits{})
	return offeredBase{source: b.Source, pkg: pkg, err: err}
}

// replaces reports whether b is another base than that of g, and may take its place: what
// was pushed or pulled stays, and what a folder says is not undone by what is in the
// binary.
func (b offeredBase) replaces(g *generation) bool {
	theirs, ok := g.bundle(authz.BaseBundle)
	return ok && theirs.Digest != b.pkg.Digest && (theirs.Source == authz.SourceBuiltIn || theirs.Source == b.source)
}

// resumeLocked makes the last good generation active, if there is one. The error says
// that ctx ended; generations that cannot be used are failures.
func (s *Set) resumeLocked(ctx context.Context, base offeredBase) error {
	v := s.view.Load()
	if n := v.state.Active; n != 0 && v.generations[n] == nil {
		s.fellBack(named(n), authz.Errorf(authz.CodeInternal, "%s was active, and its files are damaged or gone; push its bundles again", named(n)))
	}
	for _, g := range v.lastGood() {
		if err := ctx.Err(); err != nil {
			return givenUp(err)
		}
		err := s.resumeWithLocked(g)
		if err == nil {
			return nil
		}
		if base.replaces(g) && s.rebaseLocked(ctx, base, g) == nil {
			return nil
		}
		s.fellBack(named(g.Number), err)
	}
	return nil
}

// resumeWithLocked makes g active without writing it to disk: when g is not what the disk
// says was active, that one is tried again at the next start. Only when the disk says
// nothing it is written.
func (s *Set) resumeWithLocked(g *generation) error {
	v := s.view.Load()
	if v.state.Active == 0 {
		next := v.state.activated(g.Number, 0, activation{At: s.config.Now().UTC(), By: StepStart}).accepting(g.Bundles)
		if _, err := s.activateLocked(g, next, "the last generation that others were made on, because it is not known which one was active"); err != nil {
			return err
		}
		if v.lost {
			s.fellBack(stateFile, authz.Errorf(authz.CodeInternal, "the record of which generation was active is damaged; %s, which the newest was made on, is active: activate the one you want", named(g.Number)))
		}
		return nil
	}
	snapshot, err := s.Snapshot(g.Number)
	if err != nil {
		return err
	}
	resumed := *v
	resumed.active, resumed.snapshot, resumed.changed = g, snapshot, make(chan struct{})
	if err := s.swapLocked(&resumed, func() error { return s.use(snapshot) }); err != nil {
		return err
	}
	s.compiled.drop(g.Number)
	s.pruneLocked()
	s.config.Log.Info("policies are in force", "generation", g.Number, "digest", g.Digest)
	return nil
}

// fellBack remembers what could not be started.
func (s *Set) fellBack(what string, err error) {
	s.status.failed(failureOf(what, StepStart, "", "", s.config.Now(), err))
	s.config.Log.Error("the policies that were active cannot be used, and others are tried", "what", what, "error", err)
}

// lastGood lists the generations that were active in the order in which they are to be
// tried: the active one, the one before, then by when they last were. When that is not
// known, the state having been lost, those come first that others were made on, since
// they were active then, the newest of all before others; and last those that only
// passed the gate.
func (v *view) lastGood() []*generation {
	if v.state.Active == 0 {
		return v.onceActiveFirst()
	}
	good := slices.DeleteFunc(v.newestFirst(), v.candidate)
	slices.SortStableFunc(good, func(a, b *generation) int {
		return cmp.Or(cmp.Compare(v.rank(b), v.rank(a)), v.state.Activated[b.Number].At.Compare(v.state.Activated[a.Number].At))
	})
	return good
}

// onceActiveFirst lists what later generations were made on, newest of those first, and
// then all others, newest first.
func (v *view) onceActiveFirst() []*generation {
	newest := v.newestFirst()
	var list []*generation
	for _, later := range newest {
		if g := v.generations[later.Parent]; g != nil && !slices.Contains(list, g) {
			list = append(list, g)
		}
	}
	for _, g := range newest {
		if !slices.Contains(list, g) {
			list = append(list, g)
		}
	}
	return list
}

// rank puts the active generation before the one before it, and that before others.
func (v *view) rank(g *generation) int {
	switch g.Number {
	case v.state.Active:
		return 2
	case v.state.Previous:
		return 1
	}
	return 0
}

// rebaseLocked makes on active with base in the place of its own, or base alone when
// on is nil. What stops it is the failure of the base bundle.
func (s *Set) rebaseLocked(ctx context.Context, base offeredBase, on *generation) error {
	v := *s.view.Load()
	v.active = on
	g := s.open(&v, offer{
		name:     authz.BaseBundle,
		read:     func(*view) (bundles.Package, error) { return base.pkg, base.err },
		untested: "not at the start of a node",
		source:   base.source,
		author:   base.source,
		message:  "the base policies that the node started with",

		remembered: true,
	})
	if err := s.passed(ctx, g); err != nil {
		return err
	}
	if g.known == nil {
		if _, err := s.keepLocked(g); err != nil {
			return s.notRebased(err)
		}
		g.known = g.next
	}
	now := s.view.Load()
	if g.known == now.active {
		return nil
	}
	next := now.state.activated(g.known.Number, on.number(), activation{At: s.config.Now().UTC(), By: base.source}).accepting(g.known.brought(on))
	next.Base = g.pkg.Digest
	if _, err := s.activateLocked(g.known, next, g.offer.message); err != nil {
		return s.notRebased(err)
	}
	return nil
}

// notRebased remembers why the base is not in force, though it passed the gate.
func (s *Set) notRebased(err error) error {
	s.status.failed(failureOf(authz.BaseBundle, StepStart, "", "", s.config.Now(), err))
	s.config.Log.Error("the base policies could not be put in force", "error", err)
	return err
}
