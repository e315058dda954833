package replay

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
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
	nowReasons := now.Reasons
	if slices.ContainsFunc(r.Masked, func(pointer string) bool { return strings.HasPrefix(pointer, "/result/reasons/") }) {
		nowReasons = codesOnly(nowReasons) // a mask names reasons by their place, which is another one now
	}
	f.changed = true
	f.flip = authz.Flip{
		ID: r.ID, At: r.At, Subject: r.Subject, Service: r.Service, Action: r.Action,
		Was: r.Decision, Now: now.Outcome, WasReasons: reasons, NowReasons: nowReasons,
		DataBehind: revision != r.DataRevision, WasRevision: r.DataRevision, NowRevision: revision,
	}
	return f, nil
}

// compareEntry compares what was decided just now with what a shadow makes of it. Neither is
// masked, so that of reasons only codes, guards, status and modes are reported: the record
// of the decision has the rest, masked.
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
	f.flip.WasReasons, f.flip.NowReasons = codesOnly(f.flip.WasReasons), codesOnly(f.flip.NowReasons)
	return f, err
}

// ranOut reports whether an evaluation ended by its limit of time. The same decision may
// come out otherwise on the same machine.
func ranOut(reasons []authz.Reason) bool {
	return slices.ContainsFunc(reasons, func(r authz.Reason) bool { return r.Code == authz.PolicyTimeout })
}

// codesOnly are reasons without their texts and details, which may repeat the question.
func codesOnly(reasons []authz.Reason) []authz.Reason {
	kept := make([]authz.Reason, len(reasons))
	for i, r := range reasons {
		kept[i] = authz.Reason{Code: r.Code, Guard: r.Guard, Status: r.Status, Mode: r.Mode}
	}
	return kept
}

// inputMasked reports whether the policy sees less of the question than it did then.
func inputMasked(r *authz.Record) bool {
	return slices.ContainsFunc(r.Masked, func(pointer string) bool { return strings.HasPrefix(pointer, "/input") })
}

// canonicalJSON encodes d with its id, policy and revision replaced and without its
// explanation, so that equal answers have equal bytes.
func canonicalJSON(d *authz.Decision, id string, policy authz.PolicyRef, revision uint64) ([]byte, error) {
	answer := *d
	answer.ID, answer.Policy, answer.DataRevision, answer.Explanation = id, policy, revision, nil
	return ijson.Marshal(&answer)
}

// sameAnswer reports whether a decision, as canonicalJSON, is the recorded one. The error
// means that the recorded one cannot be read.
func sameAnswer(r *authz.Record, now []byte) (bool, error) {
	if bytes.Equal(r.Result, now) {
		return true, nil
	}
	was, err := answer(r.Result, r.Masked)
	if err != nil {
		return false, err
	}
	is, err := answer(now, r.Masked)
	if err != nil {
		return false, err
	}
	return bytes.Equal(was, is), nil
}

// uncompared are the members of a decision that are no part of its answer.
var uncompared = []string{"id", "policy", "data_revision", "explanation"}

// answer is the part of a decision that is compared, in one form: without what
// masks name, without empty lists, and with its members sorted.
func answer(decision []byte, masked []string) ([]byte, error) {
	var members map[string]any
	if err := decode(decision, &members); err != nil {
		return nil, err
	}
	for _, name := range uncompared {
		delete(members, name)
	}
	for _, text := range masked {
		p, err := ijson.ParsePointer(text)
		if err != nil {
			return nil, err
		}
		if len(p) > 1 && p[0] == "result" {
			p[1:].Remove(members)
		}
	}
	for name, value := range members {
		if list, ok := value.([]any); value == nil || ok && len(list) == 0 {
			delete(members, name)
		}
	}
	return json.Marshal(members)
}

// decode reads numbers as their texts: a double holds no nanoseconds.
func decode(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("the decision is followed by more bytes")
	}
	return nil
}

// reasonsIn are the reasons of a recorded decision, as the engine gave them.
func reasonsIn(result []byte) ([]authz.Reason, error) {
	var decision struct {
		Reasons []authz.Reason `json:"reasons"`
	}
	if err := decode(result, &decision); err != nil {
		return nil, err
	}
	for _, r := range decision.Reasons {
		for name, value := range r.Details {
			r.Details[name] = withNumbers(value)
		}
	}
	return decision.Reasons, nil
}

// withNumbers replaces texts of numbers: by ints where they are whole, else by doubles.
func withNumbers(value any) any {
	switch value := value.(type) {
	case json.Number:
		if i, err := value.Int64(); err == nil {
			return i
		}
		if f, err := value.Float64(); err == nil {
			return f
		}
		return value.String()
	case map[string]any:
		for name, member := range value {
			value[name] = withNumbers(member)
		}
	case []any:
		for i, element := range value {
			value[i] = withNumbers(element)
		}
	}
	return value
}

// codes are the codes of reasons, each once, sorted.
func codes(reasons []authz.Reason) []string {
	all := make([]string, len(reasons))
	for i, r := range reasons {
		all[i] = string(r.Code)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
