package daemon_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
	"github.com/verdict-pdp/verdict/cmd/daemon"
	"github.com/verdict-pdp/verdict/demo"
	"github.com/verdict-pdp/verdict/generations"
	"github.com/verdict-pdp/verdict/store"
	"github.com/verdict-pdp/verdict/token"
)

// TestReplayGivesTheSameBytes is the property of docs/design.md section 8, invariant
// 3: a decision is reproducible from its policy, its data revision, its input and its
// time. Questions, writes and activations come in any order; then every decision is
// judged again by its own generation and revision, and is byte for byte what it was.
func TestReplayGivesTheSameBytes(t *testing.T) {
	c := settings(t, t.TempDir())
	c.Demo = true
	c.Logger = slog.New(slog.DiscardHandler)
	d := open(t, c)
	w := &replayed{d: d, signer: demoSigner(t, c.Data), generations: generationsOf(t, d)}
	rapid.Check(t, func(t *rapid.T) {
		w.ids = nil
		t.Repeat(map[string]func(*rapid.T){"ask": w.ask, "write": w.write, "activate": w.activate})
		for _, id := range w.ids {
			was, now, err := d.Again(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(was), string(now)); diff != "" {
				t.Fatalf("decision %s: %s", id, diff)
			}
		}
	})
}

type replayed struct {
	d           *daemon.Daemon
	signer      *token.Signer
	generations []uint64
	ids         []string
	serial      int
}

func demoSigner(t *testing.T, data string) *token.Signer {
	t.Helper()
	text, err := os.ReadFile(demo.KeyFile(data))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := token.ParseSigner(text)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// generationsOf are the first generation and two more, each with a guard of its own.
func generationsOf(t *testing.T, d *daemon.Daemon) []uint64 {
	t.Helper()
	numbers := []uint64{d.Policies().Active().Number}
	for _, action := range []string{"email.send", "ledger.post"} {
		var packed bytes.Buffer
		err := bundles.Pack(&packed, fstest.MapFS{
			".manifest": {Data: []byte(`{"roots": ["guards/extra"], "rego_version": 1}`)},
			"guards/extra/extra.rego": {Data: []byte(fmt.Sprintf(`package guards.extra

import data.verdict.lib.reasons

# METADATA
# title: This action is not wanted.
# custom: {code: NOT_WANTED, fix: Do another., status: 403}
deny contains reasons.denial(rego.metadata.rule(), {"env": input.context.env}) if input.action.name == %q
`, action))},
		})
		if err != nil {
			t.Fatal(err)
		}
		made, _, err := d.Policies().Push(t.Context(), generations.Push{Name: "extra", Body: &packed, Source: authz.SourcePush, Author: "test"})
		if err != nil {
			t.Fatal(err)
		}
		numbers = append(numbers, made.Number)
	}
	return numbers
}

func (w *replayed) ask(t *rapid.T) {
	subject := rapid.SampledFrom([]string{"mu:user-svc", "mu:invoice-svc", "mu:billing-svc", "mx:acme-erp", "mu:nobody"}).Draw(t, "subject")
	w.serial++
	now := time.Now()
	text, err := w.signer.Sign(nil, map[string]any{
		"iss": demo.IssuerURL, "aud": []string{demo.Audience}, "sub": subject, "client_id": subject, "env": "prod", "jti": fmt.Sprint("r", w.serial),
		"iat": now.Add(-time.Duration(rapid.IntRange(0, 400).Draw(t, "age")) * time.Second).Unix(), "exp": now.Add(time.Minute).Unix(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if rapid.IntRange(0, 9).Draw(t, "spoil") == 0 {
		text = text[:len(text)-3] + strings.ToUpper(text[len(text)-3:])
	}
	q := authz.Request{
		Caller:   authz.Caller{ID: "pep", Roles: []authz.Role{authz.RoleDecide}},
		Evidence: authz.Evidence{Token: text},
		Action:   authz.Action{Name: rapid.SampledFrom([]string{"email.send", "ledger.post", "billing.read"}).Draw(t, "action")},
		Resource: authz.Resource{Type: authz.ResourceService, ID: rapid.SampledFrom([]string{"svc:email", "svc:ledger", "svc:billing", "svc:none"}).Draw(t, "service"), Properties: map[string]any{
			"recipient":     rapid.SampledFrom([]string{"u-ana", "u-ben", "u-nobody"}).Draw(t, "recipient"),
			"message_class": rapid.SampledFrom([]string{"invoice.issued", "marketing.news", "report.monthly"}).Draw(t, "class"),
			"amount":        rapid.SampledFrom([]any{1, 2.5, 1e21, "x", nil, []any{1, "<&>"}}).Draw(t, "amount"),
		}},
		Context: map[string]any{"source_ip": rapid.SampledFrom([]any{"10.4.2.19", "203.0.113.9", "nonsense", 7}).Draw(t, "ip"), "env": "prod"},
	}
	decision, err := w.d.Decide(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	w.ids = append(w.ids, decision.ID)
}

func (w *replayed) write(t *rapid.T) {
	op := rapid.SampledFrom([]store.Op{
		{Entity: &authz.Entitlement{Holder: "user:u-ana", Feature: "email.report.monthly", Effect: "grant", Source: "test"}},
		{Entity: &authz.Entitlement{Holder: "user:u-ana", Feature: "email.report.monthly", Effect: "withhold", Source: "test"}},
		{Entity: &authz.Revocation{Listed: authz.Listed{By: "subject", Of: "mu:billing-svc"}}},
		{Collection: authz.Revocations, Key: "subject/mu:billing-svc"},
		{Collection: authz.Entitlements, Key: "user:u-ana/email.report.monthly"},
	}).Draw(t, "write")
	if _, err := w.d.Apply(t.Context(), []store.Op{op}); err != nil && authz.CodeOf(err) != authz.CodeNotFound {
		t.Fatal(err)
	}
}

func (w *replayed) activate(t *rapid.T) {
	number := rapid.SampledFrom(w.generations).Draw(t, "generation")
	if _, err := w.d.Policies().Activate(t.Context(), number, "test", ""); err != nil {
		t.Fatal(err)
	}
}
