package pdp

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/verdict-pdp/verdict/authz"
)

// standing is what a decision takes from who was proved.
type standing struct {
	subject    string // empty: nobody was proved
	credential string
	level      int
	freshness  string
}

func standingOf(p authz.Principal) standing {
	s := standing{level: p.Level, freshness: p.Freshness}
	if p.Fault == nil {
		s.subject = p.Subject
	}
	if p.Credential != nil {
		s.credential = p.Credential.ID
	}
	return s
}

// settle closes the answer: it allows only what a judgement allowed without a
// reason against it, for a subject that was proved.
func settle(id string, p standing, j authz.Judgement, policy authz.PolicyRef, revision uint64) authz.Decision {
	d := authz.Decision{
		ID:               id,
		Outcome:          authz.Deny,
		Reasons:          j.Reasons,
		WouldDeny:        j.WouldDeny,
		Obligations:      j.Obligations,
		Advice:           j.Advice,
		Trust:            authz.Trust{Level: p.level, Required: j.RequiredLevel, Freshness: p.freshness},
		Policy:           policy,
		DataRevision:     revision,
		CacheableForS:    j.CacheableForS,
		IfPDPUnreachable: j.IfPDPUnreachable,
		KeysRead:         j.KeysRead,
		Subject:          p.subject,
		Credential:       p.credential,
		Durability:       j.Record,
	}
	if j.Allow && p.subject != "" && len(j.Reasons) == 0 {
		d.Outcome = authz.Allow
		return d
	}
	d.Obligations, d.CacheableForS = nil, 0
	if len(d.Reasons) == 0 {
		d.Reasons = []authz.Reason{{Code: authz.DefaultDeny, Guard: "decision", Message: "Nothing grants this request.", Status: http.StatusForbidden}}
	}
	return d
}

// Settle is the decision that another policy's judgement makes of an entry that a
// policy judged: what a shadow would have answered.
func Settle(e authz.Entry, j authz.Judgement, policy authz.PolicyRef) authz.Decision {
	return settle(e.Decision.ID, standingOf(e.Question.Principal), j, policy, e.Decision.DataRevision)
}

// Rejudge judges a recorded decision again, by policy and the facts f. By the
// policy and at the revision that it was made with, the decision's JSON is what was
// recorded, unless part of it was masked. A decision that no policy judged stays
// what it was. The error means that the record has nothing to judge.
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
	return Resettle(r, judgement, policy.Policy(), f.Revision()), nil
}

// Resettle is the decision that a judgement makes of a record.
func Resettle(r *authz.Record, j authz.Judgement, policy authz.PolicyRef, revision uint64) authz.Decision {
	who := standing{subject: r.Subject, credential: r.Credential, level: r.Trust.Level, freshness: r.Trust.Freshness}
	return settle(r.ID, who, j, policy, revision)
}
