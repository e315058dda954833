package admin

import (
	"strconv"
	"strings"

	"github.com/verdict-pdp/verdict/authz"
)

// validateMessage holds what an author says about a change to what may be shown
// in a terminal.
func validateMessage(message string) error {
	if len(message) > authz.MaxTextLength {
		return authz.Invalid("message", "is longer than "+strconv.Itoa(authz.MaxTextLength)+" bytes")
	}
	if strings.ContainsFunc(message, func(r rune) bool { return r < 0x20 && r != '\n' && r != '\t' || r == 0x7f }) {
		return authz.Invalid("message", "has a control character")
	}
	return nil
}
