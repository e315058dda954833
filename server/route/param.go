package route

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
)

// In is where a parameter is.
type In string

// Places of parameters.
const (
	InQuery  In = "query" // also the zero In
	InPath   In = "path"
	InHeader In = "header" // read by the Handler; here for the document
)

// Kind is the type of a parameter's values.
type Kind int

// Kinds of parameters.
const (
	Text       Kind = iota // given once, and not empty
	ID                     // likewise, an id; in a path every parameter that is not declared
	Number                 // from Low to High
	Flag                   // true or false
	Moment                 // RFC 3339
	Generation             // the number of a generation
	BundleName
	Many // texts, any number of times
)

// Param is one parameter of a Row.
type Param struct {
	Name string
	In   In
	Kind Kind
	// Low and High bound a Number, Default is what it is when it is not given.
	Low, High, Default uint64
	// Enum are the only values of a Text.
	Enum []string
	// Loose parameters of the query string are checked by the Handler, which knows them
	// by other names too; here is only what the document has about them.
	Loose bool
	// Doc is the name under which the document has it as a component, when several rows
	// have it.
	Doc string
}

// readQuery reads the query string, which may have the parameters of the row only: a
// misspelt name must not widen a list silently.
func (c *Call) readQuery() error {
	query, err := url.ParseQuery(c.Request().URL.RawQuery)
	if err != nil {
		return &authz.Error{Code: authz.CodeInvalid, Message: "the query string is not well formed", Cause: err}
	}
	allowed := c.row.queried()
	for _, name := range sortedNames(query) {
		if !slices.ContainsFunc(allowed, func(p Param) bool { return p.Name == name }) {
			return authz.Invalid(name, "is not a query parameter of this path; "+known(allowed))
		}
	}
	c.values = make(map[string]any, len(query))
	for _, p := range allowed {
		values, given := query[p.Name]
		if !given {
			continue
		}
		if c.values[p.Name], err = p.value(values); err != nil {
			return err
		}
	}
	return nil
}

// queried are the parameters of the query string.
func (r *Row) queried() []Param {
	var params []Param
	for _, p := range r.Params {
		if p.In == InQuery || p.In == "" {
			params = append(params, p)
		}
	}
	return params
}

func sortedNames(query url.Values) []string {
	names := make([]string, 0, len(query))
	for name := range query {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func known(allowed []Param) string {
	if len(allowed) == 0 {
		return "it has none"
	}
	names := make([]string, len(allowed))
	for i, p := range allowed {
		names[i] = p.Name
	}
	return "it has " + strings.Join(names, ", ")
}

// value reads what was given for a parameter.
func (p *Param) value(values []string) (any, error) {
	if p.Kind == Many {
		return values, nil
	}
	switch {
	case len(values) > 1:
		return nil, authz.Invalid(p.Name, "is given more than once")
	case values[0] == "":
		return nil, authz.Invalid(p.Name, "is empty; give a value or leave it out")
	case p.Loose:
		return values[0], nil
	}
	return p.read(values[0])
}

func (p *Param) read(text string) (any, error) {
	switch p.Kind {
	case ID:
		return text, authz.ValidateID(p.Name, text)
	case BundleName:
		return text, authz.ValidateBundleName(p.Name, text)
	case Number:
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil || n < p.Low || n > p.High {
			return nil, authz.Invalid(p.Name, "must be a number from "+decimal(p.Low)+" to "+decimal(p.High))
		}
		return n, nil
	case Flag:
		if text != "true" && text != "false" {
			return nil, authz.Invalid(p.Name, "must be true or false")
		}
		return text == "true", nil
	case Moment:
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return nil, authz.Invalid(p.Name, "is not a time such as 2026-11-22T10:00:00Z (RFC 3339)")
		}
		return at.UTC(), nil
	case Generation:
		n, err := strconv.ParseUint(text, 10, 63)
		if err != nil || n == 0 || decimal(n) != text {
			return nil, authz.Invalid(p.Name, "must be the number of a generation; "+api.PathGenerations+" lists them")
		}
		return n, nil
	}
	if len(p.Enum) > 0 && !slices.Contains(p.Enum, text) {
		return nil, authz.Invalid(p.Name, "must be "+strings.Join(p.Enum, " or ")+", or be left out")
	}
	return text, nil
}

// checkPath checks the parameters of the path against their kinds, ID by default.
func (c *Call) checkPath() error {
	for _, name := range c.row.PathParams() {
		p := c.row.InPath(name)
		value, err := p.read(c.Param(name))
		if err != nil {
			return err
		}
		c.values[pathKey+name] = value
	}
	return nil
}

// pathKey parts what is in the path from what is in the query string.
const pathKey = "/"

// InPath is the parameter of a name in the path.
func (r *Row) InPath(name string) Param {
	for _, p := range r.Params {
		if p.In == InPath && p.Name == name {
			return p
		}
	}
	return Param{Name: name, In: InPath, Kind: ID}
}

// Number is the value of a Number or Generation of the query string, its default when
// it was not given.
func (c *Call) Number(name string) uint64 {
	if n, given := c.values[name].(uint64); given {
		return n
	}
	for _, p := range c.row.Params {
		if p.Name == name {
			return p.Default
		}
	}
	return 0
}

// Text is the value of a Text, an ID or a Loose parameter of the query string, empty
// when it was not given.
func (c *Call) Text(name string) string {
	text, _ := c.values[name].(string)
	return text
}

// Texts are the values of Many.
func (c *Call) Texts(name string) []string {
	texts, _ := c.values[name].([]string)
	return texts
}

// Flag is the value of a Flag, false when it was not given.
func (c *Call) Flag(name string) bool {
	on, _ := c.values[name].(bool)
	return on
}

// Moment is the value of a Moment, zero when it was not given.
func (c *Call) Moment(name string) time.Time {
	at, _ := c.values[name].(time.Time)
	return at
}

// Given reports whether a parameter is in the query string.
func (c *Call) Given(name string) bool { return c.values[name] != nil }

// ID is an id in the path.
func (c *Call) ID(name string) string {
	id, _ := c.values[pathKey+name].(string)
	return id
}

// Generation is the number of a generation in the path.
func (c *Call) Generation(name string) uint64 {
	n, _ := c.values[pathKey+name].(uint64)
	return n
}

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }
