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
	"github.com/verdict-pdp/verdict/demo"
	"github.com/verdict-pdp/verdict/store"
	"github.com/verdict-pdp/verdict/test/pdptest"
)

// corpusCase is one file of corpus/, as its README describes it.
type corpusCase struct {
	Name    string         `yaml:"name"`
	Row     int            `yaml:"row"`
	About   string         `yaml:"about"`
	Time    time.Time      `yaml:"time"`
	Token   corpusToken    `yaml:"token"`
	Changes []corpusChange `yaml:"changes"`
	Request map[string]any `yaml:"request"`
	Batch   *corpusBatch   `yaml:"batch"`
	Want    *corpusWant    `yaml:"want"`
}

type corpusToken struct {
	Subject    string   `yaml:"subject"`
	Issuer     string   `yaml:"issuer"`
	Audience   []string `yaml:"audience"`
	IssuedAgoS *int     `yaml:"issued_ago_s"`
	ExpiresInS *int     `yaml:"expires_in_s"`
	Tenant     string   `yaml:"tenant"`
	Env        string   `yaml:"env"`
	Methods    []string `yaml:"methods"`
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
	Decision    string           `yaml:"decision"`
	Reasons     []string         `yaml:"reasons"`
	WouldDeny   []string         `yaml:"would_deny"`
	Obligations []map[string]any `yaml:"obligations"`
	Advice      []string         `yaml:"advice"`
}

// TestCorpus asks every case over HTTP and in process; both must answer as the
// case wants, and alike (invariant 8 of docs/design.md section 8).
func TestCorpus(t *testing.T) {
	files, err := filepath.Glob("corpus/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	shared := pdptest.Start(t, pdptest.Settings{Demo: true, At: sunday, Change: keepExpired})
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			c := readCase(t, file)
			p := shared
			if len(c.Changes) > 0 {
				p = pdptest.Start(t, pdptest.Settings{Demo: true, At: c.Time, Change: keepExpired})
				c.change(t, p)
			}
			p.Clock.Set(c.Time)
			c.run(t, p)
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

func (c corpusCase) change(t *testing.T, p *pdptest.PDP) {
	t.Helper()
	for _, change := range c.Changes {
		op := store.Op{Collection: change.Delete, Key: change.ID}
		if change.Put != "" {
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
	token := c.mint(t, p)
	if c.Batch != nil {
		c.runBatch(t, p, token)
		return
	}
	over := askHTTP(t, p, api.PathDecide, withCredential(c.Request, token))
	c.Want.check(t, over)

	inside, err := p.Decide(t.Context(), inProcess(t, c.Request, token))
	if err != nil {
		t.Fatal(err)
	}
	alike(t, inside, over)
}

func (c corpusCase) runBatch(t *testing.T, p *pdptest.PDP, token string) {
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
			inner.Items = append(inner.Items, inProcess(t, whole, token))
		}
	}
	body := withCredential(c.Request, token)
	body["items"], body["semantics"] = items, c.Batch.Semantics
	inner.Semantics = authz.Semantics(c.Batch.Semantics)

	answer := p.Call(http.MethodPost, p.DecisionsURL()+api.PathBatch, p.PEP(), marshal(t, body))
	if answer.Status != http.StatusOK {
		t.Fatalf("%d %s", answer.Status, answer.Body)
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

func (c corpusCase) mint(t *testing.T, p *pdptest.PDP) string {
	t.Helper()
	claims := p.Claims(c.Token.Subject)
	delete(claims, "env")
	claims["iat"] = c.Time.Unix() - int64(orDefault(c.Token.IssuedAgoS, 30))
	claims["exp"] = c.Time.Unix() + int64(orDefault(c.Token.ExpiresInS, 300))
	if c.Token.Audience != nil {
		claims["aud"] = c.Token.Audience
	}
	if c.Token.Issuer != "" && c.Token.Issuer != demo.IssuerID {
		t.Fatalf("this runner signs as %q only", demo.IssuerID)
	}
	for name, value := range map[string]string{"tenant": c.Token.Tenant, "env": c.Token.Env} {
		if value != "" {
			claims[name] = value
		}
	}
	if c.Token.Methods != nil {
		claims["amr"] = c.Token.Methods
	}
	return p.Sign(claims)
}

func orDefault(n *int, fallback int) int {
	if n == nil {
		return fallback
	}
	return *n
}

func (w corpusWant) check(t *testing.T, d api.Decision) {
	t.Helper()
	got := corpusWant{Decision: d.Decision, Reasons: set(pdptest.Codes(d.Reasons)), WouldDeny: set(pdptest.Codes(d.WouldDeny)), Advice: set(dutyIDs(d.Advice))}
	want := corpusWant{Decision: w.Decision, Reasons: set(w.Reasons), WouldDeny: set(w.WouldDeny), Advice: set(w.Advice)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s\nreasons: %+v", diff, d.Reasons)
	}
	byText := cmpopts.SortSlices(func(a, b map[string]any) bool { return text(t, a) < text(t, b) })
	if diff := cmp.Diff(w.Obligations, []map[string]any(d.Obligations), byText, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("obligations: %s", diff)
	}
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

func dutyIDs(duties []api.Duty) []string {
	var ids []string
	for _, d := range duties {
		id, _ := d["id"].(string)
		ids = append(ids, id)
	}
	return ids
}

// alike says whether an answer in process and one over HTTP are the same but for
// their id.
func alike(t *testing.T, inside authz.Decision, over api.Decision) {
	t.Helper()
	var d api.Decision
	convert(t, inside, &d)
	if diff := cmp.Diff(d, over, cmpopts.IgnoreFields(api.Decision{}, "ID"), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("in process and over HTTP differ: %s", diff)
	}
}

func askHTTP(t *testing.T, p *pdptest.PDP, path string, body map[string]any) api.Decision {
	t.Helper()
	answer := p.Call(http.MethodPost, p.DecisionsURL()+path, p.PEP(), marshal(t, body))
	if answer.Status != http.StatusOK {
		t.Fatalf("%d %s", answer.Status, answer.Body)
	}
	var d api.Decision
	unmarshal(t, answer.Body, &d)
	return d
}

func withCredential(request map[string]any, token string) map[string]any {
	body := map[string]any{"credential": map[string]any{"token": token}}
	for name, value := range request {
		body[name] = value
	}
	return body
}

func inProcess(t *testing.T, request map[string]any, token string) authz.Request {
	t.Helper()
	var parts struct {
		Subject  *authz.Subject `json:"subject"`
		Action   authz.Action   `json:"action"`
		Resource authz.Resource `json:"resource"`
		Context  map[string]any `json:"context"`
	}
	convert(t, request, &parts)
	return authz.Request{
		Caller:   authz.Caller{ID: "corpus", Roles: []authz.Role{authz.RoleDecide}},
		Evidence: authz.Evidence{Token: token},
		Subject:  parts.Subject,
		Action:   parts.Action,
		Resource: parts.Resource,
		Context:  parts.Context,
	}
}

// convert moves a value into another shape by way of its JSON.
func convert(t *testing.T, from, to any) {
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

func text(t *testing.T, v any) string { return string(marshal(t, v)) }

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func unmarshal(t *testing.T, data []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
}
