package api

import "github.com/verdict-pdp/verdict/authz"

// The answer to a question. Let a call through only when its Outcome is Allow and every
// obligation can be met.
type (
	Decision  = authz.Decision
	Outcome   = authz.Outcome
	Reason    = authz.Reason
	Duty      = authz.Duty
	Trust     = authz.Trust
	PolicyRef = authz.PolicyRef
)

// Values of Decision.Outcome and Decision.IfPDPUnreachable. Whatever else is read
// there is Deny.
const (
	Allow = authz.Allow
	Deny  = authz.Deny
)

// How a decision came about, given with ExplainFull.
type (
	Explanation = authz.Explanation
	GuardTrace  = authz.GuardTrace
	RuleTrace   = authz.RuleTrace
	Stop        = authz.Stop
	FactRead    = authz.FactRead
	Need        = authz.Need
)

// BatchResponse answers a batch, one decision per item judged, in order. A
// batch that its semantics stopped early has fewer decisions than items.
type BatchResponse struct {
	Decisions []Decision `json:"decisions"`
}
