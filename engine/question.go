package engine

import (
	"errors"
	"strconv"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-pdp/verdict/authz"
)

// questionValue builds the input document of a question, in the shape that
// authz.Question documents. The error means that it has no time, or properties
// or context that are not JSON.
func questionValue(q authz.Question) (ast.Value, error) {
	if q.Time.IsZero() {
		return nil, errors.New("the question has no time")
	}
	var failed error
	open := func(m map[string]any) ast.Value {
		if len(m) == 0 {
			return ast.InternedEmptyObjectValue
		}
		value, err := ast.InterfaceToValue(m)
		if err != nil {
			failed = err
			return ast.InternedEmptyObjectValue
		}
		return value
	}
	input := make(object, 0, 8)
	input.add("subject", party(q.Subject.Type, q.Subject.ID, open(q.Subject.Properties)))
	input.add("action", object{}.with("name", ast.String(q.Action.Name)).with("properties", open(q.Action.Properties)).value())
	input.add("resource", party(q.Resource.Type, q.Resource.ID, open(q.Resource.Properties)))
	input.add("context", open(q.Context))
	input.add("credential", object{}.with("kind", ast.String(q.Principal.Evidence)).value())
	if q.Principal.Token != nil {
		input.add("token", tokenValue(q.Principal.Token))
	}
	input.add("trust", object{}.with("level", integer(q.Principal.Level)).text("freshness", q.Principal.Freshness).value())
	input.add("time", ast.String(q.Time.UTC().Format(time.RFC3339Nano)))
	return input.value(), failed
}

func party(kind, id string, properties ast.Value) ast.Value {
	return object{}.with("type", ast.String(kind)).with("id", ast.String(id)).with("properties", properties).value()
}

func tokenValue(t *authz.Token) ast.Value {
	o := make(object, 0, 17)
	o = o.text("id", t.ID).text("issuer", t.Issuer).text("issuer_url", t.IssuerURL).text("key_id", t.KeyID).text("subject", t.Subject)
	o = o.list("audiences", t.Audiences).list("accepted_audiences", t.AcceptedAudiences)
	o = o.when("issued_at", t.IssuedAt).when("not_before", t.NotBefore).when("expires_at", t.ExpiresAt)
	o = o.with("leeway_s", integer(int(t.Leeway/time.Second)))
	o = o.text("tenant", t.Tenant).text("env", t.Env).list("scopes", t.Scopes).list("methods", t.Methods).text("credential", t.Credential)
	return o.with("own", ast.Boolean(t.Own)).value()
}

// object is a document being built, member by member.
type object [][2]*ast.Term

func (o *object) add(name string, value ast.Value) { *o = o.with(name, value) }

func (o object) with(name string, value ast.Value) object {
	return append(o, [2]*ast.Term{questionNames.term(name), {Value: value}})
}

// text leaves an empty string out.
func (o object) text(name, s string) object {
	if s == "" {
		return o
	}
	return o.with(name, ast.String(s))
}

// list leaves an empty list out.
func (o object) list(name string, items []string) object {
	if len(items) == 0 {
		return o
	}
	terms := make([]*ast.Term, len(items))
	for i, item := range items {
		terms[i] = ast.InternedTerm(item)
	}
	return o.with(name, ast.NewArray(terms...))
}

// when leaves the zero time out.
func (o object) when(name string, t time.Time) object {
	if t.IsZero() {
		return o
	}
	return o.with(name, ast.Number(strconv.FormatInt(t.Unix(), 10)))
}

func (o object) value() ast.Value { return ast.NewObject(o...) }

func integer(i int) ast.Value { return ast.InternedTerm(i).Value }
