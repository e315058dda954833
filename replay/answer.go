package replay

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

// canonicalJSON encodes d with its id, policy and revision replaced and without its
// explanation, so that equal answers have equal bytes.
func canonicalJSON(d *authz.Decision, id string, policy authz.PolicyRef, revision uint64) ([]byte, error) {
	answer := *d
	answer.ID, answer.Policy, answer.DataRevision, answer.Explanation = id, policy, revision, nil
	return ijson.Marshal(&answer)
}

// sameAnswer reports whether a decision, as canonicalJSON, is the recorded one. The error means
// that the recorded one cannot be read.
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

// decode keeps numbers as they are written: a double holds no nanoseconds.
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
			r.Details[name] = plain(value)
		}
	}
	return decision.Reasons, nil
}

// plain has ints for whole numbers, and doubles for others, in place of their texts.
func plain(value any) any {
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
			value[name] = plain(member)
		}
	case []any:
		for i, element := range value {
			value[i] = plain(element)
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
