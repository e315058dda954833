package pdp

import (
	"context"
	"encoding/json"

	"github.com/verdict-pdp/verdict/authz"
)

// AssembleEntry returns the decision that another policy's judgement makes of an entry
// that a policy judged: what a shadow policy would have answered.
func AssembleEntry(e authz.Entry, j authz.Judgement, policy authz.PolicyRef) authz.Decision {
	return assemble(e.Decision.ID, identityOf(e.Question.Principal), j, policy, e.Decision.DataRevision)
}

// Rejudge evaluates a recorded decision again, with another policy and facts. With
// the policy and the data revision that it was made with, the decision's JSON equals
// the recorded one, unless part of the record was masked. A decision that no policy
// judged is returned as it was recorded. The error is ctx's, or means that the record
// cannot be evaluated.
func Rejudge(ctx context.Context, policy authz.Rejudger, r *authz.Record, f authz.Facts) (authz.Decision, error) {
	if !r.Judged {
		var was authz.Decision
		if err := json.Unmarshal(r.Result, &was); err != nil {
			return authz.Decision{}, &authz.Error{Code: authz.CodeInternal, Message: "the record has no result that can be read", Cause: err}
		}
		return was, nil
	}
	if len(r.Input) == 0 {
		return authz.Decision{}, authz.Errorf(authz.CodeInvalid, "the record has no input: %s", r.InputError)
	}
	judgement := policy.EvaluateInput(ctx, r.Input, f)
	if err := ctx.Err(); err != nil {
		return authz.Decision{}, err
	}
	return AssembleRecord(r, judgement, policy.Policy(), f.Revision()), nil
}

// AssembleRecord returns the decision that another judgement makes of a record.
func AssembleRecord(r *authz.Record, j authz.Judgement, policy authz.PolicyRef, revision uint64) authz.Decision {
	who := identity{subject: r.Subject, credential: r.Credential, level: r.Trust.Level, freshness: r.Trust.Freshness}
	return assemble(r.ID, who, j, policy, revision)
}
