package engine

import (
	"slices"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
)

// ruleCache caches the values of the rules of one evaluation, so that each is
// evaluated once. It implements topdown.VirtualCache: a stack of frames, one
// more inside every expression that has "with". OPA's own makes garbage for
// every part of every reference; this one is pooled between evaluations.
// It is used by one goroutine.
type ruleCache struct {
	frames []*cacheFrame // the last is active; those past it are kept for the next Push
}

// cacheFrame is a hash table with chaining.
type cacheFrame struct {
	first   map[int]int // :: hash of a reference -> index of its last entry, plus one
	entries []cacheEntry
	parts   []*ast.Term // of the references of all entries, one after the other
}

type cacheEntry struct {
	from, to int       // of parts
	value    *ast.Term // nil when undefined
	next     int       // index of an entry of the same hash, plus one
}

// A frame that grew beyond this is left to the garbage collector.
const maxKeptEntries = 1024

var ruleCaches = sync.Pool{New: func() any { return new(ruleCache) }}

// newRuleCache gives an empty cache with one frame. Give it back with release.
func newRuleCache() *ruleCache {
	a := ruleCaches.Get().(*ruleCache)
	a.Push()
	return a
}

// release forgets everything. What was read stays valid.
func (a *ruleCache) release() {
	for len(a.frames) > 0 {
		a.Pop()
	}
	ruleCaches.Put(a)
}

// Push implements topdown.VirtualCache.
func (a *ruleCache) Push() {
	n := len(a.frames)
	if n < cap(a.frames) {
		a.frames = a.frames[:n+1]
	} else {
		a.frames = append(a.frames, nil)
	}
	if a.frames[n] == nil {
		a.frames[n] = &cacheFrame{first: make(map[int]int, 128)}
	}
}

// Pop implements topdown.VirtualCache.
func (a *ruleCache) Pop() {
	top := len(a.frames) - 1
	if len(a.frames[top].entries) > maxKeptEntries {
		a.frames[top] = nil
	} else {
		a.frames[top].clear()
	}
	a.frames = a.frames[:top]
}

func (a *ruleCache) active() *cacheFrame { return a.frames[len(a.frames)-1] }

// Get implements topdown.VirtualCache: nil and true when ref is known to be
// undefined, nil and false when it is not known.
func (a *ruleCache) Get(ref ast.Ref) (*ast.Term, bool) {
	f := a.active()
	if e := f.find(ref, hashOf(ref)); e != nil {
		return e.value, e.value == nil
	}
	return nil, false
}

// Put implements topdown.VirtualCache. A value of nil means undefined.
func (a *ruleCache) Put(ref ast.Ref, value *ast.Term) {
	f, hash := a.active(), hashOf(ref)
	if e := f.find(ref, hash); e != nil {
		e.value = value
		return
	}
	from := len(f.parts)
	f.parts = append(f.parts, ref...)
	f.entries = append(f.entries, cacheEntry{from: from, to: len(f.parts), value: value, next: f.first[hash]})
	f.first[hash] = len(f.entries)
}

// Keys implements topdown.VirtualCache.
func (a *ruleCache) Keys() []ast.Ref {
	f := a.active()
	var keys []ast.Ref
	for _, e := range f.entries {
		if e.value != nil {
			keys = append(keys, slices.Clone(f.parts[e.from:e.to]))
		}
	}
	return keys
}

// find is the entry of ref, nil when there is none.
func (f *cacheFrame) find(ref ast.Ref, hash int) *cacheEntry {
	for i := f.first[hash]; i > 0; i = f.entries[i-1].next {
		if e := &f.entries[i-1]; slices.EqualFunc(f.parts[e.from:e.to], ref, (*ast.Term).Equal) {
			return e
		}
	}
	return nil
}

func (f *cacheFrame) clear() {
	clear(f.first)
	clear(f.entries)
	clear(f.parts)
	f.entries, f.parts = f.entries[:0], f.parts[:0]
}

func hashOf(ref ast.Ref) int {
	hash := 0
	for _, part := range ref {
		hash = hash*31 + part.Value.Hash()
	}
	return hash
}
