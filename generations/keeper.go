package generations

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
)

// Keeper keeps the generations of one node. Its methods are safe for concurrent
// use: reading the view never waits; changes are made one at a time, and wait as
// long as their contexts let them.
type Keeper struct {
	config   Config
	disk     folder
	view     atomic.Pointer[view]
	compiled compiled
	status   status

	gate turn // whoever is in the gate; taken before writing
	// writing is held by whoever writes to the disk or swaps the view, and never
	// while policies are compiled for a push or its tests run: a rollback does not
	// wait for a push.
	writing turn
	// reading is held while the files of a generation are read, and wholly while
	// files are removed.
	reading sync.RWMutex
}

// Open reads the generations that are kept. None is active before Start. Files
// that were never finished are removed; files that are damaged are moved to the
// folder broken, and named in the log. The error is an *authz.Error: the folder
// cannot be read or written, or c cannot be.
func Open(c Config) (*Keeper, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	k := &Keeper{config: c.withDefaults(), disk: folder{dir: c.Dir}, gate: newTurn(), writing: newTurn()}
	v, err := k.read()
	if authz.CodeOf(err) == authz.CodeUnavailable {
		return nil, err // somebody can mend it, and is told how
	}
	if err != nil {
		return nil, internal("the policies kept on disk cannot be read", err)
	}
	k.view.Store(v)
	return k, nil
}

// read makes the first view from the disk.
func (k *Keeper) read() (*view, error) {
	if err := k.disk.make(); err != nil {
		return nil, err
	}
	v := &view{generations: map[uint64]*generation{}, changed: make(chan struct{})}
	var err error
	if v.state, v.lost, err = k.readState(); err != nil {
		return nil, err
	}
	if err := k.readGenerations(v); err != nil {
		return nil, err
	}
	if v.state.Schema < schema { // before a generation is written that only this schema has
		v.state.Schema = schema
		if err := k.disk.writeState(v.state); err != nil {
			return nil, err
		}
	}
	if _, err := k.disk.names(bundleDir); err != nil { // removes what was never finished
		return nil, err
	}
	return v, nil
}

// readState reads the state, or its copy when it is damaged or gone. With neither it
// is not known what was active; lost says that it was known once.
func (k *Keeper) readState() (s state, lost bool, err error) {
	if _, err := k.disk.names("."); err != nil { // removes what was never finished
		return state{}, false, err
	}
	for _, name := range []string{stateFile, stateCopy} {
		s, err := k.disk.readState(name)
		if err == nil {
			return s, false, nil
		}
		aside, err := k.setAside(err)
		if err != nil {
			return state{}, false, err
		}
		lost = lost || aside
	}
	return firstState(), lost, nil
}

// readGenerations adds the generations that are whole to v. The number of one
// that is not is still never used again.
func (k *Keeper) readGenerations(v *view) error {
	names, err := k.disk.names(numberDir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if n, ok := numberOf(name); ok {
			v.state.Next = max(v.state.Next, n+1)
		}
		g, err := k.disk.readGeneration(name)
		if err == nil {
			v.generations[g.Number] = g
			continue
		}
		if _, err := k.setAside(err); err != nil {
			return err
		}
		if _, err := k.setAside(&damage{file: name, cause: err}); err != nil {
			return err
		}
	}
	if len(v.generations) < len(names) { // whose numbers are remembered nowhere else
		return k.disk.writeState(v.state)
	}
	return nil
}

// setAside moves the file that fault, a *damage, is about out of the way; aside is
// false when it is not there. Another fault is returned as it is.
func (k *Keeper) setAside(fault error) (aside bool, err error) {
	var d *damage
	if !errors.As(fault, &d) {
		return false, fault
	}
	if aside, err = k.disk.setAside(d.file); aside {
		k.config.Log.Error("a file of the policies is damaged and was set aside", "file", d.file, "moved_to", brokenDir, "error", d.cause)
	}
	return aside, err
}

// now is how things stand. What is active is what Config.Active names and nothing
// else: while a swap is under way the view has both sides of it, and this picks the
// one that is in force.
func (k *Keeper) now() *view {
	for v := k.view.Load(); ; {
		switch ref := k.config.Active(); {
		case ref.Generation == v.running():
			return v
		case v.coming != nil && ref.Generation == v.coming.running():
			return v.coming
		}
		later := k.view.Load()
		if later == v {
			return v // nobody but swapLocked changes what is in force
		}
		v = later // a swap ended between the two loads
	}
}

// swapLocked has next in force when use, which puts it there, succeeds; otherwise
// everything is as it was. The caller has the turn of writing.
func (k *Keeper) swapLocked(next *view, use func() error) error {
	before := k.view.Load()
	both := *before
	both.coming = next
	k.view.Store(&both)
	if err := use(); err != nil {
		k.view.Store(before)
		return err
	}
	k.view.Store(next)
	close(before.changed)
	return nil
}

// Active is the active generation; zero before Start.
func (k *Keeper) Active() authz.Generation {
	v := k.now()
	if v.active == nil {
		return authz.Generation{}
	}
	return v.show(v.active)
}

// List lists the generations that are kept, newest first.
func (k *Keeper) List() []authz.Generation {
	v := k.now()
	list := make([]authz.Generation, 0, len(v.generations))
	for _, g := range v.newestFirst() {
		list = append(list, v.show(g))
	}
	return list
}

// Get finds generation n. The error is an *authz.Error, CodeNotFound.
func (k *Keeper) Get(n uint64) (authz.Generation, error) {
	v := k.now()
	g, err := v.get(n)
	if err != nil {
		return authz.Generation{}, err
	}
	return v.show(g), nil
}

// FindChange finds what a change did, by its id (authz.WithChange): the generation it
// made, and the one it made active. They are 0 when it did not, or when that generation is
// no longer kept; an activation is found until the same generation is activated again.
func (k *Keeper) FindChange(id string) (made, activated uint64) {
	if id == "" {
		return 0, 0
	}
	v := k.now()
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
func (k *Keeper) Changed() <-chan struct{} { return k.now().changed }

// Bundle is a bundle of the active generation, packed as it arrived. The error is
// an *authz.Error, CodeNotFound when the active generation has none of that name.
func (k *Keeper) Bundle(name string) ([]byte, authz.BundleRef, error) {
	k.reading.RLock()
	defer k.reading.RUnlock()
	ref, ok := k.now().active.bundle(name)
	if !ok {
		return nil, authz.BundleRef{}, authz.Errorf(authz.CodeNotFound, "the active generation has no bundle %s", name)
	}
	packed, err := k.disk.readBundle(ref)
	if err != nil {
		return nil, authz.BundleRef{}, internal("bundle "+name+" cannot be read", err)
	}
	return packed, ref, nil
}

// Diff lists the files that changed from generation a to generation b. The error
// is an *authz.Error, CodeNotFound when one of them is not kept.
func (k *Keeper) Diff(a, b uint64) ([]authz.FileDiff, error) {
	v := k.now()
	before, err := k.numbered(v, a)
	if err != nil {
		return nil, err
	}
	after, err := k.numbered(v, b)
	if err != nil {
		return nil, err
	}
	return bundles.DiffFiles(before, after), nil
}

// numbered reads the bundles of generation n.
func (k *Keeper) numbered(v *view, n uint64) ([]bundles.Member, error) {
	g, err := v.get(n)
	if err != nil {
		return nil, err
	}
	return k.members(g)
}

// members reads the bundles of g from disk. The error is CodeNotFound when g is no
// longer kept.
func (k *Keeper) members(g *generation) ([]bundles.Member, error) {
	k.reading.RLock()
	defer k.reading.RUnlock()
	if _, err := k.now().get(g.Number); err != nil {
		return nil, err
	}
	set := make([]bundles.Member, 0, len(g.Bundles))
	for _, ref := range g.Bundles {
		verified, err := k.stored(ref)
		if err != nil {
			return nil, unreadable(ref, g, err)
		}
		set = append(set, bundles.Member{Name: ref.Name, Verified: verified})
	}
	return set, nil
}

// unreadable is the error for a bundle whose file is damaged or gone.
func unreadable(ref authz.BundleRef, g *generation, cause error) error {
	return ofDisk(fmt.Sprintf("bundle %s of %s cannot be read from disk; activate another generation, or push the bundle again", ref.Name, named(g.Number)), cause)
}

// within are the limits of bundles that are kept. They were within Config.Limits when
// they came, which may be narrower by now, and are what they were.
var within = bundles.Limits{Packed: 1 << 40, Bytes: 1 << 40, FileBytes: 1 << 40, Files: 1 << 30}

// stored reads one bundle, which was verified before it was kept.
func (k *Keeper) stored(ref authz.BundleRef) (bundles.Verified, error) {
	packed, err := k.disk.readBundle(ref)
	if err != nil {
		return bundles.Verified{}, err
	}
	p, err := bundles.ReadTar(bytes.NewReader(packed), within)
	if err != nil {
		return bundles.Verified{}, err
	}
	return bundles.Stored(p, ref)
}

// ofDisk is the error for a fault of the disk that somebody can mend, so that callers
// see its message, which those of internal errors do not.
func ofDisk(message string, cause error) error {
	return &authz.Error{Code: authz.CodeUnavailable, Message: message, Cause: cause}
}

// internal is the error for a fault of ours, or of the disk.
func internal(message string, cause error) error {
	return &authz.Error{Code: authz.CodeInternal, Message: message, Cause: cause}
}
