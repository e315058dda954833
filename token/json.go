package token

import (
	"bytes"
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/verdict-pdp/verdict/authz"
)

// maxDepth is the deepest nesting accepted in a header, payload or JWK Set.
const maxDepth = 32

// Errors of readObject beside those of jsontext.
var (
	errTooDeep   = errors.New("nested too deep")
	errNotObject = errors.New("not one JSON object")
)

// object is a JSON object, read strictly: members in their order, names unique at every
// level and compared byte for byte after unescaping.
//
// It is read with jsontext instead of ijson, because a token may have claims that are
// not used here: a number too large for a double must not refuse a token whose mapped
// claims are good.
type object []member

type member struct {
	name  string
	value jsontext.Value // one valid JSON value, a slice of the object's bytes
}

// readObject reads exactly one JSON object.
func readObject(data []byte) (object, error) {
	if tooDeep(data) {
		return nil, errTooDeep
	}
	d := jsontext.NewDecoder(bytes.NewReader(data))
	open, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	if open.Kind() != '{' {
		return nil, errNotObject
	}
	var o object
	for d.PeekKind() == '"' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		m := member{name: name.String()}
		if m.value, err = readValue(d, data); err != nil {
			return nil, err
		}
		o = append(o, m)
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errNotObject
	}
	return o, nil
}

// readArray returns the elements of exactly one JSON array; ok is false if value is not
// an array.
func readArray(value jsontext.Value) (elements []jsontext.Value, ok bool) {
	if value.Kind() != '[' {
		return nil, false
	}
	d := jsontext.NewDecoder(bytes.NewReader(value))
	if _, err := d.ReadToken(); err != nil {
		return nil, false
	}
	for d.PeekKind() != ']' {
		element, err := readValue(d, value)
		if err != nil {
			return nil, false
		}
		elements = append(elements, element)
	}
	return elements, true
}

// readValue reads the next value as a slice of data, the bytes that d reads: what the
// decoder returns is valid only until its next call.
func readValue(d *jsontext.Decoder, data []byte) (jsontext.Value, error) {
	value, err := d.ReadValue()
	if err != nil {
		return nil, err
	}
	end := int(d.InputOffset())
	return data[end-len(value) : end : end], nil
}

// tooDeep counts brackets outside strings, before a parser sees them.
func tooDeep(data []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(data); i++ {
		switch b := data[i]; {
		case quoted && b == '\\':
			i++
		case b == '"':
			quoted = !quoted
		case quoted:
		case b == '{' || b == '[':
			if depth++; depth > maxDepth {
				return true
			}
		case b == '}' || b == ']':
			depth--
		}
	}
	return false
}

// get returns the member's value, or nil.
func (o object) get(name string) jsontext.Value {
	for _, m := range o {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// text returns the value of a JSON string; ok is false if value is not a string.
func text(value jsontext.Value) (s string, ok bool) {
	if value.Kind() != '"' {
		return "", false
	}
	unquoted, err := jsontext.AppendUnquote(nil, value)
	return string(unquoted), err == nil
}

// texts returns the elements of a JSON array of strings.
func texts(value jsontext.Value) (list []string, ok bool) {
	elements, ok := readArray(value)
	if !ok {
		return nil, false
	}
	for _, element := range elements {
		s, ok := text(element)
		if !ok {
			return nil, false
		}
		list = append(list, s)
	}
	return list, true
}

// jsonFault returns the fault of evidence with bad JSON in one of its parts.
func jsonFault(part string, err error) *authz.Fault {
	switch {
	case errors.Is(err, errTooDeep):
		return invalid("too_deep", "The "+part+" is nested deeper than 32 levels.", fixJSON)
	case errors.Is(err, jsontext.ErrDuplicateName):
		return invalid("duplicate_member", "The "+part+" names one member twice.", fixJSON)
	}
	return invalid("malformed", "The "+part+" is not one JSON object.", fixJSON)
}
