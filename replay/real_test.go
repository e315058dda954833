package replay_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
	"github.com/verdict-pdp/verdict/demo"
	"github.com/verdict-pdp/verdict/engine"
	"github.com/verdict-pdp/verdict/ijson"
	"github.com/verdict-pdp/verdict/pdp"
	"github.com/verdict-pdp/verdict/policies"
	"github.com/verdict-pdp/verdict/replay"
	"github.com/verdict-pdp/verdict/store"
)

// real is the base policies, the demo's company and their decisions.
type real struct {
	policy *engine.Policy
	store  *store.Store
}

func newReal(t testing.TB) real {
	t.Helper()
	archive, err := bundles.Read(policies.Bundle)
	if err != nil {
		t.Fatal(err)
	}
	snapshot, err := bundles.Compile(archive, bundles.Options{Generation: 3})
	if err != nil {
		t.Fatal(err)
	}
	policy, err := engine.New(snapshot, engine.Config{Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(store.Config{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := s.Import(t.Context(), demo.Import(demo.Day), store.ImportOptions{}); err != nil {
		t.Fatal(err)
	}
	return real{policy, s}
}

func (r real) viewAt(revision uint64) (replay.View, error) {
	if revision == 0 {
		return r.store.Snapshot()
	}
	return r.store.SnapshotAt(revision)
}

func (r real) config() replay.Config { return replay.Config{Judge: pdp.Rejudge, ViewAt: r.viewAt} }

// records decides invoices to the company's users and keeps the decisions as a log
// would.
func (r real) records(t testing.TB, n int) []*authz.Record {
	t.Helper()
	view, err := r.store.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	var records []*authz.Record
	for i := range n {
		e := authz.Entry{Question: invoice(i), Judged: true, Decision: authz.Decision{ID: fmt.Sprintf("dec-%04d", i), DataRevision: view.Revision()}}
		d := pdp.AssembleEntry(e, r.policy.Evaluate(t.Context(), e.Question, view), r.policy.Policy())
		records = append(records, kept(t, e.Question, d))
	}
	return records
}

func kept(t testing.TB, q authz.Question, d authz.Decision) *authz.Record {
	t.Helper()
	input, err := engine.Input(q)
	if err != nil {
		t.Fatal(err)
	}
	result, err := ijson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return &authz.Record{
		Kind: authz.RecordDecision, ID: d.ID, At: q.Time, Decision: d.Outcome, Subject: d.Subject, Action: q.Action.Name, Service: q.Resource.ID,
		Policy: d.Policy, DataRevision: d.DataRevision, Trust: d.Trust, Judged: true, Input: input, Result: result,
	}
}

// invoice is one user's turn to get an invoice.
func invoice(i int) authz.Question {
	users := []string{"u-ana", "u-ben", "u-cleo", "u-dev", "u-eli", "u-fay", "u-gus", "u-hoa"}
	at := noon.Add(time.Duration(i) * time.Second)
	return authz.Question{
		Subject:  authz.Subject{Type: authz.SubjectMachineUser, ID: "mu:user-svc"},
		Action:   authz.Action{Name: "email.send"},
		Resource: authz.Resource{Type: authz.ResourceService, ID: "svc:email", Properties: map[string]any{"recipient": users[i%len(users)], "message_class": "invoice.issued"}},
		Context:  map[string]any{"source_ip": "10.4.2.19", "env": "prod"},
		Principal: authz.Principal{
			Subject: "mu:user-svc", Evidence: authz.EvidenceJWT, Level: 3, Freshness: authz.Fresh,
			Token: &authz.Token{
				ID: "tok-1", Issuer: demo.IssuerID, KeyID: "key-1", Subject: "mu:user-svc", Own: true,
				Audiences: []string{demo.Audience}, AcceptedAudiences: []string{demo.Audience},
				IssuedAt: at.Add(-30 * time.Second), ExpiresAt: at.Add(5 * time.Minute),
			},
		},
		Time: at,
	}
}

// TestRealDecisions replays decisions of the base policies: by the data they saw
// they are what they were, also after the data changed, and by the data of now
// those differ whose user lost an entitlement.
func TestRealDecisions(t *testing.T) {
	r := newReal(t)
	records := r.records(t, 80)
	withhold := `{"collection":"entitlements","entity":{"holder":"user:u-ana","feature":"email.invoice.issued","effect":"withhold"}}`
	if _, err := r.store.Import(t.Context(), strings.NewReader(withhold), store.ImportOptions{}); err != nil {
		t.Fatal(err)
	}

	then, err := replay.Run(t.Context(), r.config(), source(records...), r.policy, "recorded", nil)
	if err != nil {
		t.Fatal(err)
	}
	if then.Compared != 80 || then.Flips() != 0 || then.Changed != 0 {
		t.Errorf("by the data of then: %+v", then)
	}
	now, err := replay.Run(t.Context(), r.config(), source(records...), r.policy, "now", nil)
	if err != nil {
		t.Fatal(err)
	}
	if now.Compared != 80 || now.AllowToDeny != 10 || now.DenyToAllow != 0 || now.Changed != 0 || len(now.ByCode) != 1 || now.ByCode[0].Name != "MESSAGE_CLASS_NOT_ENTITLED" {
		t.Errorf("by the data of now: %+v", now)
	}
	allowed := 0
	for _, record := range records {
		if record.Decision == authz.Allow {
			allowed++
		}
	}
	if allowed < 20 || allowed == len(records) {
		t.Errorf("%d of %d decisions allow: they prove nothing", allowed, len(records))
	}
}

// BenchmarkReplay replays decisions of the base policies by the data they saw: as it
// is now, and as it was before.
func BenchmarkReplay(b *testing.B) {
	for _, changed := range []bool{false, true} {
		b.Run(map[bool]string{false: "now", true: "history"}[changed], func(b *testing.B) {
			r := newReal(b)
			records := r.records(b, 80)
			if changed {
				plan := `{"collection":"plans","entity":{"id":"new","name":"New"}}`
				if _, err := r.store.Import(b.Context(), strings.NewReader(plan), store.ImportOptions{}); err != nil {
					b.Fatal(err)
				}
			}
			endless := func(yield func(*authz.Record, error) bool) {
				for n := range b.N {
					if !yield(records[n%len(records)], nil) {
						return
					}
				}
			}
			b.ResetTimer()
			c, err := replay.Run(b.Context(), r.config(), endless, r.policy, "", nil)
			if err != nil || c.Compared != uint64(b.N) || c.Flips()+c.Changed != 0 {
				b.Fatalf("compared %+v, error %v, want %d decisions as they were", c, err, b.N)
			}
		})
	}
}
