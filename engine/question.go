package engine

import (
	"errors"
	"strconv"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-pdp/verdict/authz"
)

// writer writes an input document: of each object the members in the order of their
// names, each at most once.
type writer interface {
	begin(name string) // an object
	end()
	text(name, s string)
	flag(name string, b bool)
	number(name string, n int)
	seconds(name string, t time.Time) // since 1970
	texts(name string, list []string)
	numbers(name string, list []int)
	open(name string, m map[string]any) // what the caller chose
}

// write writes to w the members of the input document of a question that has a time, in
// the shape that authz.Question documents.
func write(w writer, q *authz.Question) {
	w.begin("action")
	w.text("name", q.Action.Name)
	w.open("properties", q.Action.Properties)
	w.end()
	if c := q.Principal.Certificate; c != nil {
		writeCertificate(w, c)
	}
	w.open("context", q.Context)
	writeCredential(w, &q.Principal)
	writeParty(w, "resource", q.Resource.ID, q.Resource.Properties, q.Resource.Type)
	writeParty(w, "subject", q.Subject.ID, q.Subject.Properties, q.Subject.Type)
	w.text("time", q.Time.UTC().Format(time.RFC3339Nano))
	if t := q.Principal.Token; t != nil {
		writeToken(w, t)
	}
	writeTrust(w, &q.Principal)
}

func writeParty(w writer, name, id string, properties map[string]any, kind string) {
	w.begin(name)
	w.text("id", id)
	w.open("properties", properties)
	w.text("type", kind)
	w.end()
}

func writeCertificate(w writer, c *authz.VerifiedCertificate) {
	w.begin("certificate")
	given(w, "credential", c.Credential)
	given(w, "id", c.ID)
	given(w, "issuer", c.Issuer)
	given(w, "name", c.Name)
	when(w, "not_after", c.NotAfter)
	when(w, "not_before", c.NotBefore)
	given(w, "thumbprint", c.Thumbprint)
	w.end()
}

func writeCredential(w writer, p *authz.Principal) {
	w.begin("credential")
	given(w, "binding", p.Binding)
	c := p.Credential
	if c == nil {
		w.text("kind", p.Evidence)
		w.end()
		return
	}
	w.number("generation", c.Generation)
	given(w, "id", c.ID)
	w.text("kind", p.Evidence)
	when(w, "made_at", c.MadeAt)
	when(w, "not_after", c.NotAfter)
	when(w, "not_before", c.NotBefore)
	given(w, "state", c.State)
	given(w, "type", c.Type)
	w.end()
}

func writeToken(w writer, t *authz.Token) {
	w.begin("token")
	some(w, "accepted_audiences", t.AcceptedAudiences)
	some(w, "audiences", t.Audiences)
	given(w, "credential", t.Credential)
	given(w, "env", t.Env)
	when(w, "expires_at", t.ExpiresAt)
	given(w, "id", t.ID)
	when(w, "issued_at", t.IssuedAt)
	given(w, "issuer", t.Issuer)
	given(w, "issuer_url", t.IssuerURL)
	given(w, "key_id", t.KeyID)
	w.number("leeway_s", int(t.Leeway/time.Second))
	some(w, "methods", t.Methods)
	when(w, "not_before", t.NotBefore)
	if o := t.OnBehalfOf; o != nil {
		w.begin("on_behalf_of")
		w.text("id", o.ID)
		w.text("type", o.Type)
		w.end()
	}
	w.flag("own", t.Own)
	some(w, "scopes", t.Scopes)
	given(w, "status", t.Status)
	given(w, "subject", t.Subject)
	given(w, "tenant", t.Tenant)
	w.end()
}

// writeTrust leaves age and limits out when nothing the proof stands on ages.
func writeTrust(w writer, p *authz.Principal) {
	ages := p.UsableFor != ([authz.Tiers]time.Duration{})
	w.begin("trust")
	if ages {
		w.number("age_s", wholeSeconds(p.Age, true))
	}
	given(w, "freshness", p.Freshness)
	w.number("level", p.Level)
	some(w, "supports", p.Supports)
	if ages {
		limits := make([]int, authz.Tiers)
		for tier, limit := range p.UsableFor {
			limits[tier] = wholeSeconds(limit, false)
		}
		w.numbers("usable_for_s", limits)
	}
	w.end()
}

// wholeSeconds rounds to the stricter side: an age up, a limit down.
func wholeSeconds(d time.Duration, up bool) int {
	if up {
		d += time.Second - 1
	}
	return int(d / time.Second)
}

// given leaves an empty string out.
func given(w writer, name, s string) {
	if s != "" {
		w.text(name, s)
	}
}

// some leaves an empty list out.
func some(w writer, name string, list []string) {
	if len(list) > 0 {
		w.texts(name, list)
	}
}

// when leaves the zero time out.
func when(w writer, name string, t time.Time) {
	if !t.IsZero() {
		w.seconds(name, t)
	}
}

var errNoTime = errors.New("the question has no time")

// questionValue builds the input document of a question. The error means that it
// has no time, or properties or context that are not JSON.
func questionValue(q authz.Question) (ast.Value, error) {
	if q.Time.IsZero() {
		return nil, errNoTime
	}
	w := &valueWriter{members: make(object, 0, 32)}
	write(w, &q)
	return ast.NewObject(w.members...), w.failed
}

// valueWriter writes a document as a value.
type valueWriter struct {
	members object  // of the objects being written, the innermost last
	begun   []begun // these objects but the outermost
	failed  error
}

// begun is an object being written as a member of another.
type begun struct {
	name  string
	first int // of its members
}

func (w *valueWriter) begin(name string) {
	w.begun = append(w.begun, begun{name, len(w.members)})
}

func (w *valueWriter) end() {
	last := len(w.begun) - 1
	b := w.begun[last]
	done := w.members[b.first:].term()
	w.members, w.begun = w.members[:b.first], w.begun[:last]
	w.add(b.name, done)
}

func (w *valueWriter) add(name string, value *ast.Term) { w.members = w.members.with(name, value) }

func (w *valueWriter) text(name, s string)       { w.add(name, questionWords.term(s)) }
func (w *valueWriter) flag(name string, b bool)  { w.add(name, ast.InternedTerm(b)) }
func (w *valueWriter) number(name string, n int) { w.add(name, ast.InternedTerm(n)) }

func (w *valueWriter) seconds(name string, t time.Time) {
	w.add(name, ast.NewTerm(ast.Number(strconv.FormatInt(t.Unix(), 10))))
}

func (w *valueWriter) texts(name string, list []string) { w.add(name, arrayOf(list)) }
func (w *valueWriter) numbers(name string, list []int)  { w.add(name, arrayOf(list)) }

func arrayOf[T int | string](list []T) *ast.Term {
	terms := make([]*ast.Term, len(list))
	for i, item := range list {
		terms[i] = ast.InternedTerm(item)
	}
	return ast.ArrayTerm(terms...)
}

func (w *valueWriter) open(name string, m map[string]any) {
	value := ast.InternedEmptyObject
	if len(m) > 0 {
		v, err := ast.InterfaceToValue(m)
		if err != nil {
			w.failed = err
			return
		}
		value = ast.NewTerm(v)
	}
	w.add(name, value)
}

// object is a document being built, member by member.
type object [][2]*ast.Term

func (o *object) add(name string, value *ast.Term) { *o = o.with(name, value) }

func (o object) with(name string, value *ast.Term) object {
	return append(o, [2]*ast.Term{questionNames.term(name), value})
}

func (o object) term() *ast.Term { return ast.NewTerm(ast.NewObject(o...)) }
