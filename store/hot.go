package store

import (
	"hash/maphash"
	"maps"
	"strings"
)

// slot is one hot collection. Entitlements of tenants and plans are one; those
// of users are not hot.
type slot byte

const (
	coldSlot slot = iota // not a hot collection
	plansSlot
	tenantsSlot
	servicesSlot
	machineUsersSlot
	edgesSlot
	sharedEntitlementsSlot
	issuersSlot
	revocationsSlot
	renewalsSlot
	apiKeysSlot
	credentialsSlot

	slotLimit
)

var sharedHolders = []string{"plan:", "tenant:"}

// slotOf is where an entity is kept hot. It also serves keys of a pair
// collection's first id alone.
func slotOf(code collCode, key string) slot {
	switch code {
	case plansCode:
		return plansSlot
	case tenantsCode:
		return tenantsSlot
	case servicesCode:
		return servicesSlot
	case machineUsersCode:
		return machineUsersSlot
	case edgesCode:
		return edgesSlot
	case entitlementsCode:
		if strings.HasPrefix(key, sharedHolders[0]) || strings.HasPrefix(key, sharedHolders[1]) {
			return sharedEntitlementsSlot
		}
	case issuersCode:
		return issuersSlot
	case revocationsCode:
		return revocationsSlot
	case renewalsCode:
		return renewalsSlot
	case apiKeysCode:
		return apiKeysSlot
	case credentialsCode:
		return credentialsSlot
	}
	return coldSlot
}

// prefixes are the data keys a slot holds.
func (s slot) prefixes() [][]byte {
	if s == sharedEntitlementsSlot {
		var all [][]byte
		for _, holder := range sharedHolders {
			all = append(all, append(dataPrefix(entitlementsCode), holder...))
		}
		return all
	}
	return [][]byte{dataPrefix(s.code())}
}

func (s slot) code() collCode {
	for code := collCode(1); code < codeLimit; code++ {
		if slotOf(code, sharedHolders[0]) == s {
			return code
		}
	}
	return 0
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

// hotCollection holds every entity of a slot. It is immutable.
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

// isShared says whether the entities of a collection are read by Go code, which
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
