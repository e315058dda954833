package store

import (
	"cmp"
	"slices"
	"strings"

	"github.com/verdict-pdp/verdict/authz"
)

// hotIndex leads to the entities of a hot collection by something other than
// their key. It is immutable.
type hotIndex interface {
	// with is the index after gone left the collection and come joined it. An
	// entity that was replaced is in both.
	with(gone, come []*record) hotIndex
}

// newHotIndex is the empty index of a collection, nil when it needs none.
func newHotIndex(code collCode) hotIndex {
	switch {
	case code.kind().First != "":
		return new(pairIndex)
	case code == issuersCode:
		return new(issuerIndex)
	case code == credentialsCode:
		return new(credentialIndex)
	}
	return nil
}

// pairIndex groups the entities of a pair collection.
type pairIndex struct {
	byFirst shards[[]*record] // :: first id -> its entities in key order
}

func (p *pairIndex) with(gone, come []*record) hotIndex {
	return &pairIndex{byFirst: regroup(&p.byFirst, gone, come, firstIDs, byKey)}
}

// under are the entities whose first id is first, in key order.
func (p *pairIndex) under(first string) []*record {
	group, _ := p.byFirst.get(first)
	return group
}

func firstIDs(r *record) []string {
	first, _, _ := authz.SplitPairKey(r.key)
	return []string{first}
}

func byKey(a, b *record) int { return strings.Compare(a.key, b.key) }

// issuerIndex finds issuers.
type issuerIndex struct {
	byURL  shards[[]*authz.Issuer] // :: url -> the one issuer that has it
	byKind shards[[]*authz.Issuer] // :: kind -> its issuers in the order of their ids
}

func (i *issuerIndex) with(gone, come []*record) hotIndex {
	left, joined := decoded[*authz.Issuer](gone), decoded[*authz.Issuer](come)
	urls := func(i *authz.Issuer) []string { return []string{i.URL} }
	kinds := func(i *authz.Issuer) []string { return []string{i.Kind} }
	return &issuerIndex{
		byURL:  regroup(&i.byURL, left, joined, urls, byID),
		byKind: regroup(&i.byKind, left, joined, kinds, byID),
	}
}

func (i *issuerIndex) withURL(url string) []*authz.Issuer {
	found, _ := i.byURL.get(url)
	return found
}

// credentialIndex finds credentials.
type credentialIndex struct {
	byUser shards[[]*authz.Credential] // :: machine user -> its credentials, as acceptedFirst has them
	byName shards[[]*authz.Credential] // :: name -> the credentials that have it, likewise
}

func (c *credentialIndex) with(gone, come []*record) hotIndex {
	left, joined := decoded[*authz.Credential](gone), decoded[*authz.Credential](come)
	users := func(c *authz.Credential) []string { return []string{c.MachineUser} }
	names := func(c *authz.Credential) []string { return c.Names }
	return &credentialIndex{
		byUser: regroup(&c.byUser, left, joined, users, acceptedFirst),
		byName: regroup(&c.byName, left, joined, names, acceptedFirst),
	}
}

func byID[E authz.Entity](a, b E) int { return strings.Compare(a.Head().ID, b.Head().ID) }

// acceptedFirst is the order of the Directory: however many old generations there
// are, those that can still prove an identity are among the first.
func acceptedFirst(a, b *authz.Credential) int {
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(b.Generation, a.Generation), byID(a, b))
}

func rank(c *authz.Credential) int {
	if c.Accepted() {
		return 0
	}
	return 1
}

func decoded[E authz.Entity](records []*record) []E {
	entities := make([]E, len(records))
	for i, r := range records {
		entities[i] = r.entity.(E)
	}
	return entities
}

// regroup is base after gone and come. An element is in the group of each of its
// keys, and groups are sorted by compare, for which no two of them are equal.
func regroup[E any](base *shards[[]E], gone, come []E, keys func(E) []string, compare func(a, b E) int) shards[[]E] {
	moves := make(map[string][]move[E]) // :: key -> what happens to its group
	for _, e := range gone {
		for _, key := range keys(e) {
			moves[key] = append(moves[key], move[E]{element: e, leaves: true})
		}
	}
	for _, e := range come {
		for _, key := range keys(e) {
			moves[key] = append(moves[key], move[E]{element: e})
		}
	}
	edit := editShards(base)
	for key, ofGroup := range moves {
		old, _ := base.get(key)
		if merged := mergeGroup(old, ofGroup, compare); len(merged) > 0 {
			edit.set(key, merged)
		} else {
			edit.delete(key)
		}
	}
	return edit.next
}

// move is one element that leaves a group or joins it.
type move[E any] struct {
	element E
	leaves  bool
}

// mergeGroup is old, in the order of compare, after moves, in which what leaves
// comes before what joins. Stretches between two moves are copied whole.
func mergeGroup[E any](old []E, moves []move[E], compare func(a, b E) int) []E {
	slices.SortStableFunc(moves, func(a, b move[E]) int { return compare(a.element, b.element) })
	merged := make([]E, 0, len(old)+len(moves))
	for _, m := range moves {
		at, _ := slices.BinarySearchFunc(old, m.element, compare)
		merged = append(merged, old[:at]...)
		if m.leaves {
			at++
		} else {
			merged = append(merged, m.element)
		}
		old = old[at:]
	}
	return append(merged, old...)
}
