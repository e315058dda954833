package test

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/config"
	"github.com/verdict-pdp/verdict/policies"
	"github.com/verdict-pdp/verdict/test/pdptest"
)

// markOf is the mark that the active version of guard acme leaves on an answer.
func markOf(p *pdptest.PDP) any {
	p.T.Helper()
	for _, advice := range p.Ask(invoiceToAna(p.Token("mu:user-svc"))).Advice {
		if advice["id"] == "acme" {
			return advice["mark"]
		}
	}
	return nil
}

// TestNodePullsFromNode has one Verdict pull a bundle from another by long poll, and
// have it active as soon as it is active there.
func TestNodePullsFromNode(t *testing.T) {
	t.Parallel()
	leader := pdptest.Start(t, pdptest.Settings{Demo: true, At: sunday})
	leader.Activate(leader.Push("acme", pdptest.Acme("one", "acme.never")).Number)
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	list := file("sources.yaml", fmt.Sprintf("sources:\n  - name: acme\n    url: %s/v1/bundles/acme\n    token_file: %s\n    long_poll: 20s\n    interval: 1s\n",
		leader.AdminURL(), file("key", leader.NewKey(authz.RoleDecide))))
	follower := pdptest.Start(t, pdptest.Settings{Demo: true, At: sunday, Change: func(c *config.Config) { c.Bundles.Sources = list }})
	follower.Await("the first version", func() bool { return markOf(follower) == "one" })
	leader.Activate(leader.Push("acme", pdptest.Acme("two", "acme.never")).Number)
	follower.Await("the second version", func() bool { return markOf(follower) == "two" })

	var status authz.PolicyStatus
	pdptest.Decode(t, follower.Call(http.MethodGet, follower.AdminURL()+api.PathPolicyStatus, follower.Operator(), nil).Body, &status)
	if len(status.Sources) != 1 || status.Sources[0].Error != "" || len(status.Failures) != 0 {
		t.Errorf(`got %+v; want len(Sources) 1, Sources[0].Error "", no Failures`, status)
	}
	follower.Rollback()
	if mark := markOf(follower); mark != "one" {
		t.Errorf("after a rollback the mark is %v", mark)
	}
}

// TestBrokenSourceChangesNothing breaks what a source serves: the version before
// decides on, and readiness, metrics and status say so until a good one comes.
func TestBrokenSourceChangesNothing(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	p := pdptest.Start(t, pdptest.Settings{}) // to pack with
	body := p.Pack(pdptest.Acme("good", "acme.never"))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		w.Write(body)
	}))
	t.Cleanup(server.Close)
	serve := func(content []byte) {
		mu.Lock()
		defer mu.Unlock()
		body = content
	}
	list := filepath.Join(t.TempDir(), "sources.json")
	if err := os.WriteFile(list, []byte(fmt.Sprintf(`{"sources": [{"name": "acme", "url": %q, "interval": "10ms"}]}`, server.URL)), 0o600); err != nil {
		t.Fatal(err)
	}
	node := pdptest.Start(t, pdptest.Settings{Demo: true, At: sunday, Log: io.Discard, Change: func(c *config.Config) { c.Bundles.Sources = list }})
	node.Await("the good version", func() bool { return markOf(node) == "good" })
	warned := func() bool {
		return strings.Contains(string(node.Call(http.MethodGet, node.AdminURL()+api.PathReady, "", nil).Body), `"warnings":["bundles"]`)
	}
	// Who pushes is told; nobody else is warned.
	if answer := node.Call(http.MethodPut, node.AdminURL()+api.PathBundles+"/other", node.Operator(), []byte("nothing"), "Content-Type", "application/gzip"); answer.Status != http.StatusBadRequest {
		t.Errorf("a push of nothing is answered %d, want 400", answer.Status)
	}
	if warned() {
		t.Error("a push that was refused has /readyz warn")
	}
	serve(p.Pack(pdptest.Acme("bad", `" if { data.nothing`)))
	node.Await("a warning", warned)
	if mark := markOf(node); mark != "good" {
		t.Errorf("the mark is %v", mark)
	}
	metrics := string(node.Call(http.MethodGet, node.AdminURL()+api.PathMetrics, node.Operator(), nil).Body)
	if !strings.Contains(metrics, "verdict_policy_failing_bundles 1") {
		t.Error("the metrics do not say so")
	}
	serve(p.Pack(pdptest.Acme("better", "acme.never")))
	node.Await("the better version", func() bool { return markOf(node) == "better" })
	if warned() {
		t.Error("it still warns")
	}
}

// TestRecordsReachASink sends decisions to a server that takes OPA's decision logs and
// is down at first. None is missing, and their order is that of the log.
func TestRecordsReachASink(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var ids []string
	down := true
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if down {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		unzipped, err := gzip.NewReader(r.Body)
		var events []struct {
			DecisionID string `json:"decision_id"`
		}
		if err != nil || json.NewDecoder(unzipped).Decode(&events) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		for _, e := range events {
			ids = append(ids, e.DecisionID)
		}
	}))
	t.Cleanup(server.Close)
	node := pdptest.Start(t, pdptest.Settings{Demo: true, At: sunday, Log: io.Discard, Change: func(c *config.Config) { c.DecisionLog.OPAURL = server.URL }})
	var want []string
	for range 30 {
		want = append(want, node.Ask(invoiceToAna(node.Token("mu:user-svc"))).ID)
	}
	node.Await("a warning", func() bool {
		return strings.Contains(string(node.Call(http.MethodGet, node.AdminURL()+api.PathReady, "", nil).Body), `"warnings":["decision_log_sinks"]`)
	})
	mu.Lock()
	down = false
	mu.Unlock()
	node.Await("every decision", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(ids) >= len(want)
	})
	mu.Lock()
	defer mu.Unlock()
	if got := strings.Join(ids, " "); got != strings.Join(want, " ") {
		t.Errorf("got %s\nwant %s", got, strings.Join(want, " "))
	}
}

// TestBasePoliciesAreWatched edits the folder that a node takes its base policies from:
// what passes the gate is active, without a restart.
func TestBasePoliciesAreWatched(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.CopyFS(dir, withoutTests{policies.Bundle}); err != nil { // running them is not what this is about
		t.Fatal(err)
	}
	node := pdptest.Start(t, pdptest.Settings{Demo: true, At: sunday, Log: io.Discard, Change: func(c *config.Config) { c.Policies = dir }})
	question := invoiceToAna(node.Token("mu:user-svc"))
	if d := node.Ask(question); d.Policy.Generation != 1 || d.Outcome != api.Allow {
		t.Fatalf("got %+v; want Policy.Generation 1, Outcome Allow", d)
	}
	edges := filepath.Join(dir, "guards", "edge", "edge.rego")
	text, err := os.ReadFile(edges)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(edges, append(text, "\n# Edited.\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	node.Await("the edited policies", func() bool { return node.Ask(question).Policy.Generation == 2 })
}
