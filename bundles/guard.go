package bundles

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Guard is one package guards.<name>: a part of the policy set that may deny.
type Guard struct {
	Name        string   `json:"name"`
	Description string   `json:"description,omitempty"` // of the package's METADATA
	File        string   `json:"file"`
	Denials     []Denial `json:"denials"` // by code
}

// Denial is one deny rule, as its METADATA describes it.
type Denial struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Fix     string `json:"fix"`
	Status  int    `json:"status"` // HTTP status a PEP should answer its own caller with
	File    string `json:"file"`
	Line    int    `json:"line"`
}

const (
	guardsRoot = "guards"
	denyRule   = "deny"
)

var upperSnake = regexp.MustCompile(`^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$`)

// guardCheck collects the guards of a policy set and what is wrong with them.
type guardCheck struct {
	guards   map[string]*Guard
	problems Problems
}

// checkGuards reads the guards from modules, in the order given.
func checkGuards(modules []*ast.Module) ([]Guard, Problems) {
	c := guardCheck{guards: map[string]*Guard{}}
	for _, m := range modules {
		c.declare(m)
	}
	for _, m := range modules {
		for _, rule := range m.Rules {
			c.rule(rule)
		}
	}
	return c.finish(modules)
}

// declare notes a package guards.<name>.
func (c *guardCheck) declare(m *ast.Module) {
	path := names(m.Package.Path[1:])
	if len(path) != 2 || path[0] != guardsRoot {
		return
	}
	g := c.guard(path[1], m)
	for _, a := range m.Annotations {
		if a.Scope == "package" {
			g.Description = cmp.Or(a.Description, a.Title)
		}
	}
}

func (c *guardCheck) guard(name string, m *ast.Module) *Guard {
	g, ok := c.guards[name]
	if !ok {
		g = &Guard{Name: name, File: m.Package.Location.File}
		c.guards[name] = g
	}
	return g
}

// rule checks one rule: a deny must stand where it is collected.
func (c *guardCheck) rule(rule *ast.Rule) {
	path := names(rule.Ref()[1:])
	if path[0] != guardsRoot {
		return
	}
	switch slices.Index(path[1:], denyRule) {
	case -1:
		return
	case 1: // guards.<name>.deny
		if len(path) == 3 && rule.Head.RuleKind() == ast.MultiValue && len(rule.Head.Args) == 0 {
			c.denial(c.guard(path[1], rule.Module), rule)
			return
		}
		c.refuse(rule, "deny is not a partial set", "write: deny contains reason if { ... }")
	case 0:
		c.refuse(rule, "guards.deny belongs to no guard", "move it to a package guards.<name>")
	default:
		c.refuse(rule, "a deny below guards."+path[1]+" would never be collected", "move it to package guards."+path[1]+", or give it a guard of its own")
	}
}

func (c *guardCheck) refuse(rule *ast.Rule, message, fix string) {
	c.problems = append(c.problems, at(rule.Location, message, fix))
}

// denial reads the METADATA of one deny rule.
func (c *guardCheck) denial(g *Guard, rule *ast.Rule) {
	d := Denial{File: rule.Location.File, Line: rule.Location.Row}
	i := slices.IndexFunc(rule.Annotations, func(a *ast.Annotations) bool { return a.Scope == "rule" })
	g.Denials = append(g.Denials, d)
	if i < 0 {
		c.refuse(rule, "deny has no METADATA", "put a METADATA comment with description, custom.code, custom.fix and custom.status above the rule")
		return
	}
	a := rule.Annotations[i]
	d.Message = cmp.Or(a.Description, a.Title)
	if d.Message == "" {
		c.refuse(rule, "METADATA of deny has neither description nor title", "say in one sentence why the call is denied")
	}
	d.Code = c.text(rule, a, "code")
	if d.Code != "" && !upperSnake.MatchString(d.Code) {
		c.refuse(rule, "custom.code is "+strconv.Quote(d.Code), "write it as UPPER_SNAKE, such as SOURCE_IP_NOT_ALLOWED")
	}
	d.Fix = c.text(rule, a, "fix")
	d.Status = c.status(rule, a)
	g.Denials[len(g.Denials)-1] = d
}

func (c *guardCheck) text(rule *ast.Rule, a *ast.Annotations, name string) string {
	s, ok := a.Custom[name].(string)
	if !ok || s == "" {
		c.refuse(rule, "METADATA of deny has no custom."+name, "add "+name+" as text under custom")
	}
	return s
}

func (c *guardCheck) status(rule *ast.Rule, a *ast.Annotations) int {
	status, ok := integer(a.Custom["status"])
	if !ok || status < 400 || status > 599 {
		c.refuse(rule, "METADATA of deny has no custom.status from 400 to 599", "add the HTTP status a caller should see, such as 403")
	}
	return status
}

// integer reads a whole number as YAML libraries give it.
func integer(v any) (int, bool) {
	switch v := v.(type) {
	case int:
		return v, true
	case float64:
		return int(v), v == float64(int(v))
	case json.Number:
		i, err := v.Int64()
		return int(i), err == nil
	}
	return 0, false
}

// finish refuses guards without a deny and sorts the rest.
func (c *guardCheck) finish(modules []*ast.Module) ([]Guard, Problems) {
	guards := make([]Guard, 0, len(c.guards))
	for name, g := range c.guards {
		if len(g.Denials) == 0 && !c.denied(name) {
			c.problems = append(c.problems, at(packageLocation(modules, name), fmt.Sprintf("package guards.%s has no deny rule, so it guards nothing", name), "write: deny contains reason if { ... }; helpers belong in another package"))
		}
		slices.SortFunc(g.Denials, func(a, b Denial) int {
			return cmp.Or(cmp.Compare(a.Code, b.Code), cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
		})
		guards = append(guards, *g)
	}
	slices.SortFunc(guards, func(a, b Guard) int { return cmp.Compare(a.Name, b.Name) })
	return guards, c.problems
}

// denied reports whether a problem was already reported for the file of a guard,
// so that a deny of the wrong kind is not also reported as missing.
func (c *guardCheck) denied(name string) bool {
	return slices.ContainsFunc(c.problems, func(p Problem) bool { return p.File == c.guards[name].File })
}

func packageLocation(modules []*ast.Module, guard string) *ast.Location {
	for _, m := range modules {
		if path := names(m.Package.Path[1:]); len(path) == 2 && path[0] == guardsRoot && path[1] == guard {
			return m.Package.Location
		}
	}
	return nil
}

// names is the text of a ref's leading constant parts; other parts are "".
func names(ref ast.Ref) []string {
	path := make([]string, len(ref))
	for i, term := range ref {
		switch v := term.Value.(type) {
		case ast.String:
			path[i] = string(v)
		case ast.Var:
			if i == 0 {
				path[i] = string(v)
			}
		}
	}
	return path
}
