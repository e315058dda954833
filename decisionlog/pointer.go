package decisionlog

import (
	"strconv"
	"strings"

	"github.com/verdict-pdp/verdict/authz"
)

// parsePointer is the parts of a JSON pointer (RFC 6901).
func parsePointer(path string) ([]string, error) {
	rest, ok := strings.CutPrefix(path, "/")
	if !ok {
		return nil, authz.Invalid("path", "must be a JSON pointer: it starts with a slash")
	}
	parts := strings.Split(rest, "/")
	for i, part := range parts {
		plain, ok := unescape(part)
		if !ok {
			return nil, authz.Invalid("path", "must be a JSON pointer: a tilde is followed by 0 or 1")
		}
		parts[i] = plain
	}
	return parts, nil
}

func unescape(part string) (string, bool) {
	if !strings.Contains(part, "~") {
		return part, true
	}
	for i := range len(part) {
		if part[i] == '~' && (i+1 == len(part) || part[i+1] != '0' && part[i+1] != '1') {
			return "", false
		}
	}
	return strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~"), true
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// pointer undoes parsePointer.
func pointer(parts []string) string {
	var b strings.Builder
	for _, part := range parts {
		b.WriteByte('/')
		b.WriteString(pointerEscapes.Replace(part))
	}
	return b.String()
}

// index is the place in a list of length that part names; ok is false when it
// names none.
func index(part string, length int) (at int, ok bool) {
	at, err := strconv.Atoi(part)
	return at, err == nil && at >= 0 && at < length && strconv.Itoa(at) == part
}
