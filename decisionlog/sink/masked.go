package sink

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/verdict-pdp/verdict/authz"
)

// sortMasked tells the pointers of what was removed from those of what was replaced,
// which a record lists together: what was replaced is still there.
func sortMasked(r *authz.Record) (erased, replaced []string) {
	if len(r.Masked) == 0 {
		return nil, nil
	}
	whole := map[string]any{"input": valueOf(r.Input), "result": valueOf(r.Result)}
	for _, pointer := range r.Masked {
		if present(whole, pointer) {
			replaced = append(replaced, pointer)
		} else {
			erased = append(erased, pointer)
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

// pointerEscapes undoes the escapes of RFC 6901 section 3.
var pointerEscapes = strings.NewReplacer("~1", "/", "~0", "~")

// present says whether a JSON pointer leads to a value.
func present(value any, pointer string) bool {
	for name := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		var ok bool
		switch parent := value.(type) {
		case map[string]any:
			value, ok = parent[pointerEscapes.Replace(name)]
		case []any:
			i, err := strconv.Atoi(name)
			if ok = err == nil && 0 <= i && i < len(parent); ok {
				value = parent[i]
			}
		}
		if !ok {
			return false
		}
	}
	return true
}
