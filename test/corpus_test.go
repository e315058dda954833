package test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.yaml.in/yaml/v3"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/config"
	"github.com/verdict-pdp/verdict/store"
	"github.com/verdict-pdp/verdict/test/pdptest"
)

// corpusCase is one file of corpus/, as its README describes it.
type corpusCase struct {
	Name  string    `yaml:"name"`
	Row   int       `yaml:"row"`
	About string    `yaml:"about"`
	Time  time.Time `yaml:"time"`

	corpusWorld `yaml:",inline"`
	Changes     []corpusChange `yaml:"changes"`

	corpusEvidence `yaml:",inline"`
	Request        map[string]any `yaml:"request"`
	Batch          *corpusBatch   `yaml:"batch"`
	Want           *corpusWant    `yaml:"want"`
}

type corpusChange struct {
	Put    authz.Collection `yaml:"put"`
	Entity map[string]any   `yaml:"entity"`
	Delete authz.Collection `yaml:"delete"`
	ID     string           `yaml:"id"`
}

type corpusBatch struct {
	Semantics string           `yaml:"semantics"`
	Times     int              `yaml:"times"`
	Items     []map[string]any `yaml:"items"` // each with its want
}

type corpusWant struct {
	Decision    string     `yaml:"decision"`
	Reasons     []string   `yaml:"reasons"`
	Causes      []string   `yaml:"causes"`
	WouldDeny   []string   `yaml:"would_deny"`
	Obligations []api.Duty `yaml:"obligations"`
	Advice      []any      `yaml:"advice"` // an id, or the whole object
	Level       *int       `yaml:"level"`
	Freshness   string     `yaml:"freshness"`
}

// TestCorpus asks every case over HTTP and in process; both must answer as the
// case wants, and alike (invariant 8 of docs/design.md section 8). A plain OPA that
// pulled the bundle has to decide the same.
func TestCorpus(t *testing.T) {
	files, err := filepath.Glob("corpus/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	shared := pdptest.Start(t, pdptest.Settings{Demo: true, At: sunday, Change: keepExpired})
	opa := newOPAPeer(t, shared, 5*len(files))
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			c := readCase(t, file)
			p := shared
			if len(c.Changes) > 0 || c.peopled() || c.Proof {
				t.Parallel()
				p = pdptest.Start(t, pdptest.Settings{Demo: true, At: c.Time.Add(-c.lead()), Change: keepExpired})
			}
			c.run(t, p)
			opa.compare(t, p)
		})
	}
}

// keepExpired keeps the sweeper from making a revision between two questions of
// a case that is set months after the demo data's time.
func keepExpired(c *config.Config) { c.Store.ExpiredRetention = 10 * 365 * 24 * time.Hour }

func readCase(t *testing.T, file string) corpusCase {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var c corpusCase
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&c); err != nil {
		t.Fatal(err)
	}
	if c.Time.IsZero() || (c.Want == nil) == (c.Batch == nil) {
		t.Fatal("a case has a time, and either a want or a batch")
	}
	return c
}

// change makes the case's changes. The name $kid is that of the demo issuer's key.
func (c corpusCase) change(t *testing.T, p *pdptest.PDP) {
	t.Helper()
	for _, change := range c.Changes {
		op := store.Op{Collection: change.Delete, Key: change.ID}
		if change.Put != "" {
			if change.Entity["name"] == "$kid" {
				change.Entity["name"] = p.Signer().KeyID()
			}
			op = store.Op{Entity: change.Put.New()}
			convert(t, change.Entity, op.Entity)
		}
		if _, err := p.Apply(t.Context(), []store.Op{op}); err != nil {
			t.Fatal(err)
		}
	}
}

func (c corpusCase) run(t *testing.T, p *pdptest.PDP) {
	t.Helper()
	w := c.begin(t, p)
	if c.Batch != nil {
		c.runBatch(t, p, w.evidence())
		return
	}
	over := askHTTP(t, p, api.PathDecide, withCredential(t, c.Request, w.evidence()))
	c.Want.check(t, over)

	inside, err := p.Decide(t.Context(), inProcess(t, c.Request, w.evidence()))
	if err != nil {
		t.Fatal(err)
	}
	alike(t, inside, over)
}

func (c corpusCase) runBatch(t *testing.T, p *pdptest.PDP, evidence authz.Evidence) {
	t.Helper()
	var wants []corpusWant
	var items []map[string]any
	var inner authz.Batch
	for range max(c.Batch.Times, 1) {
		for _, item := range c.Batch.Items {
			var want corpusWant
			convertYAML(t, item["want"], &want)
			wants = append(wants, want)
			bare := map[string]any{}
			whole := map[string]any{}
			for name, value := range c.Request {
				whole[name] = value
			}
			for name, value := range item {
				if name != "want" {
					bare[name], whole[name] = value, value
				}
			}
			items = append(items, bare)
			inner.Items = append(inner.Items, inProcess(t, whole, evidence))
		}
	}
	body := withCredential(t, c.Request, evidence)
	body["items"], body["semantics"] = items, c.Batch.Semantics
	inner.Semantics = authz.Semantics(c.Batch.Semantics)

	answer := p.Call(http.MethodPost, p.DecisionsURL()+api.PathBatch, p.PEP(), marshal(t, body))
	if answer.Status != http.StatusOK {
		t.Fatalf("got status %d, body %s; want status 200", answer.Status, answer.Body)
	}
	var over api.BatchResponse
	unmarshal(t, answer.Body, &over)
	inside, err := p.DecideBatch(t.Context(), inner)
	if err != nil {
		t.Fatal(err)
	}
	if len(over.Decisions) != len(wants) || len(inside) != len(wants) {
		t.Fatalf("%d decisions over HTTP, %d in process, want %d", len(over.Decisions), len(inside), len(wants))
	}
	ids := map[string]bool{}
	for i, want := range wants {
		want.check(t, over.Decisions[i])
		alike(t, inside[i], over.Decisions[i])
		ids[over.Decisions[i].ID] = true
		// One question asked alone gets the answer it got in the batch.
		if i < len(c.Batch.Items) {
			alone, err := p.Decide(t.Context(), inner.Items[i])
			if err != nil {
				t.Fatal(err)
			}
			alike(t, alone, over.Decisions[i])
		}
	}
	if len(ids) != len(wants) {
		t.Errorf("%d ids for %d decisions", len(ids), len(wants))
	}
}

func (w *corpusWant) check(t *testing.T, d api.Decision) {
	t.Helper()
	got := corpusWant{Decision: d.Outcome.String(), Reasons: set(pdptest.Codes(d.Reasons)), WouldDeny: set(pdptest.Codes(d.WouldDeny))}
	want := corpusWant{Decision: w.Decision, Reasons: set(w.Reasons), WouldDeny: set(w.WouldDeny)}
	if w.Causes != nil {
		got.Causes, want.Causes = set(causes(d.Reasons)), set(w.Causes)
	}
	if w.Level != nil {
		got.Level, want.Level = &d.Trust.Level, w.Level
	}
	if w.Freshness != "" {
		got.Freshness, want.Freshness = d.Trust.Freshness, w.Freshness
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s\nreasons: %+v", diff, d.Reasons)
	}
	if diff := cmp.Diff(w.adviceTexts(t), w.shownAdvice(t, d.Advice)); diff != "" {
		t.Errorf("advice: %s", diff)
	}
	byText := cmpopts.SortSlices(func(a, b api.Duty) bool { return text(t, a) < text(t, b) })
	if diff := cmp.Diff(w.Obligations, d.Obligations, byText, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("obligations: %s", diff)
	}
}

// adviceTexts is the advice wanted, as JSON: the id, or the whole object.
func (w *corpusWant) adviceTexts(t *testing.T) []string {
	var texts []string
	for _, advice := range w.Advice {
		texts = append(texts, text(t, advice))
	}
	return set(texts)
}

// shownAdvice is the advice given, by its id unless it is wanted whole.
func (w *corpusWant) shownAdvice(t *testing.T, given []api.Duty) []string {
	whole := map[any]bool{} // :: id -> wanted whole
	for _, advice := range w.Advice {
		if object, ok := advice.(map[string]any); ok {
			whole[object["id"]] = true
		}
	}
	var texts []string
	for _, duty := range given {
		if whole[duty["id"]] {
			texts = append(texts, text(t, duty))
		} else {
			texts = append(texts, text(t, duty["id"]))
		}
	}
	return set(texts)
}

func causes(reasons []api.Reason) []string {
	var all []string
	for _, r := range reasons {
		if cause, ok := r.Details["cause"].(string); ok {
			all = append(all, cause)
		}
	}
	return all
}

// set sorts and drops repetitions; nil for none.
func set(codes []string) []string {
	if len(codes) == 0 {
		return nil
	}
	sorted := slices.Clone(codes)
	slices.Sort(sorted)
	return slices.Compact(sorted)
}

// alike reports whether an answer in process and one over HTTP are the same but for
// their id. The one in process is the later: the first use of a credential is written
// down, and that write may fall between the two.
func alike(t *testing.T, inside authz.Decision, over api.Decision) {
	t.Helper()
	var d api.Decision
	convert(t, inside, &d)
	if diff := cmp.Diff(d, over, cmpopts.IgnoreFields(api.Decision{}, "ID", "DataRevision"), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("in process and over HTTP differ: %s", diff)
	}
	if d.DataRevision < over.DataRevision {
		t.Errorf("the later answer is of revision %d, the earlier of %d", d.DataRevision, over.DataRevision)
	}
}

func askHTTP(t *testing.T, p *pdptest.PDP, path string, body map[string]any) api.Decision {
	t.Helper()
	key := p.PEP()
	if credential, ok := body["credential"].(map[string]any); ok && credential["certificate"] != nil {
		key = p.Asserting()
	}
	answer := p.Call(http.MethodPost, p.DecisionsURL()+path, key, marshal(t, body))
	if answer.Status != http.StatusOK {
		t.Fatalf("got status %d, body %s; want status 200", answer.Status, answer.Body)
	}
	var d api.Decision
	unmarshal(t, answer.Body, &d)
	return d
}

func withCredential(t *testing.T, request map[string]any, evidence authz.Evidence) map[string]any {
	t.Helper()
	body := map[string]any{"credential": pdptest.Wire(t, evidence)}
	for name, value := range request {
		body[name] = value
	}
	return body
}

func inProcess(t *testing.T, request map[string]any, evidence authz.Evidence) authz.Request {
	t.Helper()
	var parts struct {
		Subject  *authz.Subject `json:"subject"`
		Action   authz.Action   `json:"action"`
		Resource authz.Resource `json:"resource"`
		Context  map[string]any `json:"context"`
	}
	convert(t, request, &parts)
	return authz.Request{
		Caller:   authz.Caller{ID: "corpus", Roles: []authz.Role{authz.RoleDecide, authz.RoleAssertCertificates}},
		Evidence: evidence,
		Subject:  parts.Subject,
		Action:   parts.Action,
		Resource: parts.Resource,
		Context:  parts.Context,
	}
}

// convert moves a value into another shape by way of its JSON.
func convert(t testing.TB, from, to any) {
	t.Helper()
	unmarshal(t, marshal(t, from), to)
}

func convertYAML(t *testing.T, from, to any) {
	t.Helper()
	document, err := yaml.Marshal(from)
	if err != nil {
		t.Fatal(err)
	}
	d := yaml.NewDecoder(bytes.NewReader(document))
	d.KnownFields(true)
	if err := d.Decode(to); err != nil && err != io.EOF {
		t.Fatal(err)
	}
}

func text(t testing.TB, v any) string { return string(marshal(t, v)) }

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func unmarshal(t testing.TB, data []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatalf("%s: got error %v; want no error", data, err)
	}
}
