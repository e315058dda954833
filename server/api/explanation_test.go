package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	wireapi "github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
	"github.com/verdict-pdp/verdict/server/servertest"
)

var explained = &authz.Explanation{
	Guards: []authz.GuardTrace{{
		Guard: "network",
		Rules: []authz.RuleTrace{
			{Name: "data.guards.network.deny", Code: "SOURCE_IP_NOT_ALLOWED", File: "guards/network/network.rego", Line: 12, Outcome: authz.RuleHeld},
			{Name: "data.guards.network.deny", Code: "SOURCE_IP_MISSING", File: "guards/network/network.rego", Line: 30, Outcome: authz.RuleNotHeld, Stopped: &authz.Stop{File: "guards/network/network.rego", Line: 31, Expression: "not input.context.source_ip"}},
		},
	}},
	Rules: []authz.RuleTrace{{Name: "data.verdict.lib.mode", File: "verdict/lib/modes.rego", Line: 3, Outcome: authz.RuleNotTried}},
	Facts: []authz.FactRead{{Collection: authz.Edges, Key: "mu:user-svc/svc:email", Revision: 7}, {Collection: authz.Tenants, Key: "acme"}},
	Needs: [][]authz.Need{{{Code: "SOURCE_IP_NOT_ALLOWED", Guard: "network", Message: "m", Fix: "f", Details: map[string]any{"source_ip": "10.9.9.9"}}}},
}

// The explanation of the wire reads like that of the vocabulary, and is for those
// who asked for it.
func TestExplanation(t *testing.T) {
	decision := denial
	decision.Explanation = explained
	for explain, want := range map[string]*authz.Explanation{"full": explained, "reasons": nil, "none": nil} {
		a := &asker{decision: decision}
		node := start(t, a)
		body := strings.Replace(question, `"reasons"`, `"`+explain+`"`, 1)
		answer := node.Do(servertest.Call{URL: node.Decisions() + wireapi.PathDecide, Key: node.Key(authz.RoleDecide), Body: body})
		var got struct {
			Explanation *authz.Explanation `json:"explanation"`
		}
		if err := ijson.UnmarshalOpen([]byte(answer.Body), &got); err != nil {
			t.Fatalf("%d %s: got error %v; want no error", answer.Status, answer.Body, err)
		}
		if diff := cmp.Diff(want, got.Explanation); diff != "" {
			t.Errorf("%s (-want +got):\n%s", explain, diff)
		}
		if a.requests[0].Explain != authz.Explain(explain) {
			t.Errorf("asked with explain %q", a.requests[0].Explain)
		}
	}
}

// What was not there to be read is an empty list and not null.
func TestExplanationOfNothing(t *testing.T) {
	node := start(t, &asker{decision: authz.Decision{Explanation: &authz.Explanation{}}})
	answer := node.Do(servertest.Call{URL: node.Decisions() + wireapi.PathDecide, Key: node.Key(authz.RoleDecide), Body: strings.Replace(question, `"reasons"`, `"full"`, 1)})
	if want := `"explanation":{"guards":[],"rules":[],"facts":[]}}`; !strings.HasSuffix(answer.Body, want) {
		t.Errorf("got status %d, body %s; want body ending %q", answer.Status, answer.Body, want)
	}
}

// An explanation costs a multiple of a decision, so that a batch has few.
func TestBatchExplainsFew(t *testing.T) {
	const plain, full = `{}`, `{"explain":"full"}`
	tests := map[string]struct {
		defaults string
		items    []string
		field    string // of the refusal; empty when it is asked
	}{
		"ten":                   {items: repeated(full, 10)},
		"ten of many":           {items: append(repeated(plain, 90), repeated(full, 10)...)},
		"eleven":                {items: repeated(full, 11), field: "items[10].explain"},
		"eleven of many":        {items: append(repeated(full, 10), append(repeated(plain, 5), full)...), field: "items[15].explain"},
		"eleven by default":     {defaults: `"explain":"full",`, items: repeated(plain, 11), field: "items[10].explain"},
		"default, but for most": {defaults: `"explain":"full",`, items: append(repeated(`{"explain":"none"}`, 20), plain)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			a := &asker{}
			node := start(t, a)
			body := `{` + test.defaults + `"action":{"name":"a"},"resource":{"type":"service","id":"s"},"items":[` + strings.Join(test.items, ",") + `]}`
			answer := node.Do(servertest.Call{URL: node.Decisions() + wireapi.PathBatch, Key: node.Key(authz.RoleDecide), Body: body})
			status := http.StatusOK
			if test.field != "" {
				status = http.StatusRequestEntityTooLarge
			}
			if answer.Status != status || answer.Problem().Field != test.field || (len(a.batches) == 0) != (test.field != "") {
				t.Errorf("%d %s, asked %d times", answer.Status, answer.Body, len(a.batches))
			}
		})
	}
}

func repeated(item string, times int) []string {
	items := make([]string, times)
	for i := range items {
		items[i] = item
	}
	return items
}
