package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-pdp/verdict/authz"
)

// decodedFacts keeps recently read facts as values, so that hot ones are
// decoded once for each revision. It is bounded by their number and safe for
// concurrent use. Values are shared and never changed.
type decodedFacts struct {
	recent *lru.Cache[factKey, decodedFact]
}

// decodedFact is valid for the revision that wrote the fact.
type decodedFact struct {
	revision uint64
	value    ast.Value
}

func newDecodedFacts(size int) (*decodedFacts, error) {
	recent, err := lru.New[factKey, decodedFact](size)
	if err != nil {
		return nil, err
	}
	return &decodedFacts{recent: recent}, nil
}

// value decodes fact, or takes it from the cache when the same revision of it
// was decoded before.
func (d *decodedFacts) value(k factKey, fact authz.Fact) (ast.Value, error) {
	if kept, ok := d.recent.Get(k); ok && kept.revision == fact.Revision {
		return kept.value, nil
	}
	value, err := decodeJSON(fact.JSON)
	if err != nil {
		return nil, err
	}
	d.recent.Add(k, decodedFact{revision: fact.Revision, value: value})
	return value, nil
}

// decodeJSON reads exactly one JSON value straight into OPA's form.
func decodeJSON(data []byte) (ast.Value, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	term, err := decodeTerm(d)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("a fact is followed by more bytes")
	}
	return term.Value, nil
}

func decodeTerm(d *json.Decoder) (*ast.Term, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token := token.(type) {
	case bool:
		return ast.InternedTerm(token), nil
	case string:
		return ast.InternedTerm(token), nil
	case json.Number:
		return ast.NumberTerm(token), nil
	case json.Delim:
		if token == '[' {
			return decodeArray(d)
		}
		return decodeObject(d)
	}
	return ast.InternedNullTerm, nil
}

func decodeArray(d *json.Decoder) (*ast.Term, error) {
	var elements []*ast.Term
	for d.More() {
		element, err := decodeTerm(d)
		if err != nil {
			return nil, err
		}
		elements = append(elements, element)
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	return ast.ArrayTerm(elements...), nil
}

func decodeObject(d *json.Decoder) (*ast.Term, error) {
	object := ast.NewObject()
	for d.More() {
		name, err := decodeTerm(d)
		if err != nil {
			return nil, err
		}
		if object.Get(name) != nil {
			return nil, errors.New("a fact has a member twice")
		}
		value, err := decodeTerm(d)
		if err != nil {
			return nil, err
		}
		object.Insert(name, value)
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	return ast.NewTerm(object), nil
}
