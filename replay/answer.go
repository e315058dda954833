package replay

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

// told is a decision as JSON, with what is no part of its answer taken from another
// one: two that tell their caller the same have the same bytes.
func told(d *authz.Decision, id string, policy authz.PolicyRef, revision uint64) ([]byte, error) {
	alike := *d
	alike.ID, alike.Policy, alike.DataRevision, alike.Explanation = id, policy, revision, nil
	return ijson.Marshal(&alike)
}

// sameAnswer says whether a decision, as told, is the recorded one. The error means
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
	for _, pointer := range masked {
		if path, ok := strings.CutPrefix(pointer, "/result/"); ok {
			blank(members, strings.Split(path, "/"))
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

var unescape = strings.NewReplacer("~1", "/", "~0", "~")

// blank takes what a JSON pointer names out of a value. Elements of lists keep their
// places.
func blank(value any, path []string) {
	name, last := unescape.Replace(path[0]), len(path) == 1
	switch value := value.(type) {
	case map[string]any:
		if last {
			delete(value, name)
			return
		}
		blank(value[name], path[1:])
	case []any:
		i, err := strconv.Atoi(name)
		if err != nil || i < 0 || i >= len(value) {
			return
		}
		if last {
			value[i] = nil
			return
		}
		blank(value[i], path[1:])
	}
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
