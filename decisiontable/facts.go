package decisiontable

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

// facts are entities in memory. They implement authz.Facts and do not change.
type facts struct {
	entities map[authz.Collection]map[string]authz.Fact // :: collection -> key ->
}

// Revision is always 1: there is no other.
func (*facts) Revision() uint64 { return 1 }

// Fact implements authz.Facts.
func (f *facts) Fact(c authz.Collection, key string) (authz.Fact, bool, error) {
	fact, ok := f.entities[c][key]
	return fact, ok, nil
}

// Under implements authz.Facts.
func (f *facts) Under(c authz.Collection, first string, limit int) (under []authz.Fact, more bool, err error) {
	for _, key := range slices.Sorted(maps.Keys(f.entities[c])) {
		if !strings.HasPrefix(key, authz.PairKey(first, "")) {
			continue
		}
		if len(under) >= limit {
			return under, true, nil
		}
		under = append(under, f.entities[c][key])
	}
	return under, false, nil
}

// origin is a part of a file that says something of the data.
type origin struct {
	file string
	node *yaml.Node
}

// change is data being put into facts: those of a table, or what a case changes.
type change struct {
	facts    *facts
	data     map[string]any // as it is after the change
	origins  []origin       // the nearest first
	problems *problems
}

// build makes facts of the table's data.
func (l *loader) build() *facts {
	c := change{facts: &facts{entities: map[authz.Collection]map[string]authz.Fact{}}, data: l.data, origins: l.origins, problems: l.problems}
	c.replace(l.data)
	return c.facts
}

// override is the table's facts with a case's data merged in.
func (l *loader) override(n *yaml.Node) *facts {
	patch := l.mapping(n, "data")
	if _, ok := patch["include"]; ok {
		l.problems.add(l.file, lineAt(n, "include"), "include is not known here", "include files in the table's data")
		delete(patch, "include")
	}
	f := &facts{entities: make(map[authz.Collection]map[string]authz.Fact, len(l.facts.entities))}
	for collection, entities := range l.facts.entities {
		f.entities[collection] = maps.Clone(entities)
	}
	c := change{facts: f, data: patched(l.data, patch), origins: append([]origin{{l.file, n}}, l.origins...), problems: l.problems}
	c.replace(patch)
	return f
}

// replace puts everything that a patch names into the facts as it is in the data,
// or removes it when it is not there.
func (c *change) replace(patch map[string]any) {
	for name, value := range patch {
		collection := authz.Collection(name)
		if !collection.Known() || !collection.Fact() {
			c.problem("is no collection that policies see", "write one of "+strings.Join(factNames(), ", "), name)
			continue
		}
		if value == nil {
			delete(c.facts.entities, collection)
			continue
		}
		entities, ok := value.(map[string]any)
		if !ok {
			c.problem("is not a mapping", "write its entities by their ids", name)
			continue
		}
		if c.facts.entities[collection] == nil {
			c.facts.entities[collection] = map[string]authz.Fact{}
		}
		now, _ := c.data[name].(map[string]any)
		if collection.Pair() {
			c.replacePairs(collection, entities, now)
			continue
		}
		for id := range entities {
			c.replaceOne(collection, id, now[id], id)
		}
	}
}

func (c *change) replacePairs(collection authz.Collection, groups, now map[string]any) {
	for first, value := range groups {
		if value == nil {
			maps.DeleteFunc(c.facts.entities[collection], func(key string, _ authz.Fact) bool { return strings.HasPrefix(key, authz.PairKey(first, "")) })
			continue
		}
		entities, ok := value.(map[string]any)
		if !ok {
			c.problem("is not a mapping", fmt.Sprintf("write them by their two ids: %s: {first: {second: {..}}}", collection), string(collection), first)
			continue
		}
		under, _ := now[first].(map[string]any)
		for second := range entities {
			c.replaceOne(collection, authz.PairKey(first, second), under[second], first, second)
		}
	}
}

// replaceOne replaces or, when there is none now, removes the entity at a place, one
// or two ids.
func (c *change) replaceOne(collection authz.Collection, key string, entity any, place ...string) {
	path := append([]string{string(collection)}, place...)
	if err := collection.ValidateKey(key); err != nil {
		c.problem(said(err), "correct the id", path...)
		return
	}
	if entity == nil {
		delete(c.facts.entities[collection], key)
		return
	}
	fact, err := factOf(collection, key, place, entity)
	if err != nil {
		c.problem(said(err), "write it as an import has it", path...)
		return
	}
	c.facts.entities[collection][key] = fact
}

// problem is what is wrong at a path of the data, by the nearest place that has it.
func (c *change) problem(message, fix string, path ...string) {
	file, line := c.origins[0].file, c.origins[0].node.Line
	for _, o := range c.origins {
		if at := lineAt(o.node, path...); at > 0 {
			file, line = o.file, at
			break
		}
	}
	c.problems.add(file, line, "data."+strings.Join(path, ".")+": "+message, fix)
}

// factOf is an entity as the store would keep it.
func factOf(c authz.Collection, key string, place []string, value any) (authz.Fact, error) {
	text, err := ijson.Marshal(value)
	if err != nil {
		return authz.Fact{}, err
	}
	entity := c.New()
	if err := ijson.Unmarshal(text, entity); err != nil {
		return authz.Fact{}, err
	}
	if pair, ok := entity.(authz.Paired); ok && len(place) == 2 {
		pair.Place(place[0], place[1])
	}
	if head := entity.Head(); head.ID == "" && len(place) == 1 {
		head.ID = key
	}
	entity.Normalize()
	if err := entity.Validate(); err != nil {
		return authz.Fact{}, err
	}
	if id := entity.Head().ID; id != key {
		return authz.Fact{}, authz.Invalid("id", "is "+id+" where "+key+" is written")
	}
	if text, err = ijson.Marshal(entity); err != nil {
		return authz.Fact{}, err
	}
	return authz.Fact{Key: key, Revision: revisionOf(text), JSON: text}, nil
}

// revisionOf distinguishes texts of one entity: who reads facts may keep what it made
// of one by key and revision, from one case to the next.
func revisionOf(text []byte) uint64 {
	sum := sha256.Sum256(text)
	return binary.BigEndian.Uint64(sum[:]) >> 11 // JSON readers hold 53 bits
}

func factNames() []string {
	var names []string
	for _, c := range authz.AllCollections() {
		if c.Fact() {
			names = append(names, string(c))
		}
	}
	return names
}
