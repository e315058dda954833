package generations

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
)

// Set keeps the generations of one node. Its methods are safe for concurrent
// use: reading the view never waits; changes are made one at a time, and wait as
// long as their contexts let them.
type Set struct {
	config   Config
	disk     folder
	view     atomic.Pointer[view]
	compiled compiled
	status   status

	gate *semaphore.Weighted // of 1: one offer is in the gate at a time; acquired before writing
	// writing, of 1, is held while the disk is written or the view swapped, and never
	// while policies are compiled for a push or its tests run: a rollback does not
	// wait for a push.
	writing *semaphore.Weighted
	// reading is held while the files of a generation are read, and wholly while
	// files are removed.
	reading sync.RWMutex
}

// Open reads the generations that are kept. None is active before Start. Files
// that were never finished are removed; files that are damaged are moved to the
// folder broken, and named in the log. The error is an *authz.Error: the folder
// cannot be read or written, or c cannot be.
func Open(c Config) (*Set, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s := &Set{config: c.withDefaults(), disk: folder{dir: c.Dir}, gate: semaphore.NewWeighted(1), writing: semaphore.NewWeighted(1)}
	v, err := s.read()
	if authz.CodeOf(err) == authz.CodeUnavailable {
		return nil, err // the operator can mend it, and is told how
	}
	if err != nil {
		return nil, internal("the policies kept on disk cannot be read", err)
	}
	s.view.Store(v)
	return s, nil
}

// read makes the first view from the disk.
func (s *Set) read() (*view, error) {
	if err := s.disk.make(); err != nil {
		return nil, err
	}
	v := &view{generations: map[uint64]*generation{}, changed: make(chan struct{})}
	var err error
	if v.state, v.lost, err = s.readState(); err != nil {
		return nil, err
	}
	if err := s.readGenerations(v); err != nil {
		return nil, err
	}
	if v.state.Schema < schema { // before a generation is written that only this schema has
		v.state.Schema = schema
		if err := s.disk.writeState(v.state); err != nil {
			return nil, err
		}
	}
	if _, err := s.disk.names(bundleDir); err != nil { // removes what was never finished
		return nil, err
	}
	return v, nil
}

// readState reads the state, or its copy when it is damaged or gone. With neither it
// is not known what was active; lost says that it was known once.
func (s *Set) readState() (_ state, lost bool, err error) {
	if _, err := s.disk.names("."); err != nil { // removes what was never finished
		return state{}, false, err
	}
	for _, name := range []string{stateFile, stateCopy} {
		read, err := s.disk.readState(name)
		if err == nil {
			return read, false, nil
		}
		aside, err := s.setAside(err)
		if err != nil {
			return state{}, false, err
		}
		lost = lost || aside
	}
	return firstState(), lost, nil
}

// readGenerations adds the generations that are whole to v. The number of one
// that is not is still never used again.
func (s *Set) readGenerations(v *view) error {
	names, err := s.disk.names(numberDir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if n, ok := numberOf(name); ok {
			v.state.Next = max(v.state.Next, n+1)
		}
		g, err := s.disk.readGeneration(name)
		if err == nil {
			v.generations[g.Number] = g
			continue
		}
		if _, err := s.setAside(err); err != nil {
			return err
		}
		if _, err := s.setAside(&damage{file: name, cause: err}); err != nil {
			return err
		}
	}
	if len(v.generations) < len(names) { // whose numbers are remembered nowhere else
		return s.disk.writeState(v.state)
	}
	return nil
}

// setAside moves the file that fault, a *damage, is about out of the way; aside is
// false when it is not there. Another fault is returned as it is.
func (s *Set) setAside(fault error) (aside bool, err error) {
	var d *damage
	if !errors.As(fault, &d) {
		return false, fault
	}
	if aside, err = s.disk.setAside(d.file); aside {
		s.config.Log.Error("a file of the policies is damaged and was set aside", "file", d.file, "moved_to", brokenDir, "error", d.cause)
	}
	return aside, err
}

// now is the current view. What is active is what Config.Active names and nothing
// else: while a swap is under way the view has both sides of it, and this picks the
// one that is in force.
func (s *Set) now() *view {
	for v := s.view.Load(); ; {
		switch ref := s.config.Active(); {
		case ref.Generation == v.running():
			return v
		case v.coming != nil && ref.Generation == v.coming.running():
			return v.coming
		}
		later := s.view.Load()
		if later == v {
			return v // only swapLocked changes what is in force
		}
		v = later // a swap ended between the two loads
	}
}

// swapLocked has next in force when use, which puts it there, succeeds; otherwise
// everything is as it was. The caller holds writing.
func (s *Set) swapLocked(next *view, use func() error) error {
	before := s.view.Load()
	both := *before
	both.coming = next
	s.view.Store(&both)
	if err := use(); err != nil {
		s.view.Store(before)
		return err
	}
	s.view.Store(next)
	close(before.changed)
	return nil
}

// Active is the active generation; zero before Start.
func (s *Set) Active() authz.Generation {
	v := s.now()
	if v.active == nil {
		return authz.Generation{}
	}
	return v.show(v.active)
}

// List lists the generations that are kept, newest first.
func (s *Set) List() []authz.Generation {
	v := s.now()
	list := make([]authz.Generation, 0, len(v.generations))
	for _, g := range v.newestFirst() {
		list = append(list, v.show(g))
	}
	return list
}

// Get finds generation n. The error is an *authz.Error, CodeNotFound.
func (s *Set) Get(n uint64) (authz.Generation, error) {
	v := s.now()
	g, err := v.get(n)
	if err != nil {
		return authz.Generation{}, err
	}
	return v.show(g), nil
}

// FindChange finds what a change did, by its id (authz.WithChange): the generation it
// made, and the one it made active. They are 0 when it did not, or when that generation is
// no longer kept; an activation is found until the same generation is activated again.
func (s *Set) FindChange(id string) (made, activated uint64) {
	if id == "" {
		return 0, 0
	}
	v := s.now()
	for _, g := range v.newestFirst() {
		if g.Change == id {
			made = g.Number
		}
		if v.state.Activated[g.Number].Change == id {
			activated = g.Number
		}
	}
	return made, activated
}

// Changed is closed when another generation becomes active. Ask for it first and
// for the generation then, so as to miss no change.
func (s *Set) Changed() <-chan struct{} { return s.now().changed }

// Bundle is a bundle of the active generation, packed as it arrived. The error is
// an *authz.Error, CodeNotFound when the active generation has none of that name.
func (s *Set) Bundle(name string) ([]byte, authz.BundleRef, error) {
	s.reading.RLock()
	defer s.reading.RUnlock()
	ref, ok := s.now().active.bundle(name)
	if !ok {
		return nil, authz.BundleRef{}, authz.Errorf(authz.CodeNotFound, "the active generation has no bundle %s", name)
	}
	packed, err := s.disk.readBundle(ref)
	if err != nil {
		return nil, authz.BundleRef{}, internal("bundle "+name+" cannot be read", err)
	}
	return packed, ref, nil
}

// Diff lists the files that changed from generation a to generation b. The error
// is an *authz.Error, CodeNotFound when one of them is not kept.
func (s *Set) Diff(a, b uint64) ([]authz.FileDiff, error) {
	v := s.now()
	before, err := s.numbered(v, a)
	if err != nil {
		return nil, err
	}
	after, err := s.numbered(v, b)
	if err != nil {
		return nil, err
	}
	return bundles.DiffFiles(before, after), nil
}

// numbered reads the bundles of generation n.
func (s *Set) numbered(v *view, n uint64) ([]bundles.Member, error) {
	g, err := v.get(n)
	if err != nil {
		return nil, err
	}
	return s.members(g)
}

// members reads the bundles of g from disk. The error is CodeNotFound when g is no
// longer kept.
func (s *Set) members(g *generation) ([]bundles.Member, error) {
	s.reading.RLock()
	defer s.reading.RUnlock()
	if _, err := s.now().get(g.Number); err != nil {
		return nil, err
	}
	set := make([]bundles.Member, 0, len(g.Bundles))
	for _, ref := range g.Bundles {
		verified, err := s.stored(ref)
		if err != nil {
			return nil, unreadable(ref, g, err)
		}
		set = append(set, bundles.Member{Name: ref.Name, Verified: verified})
	}
	return set, nil
}

// acquire waits for one of the two semaphores as long as ctx lets it. The error is an
// *authz.Error, CodeUnavailable; without one the caller must release it.
func acquire(ctx context.Context, one *semaphore.Weighted) error {
	if err := one.Acquire(ctx, 1); err != nil {
		return givenUp(err)
	}
	return nil
}

// givenUp is the error for a caller that did not wait for the end.
func givenUp(cause error) error {
	return &authz.Error{Code: authz.CodeUnavailable, Message: "the policies were not changed: the caller did not wait for it, or another change took too long; try again", Cause: cause}
}

// unreadable is the error for a bundle whose file is damaged or gone.
func unreadable(ref authz.BundleRef, g *generation, cause error) error {
	return ofDisk(fmt.Sprintf("bundle %s of %s cannot be read from disk; activate another generation, or push the bundle again", ref.Name, named(g.Number)), cause)
}

// within are the limits of bundles that are kept. They were within Config.Limits when
// they came, which may be narrower by now, and are what they were.
var within = bundles.Limits{Packed: 1 << 40, Bytes: 1 << 40, FileBytes: 1 << 40, Files: 1 << 30}

// stored reads one bundle, which was verified before it was kept.
func (s *Set) stored(ref authz.BundleRef) (bundles.Verified, error) {
	packed, err := s.disk.readBundle(ref)
	if err != nil {
		return bundles.Verified{}, err
	}
	p, err := bundles.ReadTar(bytes.NewReader(packed), within)
	if err != nil {
		return bundles.Verified{}, err
	}
	return bundles.Stored(p, ref)
}

// ofDisk is the error for a fault of the disk that an operator can mend, so that callers
// see its message, which those of internal errors do not.
func ofDisk(message string, cause error) error {
	return &authz.Error{Code: authz.CodeUnavailable, Message: message, Cause: cause}
}

// internal is the error for a fault of ours, or of the disk.
func internal(message string, cause error) error {
	return &authz.Error{Code: authz.CodeInternal, Message: message, Cause: cause}
}
