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
	known  names // that members are likely to have
}

// decodeJSON reads exactly one JSON value straight into OPA's form.
func decodeJSON(data []byte) (ast.Value, error) { return decodeParts(data, everything, factNames) }

// decodeParts is decodeJSON of some parts. The members that are not read are left out
// of their objects, and of them only the syntax is checked.
func decodeParts(data []byte, read *parts, known names) (ast.Value, error) {
	d := decoders.Get().(*decoder)
	defer decoders.Put(d)
	d.data.Reset(data)
	defer d.data.Reset(nil)
	d.tokens.Reset(&d.data)
	d.known = known
	term, err := d.term(read)
	if err != nil {
		return nil, err
	}
	if _, err := d.tokens.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the JSON value is followed by more bytes")
	}
	return term.Value, nil
}

func (d *decoder) term(read *parts) (*ast.Term, error) {
	token, err := d.tokens.ReadToken()
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
		return d.array()
	case '{':
		return d.object(read)
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

// array reads all of an array's elements: parts name members only.
func (d *decoder) array() (*ast.Term, error) {
	var elements []*ast.Term
	for d.tokens.PeekKind() != ']' {
		element, err := d.term(everything)
		if err != nil {
			return nil, err
		}
		elements = append(elements, element)
	}
	if _, err := d.tokens.ReadToken(); err != nil {
		return nil, err
	}
	return ast.ArrayTerm(elements...), nil
}

// object relies on the library to refuse a member that is there twice.
func (d *decoder) object(read *parts) (*ast.Term, error) {
	var room [12][2]*ast.Term
	members := room[:0]
	for d.tokens.PeekKind() != '}' {
		name, err := d.name()
		if err != nil {
			return nil, err
		}
		below := read.of(name)
		if below == nil {
			if err := d.tokens.SkipValue(); err != nil {
				return nil, err
			}
			continue
		}
		key := d.known.termOf(name)
		value, err := d.term(below)
		if err != nil {
			return nil, err
		}
		members = append(members, [2]*ast.Term{key, value})
	}
	if _, err := d.tokens.ReadToken(); err != nil {
		return nil, err
	}
	if len(members) == 0 {
		return ast.InternedEmptyObject, nil
	}
	return ast.ObjectTerm(members...), nil
}

// name reads the name of a member. It is valid until d reads on.
func (d *decoder) name() ([]byte, error) {
	quoted, err := d.tokens.ReadValue()
	if err != nil {
		return nil, err
	}
	if quoted.Kind() != '"' {
		return nil, errors.New("a member has no name")
	}
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1], nil
	}
	return jsontext.AppendUnquote(nil, quoted)
}
