package test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/test/pdptest"
)

// change is what a test compares of a change.
type change struct {
	Revision uint64
	Op, ID   string
	Plan     string // of the entity, when there is one
}

func changesAfter(t *testing.T, p *pdptest.PDP, after string) []change {
	t.Helper()
	answer := p.Call(http.MethodGet, p.AdminURL()+api.PathChanges+"?after="+after, p.Operator(), nil)
	if answer.Status != http.StatusOK {
		t.Fatalf("got status %d, body %s; want status 200", answer.Status, answer.Body)
	}
	var list api.ChangeList[*authz.Tenant]
	if err := json.Unmarshal(answer.Body, &list); err != nil {
		t.Fatal(err)
	}
	var changes []change
	for _, c := range list.Changes {
		seen := change{Revision: c.Revision, Op: c.Op, ID: c.ID}
		if c.Entity != nil {
			seen.Plan = c.Entity.Plan
		}
		changes = append(changes, seen)
	}
	return changes
}

// TestAnEntityFromCreationToDeletion follows one tenant through the admin API of
// a real daemon: conditions, revisions and the change feed.
func TestAnEntityFromCreationToDeletion(t *testing.T) {
	t.Parallel()
	p := pdptest.Start(t, pdptest.Settings{})
	url := p.AdminURL() + "/v1/tenants/acme"
	put := func(plan string, headers ...string) pdptest.Answer {
		return p.Call(http.MethodPut, url, p.Operator(), []byte(`{"plan":"`+plan+`"}`), headers...)
	}
	status := func(a pdptest.Answer, want int) pdptest.Answer {
		t.Helper()
		if a.Status != want {
			t.Fatalf("status %d, want %d: %s", a.Status, want, a.Body)
		}
		return a
	}
	start := p.Call(http.MethodGet, p.AdminURL()+api.PathStatus, p.Operator(), nil)
	var before api.Status
	unmarshal(t, start.Body, &before)
	base := before.DataRevision

	status(p.Call(http.MethodGet, url, p.Operator(), nil), 404)
	created := status(put("free", "If-None-Match", "*"), 201)
	status(put("free", "If-None-Match", "*"), 412)
	replaced := status(put("business", "If-Match", created.Header.Get("ETag")), 200)
	status(put("enterprise", "If-Match", created.Header.Get("ETag")), 412)
	status(put("business"), 200)
	status(p.Call(http.MethodDelete, url, p.Operator(), nil, "If-Match", replaced.Header.Get("ETag")), 412)
	status(p.Call(http.MethodDelete, url, p.Operator(), nil), 204)
	status(p.Call(http.MethodDelete, url, p.Operator(), nil), 404)
	status(put("free"), 201)

	want := []change{
		{Revision: base + 1, Op: authz.OpPut, ID: "acme"},
		{Revision: base + 2, Op: authz.OpPut, ID: "acme"},
		{Revision: base + 3, Op: authz.OpPut, ID: "acme"},
		{Revision: base + 4, Op: authz.OpDelete, ID: "acme"},
		{Revision: base + 5, Op: authz.OpPut, ID: "acme", Plan: "free"},
	}
	if diff := cmp.Diff(want, changesAfter(t, p, text(t, base))); diff != "" {
		t.Error(diff)
	}
}

// TestWhatOneExportsAnotherImports: the export of one Verdict, imported into an
// empty one, exports the same lines but for their headers.
func TestWhatOneExportsAnotherImports(t *testing.T) {
	t.Parallel()
	from := pdptest.Start(t, pdptest.Settings{Demo: true, At: sunday})
	to := pdptest.Start(t, pdptest.Settings{At: sunday})
	exported := from.Call(http.MethodGet, from.AdminURL()+api.PathExport, from.Operator(), nil).Body
	send := func() (report api.ImportReport) {
		answer := to.Call(http.MethodPost, to.AdminURL()+api.PathImport, to.Operator(), exported, "Content-Type", api.TypeNDJSON)
		if answer.Status != http.StatusOK {
			t.Fatalf("got status %d, body %s; want status 200", answer.Status, answer.Body)
		}
		unmarshal(t, answer.Body, &report)
		return report
	}
	lines := bytes.Count(exported, []byte("\n"))
	if first := send(); first.Written != lines || first.Failed != 0 {
		t.Errorf("%+v of %d lines", first, lines)
	}
	if second := send(); second.Unchanged != lines || second.Written != 0 {
		t.Errorf("the same lines again changed something: %+v", second)
	}
	got := to.Call(http.MethodGet, to.AdminURL()+api.PathExport, to.Operator(), nil).Body
	if diff := cmp.Diff(headless(t, exported), headless(t, got)); diff != "" {
		t.Error(diff)
	}
}

// headless is export lines without what the store wrote into them.
func headless(t *testing.T, export []byte) []map[string]any {
	t.Helper()
	var all []map[string]any
	for line := range bytes.Lines(export) {
		var l api.Line[map[string]any]
		unmarshal(t, line, &l)
		for _, name := range []string{"created_at", "updated_at", "revision"} {
			delete(l.Entity, name)
		}
		l.Entity["collection"] = l.Collection
		all = append(all, l.Entity)
	}
	return all
}

// TestAListEntryNamesARegisteredIssuer: one that does not would stop nothing and
// look as if it did, written alone or imported.
func TestAListEntryNamesARegisteredIssuer(t *testing.T) {
	t.Parallel()
	p := pdptest.Start(t, pdptest.Settings{Demo: true, At: sunday})
	const bad = `{"by":"token","issuer":"demo","name":"j1"}`
	if a := p.Call(http.MethodPost, p.AdminURL()+"/v1/revocations", p.Operator(), []byte(bad)); a.Status != 400 || !bytes.Contains(a.Body, []byte(`"field":"issuer"`)) {
		t.Errorf("got status %d, body %s; want status 400, body with `\"field\":\"issuer\"`", a.Status, a.Body)
	}
	line := []byte(`{"collection":"revocations","entity":` + bad + "}\n")
	var report api.ImportReport
	unmarshal(t, p.Call(http.MethodPost, p.AdminURL()+api.PathImport, p.Operator(), line, "Content-Type", api.TypeNDJSON).Body, &report)
	if report.Failed != 1 {
		t.Errorf("got %+v; want Failed 1", report)
	}

	claims := p.Claims("mu:user-svc")
	token := p.Sign(claims)
	p.Put(&authz.Revocation{Listed: authz.Listed{By: authz.ByToken, Issuer: claims["iss"].(string), Name: claims["jti"].(string)}})
	if diff := cmp.Diff([]string{"TOKEN_REVOKED"}, pdptest.Codes(p.Ask(invoiceToAna(token)).Reasons)); diff != "" {
		t.Error(diff)
	}
	if d := p.Ask(invoiceToAna(p.Token("mu:user-svc"))); d.Outcome != api.Allow {
		t.Errorf("another token of the same machine user is denied: %+v", d.Reasons)
	}
}

// TestWritesThatWouldDoNothingAreRefused: each looks as if it had an effect.
func TestWritesThatWouldDoNothingAreRefused(t *testing.T) {
	t.Parallel()
	p := pdptest.Start(t, pdptest.Settings{Demo: true, At: sunday})
	for name, test := range map[string]struct{ path, body, field string }{
		"null for a user":         {"users/u-gus", `null`, ""},
		"mode of no guard":        {"edges/mu:user-svc/svc:email", `{"actions":["email.send"],"modes":{"netwrok":"enforce"}}`, "modes.netwrok"},
		"revocation of a raw jti": {"revocations/token/jti-1", `{"by":"token","of":"jti-1"}`, "of"},
		"one key, two names":      {"revocations/token/tok-0", `{"by":"token","of":"tok-0","issuer":"https://issuer.brightfold.example","name":"j"}`, "of"},
	} {
		t.Run(name, func(t *testing.T) {
			a := p.Call(http.MethodPut, p.AdminURL()+api.PathV1+test.path, p.Operator(), []byte(test.body))
			var problem api.Problem
			unmarshal(t, a.Body, &problem)
			if a.Status != http.StatusBadRequest || problem.Field != test.field {
				t.Errorf("got status %d, body %s; want status 400, problem.Field %q", a.Status, a.Body, test.field)
			}
		})
	}
}
