package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
	"github.com/verdict-pdp/verdict/engine"
)

// invoiceFacts are the facts of one e-mail: the user service writes to an
// entitled user of a paying tenant.
func invoiceFacts() map[string]string {
	return map[string]string{
		"machine_users/mu:user-svc":                       `{"id":"mu:user-svc","kind":"service","origin":"internal","env":"prod","owner":"identity","tier":1,"state":"active","allowed_cidrs":["10.4.2.0/24"],"revision":1}`,
		"services/svc:email":                              `{"id":"svc:email","tier":1,"business_criticality":3,"security_criticality":3,"data_class":"addresses","env":"prod","owner":"messaging","required_level":{"internal":3},"revision":2}`,
		"edges/mu:user-svc/svc:email":                     `{"id":"mu:user-svc/svc:email","from":"mu:user-svc","to":"svc:email","actions":["email.send"],"owner":"identity","revision":3}`,
		"users/u-ana":                                     `{"id":"u-ana","tenant":"acme-logistics","state":"active","addresses":[{"id":"addr-ana","purpose":"primary","verified":true},{"id":"addr-ana-billing","purpose":"billing","verified":true}],"revision":4}`,
		"tenants/acme-logistics":                          `{"id":"acme-logistics","plan":"business","state":"active","revision":5}`,
		"plans/business":                                  `{"id":"business","name":"Business","revision":6}`,
		"entitlements/plan:business/email.invoice.issued": `{"id":"plan:business/email.invoice.issued","holder":"plan:business","feature":"email.invoice.issued","effect":"grant","address_purpose":"billing","revision":7}`,
	}
}

func invoiceQuestion() authz.Question {
	return authz.Question{
		Subject:  authz.Subject{Type: authz.SubjectMachineUser, ID: "mu:user-svc"},
		Action:   authz.Action{Name: "email.send"},
		Resource: authz.Resource{Type: authz.ResourceService, ID: "svc:email", Properties: map[string]any{"recipient": "u-ana", "message_class": "invoice.issued"}},
		Context:  map[string]any{"source_ip": "10.4.2.19", "env": "prod"},
		Principal: authz.Principal{
			Subject: "mu:user-svc", Evidence: authz.EvidenceJWT, Level: 3, Freshness: authz.Fresh,
			Token: &authz.Token{
				ID: "tok-1", Issuer: "demo", IssuerURL: "https://issuer.example", KeyID: "key-1", Subject: "mu:user-svc",
				Audiences: []string{"brightfold"}, AcceptedAudiences: []string{"brightfold"},
				IssuedAt: noon.Add(-time.Minute), ExpiresAt: noon.Add(4 * time.Minute), Env: "prod", Own: true,
			},
		},
		Time: noon,
	}
}

// basePolicies is the policy set of the product.
func basePolicies(b testing.TB) (bundles.Archive, *bundles.Snapshot) {
	b.Helper()
	a, err := bundles.Read(os.DirFS("../policies"))
	if err != nil {
		b.Fatal(err)
	}
	s, err := bundles.Compile(a, bundles.Options{Generation: 1})
	if err != nil {
		b.Fatal(err)
	}
	return a, s
}

// TestBasePolicies asks the product's own policies the product's own question.
func TestBasePolicies(t *testing.T) {
	_, s := basePolicies(t)
	p, err := engine.New(s, generous)
	if err != nil {
		t.Fatal(err)
	}
	f := newFacts(invoiceFacts())
	got := p.Evaluate(t.Context(), invoiceQuestion(), f)
	if !got.Allow || len(got.Obligations) == 0 || got.Obligations[0]["address_id"] != "addr-ana-billing" {
		t.Errorf("judgement is %+v", got)
	}
	if len(f.reads) > 20 || got.KeysRead > 20 {
		t.Errorf("%d keys read: %v", got.KeysRead, f.reads)
	}
	t.Logf("%d keys read: %v", got.KeysRead, f.reads)
}

// BenchmarkEvaluate measures one allowed decision of the base policies, with
// facts read through the engine and, side by side, with the same policies and
// facts in OPA's own store.
func BenchmarkEvaluate(b *testing.B) {
	a, s := basePolicies(b)
	p, err := engine.New(s, engine.Config{})
	if err != nil {
		b.Fatal(err)
	}
	f, q := newFacts(invoiceFacts()), invoiceQuestion()
	b.Run("engine", func(b *testing.B) {
		b.ReportAllocs()
		var j authz.Judgement
		for b.Loop() {
			f.reads = f.reads[:0]
			j = p.Evaluate(b.Context(), q, f)
		}
		if !j.Allow {
			b.Fatalf("judgement is %+v", j)
		}
		b.ReportMetric(float64(j.KeysRead), "keys/op")
	})
	input, err := ast.JSON(inputOf(b, q))
	if err != nil {
		b.Fatal(err)
	}
	compiler := compiled(b, a)
	for _, ast := range []bool{false, true} {
		b.Run(fmt.Sprintf("opa-inmem/ast-store=%v", ast), func(b *testing.B) {
			query := plainOPA(b, compiler, s.Data(), invoiceFacts(), ast)
			b.ReportAllocs()
			var results rego.ResultSet
			for b.Loop() {
				results, err = query.Eval(b.Context(), rego.EvalInput(input), rego.EvalTime(q.Time))
				if err != nil {
					b.Fatal(err)
				}
			}
			if results[0].Expressions[0].Value.(map[string]any)["allow"] != true {
				b.Fatal(results)
			}
		})
	}
}

func inputOf(b tester, q authz.Question) ast.Value {
	b.Helper()
	value, err := engine.QuestionValue(q)
	if err != nil {
		b.Fatal(err)
	}
	return value
}

// tester is what testing.TB and *rapid.T share.
type tester interface {
	Helper()
	Fatal(...any)
}

// plainOPA prepares the policies the way a Go program embeds OPA: facts in its
// in-memory store, rule index on.
func plainOPA(b tester, compiler *ast.Compiler, bundled ast.Object, entities map[string]string, astValues bool, more ...func(*rego.Rego)) rego.PreparedEvalQuery {
	b.Helper()
	data, err := ast.JSON(bundled)
	if err != nil {
		b.Fatal(err)
	}
	root := data.(map[string]any)
	for path, text := range entities {
		var value any
		if err := json.Unmarshal([]byte(text), &value); err != nil {
			b.Fatal(err)
		}
		put(root, strings.Split(path, "/"), value)
	}
	query, err := rego.New(append(more,
		rego.Query(bundles.Entrypoint),
		rego.Compiler(compiler),
		rego.Store(inmem.NewFromObjectWithOpts(root, inmem.OptReturnASTValuesOnRead(astValues))),
	)...).PrepareForEval(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	return query
}

func put(at map[string]any, path []string, value any) {
	if len(path) == 1 {
		at[path[0]] = value
		return
	}
	below, ok := at[path[0]].(map[string]any)
	if !ok {
		below = map[string]any{}
		at[path[0]] = below
	}
	put(below, path[1:], value)
}
