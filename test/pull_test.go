package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/test/pdptest"
)

// TestPlainOPAPullsTheBundle has an unchanged `opa run` pull the active bundle with an
// API key, and asks it what the decision log says Verdict's own policy was asked in the
// corpus, of the same data. It decides the same, reason by reason.
func TestPlainOPAPullsTheBundle(t *testing.T) {
	files, err := filepath.Glob("corpus/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	source := pdptest.Start(t, pdptest.Settings{Demo: true, At: sunday, Change: keepExpired})
	opa := pullingOPA(t, source)
	asked := 0
	for _, file := range files {
		c := readCase(t, file)
		p := pdptest.Start(t, pdptest.Settings{Demo: true, At: c.Time.Add(-c.lead()), Change: keepExpired})
		c.run(t, p)
		for collection, entities := range document(t, p) {
			put(t, opa+"/v1/data/"+collection, entities)
		}
		for _, r := range p.Recorded() {
			if r.Judged {
				asked++
				sameAsOPA(t, opa, file, &r)
			}
		}
		for collection := range document(t, p) {
			put(t, opa+"/v1/data/"+collection, map[string]any{})
		}
		p.Stop()
	}
	t.Logf("%d decisions of %d cases, decided by both", asked, len(files))
	if asked < len(files)/2 {
		t.Errorf("only %d decisions were compared", asked)
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
		t.Fatalf("%s: %d %s", url, answer.Status, answer.Body)
	}
}

func callOPA(t *testing.T, method, url string, document any) pdptest.Answer {
	t.Helper()
	return (&pdptest.PDP{T: t}).CallOver(http.DefaultClient, method, url, "", marshal(t, document))
}

func sameAsOPA(t *testing.T, opa, file string, r *authz.Record) {
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
	want := answered{ours.Decision == api.Allow, reasons(ours.Reasons), reasons(ours.WouldDeny), texts(ours.Obligations), texts(ours.Advice), ours.CacheableForS, ours.Trust.Required}
	got := answered{o.Allow, reasons(o.Reasons), reasons(o.WouldDeny), texts(o.Obligations), texts(o.Advice), o.Cacheable, o.Required}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: Verdict and OPA differ on %s:\n%s", file, r.ID, diff)
	}
}
