package generations

import (
	"slices"
	"sync"

	"github.com/verdict-pdp/verdict/bundles"
)

// maxCompiled is how many snapshots are kept beside the active one.
const maxCompiled = 3

// compiled keeps the snapshots that were asked for last. The zero value is ready.
type compiled struct {
	compiling sync.Mutex // one at a time: each takes memory
	mu        sync.Mutex // guards last
	last      []*bundles.Snapshot
}

// get finds the snapshot of generation n, and moves it to the end.
func (c *compiled) get(n uint64) *bundles.Snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.last, func(s *bundles.Snapshot) bool { return s.Ref().Generation == n })
	if i < 0 {
		return nil
	}
	s := c.last[i]
	c.last = append(slices.Delete(c.last, i, i+1), s)
	return s
}

// add keeps s, and forgets the one that was not asked for longest.
func (c *compiled) add(s *bundles.Snapshot) {
	c.drop(s.Ref().Generation)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.last) == maxCompiled {
		c.last = slices.Delete(c.last, 0, 1)
	}
	c.last = append(c.last, s)
}

// drop forgets the snapshot of generation n.
func (c *compiled) drop(n uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = slices.DeleteFunc(c.last, func(s *bundles.Snapshot) bool { return s.Ref().Generation == n })
}

// Snapshot is generation n compiled: the one in force, one of a few kept, or
// compiled now from its files, whose digests are checked. The error is an
// *authz.Error, CodeNotFound when n is not kept.
func (s *Set) Snapshot(n uint64) (*bundles.Snapshot, error) {
	v := s.now()
	g, err := v.get(n)
	if err != nil {
		return nil, err
	}
	if g == v.active {
		return v.snapshot, nil
	}
	if snapshot := s.compiled.get(n); snapshot != nil {
		return snapshot, nil
	}
	s.compiled.compiling.Lock()
	defer s.compiled.compiling.Unlock()
	if snapshot := s.compiled.get(n); snapshot != nil {
		return snapshot, nil
	}
	set, err := s.members(g)
	if err != nil {
		return nil, err
	}
	snapshot, err := bundles.CompileSet(set, bundles.Options{Generation: n})
	if err != nil {
		return nil, err
	}
	s.compiled.add(snapshot)
	return snapshot, nil
}
