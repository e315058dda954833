package main

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/verdict-pdp/verdict/authz"
)

// prose is what prose.yaml has.
type prose struct {
	Document   object               // as it stands
	Components object               // headers, answers and the like, as they stand
	Parameters map[string]string    // :: parameter, or operation.parameter -> description
	Entities   map[string]operation // :: list, get, create, put or delete -> of any collection
	Operations map[string]operation // :: operation id -> its own

	used map[string]bool // :: what was said that a row has
}

// operation is what is said of an operation. In those of entities, ONE and MANY stand
// for the noun, and ABOUT for what it is.
type operation struct {
	Tag         string
	Summary     string
	Description string
	Body        string         // of what is sent
	Answers     map[int]string // :: status -> description
}

func readProse(source []byte) (*prose, error) {
	p := &prose{used: map[string]bool{}}
	decoder := yaml.NewDecoder(bytes.NewReader(source))
	decoder.KnownFields(true)
	if err := decoder.Decode(p); err != nil {
		return nil, fmt.Errorf("prose.yaml: %w", err)
	}
	return p, nil
}

// of is what is said of an operation.
func (p *prose) of(id, collection string) (operation, error) {
	if op, ok := p.Operations[id]; ok {
		p.used["operation "+id] = true
		return op, nil
	}
	kind := authz.Collection(collection).Kind()
	if kind.One == "" {
		return operation{}, fmt.Errorf("prose.yaml says nothing of the operation %s", id)
	}
	for verb, op := range p.Entities {
		if strings.HasPrefix(id, verb) {
			return op.about(kind), nil
		}
	}
	return operation{}, fmt.Errorf("prose.yaml says nothing of the operation %s", id)
}

func (op operation) about(kind authz.Kind) operation {
	article := "a"
	if strings.ContainsRune("aeio", rune(kind.One[0])) {
		article = "an"
	}
	many := strings.ReplaceAll(string(kind.Collection), "_", " ")
	words := strings.NewReplacer("A ONE", article+" "+kind.One, "ONE", kind.One, "MANY", many, "ABOUT", aboutKind(kind))
	said := operation{Tag: op.Tag, Summary: words.Replace(op.Summary), Description: words.Replace(op.Description), Answers: map[int]string{}}
	for status, text := range op.Answers {
		said.Answers[status] = words.Replace(text)
	}
	return said
}

// aboutKind is what an entity is, and where policies find it.
func aboutKind(kind authz.Kind) string {
	if !kind.Fact {
		return kind.About
	}
	ids := strings.Join(kind.Collection.IDs(), "][")
	return kind.About + " Policies: data." + string(kind.Collection) + "[" + ids + "]."
}

// parameter is what is said of a parameter: for an operation, else for all, else what
// every filter of a list is.
func (p *prose) parameter(id, name string) string {
	for _, key := range []string{id + "." + name, name} {
		if text, ok := p.Parameters[key]; ok {
			p.used["parameter "+key] = true
			return text
		}
	}
	return "Only those whose " + name + " is this."
}

// unused is an error when something is said of what there is not.
func (p *prose) unused() error {
	var left []string
	for id := range p.Operations {
		if !p.used["operation "+id] {
			left = append(left, "operation "+id)
		}
	}
	for key := range p.Parameters {
		if !p.used["parameter "+key] {
			left = append(left, "parameter "+key)
		}
	}
	if len(left) > 0 {
		slices.Sort(left)
		return fmt.Errorf("prose.yaml tells of what no row has: %s", strings.Join(left, ", "))
	}
	return nil
}

// sorted are the keys of m in order.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
