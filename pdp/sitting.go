package pdp

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// sitting is the judging of one batch: one view, one policy, one time, and what
// became of the evidence seen, because the items of a batch mostly share it.
type sitting struct {
	pdp    *PDP
	view   View
	policy authz.Evaluator // nil while no policy is active
	now    time.Time

	last  presented
	spent []presented // evidence that may be used once, and was in this batch
}

// presented is what became of evidence.
type presented struct {
	evidence  authz.Evidence
	source    string
	principal authz.Principal
}

// decide is the product's promise, top to bottom. A caller that went away, or a
// batch out of time, gets no decision: what was judged under an ended context is
// not an answer to the question.
func (s *sitting) decide(ctx context.Context, r authz.Request) (authz.Entry, error) {
	began := s.pdp.config.Now()
	at := r.At
	if at.IsZero() {
		at = s.now
	}

	principal := s.verify(ctx, &r)
	entry := authz.Entry{Question: question(r, principal, at), Caller: r.Caller.ID}
	judgement, explanation := s.judge(ctx, &entry, r)
	if err := ctx.Err(); err != nil {
		return authz.Entry{}, &authz.Error{Code: authz.CodeUnavailable, Message: "the request ended, or took too long, before it was decided; ask again, or send fewer items", Cause: err}
	}
	entry.Decision = settle(s.pdp.config.NewID(s.now), standingOf(principal), judgement, s.ref(), s.view.Revision())
	entry.Decision.Explanation = explanation
	entry.Took = s.pdp.config.Now().Sub(began)
	return entry, nil
}

// ref names the policy, when one is active.
func (s *sitting) ref() authz.PolicyRef {
	if s.policy == nil {
		return authz.PolicyRef{}
	}
	return s.policy.Policy()
}

// verify proves the subject now, also when the question is about another time:
// how fresh an issuer's keys are is a fact of this moment. Evidence that several
// items share is presented once, or a proof that may be used once would fail from
// the second item on.
func (s *sitting) verify(ctx context.Context, r *authz.Request) authz.Principal {
	if !r.Evidence.Given() {
		return authz.Principal{Evidence: authz.EvidenceNone, Fault: &authz.Fault{
			Code:    authz.CredentialMissing,
			Cause:   "missing",
			Message: "The request carries no credential, so it proves nobody.",
			Fix:     "Send the caller's token, or another proof of who it is, in credential.",
		}}
	}
	source, _ := r.Context["source_ip"].(string)
	if principal, ok := s.recall(r.Evidence, source); ok {
		return principal
	}
	s.last = presented{evidence: r.Evidence, source: source, principal: s.pdp.config.Verifier.Verify(ctx, authz.Presentation{
		Evidence: r.Evidence, Directory: s.view, Now: s.now,
		Source: source, Caller: r.Caller.ID, Rehearsal: r.Simulated,
	})}
	if r.Evidence.SingleUse() {
		s.spent = append(s.spent, s.last)
	}
	return s.last.principal
}

// recall finds the principal of evidence presented before. One that was presented
// from elsewhere has no support from where it comes now.
func (s *sitting) recall(e authz.Evidence, source string) (authz.Principal, bool) {
	if s.last.source == source && s.last.evidence.Given() && s.last.evidence.Equal(e) {
		return s.last.principal, true
	}
	if !e.SingleUse() {
		return authz.Principal{}, false
	}
	for _, before := range s.spent {
		if !before.evidence.Equal(e) {
			continue
		}
		principal := before.principal
		if before.source != source {
			principal.Supports = slices.DeleteFunc(slices.Clone(principal.Supports), func(support string) bool { return support == authz.SupportKnownSource })
		}
		return principal, true
	}
	return authz.Principal{}, false
}

// judge asks the policy, unless there is nobody to judge or nothing to judge by.
func (s *sitting) judge(ctx context.Context, e *authz.Entry, r authz.Request) (authz.Judgement, *authz.Explanation) {
	p := &e.Question.Principal
	switch {
	case p.Fault != nil:
		return denied(faultReason(p.Fault)), nil
	case p.Subject == "":
		return denied(authz.Reason{Code: authz.TokenInvalid, Guard: "token", Message: "The credential names no machine user.", Status: http.StatusUnauthorized}), nil
	case r.Subject != nil && r.Subject.ID != p.Subject:
		return denied(mismatchReason(r.Subject.ID, p.Subject)), nil
	case s.policy == nil:
		return denied(authz.Reason{Code: authz.PolicyMissing, Guard: "engine", Message: "No policy is active.", Fix: "Look at /readyz of this node.", Status: http.StatusServiceUnavailable}), nil
	}
	e.Judged = true
	if explainer, ok := s.policy.(authz.Explainer); ok && r.Explain == authz.ExplainFull {
		return explainer.Explain(ctx, e.Question, s.view)
	}
	return s.policy.Evaluate(ctx, e.Question, s.view), nil
}

func question(r authz.Request, p authz.Principal, at time.Time) authz.Question {
	subject := authz.Subject{Type: authz.SubjectMachineUser, ID: p.Subject}
	if r.Subject != nil {
		subject.Properties = r.Subject.Properties
	}
	return authz.Question{Subject: subject, Action: r.Action, Resource: r.Resource, Context: r.Context, Principal: p, Time: at}
}

func denied(r authz.Reason) authz.Judgement { return authz.Judgement{Reasons: []authz.Reason{r}} }

func faultReason(f *authz.Fault) authz.Reason {
	return authz.Reason{Code: f.Code, Guard: "token", Message: f.Message, Fix: f.Fix, Status: faultStatus(f.Code), Details: map[string]any{"cause": f.Cause}}
}

// faultStatus is what an enforcement point should answer its own caller with.
func faultStatus(code authz.ReasonCode) int {
	switch code {
	case authz.IssuerUnavailable:
		return http.StatusServiceUnavailable
	case authz.RateLimited:
		return http.StatusTooManyRequests
	case authz.SubjectMismatch:
		return http.StatusForbidden
	}
	return http.StatusUnauthorized
}

func mismatchReason(asked, proved string) authz.Reason {
	return authz.Reason{
		Code:    authz.SubjectMismatch,
		Guard:   "token",
		Message: "The request names another subject than its credential proves.",
		Fix:     "Leave subject out, or send the credential of the subject named.",
		Status:  http.StatusForbidden,
		Details: map[string]any{"subject": asked, "proved": proved},
	}
}
