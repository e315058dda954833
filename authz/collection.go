package authz

import (
	"slices"
	"time"
)

// Collection names one kind of entity, as it stands in URLs (/v1/edges), in
// import lines and, for those a policy may see, in Rego (data.edges).
type Collection string

// kinds lists every kind of entity in the order an import should write them, referenced
// before referring. A new kind is a file with its type, its Collection and its Kind, and
// a line here: storage, the admin API with its document, and the command line follow.
var kinds = []Kind{
	planKind,
	tenantKind,
	userKind,
	serviceKind,
	machineUserKind,
	edgeKind,
	entitlementKind,
	issuerKind,
	credentialKind,
	rotationSetKind,
	rotationKind,
	revocationKind,
	renewalKind,
	apiKeyKind,
}

// Kind describes the entities of a collection: what there is to know of them beside
// their type.
type Kind struct {
	Collection Collection
	// Code stands for the collection in keys and records of the store. It is on disk:
	// never change or reuse one. The next is one more than the highest.
	Code byte
	New  func() Entity // an empty one

	One   string // what one of them is called: "machine user"
	About string // what one is, as a sentence

	// First and Second are the JSON names of the two ids that name an entity of a pair
	// collection; empty when one id does. Example is such a key.
	First, Second string
	Example       string
	// Filters are the JSON names of the fields a list may be filtered by, which
	// Entity.Field gives.
	Filters []string
	// Columns are the JSON names of the members that a table has between the ids and
	// the revision.
	Columns []string

	// Fact lets policies see the collection as data.<collection>.
	Fact bool
	// Hot are the prefixes of the keys whose entities are kept in memory: those that
	// decisions read, where there are not many. "" is every key.
	Hot []string
	// KeptAfterEnd is how long an entity is kept after it ended by itself; 0 leaves it
	// to the configuration of the store.
	KeptAfterEnd time.Duration

	// Apart has the collection neither served beside the others nor exported.
	Apart bool
	// NotPut and NotDeleted say why entities are not written, or not deleted, one by one
	// like those of other collections, and what is done instead; empty where they are.
	NotPut, NotDeleted string
}

// everyKey is Kind.Hot of a collection that is kept in memory whole.
var everyKey = []string{""}

var known = byCollection()

func byCollection() map[Collection]*Kind {
	all := make(map[Collection]*Kind, len(kinds))
	for i := range kinds {
		all[kinds[i].Collection] = &kinds[i]
	}
	return all
}

// Kinds describes every kind of entity, in the order of AllCollections.
func Kinds() []Kind { return slices.Clone(kinds) }

// AllCollections lists every collection in the order an import should write
// them, referenced before referring.
func AllCollections() []Collection { return collections(func(Kind) bool { return true }) }

// ServedCollections lists those that are read, written and exported as entities, in the
// same order: all but API keys.
func ServedCollections() []Collection { return collections(func(k Kind) bool { return !k.Apart }) }

func collections(which func(Kind) bool) []Collection {
	var all []Collection
	for _, k := range kinds {
		if which(k) {
			all = append(all, k.Collection)
		}
	}
	return all
}

var unknown Kind

func (c Collection) kind() *Kind {
	if k := known[c]; k != nil {
		return k
	}
	return &unknown
}

// Kind describes the entities of c; the zero Kind when c is not known.
func (c Collection) Kind() Kind { return *c.kind() }

// Known reports whether c is one of the collections.
func (c Collection) Known() bool { return known[c] != nil }

// New returns an empty entity of c, or nil when c is not known.
func (c Collection) New() Entity {
	if k := known[c]; k != nil {
		return k.New()
	}
	return nil
}

// Pair reports whether entities of c are named by two ids: data.edges[from][to].
func (c Collection) Pair() bool { return c.kind().First != "" }

// Fact reports whether policies see c as data.<c>.
func (c Collection) Fact() bool { return c.kind().Fact }

// Filters lists the fields a list of c may be filtered by, by JSON name.
func (c Collection) Filters() []string { return c.kind().Filters }

// IDs are the JSON names of what an entity of c is named by: id, or the two of a pair.
func (c Collection) IDs() []string {
	if k := c.kind(); k.First != "" {
		return []string{k.First, k.Second}
	}
	return []string{"id"}
}

// ValidateKey reports whether key may name an entity of c: one id, or for a pair
// collection two ids joined by a slash.
func (c Collection) ValidateKey(key string) error {
	if !c.Pair() {
		return ValidateID("id", key)
	}
	first, second, ok := SplitPairKey(key)
	if !ok {
		return Invalid("id", "of "+string(c)+" is two ids joined by a slash")
	}
	if err := ValidateID("id", first); err != nil {
		return err
	}
	return ValidateID("id", second)
}
