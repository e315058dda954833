package engine_test

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"pgregory.net/rapid"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/engine"
)

// TestSameAsOPA holds the engine's answers to those of plain OPA, with rule
// index and early exit on and all facts in its own store: facts read lazily and
// options turned off must not change a decision.
func TestSameAsOPA(t *testing.T) {
	a, s := basePolicies(t)
	p, err := engine.New(s, generous)
	if err != nil {
		t.Fatal(err)
	}
	compiler, outcomes := compiled(t, a), map[bool]int{}
	rapid.Check(t, func(t *rapid.T) {
		entities, q := disturbed(t)
		got := p.Evaluate(context.Background(), q, newFacts(entities))
		plain := plainOPA(t, compiler, s.Data(), entities, true, rego.StrictBuiltinErrors(true), rego.GenerateJSON(asValue))
		results, err := plain.Eval(context.Background(), rego.EvalParsedInput(inputOf(t, q)), rego.EvalTime(q.Time))
		if err != nil {
			t.Fatalf("plain OPA: %v; the engine: %+v", err, got)
		}
		want := engine.Judge(results[0].Expressions[0].Value.(ast.Value))
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(authz.Judgement{}, "KeysRead")); diff != "" {
			t.Fatalf("judgement (-OPA +engine):\n%s", diff)
		}
		outcomes[got.Allow]++
	})
	if outcomes[true] == 0 || outcomes[false] == 0 {
		t.Errorf("allowed and denied: %v", outcomes)
	}
}

func asValue(t *ast.Term, _ *rego.EvalContext) (any, error) { return t.Value, nil }

// disturbed is the invoice question with a few facts and members changed or
// missing.
func disturbed(t *rapid.T) (map[string]string, authz.Question) {
	entities := invoiceFacts()
	maps.Copy(entities, map[string]string{
		"revocations/subject/mu:other": `{"by":"subject","of":"mu:other","id":"subject/mu:other"}`,
		"entitlements/user:u-bob/x":    `{"holder":"user:u-bob","feature":"x","effect":"grant","id":"user:u-bob/x"}`,
		"renewals/tenant/t":            `{"by":"tenant","of":"t","id":"tenant/t"}`,
	})
	extra := map[string]string{
		"entitlements/user:u-ana/email.invoice.issued":            `{"holder":"user:u-ana","feature":"email.invoice.issued","effect":"withhold","id":"user:u-ana/email.invoice.issued"}`,
		"entitlements/tenant:acme-logistics/email.invoice.issued": `{"holder":"tenant:acme-logistics","feature":"email.invoice.issued","effect":"grant","expires_at":"2026-11-22T12:00:30Z","id":"tenant:acme-logistics/email.invoice.issued"}`,
		"revocations/subject/mu:user-svc":                         `{"by":"subject","of":"mu:user-svc","id":"subject/mu:user-svc"}`,
		"revocations/token/tok-1":                                 `{"by":"token","of":"tok-1","issued_before":"2026-11-22T11:00:00Z","id":"token/tok-1"}`,
		"renewals/issuer_key/key-1":                               `{"by":"issuer_key","of":"key-1","issued_before":"2026-11-22T12:00:00Z","deadline":"2026-11-22T13:00:00Z","id":"issuer_key/key-1"}`,
		"edges/mu:user-svc/svc:email":                             `{"from":"mu:user-svc","to":"svc:email","actions":["*"],"mode":"observe","cidrs":["10.9.0.0/16"],"required_level":5,"expires_at":"2026-11-22T12:00:40Z"}`,
		"machine_users/mu:user-svc":                               `{"id":"mu:user-svc","kind":"partner","origin":"external","env":"staging","tier":0,"state":"suspended","allowed_hours":[{"from":"01:00","to":"03:00"}]}`,
		"users/u-ana":                                             `{"id":"u-ana","tenant":"acme-logistics","state":"left","opt_outs":["email.invoice"],"addresses":[]}`,
	}
	for _, path := range rapid.SliceOfNDistinct(rapid.SampledFrom(slices.Sorted(maps.Keys(extra))), 0, 2, rapid.ID).Draw(t, "added") {
		entities[path] = extra[path]
	}
	if rapid.IntRange(0, 2).Draw(t, "remove") == 0 {
		delete(entities, rapid.SampledFrom(slices.Sorted(maps.Keys(entities))).Draw(t, "removed"))
	}
	q := invoiceQuestion()
	changes := []func(){
		func() { q.Context = nil },
		func() { q.Context = map[string]any{"source_ip": "192.0.2.1", "env": "staging"} },
		func() { q.Context = map[string]any{"source_ip": 7.0} },
		func() { q.Resource.Properties = nil },
		func() {
			q.Resource.Properties = map[string]any{"recipient": "u-bob", "message_class": "security.alert"}
		},
		func() { q.Action.Name = "user.read" },
		func() { q.Principal.Level = 1 },
		func() { q.Principal.Token = nil },
		func() { q.Principal.Token.Audiences = []string{"elsewhere"} },
		func() { q.Principal.Token.IssuedAt = time.Time{} },
		func() { q.Time = q.Time.Add(20 * time.Minute) },
		func() { q.Subject.ID = "mu:other" },
	}
	for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, len(changes)-1), 0, 1, rapid.ID).Draw(t, "changes") {
		changes[i]()
	}
	return entities, q
}
