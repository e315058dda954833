package engine

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-pdp/verdict/authz"
)

// Input is the policy's input document for q as JSON, members sorted by their
// bytes and numbers as they were sent: equal questions give equal bytes, and
// EvaluateInput judges them as Evaluate judges q. Evidence at fault has one too. The error, an *authz.Error, means that q has no time, or one outside
// the years 0 to 9999, or holds what is not JSON, such as text that is not UTF-8.
func Input(q authz.Question) ([]byte, error) {
	if q.Time.IsZero() {
		return nil, unwritable(errNoTime)
	}
	if year := q.Time.UTC().Year(); year < 0 || year > 9999 {
		return nil, unwritable(fmt.Errorf("the year of its time is %d", year))
	}
	w := &textWriter{json: append(make([]byte, 0, 2048), '{')}
	write(w, &q)
	w.end()
	if w.failed != nil {
		return nil, unwritable(w.failed)
	}
	return w.json, nil
}

func unwritable(err error) error {
	return &authz.Error{Code: authz.CodeInvalid, Message: "the question cannot be written as JSON", Cause: err}
}

// inputReader reads an input document and the time to judge at. A function keeps the
// question on the stack of the caller.
type inputReader func() (ast.Value, time.Time, error)

func readQuestion(q authz.Question) (ast.Value, time.Time, error) {
	value, err := questionValue(q)
	return value, q.Time, err
}

func readInput(input []byte) (ast.Value, time.Time, error) {
	value, err := decodeJSON(input)
	if err != nil {
		return nil, time.Time{}, err
	}
	at, err := timeOf(value)
	return value, at, err
}

// timeOf is the time that an input document says.
func timeOf(input ast.Value) (time.Time, error) {
	text, ok := member(input, "time").(ast.String)
	if !ok {
		return time.Time{}, errors.New("the input document has no time")
	}
	return time.Parse(time.RFC3339Nano, string(text))
}

// appendJSON writes what a JSON document can hold.
func appendJSON(b []byte, value ast.Value) ([]byte, error) {
	switch v := value.(type) {
	case ast.Null:
		return append(b, "null"...), nil
	case ast.Boolean:
		if v {
			return append(b, "true"...), nil
		}
		return append(b, "false"...), nil
	case ast.Number:
		return appendNumber(b, v)
	case ast.String:
		return jsontext.AppendQuote(b, string(v))
	case *ast.Array:
		return appendArray(b, v)
	case ast.Object:
		return appendObject(b, v)
	}
	return b, fmt.Errorf("it holds %s, which JSON cannot", kind(value))
}

// appendNumber refuses what decodeNumber would.
func appendNumber(b []byte, n ast.Number) ([]byte, error) {
	number := jsontext.Value(n)
	_, err := strconv.ParseFloat(string(n), 64)
	if err != nil || number.Kind() != '0' || !number.IsValid() {
		return b, errors.New("it holds a number that JSON, or a double, cannot")
	}
	return append(b, n...), nil
}

func appendArray(b []byte, array *ast.Array) ([]byte, error) {
	b = append(b, '[')
	for i := range array.Len() {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = appendJSON(b, array.Elem(i).Value); err != nil {
			return b, err
		}
	}
	return append(b, ']'), nil
}

func appendObject(b []byte, object ast.Object) ([]byte, error) {
	b = append(b, '{')
	var failed error
	first := true
	object.Foreach(func(name, value *ast.Term) { // in the order of the names
		if failed != nil {
			return
		}
		if _, ok := name.Value.(ast.String); !ok {
			failed = errors.New("it holds an object with a member whose name is not a string")
			return
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		if b, failed = appendJSON(b, name.Value); failed != nil {
			return
		}
		b, failed = appendJSON(append(b, ':'), value.Value)
	})
	return append(b, '}'), failed
}
