package pdp_test

import (
	"context"
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
		t.Errorf("recorded %+v, want one entry for svc:email that no policy judged", s.recorded)
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
					t.Fatalf("decision %+v, error %v; want unavailable and nothing observed", d, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, codes(d.Reasons)); diff != "" || d.Outcome == authz.Allow || d.Obligations != nil || d.CacheableForS != 0 {
				t.Errorf("decision %+v, want a deny without obligations that is not cached; codes (-want +got):\n%s", d, diff)
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
				t.Errorf("recorded %d entries at once, want 3", len(entries))
			}
			return nil
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.DecideBatch(t.Context(), authz.Batch{Items: []authz.Request{request(), request(), request()}}); err != nil || calls != 1 {
		t.Errorf("recorded in %d calls, error %v; want one call", calls, err)
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

func (r *rejudger) ExplainInput(ctx context.Context, input []byte, f authz.Facts) (authz.Judgement, *authz.Explanation) {
	return r.EvaluateInput(ctx, input, f), nil
}
