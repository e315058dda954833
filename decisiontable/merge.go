package decisiontable

import "maps"

// patched is a document after a JSON merge patch (RFC 7396): without what the patch
// has null for. Neither is changed; the result may share parts with both.
func patched(document, patch map[string]any) map[string]any {
	return merge(document, patch, false)
}

// both is the one patch that does what first and then second do. Neither is changed.
func both(first, second map[string]any) map[string]any {
	return merge(first, second, true)
}

func merge(document, patch map[string]any, keepNulls bool) map[string]any {
	result := maps.Clone(document)
	if result == nil {
		result = make(map[string]any, len(patch))
	}
	for name, value := range patch {
		switch value := value.(type) {
		case nil:
			if keepNulls {
				result[name] = nil
			} else {
				delete(result, name)
			}
		case map[string]any:
			under, _ := result[name].(map[string]any)
			result[name] = merge(under, value, keepNulls)
		default:
			result[name] = value
		}
	}
	return result
}
