package events

import (
	"fmt"

	"github.com/verdict-pdp/verdict/authz"
)

// Codes that Entries may refuse an event with. The others of RFC 8935 section 2.4 are for
// the verifier of its token.
const (
	ErrInvalidRequest = "invalid_request" // it cannot be read, or says what it may not
	ErrAccessDenied   = "access_denied"   // its issuer has no say in what it is about
)

func unreadable(format string, args ...any) error {
	return &authz.EventRefusal{Err: ErrInvalidRequest, Description: fmt.Sprintf(format, args...)}
}
