package store

import (
	"hash/maphash"
	"maps"
	"slices"
	"strings"

	"github.com/verdict-pdp/verdict/authz"
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
	groups  shards[[]*record]        // pair collections: first id -> its entities in key order
	issuers map[string]*authz.Issuer // issuers: url -> issuer
	count   int
}

// under are the entities whose first id is first, in key order.
func (h *hotCollection) under(first string) []*record {
	group, _ := h.groups.get(first)
	return group
}

// hotChange is one entity's new state; a nil record deletes.
type hotChange struct {
	ref
	record *record
}

// with is h after changes, of which each key has at most one.
func (h *hotCollection) with(code collCode, changes []hotChange) *hotCollection {
	next := &hotCollection{issuers: h.issuers, groups: h.groups, count: h.count}
	records := editShards(&h.records)
	for _, change := range changes {
		_, existed := records.get(change.key)
		switch {
		case change.record != nil:
			records.set(change.key, change.record)
			if !existed {
				next.count++
			}
		case existed:
			records.delete(change.key)
			next.count--
		}
	}
	next.records = records.next
	if code.collection().Pair() {
		next.groups = regroup(&h.groups, changes)
	}
	if code == issuersCode {
		next.issuers = reindexIssuers(h, changes)
	}
	return next
}

// decodeHot decodes the entities Go code reads, once, for all who share them. It
// comes before a record is published.
func decodeHot(code collCode, r *record) error {
	if r.entity != nil || code != issuersCode && code != apiKeysCode {
		return nil
	}
	entity, err := r.decode(code.collection())
	r.entity = entity
	return err
}

// regroup merges changes into the groups they belong to.
func regroup(base *shards[[]*record], changes []hotChange) shards[[]*record] {
	byFirst := make(map[string][]hotChange)
	for _, change := range changes {
		first, _, _ := authz.SplitPairKey(change.key)
		byFirst[first] = append(byFirst[first], change)
	}
	edit := editShards(base)
	for first, group := range byFirst {
		old, _ := base.get(first)
		if merged := mergeGroup(old, group); len(merged) > 0 {
			edit.set(first, merged)
		} else {
			edit.delete(first)
		}
	}
	return edit.next
}

// mergeGroup is old, in key order, after changes. Stretches between two changes
// are copied whole.
func mergeGroup(old []*record, changes []hotChange) []*record {
	slices.SortFunc(changes, func(a, b hotChange) int { return strings.Compare(a.key, b.key) })
	merged := make([]*record, 0, len(old)+len(changes))
	for _, change := range changes {
		at, found := slices.BinarySearchFunc(old, change.key, func(r *record, key string) int { return strings.Compare(r.key, key) })
		merged = append(merged, old[:at]...)
		if found {
			at++
		}
		old = old[at:]
		if change.record != nil {
			merged = append(merged, change.record)
		}
	}
	return append(merged, old...)
}

func reindexIssuers(old *hotCollection, changes []hotChange) map[string]*authz.Issuer {
	next := maps.Clone(old.issuers)
	if next == nil {
		next = make(map[string]*authz.Issuer)
	}
	for _, change := range changes {
		before, ok := old.records.get(change.key)
		if ok {
			delete(next, before.entity.Field("url"))
		}
	}
	for _, change := range changes {
		if change.record == nil {
			continue
		}
		if issuer, ok := change.record.entity.(*authz.Issuer); ok {
			next[issuer.URL] = issuer
		}
	}
	return next
}
