package engine

import (
	"reflect"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-pdp/verdict/authz"
)

// names are the terms of strings known beforehand, so that using one in a
// document makes no garbage. It is immutable; nil knows none.
type names map[string]*ast.Term

func (n names) term(name string) *ast.Term {
	if term, ok := n[name]; ok {
		return term
	}
	return ast.StringTerm(name)
}

// termOf is term, for a name that is still in a buffer.
func (n names) termOf(name []byte) *ast.Term {
	if term, ok := n[string(name)]; ok {
		return term
	}
	return ast.StringTerm(string(name))
}

func namesOf(known ...string) names {
	n := make(names, len(known))
	for _, name := range known {
		n[name] = ast.StringTerm(name)
	}
	return n
}

// namesIn are the constant parts of every reference in the policies: what they
// can ask of a document.
func namesIn(compiler *ast.Compiler) names {
	n := names{}
	for _, module := range compiler.Modules {
		ast.WalkRefs(module, func(ref ast.Ref) bool {
			for _, part := range ref {
				if name, ok := part.Value.(ast.String); ok {
					n[string(name)] = part
				}
			}
			return false
		})
	}
	return n
}

// questionNames are the members of an input document: of one that has everything.
var questionNames = func() names {
	var everything authz.Question
	fill(reflect.ValueOf(&everything).Elem())
	n := nameWriter{}
	write(n, &everything)
	return names(n)
}()

// fill sets all that can be reached of v to something, but for maps, whose members have
// names of their own.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.Array:
		fill(v.Index(0))
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(1, 0)))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.String:
		v.SetString("x")
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	}
}

// nameWriter notes the names of the members that are written to it.
type nameWriter names

func (n nameWriter) note(name string)                   { n[name] = ast.StringTerm(name) }
func (n nameWriter) begin(name string)                  { n.note(name) }
func (n nameWriter) end()                               {}
func (n nameWriter) text(name, _ string)                { n.note(name) }
func (n nameWriter) flag(name string, _ bool)           { n.note(name) }
func (n nameWriter) number(name string, _ int)          { n.note(name) }
func (n nameWriter) seconds(name string, _ time.Time)   { n.note(name) }
func (n nameWriter) texts(name string, _ []string)      { n.note(name) }
func (n nameWriter) numbers(name string, _ []int)       { n.note(name) }
func (n nameWriter) open(name string, _ map[string]any) { n.note(name) }

// questionWords are values that many questions have.
var questionWords = namesOf(
	authz.SubjectMachineUser, authz.ResourceService, authz.OnBehalfOfUser, authz.OnBehalfOfTenant,
	authz.EvidenceNone, authz.EvidenceJWT, authz.EvidenceClaims, authz.EvidenceOpaque, authz.EvidenceSecret, authz.EvidenceAssertion, authz.EvidenceCertificate,
	authz.BindingCertificate, authz.BindingProof, authz.Fresh, authz.Stale,
)

// factNames are the members of every entity a policy can see.
var factNames = func() names {
	n := names{}
	for _, c := range authz.AllCollections() {
		if c.Fact() {
			n.addMembers(reflect.TypeOf(c.New()).Elem())
		}
	}
	return n
}()

// addMembers adds the JSON names of a struct's fields, and of structs within it.
func (n names) addMembers(t reflect.Type) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return
	}
	for i := range t.NumField() {
		field := t.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name != "" {
			n[name] = ast.StringTerm(name)
		}
		if name != "" || field.Anonymous {
			n.addMembers(field.Type)
		}
	}
}
