package pdp

import (
	"context"
	"slices"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// decide runs the pipeline for a batch that passed check.
func (p *PDP) decide(ctx context.Context, b authz.Batch) ([]authz.Decision, error) {
	view, err := p.view(ctx, b)
	if err != nil {
		return nil, err
	}
	defer view.Close()

	ctx, cancel := context.WithTimeout(ctx, p.config.BatchTime)
	defer cancel()
	e := evaluation{pdp: p, view: view, policy: p.config.Active(), now: p.config.Now()}
	entries := make([]authz.Entry, 0, len(b.Items))
	for _, r := range b.Items {
		entry, err := e.decide(ctx, r)
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry)
		if b.Semantics.StopsAfter(entry.Decision.Outcome) {
			break
		}
	}
	return p.answer(ctx, b, entries)
}

// answer records the decisions, unless they are simulations, and returns them in the
// order of their items.
func (p *PDP) answer(ctx context.Context, b authz.Batch, entries []authz.Entry) ([]authz.Decision, error) {
	decisions := make([]authz.Decision, len(entries))
	if b.Items[0].Simulated {
		for i := range entries {
			decisions[i] = entries[i].Decision
		}
		return decisions, nil
	}
	if err := p.record(ctx, entries); err != nil {
		return nil, err
	}
	for i := range entries {
		decisions[i] = entries[i].Decision
		p.observe(ctx, b.Items[i], decisions[i], entries[i].Took)
	}
	return decisions, nil
}

// evaluation holds the view, policy and time that one batch is evaluated with, and
// caches its verified evidence, which the items of a batch mostly share.
type evaluation struct {
	pdp    *PDP
	view   View
	policy authz.Evaluator // nil while no policy is active
	now    time.Time

	last      verified
	singleUse []verified // all single-use evidence of this batch
}

// verified is evidence that was verified, and the principal that came of it.
type verified struct {
	evidence  authz.Evidence
	source    string
	principal authz.Principal
}

// decide verifies the evidence of one request, evaluates the policy and assembles
// the decision. It returns an error if ctx ended meanwhile: what was evaluated under an
// ended context is not an answer to the question.
func (e *evaluation) decide(ctx context.Context, r authz.Request) (authz.Entry, error) {
	began := e.pdp.config.Now()
	at := r.At
	if at.IsZero() {
		at = e.now
	}

	principal := e.verify(ctx, &r)
	entry := authz.Entry{Question: question(r, principal, at), Caller: r.Caller.ID}
	judgement, explanation := e.judge(ctx, &entry, r)
	if err := ctx.Err(); err != nil {
		return authz.Entry{}, &authz.Error{Code: authz.CodeUnavailable, Message: "the request ended, or took too long, before it was decided; ask again, or send fewer items", Cause: err}
	}
	entry.Decision = assemble(e.pdp.config.NewID(e.now), identityOf(principal), judgement, e.policyRef(), e.view.Revision())
	entry.Decision.Explanation = explanation
	entry.Took = e.pdp.config.Now().Sub(began)
	return entry, nil
}

// policyRef returns the reference of the policy, zero while none is active.
func (e *evaluation) policyRef() authz.PolicyRef {
	if e.policy == nil {
		return authz.PolicyRef{}
	}
	return e.policy.Policy()
}

// verify returns the principal that the evidence of r proves now, even if the
// question is about another time: how fresh an issuer's keys are depends on when they
// are used. Evidence that several items share is verified once; otherwise a single-use
// proof would fail from the second item on.
func (e *evaluation) verify(ctx context.Context, r *authz.Request) authz.Principal {
	if !r.Evidence.Given() {
		return authz.Principal{Evidence: authz.EvidenceNone, Fault: &authz.Fault{
			Code:    authz.CredentialMissing,
			Cause:   "missing",
			Message: "The request carries no credential, so it proves nobody.",
			Fix:     "Send the caller's token, or another proof of who it is, in credential.",
		}}
	}
	source, _ := r.Context["source_ip"].(string)
	if principal, ok := e.cached(r.Evidence, source); ok {
		return principal
	}
	e.last = verified{evidence: r.Evidence, source: source, principal: e.pdp.config.Verifier.Verify(ctx, authz.Presentation{
		Evidence: r.Evidence, Directory: e.view, Now: e.now,
		Source: source, Caller: r.Caller.ID, Rehearsal: r.Simulated,
	})}
	if r.Evidence.SingleUse() {
		e.singleUse = append(e.singleUse, e.last)
	}
	return e.last.principal
}

// cached returns the principal of evidence that this batch had before. If that was
// from another source, the principal loses authz.SupportKnownSource: the source was
// not looked up for this one.
func (e *evaluation) cached(evidence authz.Evidence, source string) (authz.Principal, bool) {
	if e.last.source == source && e.last.evidence.Given() && e.last.evidence.Equal(evidence) {
		return e.last.principal, true
	}
	if !evidence.SingleUse() {
		return authz.Principal{}, false
	}
	for _, before := range e.singleUse {
		if !before.evidence.Equal(evidence) {
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

// judge evaluates the policy. It denies without asking it if the evidence proved no
// subject, or another one than the request names, or if no policy is active.
func (e *evaluation) judge(ctx context.Context, entry *authz.Entry, r authz.Request) (authz.Judgement, *authz.Explanation) {
	p := &entry.Question.Principal
	switch {
	case p.Fault != nil:
		return denied(faultReason(p.Fault)), nil
	case p.Subject == "":
		return denied(authz.Reason{Code: authz.TokenInvalid, Guard: "token", Message: "The credential names no machine user.", Status: authz.TokenInvalid.Status()}), nil
	case r.Subject != nil && r.Subject.ID != p.Subject:
		return denied(mismatchReason(r.Subject.ID, p.Subject)), nil
	case e.policy == nil:
		return denied(authz.Reason{Code: authz.PolicyMissing, Guard: "engine", Message: "No policy is active.", Fix: "Look at /readyz of this node.", Status: authz.PolicyMissing.Status()}), nil
	}
	entry.Judged = true
	if explainer, ok := e.policy.(authz.Explainer); ok && r.Explain == authz.ExplainFull {
		return explainer.Explain(ctx, entry.Question, e.view)
	}
	return e.policy.Evaluate(ctx, entry.Question, e.view), nil
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
	return authz.Reason{Code: f.Code, Guard: "token", Message: f.Message, Fix: f.Fix, Status: f.Code.Status(), Details: map[string]any{"cause": f.Cause}}
}

func mismatchReason(asked, proved string) authz.Reason {
	return authz.Reason{
		Code:    authz.SubjectMismatch,
		Guard:   "token",
		Message: "The request names another subject than its credential proves.",
		Fix:     "Leave subject out, or send the credential of the subject named.",
		Status:  authz.SubjectMismatch.Status(),
		Details: map[string]any{"subject": asked, "proved": proved},
	}
}
