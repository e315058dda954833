package test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/servertest"
	"github.com/verdict-pdp/verdict/test/pdptest"
)

// author is an author of policies, who has no other role.
type author struct {
	p   *pdptest.PDP
	key string
}

// call makes a request as the author, holds the answer to its schema, and reads it.
func (a author) call(method, path, schema string, body, into any) {
	t := a.p.T
	t.Helper()
	var content []byte
	if body != nil {
		content = marshal(t, body)
	}
	answer := a.p.Call(method, a.p.AdminURL()+path, a.key, content)
	if answer.Status >= 300 {
		t.Fatalf("%s %s: got status %d, body %s; want status below 300", method, path, answer.Status, answer.Body)
	}
	if err := servertest.ValidateAs(schema, answer.Body); err != nil {
		t.Errorf("%s %s is not the %s of the document: %v", method, path, schema, err)
	}
	unmarshal(t, answer.Body, into)
}

// TestPolicyLife is the story of a change: it is pushed, the gate says what it would
// have changed, a shadow what it changes now, it becomes active and is taken back. Every
// answer is as the OpenAPI document describes it.
func TestPolicyLife(t *testing.T) {
	t.Parallel()
	p := pdptest.Start(t, pdptest.Settings{Demo: true, At: sunday})
	ask := func() api.Decision { return p.Ask(invoiceToAna(p.Token("mu:user-svc"))) }
	for range 12 {
		ask()
	}
	someone := author{p, p.NewKey(authz.RoleAuthor)}
	answer := p.Call(http.MethodPut, p.AdminURL()+api.PathBundles+"/acme?message=no+mail", someone.key, p.Pack(pdptest.Acme("no-mail", "email.send")), "Content-Type", "application/gzip")
	var candidate authz.Generation
	unmarshal(t, answer.Body, &candidate)
	if answer.Status != http.StatusCreated || candidate.State != authz.GenerationCandidate || candidate.Message != "no mail" {
		t.Fatalf(`got status %d, body %s; want status 201, candidate.State "candidate", candidate.Message "no mail"`, answer.Status, answer.Body)
	}
	if report := candidate.Gate.Replay; report.AllowToDeny != 12 || report.DenyToAllow != 0 || report.ByCode[0].Name != "ACME_FORBIDDEN" || report.ByEdge[0].Name != "mu:user-svc>svc:email" || report.ByMachineUser[0].Name != "mu:user-svc" {
		t.Errorf("the gate's replay: %+v", report)
	}
	if candidate.Gate.Tests != 1 {
		t.Errorf("%d tests ran", candidate.Gate.Tests)
	}
	if d := ask(); d.Outcome != api.Allow {
		t.Errorf("a candidate decides: %+v", d)
	}

	var shadow struct {
		Judged     uint64           `json:"judged"`
		Comparison authz.Comparison `json:"comparison"`
	}
	someone.call(http.MethodPost, api.PathShadow, "ShadowReport", api.ShadowRequest{Generation: candidate.Number}, &shadow)
	for range 5 {
		ask()
	}
	p.Await("the shadow", func() bool {
		someone.call(http.MethodGet, api.PathShadow, "ShadowReport", nil, &shadow)
		return shadow.Judged == 5
	})
	if shadow.Comparison.AllowToDeny != 5 {
		t.Errorf("the shadow: %+v", shadow)
	}
	someone.call(http.MethodDelete, api.PathShadow, "ShadowReport", nil, &shadow)

	var difference struct {
		Files []struct {
			Path string `json:"path"`
		} `json:"files"`
		Decisions authz.Comparison `json:"decisions"`
	}
	someone.call(http.MethodGet, fmt.Sprintf("%s/1/diff/%d?last=100", api.PathGenerations, candidate.Number), "Difference", nil, &difference)
	if len(difference.Files) != 3 || difference.Decisions.AllowToDeny != 18 {
		t.Errorf("the difference: %+v", difference)
	}

	var g authz.Generation
	someone.call(http.MethodPost, fmt.Sprintf("%s/%d/activate", api.PathGenerations, candidate.Number), "Generation", api.ActivateRequest{}, &g)
	denied := ask()
	if !slices.Equal(pdptest.Codes(denied.Reasons), []string{"ACME_FORBIDDEN"}) || denied.Policy.Generation != candidate.Number {
		t.Errorf(`got %+v; want pdptest.Codes(Reasons) []string{"ACME_FORBIDDEN"}, Policy.Generation %d`, denied, candidate.Number)
	}
	var status authz.PolicyStatus
	someone.call(http.MethodGet, api.PathPolicyStatus, "PolicyStatus", nil, &status)
	if status.Active.Generation != candidate.Number || status.Previous != 1 {
		t.Errorf("got %+v; want Active.Generation %d, Previous 1", status, candidate.Number)
	}
	someone.call(http.MethodPost, api.PathRollback, "Generation", api.RollbackRequest{}, &g)
	if d := ask(); d.Outcome != api.Allow || d.Policy.Generation != 1 {
		t.Errorf("after a rollback: %+v", d)
	}

	reviewer := author{p, p.NewKey(authz.RoleReview)}
	var shown struct {
		Record      authz.Record       `json:"record"`
		Explanation *authz.Explanation `json:"explanation"`
	}
	reviewer.call(http.MethodGet, api.PathDecisions+"/"+denied.ID+"?explain=full", "ShownRecord", nil, &shown)
	if shown.Record.Policy.Generation != candidate.Number || shown.Explanation == nil || len(shown.Explanation.Needs) != 1 || shown.Explanation.Needs[0][0].Code != "ACME_FORBIDDEN" {
		t.Errorf("why: %+v", shown)
	}
	var list struct {
		Items []authz.Record `json:"items"`
	}
	reviewer.call(http.MethodGet, api.PathDecisions+"?code=ACME_FORBIDDEN&outcome=deny&guard=acme&subject=mu:user-svc&service=svc:email", "RecordList", nil, &list)
	if len(list.Items) != 1 || list.Items[0].ID != denied.ID {
		t.Errorf("got %+v; want len(Items) 1, Items[0].ID %q", list, denied.ID)
	}
	var chain struct {
		OK      bool   `json:"ok"`
		Records uint64 `json:"records"`
		Changes uint64 `json:"changes"`
	}
	reviewer.call(http.MethodPost, api.PathDecisionsVerify, "VerifyReport", nil, &chain)
	if !chain.OK || chain.Records-chain.Changes != 20 || chain.Changes == 0 {
		t.Errorf("the chain is %+v; want it whole, with 20 decisions and the changes", chain)
	}

	refused := func(key, method, path string) {
		if answer := p.Call(method, p.AdminURL()+path, key, []byte("{}")); answer.Status != http.StatusForbidden {
			t.Errorf("%s %s: got status %d; want status 403", method, path, answer.Status)
		}
	}
	refused(reviewer.key, http.MethodPost, api.PathRollback)
	refused(reviewer.key, http.MethodPost, api.PathGenerations+"/2/activate")
	refused(p.PEP(), http.MethodGet, api.PathDecisions)
	refused(someone.key, http.MethodPost, api.PathGuards+"/network/mode")
}

// TestModesGoUpStepByStep takes a guard down and up again, with the evidence of what
// each step would change, and a rollback.
func TestModesGoUpStepByStep(t *testing.T) {
	t.Parallel()
	p := pdptest.Start(t, pdptest.Settings{Demo: true, At: sunday})
	operate := author{p, p.Operator()}
	set := func(mode string) int {
		return p.Call(http.MethodPost, p.AdminURL()+api.PathGuards+"/entitlement/mode", p.Operator(), marshal(t, api.ModeRequest{Mode: mode})).Status
	}
	guard := func() api.GuardMode {
		var list struct {
			Items []api.GuardMode `json:"items"`
		}
		operate.call(http.MethodGet, api.PathGuards, "GuardList", nil, &list)
		return list.Items[slices.IndexFunc(list.Items, func(g api.GuardMode) bool { return g.Name == "entitlement" })]
	}
	ask := func() api.Decision {
		question := invoiceToAna(p.Token("mu:user-svc"))
		withRecipient(question, "u-ana", "marketing.news")
		return p.Ask(question)
	}
	if d := ask(); d.Outcome != api.Deny {
		t.Fatalf("got %+v; want Outcome Deny", d)
	}
	if got := set(authz.ModeOff); got != http.StatusOK {
		t.Fatal(got)
	}
	if d := ask(); d.Outcome != api.Allow || len(d.WouldDeny) != 0 {
		t.Errorf("off: %+v", d)
	}
	if got := set(authz.ModeEnforce); got != http.StatusConflict {
		t.Errorf("three steps at once: %d", got)
	}
	if got := set(authz.ModeObserve); got != http.StatusOK {
		t.Fatal(got)
	}
	if d := ask(); d.Outcome != api.Allow || !slices.Equal(pdptest.Codes(d.WouldDeny), []string{"RECIPIENT_OPTED_OUT"}) {
		t.Errorf("observe: %+v", d)
	}
	g := guard()
	if g.Mode != authz.ModeObserve || g.Bundle != authz.ModeEnforce || g.Next != authz.ModeFlag || g.Evidence.Denied != 1 || g.Evidence.WouldDeny != 1 || g.Evidence.WouldFlip != 1 || g.Evidence.Edges[0].Name != "mu:user-svc>svc:email" {
		t.Errorf(`got %+v; want Mode "observe", Bundle "enforce", Next "flag", Evidence.Denied 1, Evidence.WouldDeny 1, Evidence.WouldFlip 1, Evidence.Edges[0].Name "mu:user-svc>svc:email"`, g)
	}
	for _, mode := range []string{authz.ModeFlag, authz.ModeEnforce} {
		if got := set(mode); got != http.StatusOK {
			t.Fatal(got)
		}
	}
	if d := ask(); d.Outcome != api.Deny {
		t.Errorf("enforce: %+v", d)
	}
	p.Rollback()
	if d := ask(); d.Outcome != api.Allow || d.WouldDeny[0].Mode != authz.ModeFlag {
		t.Errorf("rolled back to flag: %+v", d)
	}
}
