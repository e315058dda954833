package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/test/pdptest"
)

// opaPeer is an unchanged `opa run` that pulled the active bundle with an API key. It is
// asked what the decision log says Verdict's own policy was asked, of the same data,
// and has to decide the same, reason by reason.
type opaPeer struct {
	url string

	mu    sync.Mutex
	seen  map[*pdptest.PDP]uint64 // guarded by mu :: PDP -> newest record compared
	asked int                     // guarded by mu
}

// newOPAPeer pulls from source. When the test ends, so many decisions have to have been
// compared.
func newOPAPeer(t *testing.T, source *pdptest.PDP, atLeast int) *opaPeer {
	t.Helper()
	o := &opaPeer{url: pullingOPA(t, source), seen: map[*pdptest.PDP]uint64{}}
	t.Cleanup(func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		t.Logf("%d decisions, decided by a plain OPA alike", o.asked)
		if o.asked < atLeast {
			t.Errorf("only %d decisions were compared", o.asked)
		}
	})
	return o
}

// compare asks what p recorded since it was last compared.
func (o *opaPeer) compare(t *testing.T, p *pdptest.PDP) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	facts := document(t, p)
	for _, c := range authz.AllCollections() {
		if !c.Fact() {
			continue
		}
		entities := facts[string(c)]
		if entities == nil {
			entities = map[string]any{}
		}
		put(t, o.url+"/v1/data/"+string(c), entities)
	}
	for _, r := range p.Recorded() {
		if r.Judged && r.Seq > o.seen[p] {
			o.asked++
			sameAsOPA(t, o.url, &r)
		}
		o.seen[p] = max(o.seen[p], r.Seq)
	}
}

// pullingOPA is an OPA that pulls the base bundle from p, by long poll.
func pullingOPA(t *testing.T, p *pdptest.PDP) string {
	t.Helper()
	config := filepath.Join(t.TempDir(), "opa.json")
	key := p.NewKey(authz.RoleDecide)
	text := fmt.Sprintf(`{"services": {"verdict": {"url": %q, "credentials": {"bearer": {"token": %q}}}},
		"bundles": {"base": {"service": "verdict", "resource": "v1/bundles/base", "polling": {"long_polling_timeout_seconds": 10}}}}`, p.AdminURL(), key)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return runOPA(t, "--config-file", config)
}

func put(t *testing.T, url string, document any) {
	t.Helper()
	if answer := callOPA(t, http.MethodPut, url, document); answer.Status >= 300 {
		t.Fatalf("%s: got status %d, body %s; want status below 300", url, answer.Status, answer.Body)
	}
}

func callOPA(t *testing.T, method, url string, document any) pdptest.Answer {
	t.Helper()
	return (&pdptest.PDP{T: t}).CallOver(http.DefaultClient, method, url, "", marshal(t, document))
}

func sameAsOPA(t *testing.T, opa string, r *authz.Record) {
	t.Helper()
	answer := callOPA(t, http.MethodPost, opa+"/v1/data/verdict/decision", map[string]json.RawMessage{"input": r.Input})
	var theirs struct {
		Result struct {
			Allow       bool         `json:"allow"`
			Reasons     []api.Reason `json:"reasons"`
			WouldDeny   []api.Reason `json:"would_deny"`
			Obligations []api.Duty   `json:"obligations"`
			Advice      []api.Duty   `json:"advice"`
			Cacheable   int          `json:"cacheable_for_s"`
			Required    int          `json:"required_level"`
		} `json:"result"`
	}
	unmarshal(t, answer.Body, &theirs)
	var ours api.Decision
	unmarshal(t, r.Result, &ours)
	type answered struct {
		Allow                bool
		Reasons, WouldDeny   []string
		Obligations, Advice  []string
		Cacheable, RequiredL int
	}
	texts := func(duties []api.Duty) []string {
		var all []string
		for _, duty := range duties {
			all = append(all, text(t, duty))
		}
		slices.Sort(all)
		return all
	}
	reasons := func(reasons []api.Reason) []string {
		var all []string
		for _, reason := range reasons {
			all = append(all, text(t, reason))
		}
		slices.Sort(all)
		return all
	}
	o := theirs.Result
	if !o.Allow {
		o.Obligations = nil
	}
	want := answered{ours.Outcome == api.Allow, reasons(ours.Reasons), reasons(ours.WouldDeny), texts(ours.Obligations), texts(ours.Advice), ours.CacheableForS, ours.Trust.Required}
	got := answered{o.Allow, reasons(o.Reasons), reasons(o.WouldDeny), texts(o.Obligations), texts(o.Advice), o.Cacheable, o.Required}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Verdict and OPA differ on %s:\n%s", r.ID, diff)
	}
}
