package replay

import (
	"slices"
	"strings"

	"github.com/verdict-pdp/verdict/authz"
)

// Reasons to skip a decision.
const (
	skippedLost       = "lost: no record of the decision was kept"
	skippedKind       = "the record is of no decision"
	skippedNoInput    = "the record has no input"
	skippedNoResult   = "the record has no result that can be read"
	skippedNoRevision = "the record names no data revision"
	skippedGone       = "its data revision is no longer kept"
	skippedAhead      = "its data revision has not been reached here"
	skippedInput      = "its input cannot be judged"
	skippedFault      = "a fault of this node, which its log tells"
)

// finding is what became of one decision.
type finding struct {
	skipped   string // why it was not compared; "" when it was, or was not judged
	count     uint64 // how many decisions were skipped
	notJudged bool
	masked    bool
	changed   bool // says something else, or decides otherwise
	flip      authz.Flip
	edge      string
}

func skip(reason string) finding { return finding{skipped: reason, count: 1} }

// compareRecord compares what was decided with what is decided now.
func compareRecord(r *authz.Record, now *authz.Decision, revision uint64) (finding, error) {
	f := finding{masked: inputMasked(r), edge: r.Edge()}
	text, err := told(now, r.ID, r.Policy, r.DataRevision)
	if err != nil {
		return finding{}, &authz.Error{Code: authz.CodeInternal, Message: "a decision of the replay is not JSON", Cause: err}
	}
	same, err := sameAnswer(r, text)
	if err != nil {
		return skip(skippedNoResult), nil
	}
	if same && r.Decision == now.Outcome {
		return f, nil
	}
	reasons, err := reasonsIn(r.Result)
	if err != nil {
		return skip(skippedNoResult), nil
	}
	f.changed = true
	f.flip = authz.Flip{
		ID: r.ID, At: r.At, Subject: r.Subject, Service: r.Service, Action: r.Action,
		Was: r.Decision, Now: now.Outcome, WasReasons: reasons, NowReasons: now.Reasons,
		DataBehind: revision != r.DataRevision, WasRevision: r.DataRevision, NowRevision: revision,
	}
	return f, nil
}

// compareEntry compares what was decided just now with what a shadow makes of it.
func compareEntry(e *authz.Entry, now *authz.Decision) (finding, error) {
	was := &e.Decision
	result, err := told(was, was.ID, was.Policy, was.DataRevision)
	if err != nil {
		return finding{}, &authz.Error{Code: authz.CodeInternal, Message: "a decision is not JSON", Cause: err}
	}
	return compareRecord(&authz.Record{
		ID: was.ID, At: e.Question.Time, Decision: was.Outcome, Subject: was.Subject, Service: e.Question.Resource.ID,
		Action: e.Question.Action.Name, Policy: was.Policy, DataRevision: was.DataRevision, Result: result,
	}, now, was.DataRevision)
}

// inputMasked says whether the policy sees less of the question than it did then.
func inputMasked(r *authz.Record) bool {
	return slices.ContainsFunc(r.Masked, func(pointer string) bool { return strings.HasPrefix(pointer, "/input") })
}
