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
	skippedLarge      = "the record is larger than one can be"
	skippedNoInput    = "the record has no input"
	skippedNoResult   = "the record has no result that can be read"
	skippedNoRevision = "the record names no data revision"
	skippedGone       = "its data revision is no longer kept"
	skippedAhead      = "its data revision has not been reached here"
	skippedInput      = "its input cannot be judged"
	skippedTimeout    = "it ran out of time when it was made, which says nothing of its policies"
	skippedFault      = "a fault of this node, which its log tells"
)

// kindTooLarge is the kind of what stands for a record that is not taken.
const kindTooLarge = "too large"

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
	text, err := canonicalJSON(now, r.ID, r.Policy, r.DataRevision)
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
	if ranOut(reasons) {
		return skip(skippedTimeout), nil
	}
	f.changed = true
	f.flip = authz.Flip{
		ID: r.ID, At: r.At, Subject: r.Subject, Service: r.Service, Action: r.Action,
		Was: r.Decision, Now: now.Outcome, WasReasons: reasons, NowReasons: now.Reasons,
		DataBehind: revision != r.DataRevision, WasRevision: r.DataRevision, NowRevision: revision,
	}
	return f, nil
}

// compareEntry compares what was decided just now with what a shadow makes of it. No
// mask went over what either says, so that of reasons only the words of the policy's
// own are reported: the record of the decision has the rest, masked.
func compareEntry(e *authz.Entry, now *authz.Decision) (finding, error) {
	was := &e.Decision
	result, err := canonicalJSON(was, was.ID, was.Policy, was.DataRevision)
	if err != nil {
		return finding{}, &authz.Error{Code: authz.CodeInternal, Message: "a decision is not JSON", Cause: err}
	}
	f, err := compareRecord(&authz.Record{
		ID: was.ID, At: e.Question.Time, Decision: was.Outcome, Subject: was.Subject, Service: e.Question.Resource.ID,
		Action: e.Question.Action.Name, Policy: was.Policy, DataRevision: was.DataRevision, Result: result,
	}, now, was.DataRevision)
	f.flip.WasReasons, f.flip.NowReasons = bare(f.flip.WasReasons), bare(f.flip.NowReasons)
	return f, err
}

// ranOut says whether an evaluation ended by its limit of time and not by what its
// policies say. The same decision may come out otherwise on the same machine.
func ranOut(reasons []authz.Reason) bool {
	return slices.ContainsFunc(reasons, func(r authz.Reason) bool { return r.Code == authz.PolicyTimeout })
}

// bare are reasons without their texts and details, which may repeat the question.
func bare(reasons []authz.Reason) []authz.Reason {
	kept := make([]authz.Reason, len(reasons))
	for i, r := range reasons {
		kept[i] = authz.Reason{Code: r.Code, Guard: r.Guard, Status: r.Status, Mode: r.Mode}
	}
	return kept
}

// inputMasked says whether the policy sees less of the question than it did then.
func inputMasked(r *authz.Record) bool {
	return slices.ContainsFunc(r.Masked, func(pointer string) bool { return strings.HasPrefix(pointer, "/input") })
}
