package engine

import (
	"cmp"
	"maps"
	"slices"

	"github.com/verdict-pdp/verdict/authz"
)

// factRecorder records which of the facts behind it are read. It is used by one
// goroutine.
type factRecorder struct {
	authz.Facts
	read map[factKey]uint64 // :: key -> revision, 0 when there is none
}

func newFactRecorder(f authz.Facts) *factRecorder {
	return &factRecorder{Facts: f, read: map[factKey]uint64{}}
}

// Fact implements authz.Facts.
func (n *factRecorder) Fact(c authz.Collection, key string) (authz.Fact, bool, error) {
	fact, ok, err := n.Facts.Fact(c, key)
	if err == nil {
		n.read[factKey{c, key}] = fact.Revision
	}
	return fact, ok, err
}

// Under implements authz.Facts. That there is nothing under first is recorded as
// well, under the key of its first id alone.
func (n *factRecorder) Under(c authz.Collection, first string, limit int) ([]authz.Fact, bool, error) {
	facts, more, err := n.Facts.Under(c, first, limit)
	for _, fact := range facts {
		n.read[factKey{c, fact.Key}] = fact.Revision
	}
	if err == nil && len(facts) == 0 {
		n.read[factKey{c, first}] = 0
	}
	return facts, more, err
}

// reads lists what was read, by collection and key.
func (n *factRecorder) reads() []authz.FactRead {
	keys := slices.SortedFunc(maps.Keys(n.read), func(a, b factKey) int {
		return cmp.Or(cmp.Compare(a.collection, b.collection), cmp.Compare(a.key, b.key))
	})
	reads := make([]authz.FactRead, len(keys))
	for i, k := range keys {
		reads[i] = authz.FactRead{Collection: k.collection, Key: k.key, Revision: n.read[k]}
	}
	return reads
}
