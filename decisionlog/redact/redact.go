// Package redact takes out of records what must not be kept: what the masks of the policy
// name, and then what may be a secret, which no policy can leave in.
//
// It is pure: the same record and masks give the same result. Redacting twice changes nothing
// more. Time and memory grow no faster than the record, whatever a caller put into it.
package redact

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

// Masked stands where a secret was.
const Masked = "[masked]"

// maxPaths bounds the pointers that a record lists as masked, in bytes. One with a long name
// above many secrets would list that name with each.
const maxPaths = 64 << 10

// Error says why a record could not be redacted. Reason is safe to show, Cause may repeat
// what is in the record.
type Error struct {
	Reason string
	Cause  error
}

func (e *Error) Error() string { return e.Reason + ": " + e.Cause.Error() }
func (e *Error) Unwrap() error { return e.Cause }

// Record applies masks to the input and the result of r, in order, masks what may be a secret
// in what they leave, and lists both in r.Masked. A mask may name anything below the input but
// its time, without which nothing can be judged anew, and of the result the texts and details
// of reasons and all of a duty but its id. What a mask names in vain is passed over.
//
// secret reports whether something was masked that no mask named. An error is an *Error: r is
// as it was, and neither its input nor its result may be kept.
func Record(r *authz.Record, masks []authz.Mask) (secret bool, err error) {
	if len(masks) == 0 && !mayContainSecret(r.Input) && !mayContainSecret(r.Result) {
		return false, nil
	}
	d, err := open(r)
	if err != nil {
		return false, &Error{"it could not be read to be masked", err}
	}
	for i := range masks {
		if err := d.apply(&masks[i]); err != nil {
			return false, &Error{"a mask of the policy could not be applied", fmt.Errorf("mask %d: %w", i, err)}
		}
	}
	byPolicy := len(d.masked)
	d.redact()
	if err := d.store(r); err != nil {
		return false, &Error{"what the masks left could not be written", err}
	}
	return len(d.masked) > byPolicy, nil
}

// Request masks secrets in what r repeats of the request beside its input.
func Request(r *authz.Record) {
	for path, text := range map[string]*string{"/action": &r.Action, "/service": &r.Service} {
		if clean := Text(*text); clean != *text {
			*text = clean
			r.Masked = append(r.Masked, path)
		}
	}
	slices.Sort(r.Masked)
}

// Text returns text, or Masked if it may contain a secret.
func Text(text string) string {
	if hasSecret([]byte(text)) {
		return Masked
	}
	return text
}

// Identifier is Text for texts that may be identifiers, which are searched for: a user may be
// called vk_bob. Of our own keys and secrets it masks whole ones only.
func Identifier(text string) string {
	if hasWholeSecret([]byte(text)) {
		return Masked
	}
	return text
}

// document is the input and result of a record as they are redacted.
type document struct {
	parts   map[string]any  // :: "input" or "result" -> decoded JSON
	changed map[string]bool // :: "input" or "result" -> it is not as it was
	masked  []string        // pointers
	size    int             // bytes of masked
}

func open(r *authz.Record) (*document, error) {
	var input, result any
	if err := ijson.Unmarshal(r.Input, &input); err != nil {
		return nil, err
	}
	if err := ijson.Unmarshal(r.Result, &result); err != nil {
		return nil, err
	}
	return newDocument(input, result), nil
}

func newDocument(input, result any) *document {
	return &document{parts: map[string]any{"input": input, "result": result}, changed: make(map[string]bool, 2)}
}

// store puts what was changed into r, all of it or nothing.
func (d *document) store(r *authz.Record) error {
	if d.full() {
		return errors.New("more is masked than a record can list")
	}
	input, result := r.Input, r.Result
	var err error
	if d.changed["input"] {
		if input, err = ijson.Marshal(d.parts["input"]); err != nil {
			return err
		}
	}
	if d.changed["result"] {
		if result, err = ijson.Marshal(d.parts["result"]); err != nil {
			return err
		}
		if err := json.Unmarshal(result, new(authz.Decision)); err != nil {
			return errors.New("what a mask makes of the result is no decision")
		}
	}
	slices.Sort(d.masked)
	r.Input, r.Result, r.Masked = input, result, slices.Compact(d.masked)
	return nil
}

// apply makes the change that m asks for.
func (d *document) apply(m *authz.Mask) error {
	path, err := ijson.ParsePointer(m.Path)
	if err != nil {
		return err
	}
	if !maskable(path) {
		return errors.New("its path names what cannot be masked")
	}
	part, below, found := d.parts[path[0]], path[1:], false
	switch m.Op {
	case authz.MaskRemove:
		found = below.Remove(part)
	case authz.MaskUpsert:
		value, err := decoded(m.Value)
		if err != nil {
			return err
		}
		found = below.Set(part, value)
	default:
		return errors.New(`its op is neither "remove" nor "upsert"`)
	}
	if found {
		d.note(path)
	}
	return nil
}

// maskable reports whether a mask may name path.
func maskable(path ijson.Pointer) bool {
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

// decoded is v as decoded JSON, which is what is searched for secrets.
func decoded(v any) (any, error) {
	if v == nil {
		return nil, nil
	}
	text, err := ijson.Marshal(v)
	if err != nil {
		return nil, err
	}
	var value any
	err = ijson.Unmarshal(text, &value)
	return value, err
}

// note lists path as masked, without the secrets that are in its names.
func (d *document) note(path ijson.Pointer) {
	clean := make(ijson.Pointer, len(path))
	for i, token := range path {
		clean[i] = Text(token)
	}
	text := clean.String()
	d.changed[path[0]] = true
	d.masked = append(d.masked, text)
	d.size += len(text)
}

// full reports whether no more can be listed as masked.
func (d *document) full() bool { return d.size > maxPaths }

// redact masks every secret in the document, unless it is full.
func (d *document) redact() {
	for name, v := range d.parts {
		d.parts[name] = d.redacted(v, ijson.Pointer{name})
	}
}

func (d *document) redacted(v any, path ijson.Pointer) any {
	if d.full() {
		return v
	}
	switch v := v.(type) {
	case string:
		if hasSecret([]byte(v)) {
			d.note(path)
			return Masked
		}
	case []any:
		d.redactList(v, path)
	case map[string]any:
		d.redactObject(v, path)
	}
	return v
}

func (d *document) redactList(list []any, path ijson.Pointer) {
	for i, element := range list {
		below := append(path, strconv.Itoa(i))
		if i%2 == 1 && len(list)%2 == 0 && namesNext(list[i-1]) {
			if element != Masked {
				list[i] = Masked
				d.note(below)
			}
			continue
		}
		list[i] = d.redacted(element, below)
	}
}

// namesNext reports whether an element of a list is the name of a header that is a secret,
// whose value follows: ["Authorization", ..].
func namesNext(element any) bool {
	name, ok := element.(string)
	return ok && kindOf([]byte(name)).has(headerKind)
}

func (d *document) redactObject(object map[string]any, path ijson.Pointer) {
	masked := secretKind
	if namesSecret(object) {
		masked |= valueKind
	}
	var secrets []string // names that are
	for name, member := range object {
		below := append(path, name)
		switch {
		case isCode(below):
		case hasSecret([]byte(name)):
			secrets = append(secrets, name)
			d.note(below)
		case kindOf([]byte(name)).has(masked):
			if member != Masked {
				object[name] = Masked
				d.note(below)
			}
		default:
			object[name] = d.redacted(member, below)
		}
	}
	for _, name := range secrets {
		delete(object, name)
		object[Masked] = Masked // last, so that it replaces a member of that name in any order
	}
}

// isCode reports whether path names a code or a guard of the policy's own, which a record is
// found by and which therefore stay as they are.
func isCode(path ijson.Pointer) bool {
	return len(path) == 4 && path[0] == "result" && (path[1] == "reasons" || path[1] == "would_deny") && (path[3] == "code" || path[3] == "guard")
}

// namesSecret reports whether an object is a pair with the name of a secret.
func namesSecret(object map[string]any) bool {
	for member, value := range object {
		if name, ok := value.(string); ok && kindOf([]byte(member)).has(nameKind) && kindOf([]byte(name)).has(secretKind) {
			return true
		}
	}
	return false
}
