package authz_test

import (
	"cmp"
	"encoding/json"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

// decided has a value in every member.
var decided = authz.Decision{
	ID:      "01J",
	Reasons: []authz.Reason{{Code: "SOURCE_IP_NOT_ALLOWED", Guard: "network", Message: "m", Fix: "f", Status: 403, Details: map[string]any{"source_ip": "10.9.9.9"}}},
	WouldDeny: []authz.Reason{
		{Code: "OUTSIDE_TIME_WINDOW", Guard: "schedule", Message: "m", Mode: authz.ModeObserve},
	},
	Obligations:      []authz.Duty{{"id": "use_address", "address_id": "a1"}},
	Advice:           []authz.Duty{{"id": "renew_token", "within_s": 240}},
	Trust:            authz.Trust{Level: 3, Required: 4, Freshness: authz.Fresh},
	Policy:           authz.PolicyRef{Generation: 17, Digest: "sha256:ab"},
	DataRevision:     4815,
	CacheableForS:    5,
	IfPDPUnreachable: authz.Deny,
	KeysRead:         19,
	Subject:          "mu:user-svc",
	Credential:       "cred-81",
	Durability:       authz.Spool,
	Explanation: &authz.Explanation{
		Guards: []authz.GuardTrace{{
			Guard: "network",
			Rules: []authz.RuleTrace{
				{Name: "data.guards.network.deny", Code: "SOURCE_IP_NOT_ALLOWED", File: "network.rego", Line: 12, Outcome: authz.RuleHeld},
				{Name: "data.guards.network.deny", File: "network.rego", Line: 30, Outcome: authz.RuleNotHeld, Stopped: &authz.Stop{File: "network.rego", Line: 31, Expression: "not input.context.source_ip"}},
			},
		}},
		Rules: []authz.RuleTrace{{Name: "data.verdict.lib.mode", File: "modes.rego", Line: 3, Outcome: authz.RuleNotTried}},
		Facts: []authz.FactRead{{Collection: authz.Edges, Key: "mu:user-svc/svc:email", Revision: 7}, {Collection: authz.Tenants, Key: "acme"}},
		Needs: [][]authz.Need{{{Code: "SOURCE_IP_NOT_ALLOWED", Guard: "network", Message: "m", Fix: "f", Details: map[string]any{"source_ip": "10.9.9.9"}}}, {{Code: "X", Guard: "g"}}},
	},
}

// onTheWire is decisions and the bytes that callers are sent for them: with explain
// reasons, and with none and full where that differs.
var onTheWire = []struct {
	name             string
	decision         authz.Decision
	said, none, full string
}{
	{
		name:     "zero",
		decision: authz.Decision{},
		said:     `{"id":"","decision":"deny","reasons":[],"trust":{"level":0,"required":0},"policy":{"generation":0,"digest":""},"data_revision":0,"cacheable_for_s":0,"if_pdp_unreachable":"deny"}`,
	},
	{
		name:     "bare allow",
		decision: authz.Decision{ID: "01J", Outcome: authz.Allow},
		said:     `{"id":"01J","decision":"allow","reasons":[],"trust":{"level":0,"required":0},"policy":{"generation":0,"digest":""},"data_revision":0,"cacheable_for_s":0,"if_pdp_unreachable":"deny"}`,
	},
	{
		name:     "outcome that is neither",
		decision: authz.Decision{Outcome: 7},
		said:     `{"id":"","decision":"deny","reasons":[],"trust":{"level":0,"required":0},"policy":{"generation":0,"digest":""},"data_revision":0,"cacheable_for_s":0,"if_pdp_unreachable":"deny"}`,
	},
	{
		name:     "empty lists",
		decision: authz.Decision{Reasons: []authz.Reason{}, WouldDeny: []authz.Reason{}, Obligations: []authz.Duty{}, Advice: []authz.Duty{}},
		said:     `{"id":"","decision":"deny","reasons":[],"trust":{"level":0,"required":0},"policy":{"generation":0,"digest":""},"data_revision":0,"cacheable_for_s":0,"if_pdp_unreachable":"deny"}`,
	},
	{
		name:     "full deny",
		decision: decided,
		said:     `{"id":"01J","decision":"deny","reasons":[{"code":"SOURCE_IP_NOT_ALLOWED","guard":"network","message":"m","fix":"f","status":403,"details":{"source_ip":"10.9.9.9"}}],"would_deny":[{"code":"OUTSIDE_TIME_WINDOW","guard":"schedule","message":"m","mode":"observe"}],"obligations":[{"address_id":"a1","id":"use_address"}],"advice":[{"id":"renew_token","within_s":240}],"trust":{"level":3,"required":4,"freshness":"fresh"},"policy":{"generation":17,"digest":"sha256:ab"},"data_revision":4815,"cacheable_for_s":5,"if_pdp_unreachable":"deny"}`,
		none:     `{"id":"01J","decision":"deny","reasons":[{"code":"SOURCE_IP_NOT_ALLOWED","guard":"network","status":403}],"would_deny":[{"code":"OUTSIDE_TIME_WINDOW","guard":"schedule","mode":"observe"}],"obligations":[{"address_id":"a1","id":"use_address"}],"advice":[{"id":"renew_token","within_s":240}],"trust":{"level":3,"required":4,"freshness":"fresh"},"policy":{"generation":17,"digest":"sha256:ab"},"data_revision":4815,"cacheable_for_s":5,"if_pdp_unreachable":"deny"}`,
		full:     `{"id":"01J","decision":"deny","reasons":[{"code":"SOURCE_IP_NOT_ALLOWED","guard":"network","message":"m","fix":"f","status":403,"details":{"source_ip":"10.9.9.9"}}],"would_deny":[{"code":"OUTSIDE_TIME_WINDOW","guard":"schedule","message":"m","mode":"observe"}],"obligations":[{"address_id":"a1","id":"use_address"}],"advice":[{"id":"renew_token","within_s":240}],"trust":{"level":3,"required":4,"freshness":"fresh"},"policy":{"generation":17,"digest":"sha256:ab"},"data_revision":4815,"cacheable_for_s":5,"if_pdp_unreachable":"deny","explanation":{"guards":[{"guard":"network","rules":[{"name":"data.guards.network.deny","code":"SOURCE_IP_NOT_ALLOWED","file":"network.rego","line":12,"outcome":"held"},{"name":"data.guards.network.deny","file":"network.rego","line":30,"outcome":"not_held","stopped":{"file":"network.rego","line":31,"expression":"not input.context.source_ip"}}]}],"rules":[{"name":"data.verdict.lib.mode","file":"modes.rego","line":3,"outcome":"not_tried"}],"facts":[{"collection":"edges","key":"mu:user-svc/svc:email","revision":7},{"collection":"tenants","key":"acme"}],"needs":[[{"code":"SOURCE_IP_NOT_ALLOWED","guard":"network","message":"m","fix":"f","details":{"source_ip":"10.9.9.9"}}],[{"code":"X","guard":"g"}]]}}`,
	},
	{
		name: "allow that would be denied",
		decision: authz.Decision{
			ID: "01J", Outcome: authz.Allow,
			WouldDeny:    []authz.Reason{{Code: "OUTSIDE_TIME_WINDOW", Guard: "schedule", Message: "m", Mode: authz.ModeFlag}},
			Trust:        authz.Trust{Level: 3, Required: 3, Freshness: authz.Stale},
			DataRevision: 1 << 60, CacheableForS: 30, IfPDPUnreachable: authz.Allow,
		},
		said: `{"id":"01J","decision":"allow","reasons":[],"would_deny":[{"code":"OUTSIDE_TIME_WINDOW","guard":"schedule","message":"m","mode":"flag"}],"trust":{"level":3,"required":3,"freshness":"stale"},"policy":{"generation":0,"digest":""},"data_revision":1152921504606846976,"cacheable_for_s":30,"if_pdp_unreachable":"allow"}`,
		none: `{"id":"01J","decision":"allow","reasons":[],"would_deny":[{"code":"OUTSIDE_TIME_WINDOW","guard":"schedule","mode":"flag"}],"trust":{"level":3,"required":3,"freshness":"stale"},"policy":{"generation":0,"digest":""},"data_revision":1152921504606846976,"cacheable_for_s":30,"if_pdp_unreachable":"allow"}`,
	},
	{
		name:     "duties of nothing",
		decision: authz.Decision{Obligations: []authz.Duty{nil, {}}, Advice: []authz.Duty{{"id": nil}}},
		said:     `{"id":"","decision":"deny","reasons":[],"obligations":[{},{}],"advice":[{"id":null}],"trust":{"level":0,"required":0},"policy":{"generation":0,"digest":""},"data_revision":0,"cacheable_for_s":0,"if_pdp_unreachable":"deny"}`,
	},
	{
		name:     "reason of nothing",
		decision: authz.Decision{Reasons: []authz.Reason{{}}, WouldDeny: []authz.Reason{{Details: map[string]any{}}}},
		said:     `{"id":"","decision":"deny","reasons":[{"code":"","guard":""}],"would_deny":[{"code":"","guard":""}],"trust":{"level":0,"required":0},"policy":{"generation":0,"digest":""},"data_revision":0,"cacheable_for_s":0,"if_pdp_unreachable":"deny"}`,
	},
	{
		name:     "text that JSON escapes",
		decision: authz.Decision{ID: "<&>\u2028\"\\\x00", Reasons: []authz.Reason{{Code: "É", Message: "a\tb\n</script>", Details: map[string]any{"ü": "\u2029", "": nil}}}},
		said:     "{\"id\":\"<&>\u2028\\\"\\\\\\u0000\",\"decision\":\"deny\",\"reasons\":[{\"code\":\"É\",\"guard\":\"\",\"message\":\"a\\tb\\n</script>\",\"details\":{\"\":null,\"ü\":\"\u2029\"}}],\"trust\":{\"level\":0,\"required\":0},\"policy\":{\"generation\":0,\"digest\":\"\"},\"data_revision\":0,\"cacheable_for_s\":0,\"if_pdp_unreachable\":\"deny\"}",
		none:     "{\"id\":\"<&>\u2028\\\"\\\\\\u0000\",\"decision\":\"deny\",\"reasons\":[{\"code\":\"É\",\"guard\":\"\"}],\"trust\":{\"level\":0,\"required\":0},\"policy\":{\"generation\":0,\"digest\":\"\"},\"data_revision\":0,\"cacheable_for_s\":0,\"if_pdp_unreachable\":\"deny\"}",
	},
	{
		name:     "numbers and depth",
		decision: authz.Decision{Reasons: []authz.Reason{{Details: map[string]any{"f": 1e300, "i": 3, "n": 0.1, "deep": []any{nil, true, map[string]any{"b": 1, "a": []any{}}}}}}},
		said:     `{"id":"","decision":"deny","reasons":[{"code":"","guard":"","details":{"deep":[null,true,{"a":[],"b":1}],"f":1e+300,"i":3,"n":0.1}}],"trust":{"level":0,"required":0},"policy":{"generation":0,"digest":""},"data_revision":0,"cacheable_for_s":0,"if_pdp_unreachable":"deny"}`,
		none:     `{"id":"","decision":"deny","reasons":[{"code":"","guard":""}],"trust":{"level":0,"required":0},"policy":{"generation":0,"digest":""},"data_revision":0,"cacheable_for_s":0,"if_pdp_unreachable":"deny"}`,
	},
	{
		name:     "what the node keeps",
		decision: authz.Decision{KeysRead: 9, Subject: "mu:secret", Credential: "cred-secret", Durability: authz.Required},
		said:     `{"id":"","decision":"deny","reasons":[],"trust":{"level":0,"required":0},"policy":{"generation":0,"digest":""},"data_revision":0,"cacheable_for_s":0,"if_pdp_unreachable":"deny"}`,
	},
	{
		name:     "explanation of nothing",
		decision: authz.Decision{Explanation: &authz.Explanation{}},
		said:     `{"id":"","decision":"deny","reasons":[],"trust":{"level":0,"required":0},"policy":{"generation":0,"digest":""},"data_revision":0,"cacheable_for_s":0,"if_pdp_unreachable":"deny"}`,
		full:     `{"id":"","decision":"deny","reasons":[],"trust":{"level":0,"required":0},"policy":{"generation":0,"digest":""},"data_revision":0,"cacheable_for_s":0,"if_pdp_unreachable":"deny","explanation":{"guards":[],"rules":[],"facts":[]}}`,
	},
	{
		name: "explanation of empty lists",
		decision: authz.Decision{Explanation: &authz.Explanation{
			Guards: []authz.GuardTrace{{}}, Rules: []authz.RuleTrace{{Stopped: &authz.Stop{}}}, Facts: []authz.FactRead{{}}, Needs: [][]authz.Need{nil, {}, {{}}},
		}},
		said: `{"id":"","decision":"deny","reasons":[],"trust":{"level":0,"required":0},"policy":{"generation":0,"digest":""},"data_revision":0,"cacheable_for_s":0,"if_pdp_unreachable":"deny"}`,
		full: `{"id":"","decision":"deny","reasons":[],"trust":{"level":0,"required":0},"policy":{"generation":0,"digest":""},"data_revision":0,"cacheable_for_s":0,"if_pdp_unreachable":"deny","explanation":{"guards":[{"guard":"","rules":[]}],"rules":[{"name":"","file":"","line":0,"outcome":"","stopped":{"file":"","line":0,"expression":""}}],"facts":[{"collection":"","key":""}],"needs":[[],[],[{"code":"","guard":""}]]}}`,
	},
}

func TestDecisionOnTheWire(t *testing.T) {
	for _, test := range onTheWire {
		wants := map[authz.Explain]string{
			"":                   test.said,
			authz.ExplainReasons: test.said,
			authz.ExplainNone:    cmp.Or(test.none, test.said),
			authz.ExplainFull:    cmp.Or(test.full, test.said),
		}
		for explain, want := range wants {
			t.Run(test.name+", explain "+string(explain), func(t *testing.T) {
				before := written(t, test.decision)
				answer := test.decision.Explained(explain)
				if diff := gocmp.Diff(want, written(t, &answer)); diff != "" {
					t.Errorf("sent (-want +got):\n%s", diff)
				}
				if diff := gocmp.Diff(before, written(t, test.decision)); diff != "" {
					t.Errorf("the decision itself was changed (-before +after):\n%s", diff)
				}
			})
		}
	}
}

// What an enforcement point reads is what was sent, and nothing of what the node keeps
// to itself.
func TestDecisionReadFromTheWire(t *testing.T) {
	var got authz.Decision
	if err := ijson.Unmarshal([]byte(written(t, decided)), &got); err != nil {
		t.Fatal(err)
	}
	want := decided
	want.KeysRead, want.Subject, want.Credential, want.Durability = 0, "", "", ""
	want.Advice = []authz.Duty{{"id": "renew_token", "within_s": 240.0}}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
}

// Whatever is no allow is read as a deny, in what was decided and in what to do when
// nothing is: by the reader of this node, and by that of a caller written in Go.
func TestOnlyAllowIsReadAsAllow(t *testing.T) {
	readers := map[string]func([]byte, any) error{"ijson": ijson.UnmarshalOpen, "encoding/json": json.Unmarshal}
	denies := []string{
		`"deny"`, `""`, `"Allow"`, `"ALLOW"`, `" allow"`, `"allow\u0000"`, `"permit"`, `"maybe"`,
		`null`, `true`, `1`, `["allow"]`, `{"allow":true}`,
	}
	for name, read := range readers {
		for _, said := range denies {
			var got authz.Decision
			err := read([]byte(`{"decision":`+said+`,"if_pdp_unreachable":`+said+`}`), &got)
			if got.Outcome != authz.Deny || got.IfPDPUnreachable != authz.Deny {
				t.Errorf("%s reads %s as %s, and if_pdp_unreachable as %s (error %v), want deny and deny", name, said, got.Outcome, got.IfPDPUnreachable, err)
			}
		}
		var got authz.Decision
		if err := read([]byte(`{"decision":"allow","if_pdp_unreachable":"allow"}`), &got); err != nil {
			t.Fatalf("%s: got error %v; want no error", name, err)
		}
		if got.Outcome != authz.Allow || got.IfPDPUnreachable != authz.Allow {
			t.Errorf(`%s reads "allow" as %s, and if_pdp_unreachable as %s, want allow and allow`, name, got.Outcome, got.IfPDPUnreachable)
		}
	}
}

func written(t *testing.T, v any) string {
	t.Helper()
	data, err := ijson.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestStatusesOfReasonCodes(t *testing.T) {
	for code, want := range map[authz.ReasonCode]int{
		authz.TokenInvalid: 401, authz.TokenBindingMismatch: 401, authz.IssuerUntrusted: 401, authz.CredentialMissing: 401, authz.CredentialUnknown: 401,
		authz.RateLimited: 429, authz.IssuerUnavailable: 503, authz.SubjectMismatch: 403,
		authz.PolicyUndefined: 403, authz.PolicyConflict: 403, authz.PolicyError: 403, authz.PolicyTimeout: 403, authz.PolicyOverBudget: 403, authz.PolicyMalformed: 403,
		authz.PolicyMissing: 503, authz.NotRecorded: 503, authz.DefaultDeny: 403,
	} {
		if got := code.Status(); got != want {
			t.Errorf("status of %s: %d, want %d", code, got, want)
		}
	}
}
