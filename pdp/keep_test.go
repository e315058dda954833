package pdp_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/pdp"
)

func TestEntryRecorded(t *testing.T) {
	s := newStage(t)
	s.judgement.Record = authz.Required
	d, err := s.pdp().Decide(t.Context(), request())
	if err != nil {
		t.Fatal(err)
	}
	if len(s.recorded) != 1 {
		t.Fatalf("recorded %d times", len(s.recorded))
	}
	entry := s.recorded[0]
	if diff := cmp.Diff(d, entry.Decision); diff != "" {
		t.Error("another decision was recorded than answered: ", diff)
	}
	if !entry.Judged || entry.Caller != "pep" || entry.Decision.Durability != authz.Required {
		t.Errorf("judged %v, caller %q, durability %q", entry.Judged, entry.Caller, entry.Decision.Durability)
	}
	if diff := cmp.Diff(s.asked, []authz.Question{entry.Question}); diff != "" {
		t.Error("the question recorded is not the one asked: ", diff)
	}
}

func TestEvidenceAtFaultIsRecordedUnjudged(t *testing.T) {
	s := newStage(t)
	s.principal = authz.Principal{Evidence: authz.EvidenceJWT, Fault: &authz.Fault{Code: authz.TokenInvalid, Cause: "bad_signature"}}
	if _, err := s.pdp().Decide(t.Context(), request()); err != nil {
		t.Fatal(err)
	}
	if len(s.recorded) != 1 || s.recorded[0].Judged || s.recorded[0].Question.Resource.ID != "svc:email" {
		t.Errorf("%+v", s.recorded)
	}
}

// TestNoRecordNoAllow holds what becomes of a decision that could not be recorded.
func TestNoRecordNoAllow(t *testing.T) {
	for _, test := range []struct {
		name       string
		configured authz.Durability
		policy     authz.Durability
		allow      bool
		want       []authz.ReasonCode // nil: an error
	}{
		{"spool", authz.Spool, "", true, nil},
		{"async", authz.Async, "", true, nil},
		{"required", authz.Required, "", true, []authz.ReasonCode{authz.NotRecorded}},
		{"required by the policy", authz.Spool, authz.Required, true, []authz.ReasonCode{authz.NotRecorded}},
		{"not weakened by the policy", authz.Required, authz.Async, true, []authz.ReasonCode{authz.NotRecorded}},
		{"a deny keeps its reasons", authz.Required, "", false, []authz.ReasonCode{authz.NotRecorded, "A"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStage(t)
			s.durability, s.recordErr = test.configured, errors.New("disk full")
			s.judgement.Record = test.policy
			if !test.allow {
				s.judgement = authz.Judgement{Reasons: []authz.Reason{{Code: "A", Guard: "a", Message: "m", Fix: "f"}}}
			}
			d, err := s.pdp().Decide(t.Context(), request())
			if test.want == nil {
				if authz.CodeOf(err) != authz.CodeUnavailable || len(s.observed) != 0 {
					t.Fatalf("%+v %v", d, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, codes(d.Reasons)); diff != "" || d.Outcome == authz.Allow || d.Obligations != nil || d.CacheableForS != 0 {
				t.Errorf("%s %+v", diff, d)
			}
		})
	}
}

// TestBatchIsRecordedAtOnce records the items that were judged in one call.
func TestBatchIsRecordedAtOnce(t *testing.T) {
	s := newStage(t)
	calls := 0
	p, err := pdp.New(pdp.Config{
		Data: s, Verifier: s, Active: func() authz.Evaluator { return s }, Now: s.clock, NewID: s.id,
		Recorder: recorder(func(entries []authz.Entry) error {
			calls++
			if len(entries) != 3 {
				t.Errorf("%d entries", len(entries))
			}
			return nil
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.DecideBatch(t.Context(), authz.Batch{Items: []authz.Request{request(), request(), request()}}); err != nil || calls != 1 {
		t.Errorf("%d calls, %v", calls, err)
	}
}

type recorder func([]authz.Entry) error

func (r recorder) Record(_ context.Context, entries []authz.Entry) error { return r(entries) }

func TestSimulationsDoNotMixWithOthers(t *testing.T) {
	s := newStage(t)
	hypothetical := request()
	hypothetical.Simulated = true
	hypothetical.Caller.Roles = []authz.Role{authz.RoleSimulate}
	_, err := s.pdp().DecideBatch(t.Context(), authz.Batch{Items: []authz.Request{request(), hypothetical}})
	if authz.CodeOf(err) != authz.CodeInvalid {
		t.Error(err)
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

func (r *rejudger) ExplainInput(ctx context.Context, input []byte, f authz.Facts) (authz.Judgement, *authz.Explanation) {
	return r.EvaluateInput(ctx, input, f), nil
}

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
		t.Error(diff)
	}
}

func TestRejudgeLeavesWhatNoPolicyJudged(t *testing.T) {
	record := &authz.Record{Result: json.RawMessage(`{"id":"x","decision":"deny","reasons":[{"code":"TOKEN_INVALID","guard":"token"}]}`)}
	d, err := pdp.Rejudge(t.Context(), &rejudger{judgement: authz.Judgement{Allow: true}}, record, nil)
	if err != nil || d.Outcome == authz.Allow || len(d.Reasons) != 1 {
		t.Errorf("%+v %v", d, err)
	}
}

func TestRejudgeWithoutInput(t *testing.T) {
	_, err := pdp.Rejudge(t.Context(), &rejudger{}, &authz.Record{Judged: true, InputError: "the mask failed"}, nil)
	if authz.CodeOf(err) != authz.CodeInvalid {
		t.Error(err)
	}
}

// explaining is a policy that can explain.
type explaining struct{ *stage }

func (e explaining) Explain(ctx context.Context, q authz.Question, f authz.Facts) (authz.Judgement, *authz.Explanation) {
	return e.Evaluate(ctx, q, f), &authz.Explanation{Facts: []authz.FactRead{{Collection: authz.Services, Key: "svc:email", Revision: 2}}}
}

func TestExplainFull(t *testing.T) {
	for explain, want := range map[authz.Explain]bool{authz.ExplainFull: true, authz.ExplainReasons: false, "": false} {
		s := newStage(t)
		s.policy = explaining{s}
		r := request()
		r.Explain = explain
		d, err := s.pdp().Decide(t.Context(), r)
		if err != nil || (d.Explanation != nil) != want || len(s.asked) != 1 {
			t.Errorf("%q: %+v, asked %d times, %v", explain, d.Explanation, len(s.asked), err)
		}
	}
}
