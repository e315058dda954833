package engine

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-pdp/verdict/authz"
)

// judgement reads the decision object. Anything but a well-formed one denies. A
// package always has a value, so the empty object is what is left when none of
// its rules has one: it counts as undefined.
func judgement(value ast.Value) authz.Judgement {
	if o, ok := value.(ast.Object); value == nil || ok && o.Len() == 0 {
		return denied(undefined())
	}
	var d decision
	d.read(value)
	if d.wrong != "" {
		return denied(malformed(d.wrong))
	}
	return d.judgement
}

// decision reads a decision object and notes the first thing wrong with it.
type decision struct {
	judgement authz.Judgement
	hasAllow  bool
	wrong     string
}

func (d *decision) refuse(format string, args ...any) {
	if d.wrong == "" {
		d.wrong = fmt.Sprintf(format, args...)
	}
}

func (d *decision) read(value ast.Value) {
	members, ok := value.(ast.Object)
	if !ok {
		d.refuse("it is %s, not an object", kind(value))
		return
	}
	members.Foreach(func(k, v *ast.Term) { d.member(k.Value, v.Value) })
	j := &d.judgement
	switch {
	case !d.hasAllow:
		d.refuse("allow is missing")
	case j.Allow && len(j.Reasons) > 0:
		d.refuse("allow is true together with reasons")
	case !j.Allow && len(j.Reasons) == 0:
		d.refuse("allow is false without a reason")
	}
}

func (d *decision) member(key, value ast.Value) {
	name, ok := key.(ast.String)
	if !ok {
		d.refuse("it has a member whose name is %s", kind(key))
		return
	}
	j := &d.judgement
	switch name {
	case "allow":
		j.Allow, d.hasAllow = d.boolean("allow", value), true
	case "reasons":
		j.Reasons = d.reasons("reasons", value, false)
	case "would_deny":
		j.WouldDeny = d.reasons("would_deny", value, true)
	case "obligations":
		j.Obligations = d.duties("obligations", value)
	case "advice":
		j.Advice = d.duties("advice", value)
	case "required_level":
		j.RequiredLevel = d.count("required_level", value, authz.MaxLevel)
	case "cacheable_for_s":
		j.CacheableForS = d.count("cacheable_for_s", value, 1<<31-1)
	case "if_pdp_unreachable":
		j.IfPDPUnreachable = d.unreachable(value)
	case "record":
		j.Record = d.durability(value)
	default:
		if !strings.HasPrefix(string(name), "_") {
			d.refuse("it has a member %q, which is not part of a decision", clip(string(name)))
		}
	}
}

func (d *decision) boolean(name string, value ast.Value) bool {
	b, ok := value.(ast.Boolean)
	if !ok {
		d.refuse("%s is %s, not a boolean", name, kind(value))
	}
	return bool(b)
}

func (d *decision) text(name string, value ast.Value) string {
	s, ok := value.(ast.String)
	if !ok {
		d.refuse("%s is %s, not a string", name, kind(value))
	}
	return string(s)
}

func (d *decision) count(name string, value ast.Value, most int) int {
	n, ok := value.(ast.Number)
	if !ok {
		d.refuse("%s is %s, not a number", name, kind(value))
		return 0
	}
	i, ok := n.Int()
	if !ok || i < 0 || i > most {
		d.refuse("%s is not a whole number from 0 to %d", name, most)
		return 0
	}
	return i
}

func (d *decision) unreachable(value ast.Value) authz.Outcome {
	switch d.text("if_pdp_unreachable", value) {
	case authz.Allow.String():
		return authz.Allow
	case authz.Deny.String():
		return authz.Deny
	}
	d.refuse("if_pdp_unreachable is neither deny nor allow")
	return authz.Deny
}

func (d *decision) durability(value ast.Value) authz.Durability {
	wanted := authz.Durability(d.text("record", value))
	if wanted.Rank() == 0 {
		d.refuse("record is none of async, spool and required")
	}
	return wanted
}

// list takes a set or an array, and refuses elements that are not objects. The
// result is in the order of OPA's comparison, so that it does not depend on the
// order in which rules were evaluated.
func (d *decision) list(name string, value ast.Value) []ast.Object {
	var terms []*ast.Term
	switch v := value.(type) {
	case ast.Set:
		terms = v.Slice()
	case *ast.Array:
		v.Foreach(func(t *ast.Term) { terms = append(terms, t) })
	default:
		d.refuse("%s is %s, not a list", name, kind(value))
	}
	objects := make([]ast.Object, 0, len(terms))
	for _, term := range terms {
		o, ok := term.Value.(ast.Object)
		if !ok {
			d.refuse("%s has an element that is %s, not an object", name, kind(term.Value))
			continue
		}
		objects = append(objects, o)
	}
	slices.SortFunc(objects, func(a, b ast.Object) int { return a.Compare(b) })
	return objects
}

// reasons reads reasons by guard and code.
func (d *decision) reasons(name string, value ast.Value, wouldDeny bool) []authz.Reason {
	objects := d.list(name, value)
	if len(objects) == 0 {
		return nil
	}
	reasons := make([]authz.Reason, len(objects))
	for i, o := range objects {
		reasons[i] = d.reason(name, o, wouldDeny)
	}
	slices.SortStableFunc(reasons, func(a, b authz.Reason) int {
		return cmp.Or(cmp.Compare(a.Guard, b.Guard), cmp.Compare(a.Code, b.Code))
	})
	return reasons
}

func (d *decision) reason(list string, o ast.Object, wouldDeny bool) authz.Reason {
	var r authz.Reason
	o.Foreach(func(k, v *ast.Term) {
		name, ok := k.Value.(ast.String)
		at := list + "." + clip(string(name))
		switch {
		case !ok:
			d.refuse("%s has a member whose name is %s", list, kind(k.Value))
		case name == "code":
			r.Code = authz.ReasonCode(d.text(at, v.Value))
		case name == "guard":
			r.Guard = d.text(at, v.Value)
		case name == "message":
			r.Message = d.text(at, v.Value)
		case name == "fix":
			r.Fix = d.text(at, v.Value)
		case name == "status":
			r.Status = d.count(at, v.Value, 599)
		case name == "details":
			r.Details = d.open(at, v.Value)
		case name == "mode" && wouldDeny:
			r.Mode = d.text(at, v.Value)
		default:
			d.refuse("%s is not a member of a reason", at)
		}
	})
	d.complete(list, r, wouldDeny)
	return r
}

// complete refuses a reason that lacks what a caller needs.
func (d *decision) complete(list string, r authz.Reason, wouldDeny bool) {
	switch {
	case r.Code == "":
		d.refuse("%s has a reason without a code", list)
	case r.Guard == "":
		d.refuse("%s has a reason without a guard", list)
	case r.Message == "":
		d.refuse("%s has a reason without a message", list)
	case r.Fix == "":
		d.refuse("%s has a reason without a fix", list)
	case wouldDeny && r.Mode != authz.ModeObserve && r.Mode != authz.ModeFlag:
		d.refuse("%s has a reason whose mode is neither observe nor flag", list)
	}
}

// duties reads obligations or advice by id.
func (d *decision) duties(name string, value ast.Value) []authz.Duty {
	objects := d.list(name, value)
	if len(objects) == 0 {
		return nil
	}
	duties := make([]authz.Duty, len(objects))
	for i, o := range objects {
		duties[i] = d.open(name, o)
		if id, ok := duties[i]["id"].(string); !ok || id == "" {
			d.refuse("%s has an element without an id", name)
		}
	}
	slices.SortStableFunc(duties, func(a, b authz.Duty) int { return cmp.Compare(idOf(a), idOf(b)) })
	return duties
}

func idOf(duty authz.Duty) string {
	id, ok := duty["id"].(string)
	if !ok {
		return ""
	}
	return id
}

// open reads an object of the policy's own making.
func (d *decision) open(name string, value ast.Value) map[string]any {
	o, ok := value.(ast.Object)
	if !ok {
		d.refuse("%s is %s, not an object", name, kind(value))
		return nil
	}
	m, ok := jsonValue(o).(map[string]any)
	if !ok {
		d.refuse("%s has a member whose name is not a string", name)
	}
	return m
}

// jsonValue converts a value to what JSON encoders know. Sets become sorted lists.
// It is nil for an object whose member names are not all strings.
func jsonValue(value ast.Value) any {
	switch v := value.(type) {
	case ast.Boolean:
		return bool(v)
	case ast.String:
		return string(v)
	case ast.Number:
		return jsonNumber(v)
	case *ast.Array:
		list := make([]any, 0, v.Len())
		v.Foreach(func(t *ast.Term) { list = append(list, jsonValue(t.Value)) })
		return list
	case ast.Set:
		list := make([]any, 0, v.Len())
		for _, t := range v.Slice() {
			list = append(list, jsonValue(t.Value))
		}
		return list
	case ast.Object:
		m := make(map[string]any, v.Len())
		named := true
		v.Foreach(func(k, t *ast.Term) {
			name, ok := k.Value.(ast.String)
			named = named && ok
			m[string(name)] = jsonValue(t.Value)
		})
		if !named {
			return nil
		}
		return m
	}
	return nil
}

// jsonNumber is an int where the number is whole and fits, else a float64.
func jsonNumber(n ast.Number) any {
	if i, ok := n.Int(); ok {
		return i
	}
	f, err := json.Number(n).Float64()
	if err != nil {
		return string(n)
	}
	return f
}

// kind is the type of a value in words, without the value.
func kind(value ast.Value) string {
	switch value.(type) {
	case ast.Null:
		return "null"
	case ast.Boolean:
		return "a boolean"
	case ast.Number:
		return "a number"
	case ast.String:
		return "a string"
	case *ast.Array:
		return "an array"
	case ast.Set:
		return "a set"
	case ast.Object:
		return "an object"
	}
	return "another kind of value"
}

// clip bounds a name that a policy made.
func clip(name string) string {
	const most = 80
	if len(name) > most {
		return name[:most] + "…"
	}
	return name
}
