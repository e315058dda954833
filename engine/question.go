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
	input := make(object, 0, 9)
	input.add("subject", party(q.Subject.Type, q.Subject.ID, open(q.Subject.Properties)))
	input.add("action", make(object, 0, 2).with("name", ast.String(q.Action.Name)).with("properties", open(q.Action.Properties)).value())
	input.add("resource", party(q.Resource.Type, q.Resource.ID, open(q.Resource.Properties)))
	input.add("context", open(q.Context))
	input.add("credential", credentialValue(&q.Principal))
	if q.Principal.Certificate != nil {
		input.add("certificate", certificateValue(q.Principal.Certificate))
	}
	if q.Principal.Token != nil {
		input.add("token", tokenValue(q.Principal.Token))
	}
	input.add("trust", trustValue(&q.Principal))
	input.add("time", ast.String(q.Time.UTC().Format(time.RFC3339Nano)))
	return input.value(), failed
}

func party(kind, id string, properties ast.Value) ast.Value {
	return make(object, 0, 3).with("type", ast.String(kind)).with("id", ast.String(id)).with("properties", properties).value()
}

func credentialValue(p *authz.Principal) ast.Value {
	o := make(object, 0, 9).with("kind", ast.String(p.Evidence)).text("binding", p.Binding)
	if c := p.Credential; c != nil {
		o = o.text("id", c.ID).text("type", c.Type).text("state", c.State).with("generation", integer(c.Generation))
		o = o.when("made_at", c.MadeAt).when("not_before", c.NotBefore).when("not_after", c.NotAfter)
	}
	return o.value()
}

func certificateValue(c *authz.VerifiedCertificate) ast.Value {
	o := make(object, 0, 7).text("id", c.ID).text("thumbprint", c.Thumbprint).text("name", c.Name).text("issuer", c.Issuer).text("credential", c.Credential)
	return o.when("not_before", c.NotBefore).when("not_after", c.NotAfter).value()
}

// trustValue leaves age and limits out when nothing the proof stands on ages.
func trustValue(p *authz.Principal) ast.Value {
	o := make(object, 0, 5).with("level", integer(p.Level)).text("freshness", p.Freshness).list("supports", p.Supports)
	if p.UsableFor == ([authz.Tiers]time.Duration{}) {
		return o.value()
	}
	limits := make([]*ast.Term, authz.Tiers)
	for tier, limit := range p.UsableFor {
		limits[tier] = ast.InternedTerm(wholeSeconds(limit, false))
	}
	return o.with("age_s", integer(wholeSeconds(p.Age, true))).with("usable_for_s", ast.NewArray(limits...)).value()
}

// wholeSeconds rounds to the stricter side: an age up, a limit down.
func wholeSeconds(d time.Duration, up bool) int {
	if up {
		d += time.Second - 1
	}
	return int(d / time.Second)
}

func tokenValue(t *authz.Token) ast.Value {
	o := make(object, 0, 19)
	o = o.text("id", t.ID).text("issuer", t.Issuer).text("issuer_url", t.IssuerURL).text("key_id", t.KeyID).text("subject", t.Subject)
	o = o.list("audiences", t.Audiences).list("accepted_audiences", t.AcceptedAudiences)
	o = o.when("issued_at", t.IssuedAt).when("not_before", t.NotBefore).when("expires_at", t.ExpiresAt)
	o = o.with("leeway_s", integer(int(t.Leeway/time.Second)))
	o = o.text("tenant", t.Tenant).text("env", t.Env).list("scopes", t.Scopes).list("methods", t.Methods).text("credential", t.Credential)
	if t.OnBehalfOf != nil {
		o = o.with("on_behalf_of", object{}.with("type", ast.String(t.OnBehalfOf.Type)).with("id", ast.String(t.OnBehalfOf.ID)).value())
	}
	return o.text("status", t.Status).with("own", ast.Boolean(t.Own)).value()
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
