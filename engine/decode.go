package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
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

// decoders keeps what reading tokens needs from one fact to the next.
var decoders = sync.Pool{New: func() any { return new(decoder) }}

type decoder struct {
	data   bytes.Reader
	tokens jsontext.Decoder
}

// decodeJSON reads exactly one JSON value straight into OPA's form.
func decodeJSON(data []byte) (ast.Value, error) {
	d := decoders.Get().(*decoder)
	defer decoders.Put(d)
	d.data.Reset(data)
	defer d.data.Reset(nil)
	d.tokens.Reset(&d.data)
	term, err := decodeTerm(&d.tokens)
	if err != nil {
		return nil, err
	}
	if _, err := d.tokens.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the JSON value is followed by more bytes")
	}
	return term.Value, nil
}

func decodeTerm(d *jsontext.Decoder) (*ast.Term, error) {
	token, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	switch token.Kind() {
	case 't', 'f':
		return ast.InternedTerm(token.Bool()), nil
	case '"':
		return ast.StringTerm(token.String()), nil
	case '0':
		return decodeNumber(token.String())
	case '[':
		return decodeArray(d)
	case '{':
		return decodeObject(d)
	}
	return ast.InternedNullTerm, nil
}

// decodeNumber keeps a number as it is written, and refuses one that no double
// holds: arithmetic on it would fail in the middle of a guard.
func decodeNumber(text string) (*ast.Term, error) {
	if _, err := strconv.ParseFloat(text, 64); err != nil {
		return nil, errors.New("a number is too large")
	}
	return ast.NumberTerm(json.Number(text)), nil
}

func decodeArray(d *jsontext.Decoder) (*ast.Term, error) {
	var elements []*ast.Term
	for d.PeekKind() != ']' {
		element, err := decodeTerm(d)
		if err != nil {
			return nil, err
		}
		elements = append(elements, element)
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	return ast.ArrayTerm(elements...), nil
}

// decodeObject relies on the library to refuse a member that is there twice.
func decodeObject(d *jsontext.Decoder) (*ast.Term, error) {
	members := make([][2]*ast.Term, 0, 12)
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		if name.Kind() != '"' {
			return nil, errors.New("a member has no name")
		}
		key := factNames.term(name.String())
		value, err := decodeTerm(d)
		if err != nil {
			return nil, err
		}
		members = append(members, [2]*ast.Term{key, value})
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	return ast.ObjectTerm(members...), nil
}
