package generations

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
)

// schema is the version of the files this package writes. The first one had other names
// in the files of generations, which are read still; see readGeneration. A state of an
// older schema is written anew by Open, so that a binary that would not understand what
// is written next says so instead of guessing.
const schema = 2

// state is state.json: all that changes when a generation is activated, so that an
// activation is one file put in the place of another. It is immutable; activated
// makes the next one.
type state struct {
	Schema   int    `json:"schema"`
	Active   uint64 `json:"active"`
	Previous uint64 `json:"previous,omitzero"`
	Next     uint64 `json:"next"` // number of the next generation
	// Base is the digest of the base that Start last put in force. A start with the
	// same base changes nothing, also after a rollback from it.
	Base      string                `json:"base,omitempty"`
	Activated map[uint64]activation `json:"activated"` // :: number -> its last activation
	// Accepted is the newest of each bundle that was ever activated, and what none
	// may be older than. :: name -> bundle
	Accepted map[string]bundles.Accepted `json:"accepted"`
}

// activation says when and by whom a generation last became active.
type activation struct {
	At     time.Time `json:"at"`
	By     string    `json:"by"`
	Change string    `json:"change,omitempty"` // id of the change, as the audit has it
}

func firstState() state {
	return state{Schema: schema, Next: 1, Activated: map[uint64]activation{}, Accepted: map[string]bundles.Accepted{}}
}

// activated is the state with generation n active instead of from.
func (s state) activated(n, from uint64, a activation) state {
	if s.Active = n; from != n {
		s.Previous = from
	}
	s.Activated = maps.Clone(s.Activated)
	s.Activated[n] = a
	return s
}

// accepting is the state that remembers the bundles refs.
func (s state) accepting(refs []authz.BundleRef) state {
	s.Accepted = maps.Clone(s.Accepted)
	for _, ref := range refs {
		if !made(ref.Source) {
			s.Accepted[ref.Name] = bundles.Accepted{Signed: ref.SignedBy != "", SignedAt: ref.SignedAt, Revision: ref.Revision, Digest: ref.Digest}
		}
	}
	return s
}

// forgetting is the state without the activations of generations that are gone.
func (s state) forgetting(kept map[uint64]*generation) state {
	s.Activated = maps.Clone(s.Activated)
	maps.DeleteFunc(s.Activated, func(n uint64, _ activation) bool { return kept[n] == nil })
	return s
}

// made reports whether bundles of a source are made by Verdict itself: they are not
// signed, and no order is kept between them.
func made(source string) bool { return source == authz.SourceBuiltIn || source == authz.SourceModes }

// view is what readers see: immutable, and swapped whole. Readers ask Set.now for
// it; only who holds Set.writing, and so knows that no swap is under way, may load it.
type view struct {
	state       state
	generations map[uint64]*generation // :: number -> generation
	lost        bool                   // the state was damaged, and is not known
	// active is in force; nil before Start. It may be another than state.Active
	// when that one could not be started.
	active   *generation
	snapshot *bundles.Snapshot // of active
	changed  chan struct{}     // closed when another generation becomes active
	// coming is the view after the swap that is under way, nil when none is. It is the
	// one that counts as soon as its generation is in force, see Set.now.
	coming *view
}

// generation is generations/<number>.json, written once. What changes in the
// embedded Generation (State, ActivatedAt, ActivatedBy, ActivatedChange) is in state.json.
type generation struct {
	Schema int `json:"schema"`
	authz.Generation
	// ChangedBundle names the bundle that the generation was made for: all others are
	// those of its parent.
	ChangedBundle string `json:"changed_bundle"`
	// Parent is the generation that was active when this one was made, 0 for none.
	Parent uint64 `json:"parent,omitzero"`
	// ReplacedDigest is the digest of the bundle that ChangedBundle has replaced, empty
	// when the parent had none of that name.
	ReplacedDigest string `json:"replaced_digest,omitempty"`
}

// storedGeneration is a generation's file of any schema. The first one wrote no schema,
// and for, on and instead for the three members that say how it was made.
type storedGeneration struct {
	generation
	For     string `json:"for"`
	On      uint64 `json:"on"`
	Instead string `json:"instead"`
}

// current is the generation as it would be written today.
func (s storedGeneration) current() *generation {
	g := s.generation
	if g.Schema == 0 {
		g.Schema, g.ChangedBundle, g.Parent, g.ReplacedDigest = schema, s.For, s.On, s.Instead
	}
	return &g
}

// show is a generation as callers see it.
func (v *view) show(g *generation) authz.Generation {
	shown := g.Generation
	shown.State = authz.GenerationCandidate
	if a, ok := v.state.Activated[g.Number]; ok {
		shown.State, shown.ActivatedAt, shown.ActivatedBy, shown.ActivatedChange = authz.GenerationKept, a.At, a.By, a.Change
	}
	if g == v.active {
		shown.State = authz.GenerationActive
	}
	return shown
}

// candidate reports whether g was never active.
func (v *view) candidate(g *generation) bool {
	_, was := v.state.Activated[g.Number]
	return !was
}

// running is the number of the active generation, 0 before Start.
func (v *view) running() uint64 { return v.active.number() }

// number is the generation's, 0 for none.
func (g *generation) number() uint64 {
	if g == nil {
		return 0
	}
	return g.Number
}

// previous is the generation a rollback goes back to, 0 when there is none.
func (v *view) previous() uint64 {
	if n := v.state.Previous; v.generations[n] != nil && n != v.running() {
		return n
	}
	return 0
}

// newestFirst lists the generations by number.
func (v *view) newestFirst() []*generation {
	return slices.SortedFunc(maps.Values(v.generations), func(a, b *generation) int { return cmp.Compare(b.Number, a.Number) })
}

// get finds generation n. The error is an *authz.Error, CodeNotFound.
func (v *view) get(n uint64) (*generation, error) {
	if g := v.generations[n]; g != nil {
		return g, nil
	}
	return nil, authz.Errorf(authz.CodeNotFound, "there is no generation %d; it never was, or is no longer kept", n)
}

// bundle finds a bundle of the generation; a nil generation has none.
func (g *generation) bundle(name string) (authz.BundleRef, bool) {
	if g == nil {
		return authz.BundleRef{}, false
	}
	i := slices.IndexFunc(g.Bundles, func(ref authz.BundleRef) bool { return ref.Name == name })
	if i < 0 {
		return authz.BundleRef{}, false
	}
	return g.Bundles[i], true
}

// brought lists the bundles of g that other does not have like this. A nil generation
// has none.
func (g *generation) brought(other *generation) []authz.BundleRef {
	if g == nil {
		return nil
	}
	var refs []authz.BundleRef
	for _, ref := range g.Bundles {
		if theirs, ok := other.bundle(ref.Name); !ok || theirs.Digest != ref.Digest {
			refs = append(refs, ref)
		}
	}
	return refs
}
