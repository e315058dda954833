package replay

import "github.com/verdict-pdp/verdict/authz"

// weigh is how many bytes of a record are of no fixed size.
func weigh(r *authz.Record) int {
	n := len(r.Input) + len(r.Result) + len(r.ID) + len(r.Kind) + len(r.Subject) + len(r.Service) + len(r.Action)
	for _, pointer := range r.Masked {
		n += len(pointer)
	}
	return n
}

// weighEntry is about how many bytes the question of an entry holds.
func weighEntry(e *authz.Entry) int64 {
	const fixed = 3 << 10 // the structs, what the token says, the decision
	q := &e.Question
	n := int64(fixed)
	for _, open := range [...]map[string]any{q.Context, q.Subject.Properties, q.Action.Properties, q.Resource.Properties} {
		n += weighValue(open)
	}
	return n
}

func weighValue(v any) int64 {
	const each = 48 // of a member or an element, whatever it holds
	n := int64(0)
	switch v := v.(type) {
	case string:
		return int64(len(v))
	case map[string]any:
		for name, member := range v {
			n += each + int64(len(name)) + weighValue(member)
		}
	case []any:
		for _, element := range v {
			n += each + weighValue(element)
		}
	}
	return n
}
