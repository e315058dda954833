package sink

import (
	"encoding/json"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

// sortMasked tells the pointers of what was removed from those of what was replaced,
// which a record lists together: what was replaced is still there.
func sortMasked(r *authz.Record) (erased, replaced []string) {
	if len(r.Masked) == 0 {
		return nil, nil
	}
	whole := map[string]any{"input": valueOf(r.Input), "result": valueOf(r.Result)}
	for _, text := range r.Masked {
		if present(whole, text) {
			replaced = append(replaced, text)
		} else {
			erased = append(erased, text)
		}
	}
	return erased, replaced
}

// valueOf reads JSON; what is absent or broken has no members.
func valueOf(raw json.RawMessage) any {
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return nil
	}
	return value
}

// present reports whether a JSON pointer leads to a value.
func present(document any, pointer string) bool {
	p, err := ijson.ParsePointer(pointer)
	if err != nil {
		return false
	}
	_, ok := p.Get(document)
	return ok
}
