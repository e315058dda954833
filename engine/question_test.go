package engine_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"pgregory.net/rapid"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/engine"
	"github.com/verdict-pdp/verdict/ijson"
)

// documented is the input document written down member by member from the
// comment of authz.Question.
func documented(q authz.Question) map[string]any {
	doc := map[string]any{
		"subject":    map[string]any{"type": q.Subject.Type, "id": q.Subject.ID, "properties": orEmpty(q.Subject.Properties)},
		"action":     map[string]any{"name": q.Action.Name, "properties": orEmpty(q.Action.Properties)},
		"resource":   map[string]any{"type": q.Resource.Type, "id": q.Resource.ID, "properties": orEmpty(q.Resource.Properties)},
		"context":    orEmpty(q.Context),
		"credential": map[string]any{"kind": q.Principal.Evidence},
		"time":       q.Time.UTC().Format(time.RFC3339Nano),
	}
	doc["trust"] = documentedTrust(q.Principal)
	if c := q.Principal.Credential; c != nil {
		credential := doc["credential"].(map[string]any)
		credential["generation"] = c.Generation
		addText(credential, "id", c.ID)
		addText(credential, "type", c.Type)
		addText(credential, "state", c.State)
		addTimes(credential, map[string]time.Time{"made_at": c.MadeAt, "not_before": c.NotBefore, "not_after": c.NotAfter})
	}
	addText(doc["credential"].(map[string]any), "binding", q.Principal.Binding)
	if c := q.Principal.Certificate; c != nil {
		certificate := map[string]any{}
		for name, s := range map[string]string{"id": c.ID, "thumbprint": c.Thumbprint, "name": c.Name, "issuer": c.Issuer, "credential": c.Credential} {
			addText(certificate, name, s)
		}
		addTimes(certificate, map[string]time.Time{"not_before": c.NotBefore, "not_after": c.NotAfter})
		doc["certificate"] = certificate
	}
	if t := q.Principal.Token; t != nil {
		token := map[string]any{"leeway_s": int64(t.Leeway / time.Second), "own": t.Own}
		for name, s := range map[string]string{"id": t.ID, "issuer": t.Issuer, "issuer_url": t.IssuerURL, "key_id": t.KeyID, "subject": t.Subject, "tenant": t.Tenant, "env": t.Env, "credential": t.Credential, "status": t.Status} {
			addText(token, name, s)
		}
		for name, list := range map[string][]string{"audiences": t.Audiences, "accepted_audiences": t.AcceptedAudiences, "scopes": t.Scopes, "methods": t.Methods} {
			if len(list) > 0 {
				token[name] = list
			}
		}
		addTimes(token, map[string]time.Time{"issued_at": t.IssuedAt, "not_before": t.NotBefore, "expires_at": t.ExpiresAt})
		if t.OnBehalfOf != nil {
			token["on_behalf_of"] = map[string]any{"type": t.OnBehalfOf.Type, "id": t.OnBehalfOf.ID}
		}
		doc["token"] = token
	}
	return doc
}

func documentedTrust(p authz.Principal) map[string]any {
	trust := map[string]any{"level": p.Level}
	addText(trust, "freshness", p.Freshness)
	if len(p.Supports) > 0 {
		trust["supports"] = p.Supports
	}
	if p.UsableFor != ([authz.Tiers]time.Duration{}) {
		trust["age_s"] = int64(math.Ceil(p.Age.Seconds()))
		limits := []int64{}
		for _, limit := range p.UsableFor {
			limits = append(limits, int64(math.Floor(limit.Seconds())))
		}
		trust["usable_for_s"] = limits
	}
	return trust
}

func addTimes(m map[string]any, times map[string]time.Time) {
	for name, at := range times {
		if !at.IsZero() {
			m[name] = at.Unix()
		}
	}
}

func orEmpty(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}

func addText(m map[string]any, name, s string) {
	if s != "" {
		m[name] = s
	}
}

func TestQuestionIsTheDocumentedInput(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := anyQuestion(t)
		got, err := engine.QuestionValue(q)
		if err != nil {
			t.Fatal(err)
		}
		want := ast.MustInterfaceToValue(documented(q))
		if got.Compare(want) != 0 {
			t.Fatalf("input is\n%v, want\n%v", got, want)
		}
		if got.Hash() != want.Hash() {
			t.Fatalf("equal values with different hashes: %v", got)
		}
	})
}

func anyQuestion(t *rapid.T) authz.Question {
	q := authz.Question{
		Subject:  authz.Subject{Type: text(t), ID: text(t), Properties: properties(t, 2)},
		Action:   authz.Action{Name: text(t), Properties: properties(t, 1)},
		Resource: authz.Resource{Type: text(t), ID: text(t), Properties: properties(t, 2)},
		Context:  properties(t, 3),
		Principal: authz.Principal{
			Evidence:  rapid.SampledFrom([]string{authz.EvidenceNone, authz.EvidenceJWT, authz.EvidenceClaims, authz.EvidenceSecret}).Draw(t, "evidence"),
			Binding:   rapid.SampledFrom([]string{"", authz.BindingCertificate, authz.BindingProof}).Draw(t, "binding"),
			Level:     rapid.IntRange(0, 5).Draw(t, "level"),
			Freshness: rapid.SampledFrom([]string{"", authz.Fresh, authz.Stale}).Draw(t, "freshness"),
			Supports:  texts(t),
		},
		Time: moment(t).In(time.FixedZone("", rapid.IntRange(-43200, 43200).Draw(t, "zone"))),
	}
	if q.Time.IsZero() {
		q.Time = noon
	}
	if rapid.Bool().Draw(t, "token?") {
		q.Principal.Token = &authz.Token{
			ID: text(t), Issuer: text(t), IssuerURL: text(t), KeyID: text(t), Subject: text(t),
			Audiences: texts(t), AcceptedAudiences: texts(t), Scopes: texts(t), Methods: texts(t),
			IssuedAt: moment(t), NotBefore: moment(t), ExpiresAt: moment(t),
			Leeway: time.Duration(rapid.IntRange(0, 300).Draw(t, "leeway")) * time.Second,
			Tenant: text(t), Env: text(t), Credential: text(t), Own: rapid.Bool().Draw(t, "own"), Status: text(t),
		}
		if rapid.Bool().Draw(t, "on behalf?") {
			q.Principal.Token.OnBehalfOf = &authz.OnBehalfOf{Type: text(t), ID: text(t)}
		}
	}
	addStanding(t, &q.Principal)
	return q
}

func addStanding(t *rapid.T, p *authz.Principal) {
	if rapid.Bool().Draw(t, "credential?") {
		p.Credential = &authz.Proved{
			ID: text(t), Type: text(t), State: text(t), Generation: rapid.IntRange(0, 1<<30).Draw(t, "generation"),
			MadeAt: moment(t), NotBefore: moment(t), NotAfter: moment(t),
		}
	}
	if rapid.Bool().Draw(t, "certificate?") {
		p.Certificate = &authz.VerifiedCertificate{ID: text(t), Thumbprint: text(t), Name: text(t), Issuer: text(t), Credential: text(t), NotBefore: moment(t), NotAfter: moment(t)}
	}
	if rapid.Bool().Draw(t, "ages?") {
		p.Age = time.Duration(rapid.Int64Range(0, int64(48*time.Hour)).Draw(t, "age"))
		for tier := range p.UsableFor {
			p.UsableFor[tier] = time.Duration(rapid.Int64Range(0, int64(48*time.Hour)).Draw(t, "usable"))
		}
	}
}

func text(t *rapid.T) string { return rapid.StringN(0, 12, -1).Draw(t, "text") }

func texts(t *rapid.T) []string {
	return rapid.SliceOfN(rapid.StringN(0, 8, -1), 0, 3).Draw(t, "texts")
}

func moment(t *rapid.T) time.Time {
	if rapid.Bool().Draw(t, "no time") {
		return time.Time{}
	}
	return time.Unix(rapid.Int64Range(0, 4_000_000_000).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns"))
}

// properties is an object as a JSON decoder leaves it.
func properties(t *rapid.T, depth int) map[string]any {
	if rapid.Bool().Draw(t, "none") {
		return nil
	}
	m := map[string]any{}
	for range rapid.IntRange(0, 4).Draw(t, "members") {
		m[text(t)] = anyJSON(t, depth)
	}
	return m
}

func anyJSON(t *rapid.T, depth int) any {
	most := 5
	if depth == 0 {
		most = 3
	}
	switch rapid.IntRange(0, most).Draw(t, "kind") {
	case 0:
		return nil
	case 1:
		return rapid.Bool().Draw(t, "bool")
	case 2:
		return rapid.Float64Range(-1e15, 1e15).Draw(t, "number")
	case 3:
		return text(t)
	case 4:
		return []any{anyJSON(t, depth-1), anyJSON(t, depth-1)}
	}
	if m := properties(t, depth-1); m != nil {
		return m
	}
	return map[string]any{}
}

// TestDecodeJSON holds the direct decoder to OPA's own.
func TestDecodeJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		document := anyJSON(t, 3)
		want := ast.MustInterfaceToValue(document)
		text, err := ijson.Marshal(document)
		if err != nil {
			t.Fatal(err)
		}
		got, err := engine.DecodeJSON(text)
		if err != nil {
			t.Fatalf("decoding %s: %v", text, err)
		}
		if got.Compare(want) != 0 || got.Hash() != want.Hash() {
			t.Fatalf("decoded %v, want %v", got, want)
		}
	})
}

func TestDecodeJSONRefuses(t *testing.T) {
	for _, text := range []string{``, `{`, `[1`, `{"a"}`, `{"a":1,"a":2}`, `{} {}`, `[1,]`, `nul`} {
		if v, err := engine.DecodeJSON([]byte(text)); err == nil {
			t.Errorf("%q is %v", text, v)
		}
	}
}

// FuzzDecodeJSON looks for JSON that the direct decoder reads otherwise than
// OPA's, which reads facts in plain opa test.
func FuzzDecodeJSON(f *testing.F) {
	for _, text := range []string{`{"a":[1,2.50,-0,1e3,"x\u00e9",null,true,{}]}`, `[]`, `"s"`, `1E400`, `{"a":{"b":{}}}`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := engine.DecodeJSON([]byte(text))
		if err != nil {
			return
		}
		want, err := ast.ValueFromReader(strings.NewReader(text))
		if err != nil {
			t.Fatalf("OPA refuses %q: %v", text, err)
		}
		if got.Compare(want) != 0 {
			t.Fatalf("%q is %v, want %v", text, got, want)
		}
	})
}
