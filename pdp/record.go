package pdp

import (
	"context"

	"github.com/verdict-pdp/verdict/authz"
)

// record writes decisions to the log before they are answered. If that fails and the
// record of every decision is required, each becomes a deny; otherwise the request
// fails, and none is answered.
func (p *PDP) record(ctx context.Context, entries []authz.Entry) error {
	if p.config.Recorder == nil || len(entries) == 0 {
		return nil
	}
	failed := p.config.Recorder.Record(ctx, entries)
	if failed == nil {
		return nil
	}
	for i := range entries {
		if p.config.Durability.Stricter(entries[i].Decision.Durability) != authz.Required {
			return &authz.Error{Code: authz.CodeUnavailable, Message: "the decision could not be recorded, so that none was made; ask again", Cause: failed}
		}
		entries[i].Decision = unrecorded(entries[i].Decision)
	}
	p.config.Log.ErrorContext(ctx, "a decision was denied because it could not be recorded", "error", failed)
	return nil
}

// unrecorded returns d as a deny, because the record that it requires was not
// written.
func unrecorded(d authz.Decision) authz.Decision {
	reason := authz.Reason{
		Code: authz.NotRecorded, Guard: "decision", Status: authz.NotRecorded.Status(),
		Message: "The decision has to be recorded and could not be.",
		Fix:     "Look at the decision log of this node: its disk, and /readyz.",
	}
	if d.Outcome == authz.Allow {
		d.Reasons = nil
	}
	d.Outcome, d.Obligations, d.CacheableForS, d.IfPDPUnreachable = authz.Deny, nil, 0, authz.Deny
	d.Reasons = append([]authz.Reason{reason}, d.Reasons...)
	return d
}
