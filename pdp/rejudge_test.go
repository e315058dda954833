package pdp_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/pdp"
)

// TestRejudge makes the recorded decision again, byte for byte, from the record.
func TestRejudge(t *testing.T) {
	s := newStage(t)
	s.judgement.RequiredLevel, s.judgement.Advice = 2, []authz.Duty{{"id": "renew_token", "within_s": 240}}
	d, err := s.pdp().Decide(t.Context(), request())
	if err != nil {
		t.Fatal(err)
	}
	was, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	record := &authz.Record{ID: d.ID, Subject: d.Subject, Trust: d.Trust, Judged: true, Input: json.RawMessage(`{"q":1}`), Result: was}
	closed := 0
	policy := &rejudger{judgement: s.judgement}
	again, err := pdp.Rejudge(t.Context(), policy, record, view{revision: 7, closed: &closed})
	if err != nil {
		t.Fatal(err)
	}
	now, err := json.Marshal(again)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(was), string(now)); diff != "" || string(policy.input) != `{"q":1}` {
		t.Errorf("input %s, want that of the record; decision (-recorded +now):\n%s", policy.input, diff)
	}
}

func TestRejudgeLeavesWhatNoPolicyJudged(t *testing.T) {
	record := &authz.Record{Result: json.RawMessage(`{"id":"x","decision":"deny","reasons":[{"code":"TOKEN_INVALID","guard":"token"}]}`)}
	d, err := pdp.Rejudge(t.Context(), &rejudger{judgement: authz.Judgement{Allow: true}}, record, nil)
	if err != nil || d.Outcome == authz.Allow || len(d.Reasons) != 1 {
		t.Errorf("decision %+v, error %v; want the deny that was recorded", d, err)
	}
}

func TestRejudgeWithoutInput(t *testing.T) {
	_, err := pdp.Rejudge(t.Context(), &rejudger{}, &authz.Record{Judged: true, InputError: "the mask failed"}, nil)
	if authz.CodeOf(err) != authz.CodeInvalid {
		t.Errorf("error %v, want code %q", err, authz.CodeInvalid)
	}
}

// rejudger answers with a fixed judgement.
type rejudger struct {
	judgement authz.Judgement
	input     []byte
}

func (r *rejudger) Policy() authz.PolicyRef {
	return authz.PolicyRef{Generation: 3, Digest: "sha256:aa"}
}

func (r *rejudger) EvaluateInput(_ context.Context, input []byte, _ authz.Facts) authz.Judgement {
	r.input = input
	return r.judgement
}
