package engine

import (
	"reflect"
	"strings"

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

// questionNames are the members of an input document.
var questionNames = namesOf(
	"subject", "action", "resource", "context", "credential", "token", "trust", "time",
	"type", "id", "name", "kind", "properties", "level", "freshness",
	"issuer", "issuer_url", "key_id", "audiences", "accepted_audiences", "issued_at", "not_before", "expires_at",
	"leeway_s", "tenant", "env", "scopes", "methods", "own", "on_behalf_of", "status",
	"binding", "state", "generation", "made_at", "not_after", "certificate", "thumbprint",
	"age_s", "usable_for_s", "supports",
)

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
