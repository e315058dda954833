package store

import (
	"hash/maphash"
	"maps"
	"strings"
)

// isHot reports whether the entity of a key is kept in memory. It also serves keys of a
// pair collection's first id alone. Entitlements of tenants and plans are, those of
// users are not.
func isHot(code collCode, key string) bool {
	for _, prefix := range code.kind().Hot {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}

// hotPrefixes are the data keys of what is kept in memory of a collection.
func hotPrefixes(code collCode) [][]byte {
	var all [][]byte
	for _, prefix := range code.kind().Hot {
		all = append(all, append(dataPrefix(code), prefix...))
	}
	return all
}

const shardCount = 256

var shardSeed = maphash.MakeSeed()

func shardOf(key string) int { return int(maphash.String(shardSeed, key) % shardCount) }

// shards is an immutable map in parts, so that a change copies only the parts
// it touches.
type shards[V any] [shardCount]map[string]V

func (s *shards[V]) get(key string) (V, bool) {
	v, ok := s[shardOf(key)][key]
	return v, ok
}

// shardEdit makes a changed copy of a shards.
type shardEdit[V any] struct {
	next    shards[V]
	touched [shardCount]bool
}

func editShards[V any](base *shards[V]) *shardEdit[V] { return &shardEdit[V]{next: *base} }

func (e *shardEdit[V]) own(key string) map[string]V {
	i := shardOf(key)
	if !e.touched[i] {
		e.touched[i] = true
		e.next[i] = maps.Clone(e.next[i])
		if e.next[i] == nil {
			e.next[i] = make(map[string]V)
		}
	}
	return e.next[i]
}

func (e *shardEdit[V]) set(key string, v V)      { e.own(key)[key] = v }
func (e *shardEdit[V]) delete(key string)        { delete(e.own(key), key) }
func (e *shardEdit[V]) get(key string) (V, bool) { return e.next.get(key) }

// hotCollection holds every hot entity of a collection. It is immutable.
type hotCollection struct {
	records shards[*record]
	index   hotIndex // nil for collections that are read by key alone
	count   int
}

func newHotCollection(code collCode) *hotCollection {
	return &hotCollection{index: newHotIndex(code)}
}

// hotChange is one entity's new state; a nil record deletes.
type hotChange struct {
	ref
	record *record
}

// with is h after changes, of which each key has at most one.
func (h *hotCollection) with(changes []hotChange) *hotCollection {
	next := &hotCollection{index: h.index, count: h.count}
	edit := editShards(&h.records)
	var gone, come []*record
	for _, change := range changes {
		if before, existed := edit.get(change.key); existed {
			edit.delete(change.key)
			gone = append(gone, before)
		}
		if change.record != nil {
			edit.set(change.key, change.record)
			come = append(come, change.record)
		}
	}
	next.records = edit.next
	next.count += len(come) - len(gone)
	if h.index != nil {
		next.index = h.index.with(gone, come)
	}
	return next
}

// isShared reports whether the entities of a collection are read by Go code, which
// then shares them decoded.
func isShared(code collCode) bool {
	return code == issuersCode || code == apiKeysCode || code == credentialsCode
}

// decodeHot decodes the entities Go code reads, once, for all who share them. It
// comes before a record is published.
func decodeHot(code collCode, r *record) (err error) {
	if r.entity == nil && isShared(code) {
		r.entity, err = r.decodeShared(code.collection())
	}
	return err
}
