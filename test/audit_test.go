package test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
	"github.com/verdict-pdp/verdict/test/pdptest"
)

// audit reads the whole audit of p, oldest first, as key.
func audit(t *testing.T, p *pdptest.PDP, key string, query string) []authz.AuditedChange {
	t.Helper()
	var all []authz.AuditedChange
	for cursor := ""; ; {
		address := p.AdminURL() + api.PathAudit + "?limit=1000" + query
		if cursor != "" {
			address += "&cursor=" + url.QueryEscape(cursor)
		}
		answer := p.Call(http.MethodGet, address, key, nil)
		var page authz.AuditPage
		if err := json.Unmarshal(answer.Body, &page); err != nil || answer.Status != http.StatusOK {
			t.Fatalf("GET %s answered %d: %s", address, answer.Status, answer.Body)
		}
		all = append(all, page.Items...)
		if cursor = page.NextCursor; cursor == "" {
			slices.Reverse(all)
			return all
		}
	}
}

// TestAuditTellsWhoChangedWhat makes a change of every sort over HTTP, and asks who
// did it.
func TestAuditTellsWhoChangedWhat(t *testing.T) {
	t.Parallel()
	p := pdptest.Start(t, pdptest.Settings{Demo: true, At: sunday})
	reviewer := p.NewKey(authz.RoleReview)
	before := len(audit(t, p, reviewer, ""))
	post := func(path, body string, want int) {
		t.Helper()
		if answer := p.Call(http.MethodPost, p.AdminURL()+path, p.Operator(), []byte(body)); answer.Status != want {
			t.Fatalf("POST %s answered %d, want %d: %s", path, answer.Status, want, answer.Body)
		}
	}

	p.Put(&authz.User{Header: authz.Header{ID: "u-new"}, Tenant: "brightfold"})
	lines := `{"collection":"users","entity":{"id":"u-one","tenant":"brightfold"}}` + "\n"
	if answer := p.Call(http.MethodPost, p.AdminURL()+api.PathImport, p.Operator(), []byte(lines), "Content-Type", api.TypeNDJSON); answer.Status != http.StatusOK {
		t.Fatalf("the import answered %d: %s", answer.Status, answer.Body)
	}
	post(api.PathKeys, `{"name":"gateway","roles":["decide"]}`, http.StatusCreated)
	post(api.PathGuards+"/network/mode", `{"mode":"flag","message":"while the NAT moves"}`, http.StatusOK)
	pushed := p.Push("acme", pdptest.Acme("r1", "acme.never"))
	p.Activate(pushed.Number)
	p.Rollback()
	_, secret := p.NewSecret("mu:user-svc", "")
	p.Put(&authz.RotationSet{Header: authz.Header{ID: "pair"}, Members: []string{"mu:user-svc"}})
	post(api.PathRotationSets+"pair/start", `{}`, http.StatusOK)
	post(api.PathRevoke, `{"by":"subject","of":"mu:user-svc","reason":"it leaked"}`, http.StatusOK)
	refused := p.Call(http.MethodDelete, p.AdminURL()+api.PathV1+"users/u-new", p.PEP(), nil)
	if refused.Status != http.StatusForbidden {
		t.Errorf("a delete with the enforcement point's key answered %d, want 403", refused.Status)
	}
	// What has no key is counted, not recorded.
	if answer := p.Call(http.MethodDelete, p.AdminURL()+api.PathV1+"users/u-new", "vk_pep_"+strings.Repeat("A", 43), nil); answer.Status != http.StatusUnauthorized {
		t.Errorf("a delete without a valid key answered %d, want 401", answer.Status)
	}

	all := audit(t, p, reviewer, "")
	var got []string
	for _, c := range all[before:] {
		of := strings.Trim(string(c.Collection)+" "+c.Key+" "+c.Bundle+" "+c.Guard, " ")
		if c.Kind == authz.ChangeKeyCreate {
			of = string(c.Collection)
		}
		got = append(got, fmt.Sprintf("%s %s %s %s", c.By.Key, c.Kind, c.Outcome, of))
		if c.By.RequestID == "" || c.By.From != "127.0.0.1" || c.By.Name == "" {
			t.Errorf("%s was asked for by %+v, want a name, an address and a request id", c.Kind, c.By)
		}
		if c.Outcome == authz.ChangeMade && c.Revision == 0 && c.Generation == 0 {
			t.Errorf("%s made neither a revision nor a generation: %+v", c.Kind, c)
		}
	}
	want := []string{
		"operator entity.put made users u-new",
		"operator import made",
		"operator key.create made api_keys",
		"operator guard.mode made network",
		"operator bundle.push made acme",
		"operator generation.activate made",
		"operator generation.rollback made",
		"operator secret.create made credentials mu:user-svc.secret.1",
		"operator entity.put made rotation_sets pair",
		"operator rotation.start made rotation_sets pair",
		"operator revoke made revocations subject/mu:user-svc",
		"pep entity.delete refused users u-new",
	}
	for i := range got {
		got[i] = strings.TrimSpace(got[i])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the audit (-want +got):\n%s", diff)
	}

	for query, kinds := range map[string][]string{
		"&by=pep":                     {"entity.delete"},
		"&outcome=refused":            {"entity.delete"},
		"&kind=guard.mode":            {"guard.mode"},
		"&collection=users&key=u-new": {"entity.put", "entity.delete"},
		"&bundle=acme":                {"bundle.push"},
		"&from=" + url.QueryEscape("2100-01-01T00:00:00Z"): nil,
	} {
		var found []string
		for _, c := range audit(t, p, reviewer, query) {
			found = append(found, string(c.Kind))
		}
		if diff := cmp.Diff(kinds, found); diff != "" {
			t.Errorf("audit?%s (-want +got):\n%s", query, diff)
		}
	}

	// Nobody reads it but who may review, and no secret is in it.
	for _, role := range authz.Roles() {
		if answer := p.Call(http.MethodGet, p.AdminURL()+api.PathAudit, p.NewKey(role), nil); (answer.Status == http.StatusOK) != (role == authz.RoleReview) {
			t.Errorf("a key with role %s was answered %d", role, answer.Status)
		}
	}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]string{"the new secret": secret, "the operator's key": p.Operator(), "the enforcement point's key": p.PEP()} {
		if bytes.Contains(text, []byte(s)) {
			t.Errorf("%s is in the audit", name)
		}
	}
	var chain struct {
		OK       bool     `json:"ok"`
		Problems []string `json:"problems"`
	}
	answer := p.Call(http.MethodPost, p.AdminURL()+api.PathDecisionsVerify, p.Operator(), nil)
	if err := json.Unmarshal(answer.Body, &chain); err != nil || !chain.OK {
		t.Errorf("the chain does not hold: %s", answer.Body)
	}
}

// asked is what the kill loop knows of one change it asked for.
type asked struct {
	id string // of the request
	ok bool   // it was acknowledged
}

// TestKilledInChanges ends a node as `kill -9` does, again and again, while it is
// administrated. Each acknowledged change has its record, no recorded change is
// pending once the node is up, each recorded outcome has its change, and what was
// recorded as not made was not.
func TestKilledInChanges(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var mu sync.Mutex
	var all []asked
	rounds := 5
	if os.Getenv("VERDICT_TEST_SOAK") != "" { // make soak
		rounds = 40
	}
	for round := range rounds {
		n := startNode(t, dir)
		n.checkChanges(all)
		ctx, stop := context.WithTimeout(t.Context(), time.Duration(120+90*round%700)*time.Millisecond)
		var busy sync.WaitGroup
		for worker := range 4 {
			busy.Go(func() {
				for i := 0; ctx.Err() == nil; i++ {
					did := n.askForChange(fmt.Sprintf("r%d-w%d-%d", round, worker, i), worker)
					mu.Lock()
					all = append(all, did)
					mu.Unlock()
				}
			})
		}
		<-ctx.Done()
		n.kill()
		stop()
		busy.Wait()
	}
	n := startNode(t, dir)
	made := n.checkChanges(all)
	n.kill()
	acknowledged := 0
	for _, a := range all {
		if a.ok {
			acknowledged++
		}
	}
	t.Logf("%d changes asked for in %d kills, %d acknowledged, %d made", len(all), rounds, acknowledged, made)
	if acknowledged < 10*rounds {
		t.Errorf("%d changes were acknowledged in %d rounds, want at least ten a round", acknowledged, rounds)
	}
}

// askForChange asks for one change, by a request id to find it by. Every worker asks
// for another kind.
func (n *node) askForChange(id string, worker int) asked {
	user := `{"tenant":"brightfold"}`
	method, path, kind, body := http.MethodPut, api.PathV1+"users/u-"+id, api.TypeJSON, []byte(user)
	switch worker {
	case 1:
		method, path, kind = http.MethodPost, api.PathImport, api.TypeNDJSON
		body = fmt.Appendf(nil, `{"collection":"users","entity":{"id":"u-%s","tenant":"brightfold"}}`+"\n", id)
	case 2:
		method, path = http.MethodPost, api.PathKeys
		body = fmt.Appendf(nil, `{"name":"k-%s","roles":["decide"]}`, id)
	case 3:
		var packed bytes.Buffer
		if err := bundles.Pack(&packed, pdptest.Acme(id, "acme.never")); err != nil {
			n.t.Error(err)
		}
		path, kind, body = api.PathBundles+"/acme?activate=true", "application/gzip", packed.Bytes()
	}
	err := n.callAs(id, method, n.admin+path, n.operator, kind, body, nil)
	return asked{id: id, ok: err == nil}
}

// checkChanges holds a node that has just started to the changes that were asked for,
// and gives how many were made.
func (n *node) checkChanges(all []asked) (made int) {
	n.t.Helper()
	byRequest := map[string][]authz.AuditedChange{}
	byID := map[string]authz.AuditedChange{}
	for cursor := ""; ; {
		address := n.admin + api.PathAudit + "?limit=1000"
		if cursor != "" {
			address += "&cursor=" + url.QueryEscape(cursor)
		}
		var page authz.AuditPage
		if err := n.call(http.MethodGet, address, n.operator, "", nil, &page); err != nil {
			n.t.Fatal(err)
		}
		for _, c := range page.Items {
			byRequest[c.By.RequestID] = append(byRequest[c.By.RequestID], c)
			byID[c.ID] = c
			if c.Outcome == authz.ChangePending {
				n.t.Errorf("change %s (%s) is pending after the start, want it settled", c.ID, c.Kind)
			}
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	for _, a := range all {
		recorded := byRequest[a.id]
		if !a.ok {
			continue
		}
		if len(recorded) == 0 || slices.ContainsFunc(recorded, func(c authz.AuditedChange) bool { return c.Outcome != authz.ChangeMade }) {
			n.t.Errorf("the acknowledged change of request %s is recorded as %+v, want made", a.id, recorded)
		}
	}
	wrote := n.written()
	for id := range wrote {
		if c, ok := byID[id]; !ok || c.Outcome != authz.ChangeMade {
			n.t.Errorf("the data has a write of change %s, recorded as %+v, want made", id, c)
		}
	}
	for id, c := range byID {
		if c.Outcome != authz.ChangeMade {
			continue
		}
		made++
		if c.Revision > 0 && c.Kind != authz.ChangeRestore && !wrote[id] {
			n.t.Errorf("change %s (%s) is recorded as made at revision %d, want its write in the data", id, c.Kind, c.Revision)
		}
	}
	return made
}

// written are the ids of the changes whose writes the change feed has.
func (n *node) written() map[string]bool {
	n.t.Helper()
	ids := map[string]bool{}
	for after := uint64(0); ; {
		var page api.ChangeList[json.RawMessage]
		if err := n.call(http.MethodGet, fmt.Sprintf("%s%s?limit=1000&after=%d", n.admin, api.PathChanges, after), n.operator, "", nil, &page); err != nil {
			n.t.Fatal(err)
		}
		for _, c := range page.Changes {
			if c.By != "" {
				ids[c.By] = true
			}
		}
		if after = page.NextAfter; after >= page.Revision {
			return ids
		}
	}
}
