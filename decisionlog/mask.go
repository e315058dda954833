package decisionlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

// maskTimeout bounds what Config.Mask says of one record.
const maskTimeout = time.Second

// mask takes out of the input and the result what the policy asks for, and then
// what no policy can leave in. It returns why neither may be stored, empty when
// they may.
func (l *Log) mask(ctx context.Context, r *authz.Record) (why string) {
	asked, err := l.asked(ctx, r)
	if err != nil {
		return l.unmaskable("the mask policy failed", err)
	}
	if len(asked) == 0 && !suspect(r.Input) && !suspect(r.Result) {
		return ""
	}
	d, err := openDocument(r)
	if err != nil {
		return l.unmaskable("it could not be read to be masked", err)
	}
	if err := d.apply(asked); err != nil {
		return l.unmaskable("a mask of the policy could not be applied", err)
	}
	byPolicy := len(d.masked)
	d.scrub()
	if err := d.store(r); err != nil {
		return l.unmaskable("what the masks left could not be written", err)
	}
	if len(d.masked) > byPolicy {
		l.stats.backstop.Add(1)
	}
	return ""
}

// asked is what the policy wants masked. A panic of it is an error.
func (l *Log) asked(ctx context.Context, r *authz.Record) (masks []authz.Mask, err error) {
	if l.config.Mask == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), maskTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("the mask policy panicked")
		}
	}()
	seen := *r
	masks, err = l.config.Mask(ctx, &seen)
	if err == nil {
		err = ctx.Err()
	}
	return masks, err
}

// document is the input and result of a record as masks change them.
type document struct {
	parts   map[string]any  // :: "input" or "result" -> decoded JSON
	changed map[string]bool // :: "input" or "result" -> it is not as it was
	masked  []string        // pointers
}

func openDocument(r *authz.Record) (*document, error) {
	d := &document{parts: make(map[string]any, 2), changed: make(map[string]bool, 2)}
	for name, raw := range map[string]json.RawMessage{"input": r.Input, "result": r.Result} {
		var v any
		if err := ijson.Unmarshal(raw, &v); err != nil {
			return d, err
		}
		d.parts[name] = v
	}
	return d, nil
}

// store puts what was changed back into r.
func (d *document) store(r *authz.Record) error {
	if d.changed["input"] {
		input, err := ijson.Marshal(d.parts["input"])
		if err != nil {
			return err
		}
		r.Input = input
	}
	if d.changed["result"] {
		result, err := ijson.Marshal(d.parts["result"])
		if err != nil {
			return err
		}
		if err := json.Unmarshal(result, new(authz.Decision)); err != nil {
			return errors.New("what a mask makes of the result is no decision")
		}
		r.Result = result
	}
	slices.Sort(d.masked)
	r.Masked = slices.Compact(d.masked)
	return nil
}

// apply makes the changes in order.
func (d *document) apply(masks []authz.Mask) error {
	for i := range masks {
		if err := d.applyOne(&masks[i]); err != nil {
			return fmt.Errorf("mask %d: %w", i, err)
		}
	}
	return nil
}

func (d *document) applyOne(m *authz.Mask) error {
	path, err := parsePointer(m.Path)
	if err != nil {
		return err
	}
	if !maskable(path) {
		return errors.New("its path names what cannot be masked")
	}
	if m.Op != authz.MaskRemove && m.Op != authz.MaskUpsert {
		return errors.New(`its op is neither "remove" nor "upsert"`)
	}
	value, err := plain(m.Value)
	if err != nil {
		return err
	}
	if change(d.parts[path[0]], path[1:], m.Op, value) {
		d.note(path)
	}
	return nil
}

// plain is v as decoded JSON, which is what the backstop looks through.
func plain(v any) (any, error) {
	if v == nil {
		return nil, nil
	}
	encoded, err := ijson.Marshal(v)
	if err != nil {
		return nil, err
	}
	var decoded any
	err = ijson.Unmarshal(encoded, &decoded)
	return decoded, err
}

// note lists path as masked; what looks like a secret in the path itself is not
// told.
func (d *document) note(path []string) {
	told := slices.Clone(path)
	for i, part := range told {
		if secretText([]byte(part)) {
			told[i] = masked
		}
	}
	d.changed[path[0]] = true
	d.masked = append(d.masked, pointer(told))
}

// maskable says whether a policy may mask what path names: anything below the
// input but its time, without which nothing can be judged anew, and of the result
// the texts and details of reasons and all of a duty but its id.
func maskable(path []string) bool {
	switch {
	case len(path) < 2:
		return false
	case path[0] == "input":
		return path[1] != "time"
	case path[0] != "result" || len(path) < 4:
		return false
	}
	switch path[1] {
	case "reasons", "would_deny":
		return path[3] == "message" || path[3] == "fix" || path[3] == "details"
	case "obligations", "advice":
		return path[3] != "id"
	}
	return false
}

// change makes a mask's change at path below v and says whether there was something
// to change. What is removed from a list leaves null, so that other paths still hold.
func change(v any, path []string, op string, value any) bool {
	last := len(path) == 1
	switch v := v.(type) {
	case map[string]any:
		old, ok := v[path[0]]
		switch {
		case !last:
			return ok && change(old, path[1:], op, value)
		case op == authz.MaskUpsert:
			v[path[0]] = value
			return true
		}
		delete(v, path[0])
		return ok
	case []any:
		at, ok := index(path[0], len(v))
		switch {
		case !ok:
			return false
		case !last:
			return change(v[at], path[1:], op, value)
		case op == authz.MaskUpsert:
			v[at] = value
		default:
			v[at] = nil
		}
		return true
	}
	return false
}

// unmaskable logs, now and then, that records are stored without their input, and
// returns why. Of the cause only what is safe to show is logged.
func (l *Log) unmaskable(why string, cause error) string {
	if !l.toldUnmaskable.due(l.config.Now()) {
		return why
	}
	attributes := []any{"why", why}
	var ours *authz.Error
	if errors.As(cause, &ours) {
		attributes = append(attributes, "error", ours)
	}
	l.config.Log.Error("decisions are recorded without their input", attributes...)
	return why
}
