package api

import (
	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
)

// decisionOf is a decision as it is sent. With explain none reasons keep their
// codes and lose their texts and details.
func decisionOf(d *authz.Decision, explain authz.Explain) api.Decision {
	sent := api.Decision{
		ID:               d.ID,
		Decision:         d.Outcome.String(),
		Reasons:          reasonsOf(d.Reasons, explain),
		WouldDeny:        reasonsOf(d.WouldDeny, explain),
		Obligations:      dutiesOf(d.Obligations),
		Advice:           dutiesOf(d.Advice),
		Trust:            api.Trust(d.Trust),
		Policy:           api.PolicyRef(d.Policy),
		DataRevision:     d.DataRevision,
		CacheableForS:    d.CacheableForS,
		IfPDPUnreachable: unreachable(d.IfPDPUnreachable),
	}
	if explain == authz.ExplainFull {
		sent.Explanation = explanationOf(d.Explanation)
	}
	return sent
}

// unreachable is deny unless the policy said allow: a caller given nothing to go
// by must not read it as leave.
func unreachable(said string) string {
	if said == api.Allow {
		return api.Allow
	}
	return api.Deny
}

func reasonsOf(reasons []authz.Reason, explain authz.Explain) []api.Reason {
	if len(reasons) == 0 {
		return nil
	}
	sent := make([]api.Reason, len(reasons))
	for i, r := range reasons {
		sent[i] = api.Reason{Code: string(r.Code), Guard: r.Guard, Status: r.Status, Mode: r.Mode}
		if explain != authz.ExplainNone {
			sent[i].Message, sent[i].Fix, sent[i].Details = r.Message, r.Fix, r.Details
		}
	}
	return sent
}

func dutiesOf(duties []authz.Duty) []api.Duty {
	if len(duties) == 0 {
		return nil
	}
	sent := make([]api.Duty, len(duties))
	for i, duty := range duties {
		sent[i] = duty
	}
	return sent
}

func batchResponse(decisions []authz.Decision, asked []authz.Request) api.BatchResponse {
	sent := make([]api.Decision, len(decisions))
	for i := range decisions {
		sent[i] = decisionOf(&decisions[i], asked[i].Explain)
	}
	return api.BatchResponse{Decisions: sent}
}
