package engine_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/engine"
)

const goodReason = `"code": "A", "guard": "g", "message": "m", "fix": "f"`

// TestMalformed holds every way a result can be wrong to a deny that says so.
func TestMalformed(t *testing.T) {
	tests := map[string]string{
		`null`:                              "it is null, not an object",
		`true`:                              "it is a boolean, not an object",
		`"allow"`:                           "it is a string, not an object",
		`1`:                                 "it is a number, not an object",
		`{"allow"}`:                         "it is a set, not an object",
		`{1: true}`:                         "it has a member whose name is a number",
		`{"allow": 1}`:                      "allow is a number, not a boolean",
		`{"allow": true, "Allow": true}`:    `it has a member "Allow", which is not part of a decision`,
		`{"allow": true, "reasons": {}}`:    "reasons is an object, not a list",
		`{"allow": true, "reasons": ["A"]}`: "reasons has an element that is a string, not an object",
		`{"allow": false, "reasons": [{"guard": "g", "message": "m", "fix": "f"}]}`:             "reasons has a reason without a code",
		`{"allow": false, "reasons": [{"code": "", "guard": "g", "message": "m", "fix": "f"}]}`: "reasons has a reason without a code",
		`{"allow": false, "reasons": [{"code": "A", "message": "m", "fix": "f"}]}`:              "reasons has a reason without a guard",
		`{"allow": false, "reasons": [{"code": "A", "guard": "g", "fix": "f"}]}`:                "reasons has a reason without a message",
		`{"allow": false, "reasons": [{"code": "A", "guard": "g", "message": "m"}]}`:            "reasons has a reason without a fix",
		`{"allow": false, "reasons": [{` + goodReason + `, "mode": "observe"}]}`:                "reasons.mode is not a member of a reason",
		`{"allow": false, "reasons": [{` + goodReason + `, "status": 600}]}`:                    "reasons.status is not a whole number from 0 to 599",
		`{"allow": false, "reasons": [{` + goodReason + `, "details": []}]}`:                    "reasons.details is an array, not an object",
		`{"allow": false, "reasons": [{` + goodReason + `, "details": {1: 2}}]}`:                "reasons.details has a member whose name is not a string",
		`{"allow": false, "reasons": [{` + goodReason + `, 1: 2}]}`:                             "reasons has a member whose name is a number",
		`{"allow": true, "would_deny": [{` + goodReason + `}]}`:                                 "would_deny has a reason whose mode is neither observe nor flag",
		`{"allow": true, "would_deny": [{` + goodReason + `, "mode": "off"}]}`:                  "would_deny has a reason whose mode is neither observe nor flag",
		`{"allow": true, "obligations": [{"what": "x"}]}`:                                       "obligations has an element without an id",
		`{"allow": true, "obligations": [{"id": 1}]}`:                                           "obligations has an element without an id",
		`{"allow": true, "advice": [1]}`:                                                        "advice has an element that is a number, not an object",
		`{"allow": true, "advice": "x"}`:                                                        "advice is a string, not a list",
		`{"allow": true, "required_level": 6}`:                                                  "required_level is not a whole number from 0 to 5",
		`{"allow": true, "required_level": 2.5}`:                                                "required_level is not a whole number from 0 to 5",
		`{"allow": true, "required_level": "3"}`:                                                "required_level is a string, not a number",
		`{"allow": true, "cacheable_for_s": -1}`:                                                "cacheable_for_s is not a whole number from 0 to 2147483647",
		`{"allow": true, "if_pdp_unreachable": "maybe"}`:                                        "if_pdp_unreachable is neither deny nor allow",
		`{"allow": true, "record": "never"}`:                                                    "record is none of async, spool and required",
		`{"allow": true, "record": ""}`:                                                         "record is none of async, spool and required",
		`{"allow": true, "record": 3}`:                                                          "record is a number, not a string",
		`{"allow": true, "if_pdp_unreachable": true}`:                                           "if_pdp_unreachable is a boolean, not a string",
	}
	for text, wrong := range tests {
		got := engine.Judge(ast.MustParseTerm(text).Value)
		if got.Allow || len(got.Reasons) != 1 || got.Reasons[0].Code != authz.PolicyMalformed {
			t.Errorf("Judge(%s) = %+v, want a deny with %s alone", text, got, authz.PolicyMalformed)
			continue
		}
		if diff := cmp.Diff(map[string]any{"wrong": wrong}, got.Reasons[0].Details); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

func TestWellFormed(t *testing.T) {
	reason := authz.Reason{Code: "A", Guard: "g", Message: "m", Fix: "f"}
	full := reason
	full.Status, full.Details = 403, map[string]any{"a": []any{1, 2.5, "x", nil, true}, "big": 1e300, "b": map[string]any{}}
	other := reason
	other.Guard = "a"
	observed := reason
	observed.Mode = authz.ModeObserve
	tests := map[string]authz.Judgement{
		`{"allow": true}`:                       {Allow: true, IfPDPUnreachable: authz.Deny},
		`{"allow": true, "reasons": []}`:        {Allow: true, IfPDPUnreachable: authz.Deny},
		`{"allow": true, "record": "required"}`: {Allow: true, Record: authz.Required, IfPDPUnreachable: authz.Deny},
		`{"allow": true, "record": "async"}`:    {Allow: true, Record: authz.Async, IfPDPUnreachable: authz.Deny},
		`{"allow": true, "_x": 1}`:              {Allow: true, IfPDPUnreachable: authz.Deny},
		`{"allow": false, "reasons": {{` + goodReason + `}}, "if_pdp_unreachable": "allow"}`: {Reasons: []authz.Reason{reason}, IfPDPUnreachable: authz.Allow},
		`{"allow": false, "reasons": [{` + goodReason + `, "status": 403, "details": {"a": [1, 2.5, "x", null, true], "b": {}, "big": 1e300}}, {"code": "A", "guard": "a", "message": "m", "fix": "f"}]}`: {
			Reasons: []authz.Reason{other, full}, IfPDPUnreachable: authz.Deny},
		`{"allow": true, "would_deny": [{` + goodReason + `, "mode": "observe"}], "required_level": 5, "cacheable_for_s": 0}`: {
			Allow: true, WouldDeny: []authz.Reason{observed}, RequiredLevel: 5, IfPDPUnreachable: authz.Deny},
	}
	for text, want := range tests {
		if diff := cmp.Diff(want, engine.Judge(ast.MustParseTerm(text).Value)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
	if got := engine.Judge(nil); got.Allow || got.Reasons[0].Code != authz.PolicyUndefined {
		t.Errorf("undefined is %+v", got)
	}
}

// FuzzJudge holds whatever a policy may return to the promises every reader of
// a judgement relies on.
func FuzzJudge(f *testing.F) {
	for _, text := range []string{`{"allow": true}`, `{"allow": false, "reasons": [{` + goodReason + `}]}`, `{"allow": true, "would_deny": [{` + goodReason + `, "mode": "flag"}], "obligations": [{"id": "x", "n": 1e400}]}`, `[]`, `{}`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		value, err := engine.DecodeJSON([]byte(text))
		if err != nil {
			return
		}
		got := engine.Judge(value)
		if got.Allow == (len(got.Reasons) > 0) {
			t.Errorf("allow %v with %d reasons", got.Allow, len(got.Reasons))
		}
		if got.Allow && value.(ast.Object).Get(ast.InternedTerm("allow")).Value.Compare(ast.Boolean(true)) != 0 {
			t.Error("allowed what does not say allow")
		}
		for _, r := range append(got.Reasons, got.WouldDeny...) {
			if r.Code == "" || r.Guard == "" || r.Message == "" || r.Fix == "" {
				t.Errorf("incomplete reason %+v", r)
			}
		}
		for _, duty := range append(got.Obligations, got.Advice...) {
			if id, ok := duty["id"].(string); !ok || id == "" {
				t.Errorf("duty without id %v", duty)
			}
		}
		if got.RequiredLevel < 0 || got.RequiredLevel > 5 || got.CacheableForS < 0 || got.IfPDPUnreachable > authz.Allow {
			t.Errorf("out of range: %+v", got)
		}
		if again := engine.Judge(value); fmt.Sprint(again) != fmt.Sprint(got) {
			t.Errorf("judged twice: %+v and %+v", got, again)
		}
	})
}
