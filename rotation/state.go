package rotation

import (
	"maps"
	"slices"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// State is what a step is computed from, all of it read from one snapshot.
type State struct {
	Set      *authz.RotationSet
	Rotation *authz.Rotation // the running one, or else the last; nil before the first
	// Credentials holds every credential of every one of Members(Set, Rotation),
	// whatever its kind and state.
	Credentials map[string][]*authz.Credential // :: machine user -> credentials
	// LastUse gives a last use that may be fresher than the stored one, such as one
	// that waits to be written; the zero time when none is known. The later of the
	// two counts. Nil means that the stored ones are all there are.
	LastUse func(credential string) (at time.Time, from string)
	// UsesKnown is since when LastUse knows every use. One from before it, up to
	// StoredWithin after the stored one, may be lost with the process that saw it.
	UsesKnown    time.Time
	StoredWithin time.Duration
	// Exists reports whether any credential has this id, so that Start does not choose
	// one that is taken by a machine user outside the set. Nil means that only the
	// ids in Credentials are taken.
	Exists func(credential string) (bool, error)
	// Now is of the clock that uses are timed by.
	Now time.Time
	By  string // id of the API key that asks; recorded with the step
}

// Members lists the machine users whose credentials a State needs: those of the
// set, and those of the rotation who have left the set since it started.
func Members(set *authz.RotationSet, rotation *authz.Rotation) []string {
	members := slices.Clone(set.Members)
	if rotation == nil {
		return members
	}
	for _, m := range rotation.Members {
		if !slices.Contains(members, m.MachineUser) {
			members = append(members, m.MachineUser)
		}
	}
	return members
}

// Plan is what a step writes.
type Plan struct {
	// Put are whole entities, credentials first and the rotation last. The revision
	// in each Head is the one it was computed from; 0 means that there must be none.
	Put []authz.Entity
}

// After is the state once a plan computed from s has been written.
func (s State) After(p Plan) State {
	before := s.Credentials
	s.Credentials = map[string][]*authz.Credential{}
	maps.Copy(s.Credentials, before)
	for _, put := range p.Put {
		switch e := put.(type) {
		case *authz.Rotation:
			s.Rotation = e
		case *authz.Credential:
			others := slices.DeleteFunc(slices.Clone(s.Credentials[e.MachineUser]), func(c *authz.Credential) bool { return c.ID == e.ID })
			s.Credentials[e.MachineUser] = append(others, e)
		}
	}
	return s
}

// credentials gives copies of a machine user's credentials of one kind, with their
// latest use.
func (s State) credentials(machineUser, kind string) []*authz.Credential {
	var found []*authz.Credential
	for _, stored := range s.Credentials[machineUser] {
		if stored.Kind == kind {
			found = append(found, s.latest(stored))
		}
	}
	return found
}

func (s State) latest(stored *authz.Credential) *authz.Credential {
	c := *stored
	if s.LastUse == nil {
		return &c
	}
	if at, from := s.LastUse(c.ID); at.After(c.LastUsedAt) {
		c.LastUsedAt, c.LastUsedFrom = at, from
	}
	return &c
}

// maybeUsed is when a credential was last used at the latest, as far as can be told.
func (s State) maybeUsed(c *authz.Credential) time.Time {
	if c.LastUsedAt.IsZero() || !c.LastUsedAt.Before(s.UsesKnown) {
		return c.LastUsedAt
	}
	if lost := c.LastUsedAt.Add(s.StoredWithin); lost.Before(s.UsesKnown) {
		return lost
	}
	return s.UsesKnown
}

func (s State) running() bool { return s.Rotation != nil && s.Rotation.Running() }

// dead reports whether nothing can be proved by c any more, now or later.
func (s State) dead(c *authz.Credential) bool {
	return c == nil || !c.Accepted() || c.OverAt(s.Now)
}
