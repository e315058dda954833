package engine

import (
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-pdp/verdict/authz"
)

// view is what one evaluation sees of the facts, and what it has read. It is
// OPA's transaction, used by one goroutine. The first failure sticks: whatever
// the interpreter makes of it, the evaluation has failed.
type view struct {
	facts    authz.Facts
	decoded  *decodedFacts
	keys     int // distinct keys asked for
	max      int
	entities map[factKey]ast.Value // :: key -> value, nil when there is none
	under    map[factKey]ast.Value // :: (pair collection, first id) -> object by second id
	err      error
}

// factKey names one entity.
type factKey struct {
	collection authz.Collection
	key        string
}

func newView(facts authz.Facts, decoded *decodedFacts, maxKeys int) *view {
	return &view{facts: facts, decoded: decoded, max: maxKeys}
}

// ID implements storage.Transaction.
func (v *view) ID() uint64 { return v.facts.Revision() }

// first is the view's own failure when it has one, else err.
func (v *view) first(err error) error {
	if v.err != nil {
		return v.err
	}
	return err
}

// overBudgetError means that an evaluation asked for more keys than its limit,
// or for a whole collection.
type overBudgetError struct {
	collection string // a fact collection, or "data"
	whole      bool
	max        int
}

func (e *overBudgetError) Error() string {
	if e.whole {
		return "the whole of " + e.collection + " was read"
	}
	return fmt.Sprintf("more than %d store keys were read, the last of %s", e.max, e.collection)
}

// factsError means that a fact could not be read or is not JSON.
type factsError struct {
	collection authz.Collection
	cause      error
}

func (e *factsError) Error() string { return fmt.Sprintf("reading %s: %v", e.collection, e.cause) }
func (e *factsError) Unwrap() error { return e.cause }

func (v *view) fail(err error) error {
	if v.err == nil {
		v.err = err
	}
	return v.err
}

func (v *view) refuseWhole(what string) error {
	return v.fail(&overBudgetError{collection: what, whole: true, max: v.max})
}

// spend counts n more keys.
func (v *view) spend(c authz.Collection, n int) error {
	v.keys += n
	if v.keys > v.max {
		return v.fail(&overBudgetError{collection: string(c), max: v.max})
	}
	return nil
}

// read resolves a path below a fact collection.
func (v *view) read(c authz.Collection, path []string, known names) (any, error) {
	if v.err != nil {
		return nil, v.err
	}
	switch {
	case len(path) == 0:
		return nil, v.refuseWhole(string(c))
	case !isID(path[0]):
		return nil, errNotFound
	case !c.Pair():
		return v.within(c, path[0], path[1:], known)
	case len(path) == 1:
		return v.group(c, path[0])
	case !isID(path[1]):
		return nil, errNotFound
	}
	return v.within(c, authz.PairKey(path[0], path[1]), path[2:], known)
}

// within reads one entity and follows path into it.
func (v *view) within(c authz.Collection, key string, path []string, known names) (any, error) {
	value, err := v.entity(factKey{c, key})
	if err != nil {
		return nil, err
	}
	if value == nil {
		return nil, errNotFound
	}
	return walk(value, path, known)
}

// entity reads one entity, nil when there is none. A key is asked for once.
func (v *view) entity(k factKey) (ast.Value, error) {
	if value, ok := v.entities[k]; ok {
		return value, nil
	}
	if first, second, pair := authz.SplitPairKey(k.key); pair {
		if group, ok := v.under[factKey{k.collection, first}]; ok {
			return member(group, second), nil
		}
	}
	if err := v.spend(k.collection, 1); err != nil {
		return nil, err
	}
	fact, ok, err := v.facts.Fact(k.collection, k.key)
	if err != nil {
		return nil, v.fail(&factsError{k.collection, err})
	}
	if !ok {
		v.keep(k, nil)
		return nil, nil
	}
	return v.decode(k, fact)
}

// decode turns a fact into a value and keeps it for this evaluation.
func (v *view) decode(k factKey, fact authz.Fact) (ast.Value, error) {
	value, err := v.decoded.value(k, fact)
	if err != nil {
		return nil, v.fail(&factsError{k.collection, err})
	}
	v.keep(k, value)
	return value, nil
}

func (v *view) keep(k factKey, value ast.Value) {
	if v.entities == nil {
		v.entities = make(map[factKey]ast.Value, 16)
	}
	v.entities[k] = value
}

// group reads the entities of a pair collection under their first id, as far as
// the budget goes. Reading an empty group costs one key.
func (v *view) group(c authz.Collection, first string) (any, error) {
	k := factKey{c, first}
	if group, ok := v.under[k]; ok {
		return found(group)
	}
	if v.keys >= v.max {
		return nil, v.spend(c, 1)
	}
	facts, more, err := v.facts.Under(c, first, v.max-v.keys)
	if err != nil {
		return nil, v.fail(&factsError{c, err})
	}
	if err := v.spend(c, v.newKeys(c, facts)); err != nil {
		return nil, err
	}
	if more {
		return nil, v.fail(&overBudgetError{collection: string(c), max: v.max})
	}
	group, err := v.object(c, facts)
	if err != nil {
		return nil, err
	}
	if v.under == nil {
		v.under = make(map[factKey]ast.Value, 2)
	}
	v.under[k] = group
	return found(group)
}

// newKeys is how many of facts were not read before, and at least one.
func (v *view) newKeys(c authz.Collection, facts []authz.Fact) int {
	n := 0
	for _, fact := range facts {
		if _, ok := v.entities[factKey{c, fact.Key}]; !ok {
			n++
		}
	}
	return max(n, 1)
}

// object is a group by second id, nil when it has no members.
func (v *view) object(c authz.Collection, facts []authz.Fact) (ast.Value, error) {
	if len(facts) == 0 {
		return nil, nil
	}
	members := make([][2]*ast.Term, len(facts))
	for i, fact := range facts {
		_, second, ok := authz.SplitPairKey(fact.Key)
		if !ok {
			return nil, v.fail(&factsError{c, fmt.Errorf("key %q is not a pair", fact.Key)})
		}
		value, err := v.decode(factKey{c, fact.Key}, fact)
		if err != nil {
			return nil, err
		}
		members[i] = ast.Item(ast.StringTerm(second), ast.NewTerm(value))
	}
	return ast.NewObject(members...), nil
}

func found(value ast.Value) (any, error) {
	if value == nil {
		return nil, errNotFound
	}
	return value, nil
}

func member(group ast.Value, name string) ast.Value {
	if object, ok := group.(ast.Object); ok {
		if term := object.Get(ast.StringTerm(name)); term != nil {
			return term.Value
		}
	}
	return nil
}

// isID reports whether part can be the id of an entity. Anything else names none,
// and must not reach the store: a separator in a value of the question could
// otherwise read another entity.
func isID(part string) bool { return authz.ValidateID("", part) == nil }
