package pdp

import (
	"github.com/verdict-pdp/verdict/authz"
)

// identity is the part of a principal that is in its decisions.
type identity struct {
	subject    string // empty: the evidence proved none
	credential string
	level      int
	freshness  string
}

func identityOf(p authz.Principal) identity {
	who := identity{level: p.Level, freshness: p.Freshness}
	if p.Fault == nil {
		who.subject = p.Subject
	}
	if p.Credential != nil {
		who.credential = p.Credential.ID
	}
	return who
}

// assemble makes the decision of a judgement. It allows only if the judgement allows
// without a reason against it, and a subject was proved; every other decision is a
// deny with at least one reason.
func assemble(id string, who identity, j authz.Judgement, policy authz.PolicyRef, revision uint64) authz.Decision {
	d := authz.Decision{
		ID:               id,
		Outcome:          authz.Deny,
		Reasons:          j.Reasons,
		WouldDeny:        j.WouldDeny,
		Obligations:      j.Obligations,
		Advice:           j.Advice,
		Trust:            authz.Trust{Level: who.level, Required: j.RequiredLevel, Freshness: who.freshness},
		Policy:           policy,
		DataRevision:     revision,
		CacheableForS:    j.CacheableForS,
		IfPDPUnreachable: j.IfPDPUnreachable,
		KeysRead:         j.KeysRead,
		Subject:          who.subject,
		Credential:       who.credential,
		Durability:       j.Record,
	}
	if j.Allow && who.subject != "" && len(j.Reasons) == 0 {
		d.Outcome = authz.Allow
		return d
	}
	d.Obligations, d.CacheableForS = nil, 0
	if len(d.Reasons) == 0 {
		d.Reasons = []authz.Reason{{Code: authz.DefaultDeny, Guard: "decision", Message: "Nothing grants this request.", Status: authz.DefaultDeny.Status()}}
	}
	return d
}
