package ijson

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/verdict-pdp/verdict/authz"
)

// Pointer is a JSON pointer (RFC 6901), taken apart: the names and indexes that lead from a
// document to one of its values. An empty Pointer leads to the document itself. Documents are
// as Unmarshal decodes them into an any.
type Pointer []string

// ParsePointer takes text apart. An error is an *authz.Error that does not repeat text.
func ParsePointer(text string) (Pointer, error) {
	p := jsontext.Pointer(text)
	switch {
	case p != "" && p[0] != '/':
		return nil, authz.Invalid("", "must be a JSON pointer: it starts with a slash")
	case !p.IsValid():
		return nil, authz.Invalid("", "must be a JSON pointer: a tilde is followed by 0 or 1, and the text is UTF-8")
	}
	parsed := Pointer{}
	for token := range p.Tokens() {
		parsed = append(parsed, token)
	}
	return parsed, nil
}

// String is the text that ParsePointer takes apart.
func (p Pointer) String() string {
	var text jsontext.Pointer
	for _, token := range p {
		text = text.AppendToken(token)
	}
	return string(text)
}

// Get returns the value that p leads to; ok is false when it leads to none.
func (p Pointer) Get(document any) (value any, ok bool) {
	for _, token := range p {
		switch parent := document.(type) {
		case map[string]any:
			document, ok = parent[token]
		case []any:
			var i int
			if i, ok = index(token, len(parent)); ok {
				document = parent[i]
			}
		default:
			ok = false
		}
		if !ok {
			return nil, false
		}
	}
	return document, true
}

// Set makes value what p leads to, in place. A member is added when its object has none of
// that name; an element must be there. It reports whether there was a place for value.
func (p Pointer) Set(document, value any) bool {
	switch parent, last := p.parent(document); parent := parent.(type) {
	case map[string]any:
		parent[last] = value
		return true
	case []any:
		return setElement(parent, last, value)
	}
	return false
}

// Remove removes what p leads to, in place. An element leaves null, so that those behind it
// keep their places. It reports whether something was there.
func (p Pointer) Remove(document any) bool {
	switch parent, last := p.parent(document); parent := parent.(type) {
	case map[string]any:
		_, ok := parent[last]
		delete(parent, last)
		return ok
	case []any:
		return setElement(parent, last, nil)
	}
	return false
}

// parent is the object or list that has what p leads to, and the name or index there; nil when
// there is none, or p leads to the document itself.
func (p Pointer) parent(document any) (parent any, last string) {
	if len(p) == 0 {
		return nil, ""
	}
	parent, _ = p[:len(p)-1].Get(document)
	return parent, p[len(p)-1]
}

func setElement(list []any, token string, value any) bool {
	i, ok := index(token, len(list))
	if ok {
		list[i] = value
	}
	return ok
}

// index is the place in a list that token names. "01", "+1", "" and "-", which stands for
// the element behind the last, name none (RFC 6901 section 4).
func index(token string, length int) (i int, ok bool) {
	i, err := strconv.Atoi(token)
	return i, err == nil && i >= 0 && i < length && strconv.Itoa(i) == token
}
