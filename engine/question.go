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
	open := func(m map[string]any) *ast.Term {
		if len(m) == 0 {
			return ast.InternedEmptyObject
		}
		value, err := ast.InterfaceToValue(m)
		if err != nil {
			failed = err
			return ast.InternedEmptyObject
		}
		return ast.NewTerm(value)
	}
	input := make(object, 0, 9)
	input.add("subject", party(q.Subject.Type, q.Subject.ID, open(q.Subject.Properties)))
	input.add("action", make(object, 0, 2).with("name", ast.StringTerm(q.Action.Name)).with("properties", open(q.Action.Properties)).term())
	input.add("resource", party(q.Resource.Type, q.Resource.ID, open(q.Resource.Properties)))
	input.add("context", open(q.Context))
	input.add("credential", credentialTerm(&q.Principal))
	if q.Principal.Certificate != nil {
		input.add("certificate", certificateTerm(q.Principal.Certificate))
	}
	if q.Principal.Token != nil {
		input.add("token", tokenTerm(q.Principal.Token))
	}
	input.add("trust", trustTerm(&q.Principal))
	input.add("time", ast.StringTerm(q.Time.UTC().Format(time.RFC3339Nano)))
	return ast.NewObject(input...), failed
}

func party(kind, id string, properties *ast.Term) *ast.Term {
	return make(object, 0, 3).with("type", questionWords.term(kind)).with("id", ast.StringTerm(id)).with("properties", properties).term()
}

func credentialTerm(p *authz.Principal) *ast.Term {
	o := make(object, 0, 9).with("kind", questionWords.term(p.Evidence)).text("binding", p.Binding)
	if c := p.Credential; c != nil {
		o = o.text("id", c.ID).text("type", c.Type).text("state", c.State).with("generation", ast.InternedTerm(c.Generation))
		o = o.when("made_at", c.MadeAt).when("not_before", c.NotBefore).when("not_after", c.NotAfter)
	}
	return o.term()
}

func certificateTerm(c *authz.VerifiedCertificate) *ast.Term {
	o := make(object, 0, 7).text("id", c.ID).text("thumbprint", c.Thumbprint).text("name", c.Name).text("issuer", c.Issuer).text("credential", c.Credential)
	return o.when("not_before", c.NotBefore).when("not_after", c.NotAfter).term()
}

// trustValue leaves age and limits out when nothing the proof stands on ages.
func trustTerm(p *authz.Principal) *ast.Term {
	o := make(object, 0, 5).with("level", ast.InternedTerm(p.Level)).text("freshness", p.Freshness).list("supports", p.Supports)
	if p.UsableFor == ([authz.Tiers]time.Duration{}) {
		return o.term()
	}
	limits := make([]*ast.Term, authz.Tiers)
	for tier, limit := range p.UsableFor {
		limits[tier] = ast.InternedTerm(wholeSeconds(limit, false))
	}
	return o.with("age_s", ast.InternedTerm(wholeSeconds(p.Age, true))).with("usable_for_s", ast.ArrayTerm(limits...)).term()
}

// wholeSeconds rounds to the stricter side: an age up, a limit down.
func wholeSeconds(d time.Duration, up bool) int {
	if up {
		d += time.Second - 1
	}
	return int(d / time.Second)
}

func tokenTerm(t *authz.Token) *ast.Term {
	o := make(object, 0, 19)
	o = o.text("id", t.ID).text("issuer", t.Issuer).text("issuer_url", t.IssuerURL).text("key_id", t.KeyID).text("subject", t.Subject)
	o = o.list("audiences", t.Audiences).list("accepted_audiences", t.AcceptedAudiences)
	o = o.when("issued_at", t.IssuedAt).when("not_before", t.NotBefore).when("expires_at", t.ExpiresAt)
	o = o.with("leeway_s", ast.InternedTerm(int(t.Leeway/time.Second)))
	o = o.text("tenant", t.Tenant).text("env", t.Env).list("scopes", t.Scopes).list("methods", t.Methods).text("credential", t.Credential)
	if t.OnBehalfOf != nil {
		o = o.with("on_behalf_of", object{}.with("type", questionWords.term(t.OnBehalfOf.Type)).with("id", ast.StringTerm(t.OnBehalfOf.ID)).term())
	}
	return o.text("status", t.Status).with("own", ast.InternedTerm(t.Own)).term()
}

// object is a document being built, member by member.
type object [][2]*ast.Term

func (o *object) add(name string, value *ast.Term) { *o = o.with(name, value) }

func (o object) with(name string, value *ast.Term) object {
	return append(o, [2]*ast.Term{questionNames.term(name), value})
}

// text leaves an empty string out.
func (o object) text(name, s string) object {
	if s == "" {
		return o
	}
	return o.with(name, questionWords.term(s))
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
	return o.with(name, ast.ArrayTerm(terms...))
}

// when leaves the zero time out.
func (o object) when(name string, t time.Time) object {
	if t.IsZero() {
		return o
	}
	return o.with(name, ast.NewTerm(ast.Number(strconv.FormatInt(t.Unix(), 10))))
}

func (o object) term() *ast.Term { return ast.NewTerm(ast.NewObject(o...)) }
