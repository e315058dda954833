package events

import "fmt"

// What Entries may refuse an event with. Of those of RFC 8935 section 2.4, the others
// are for whoever verifies its token to say.
const (
	ErrInvalidRequest = "invalid_request" // it cannot be read, or says what it may not
	ErrAccessDenied   = "access_denied"   // its issuer has no say in what it is about
)

// Refusal is the error of an event that sending again does not mend. Both texts are
// shown to the transmitter and logged; of the token they hold names of members at
// most, never a value.
type Refusal struct {
	Err         string // a code of RFC 8935 section 2.4
	Description string
}

// Error implements error.
func (r *Refusal) Error() string { return r.Err + ": " + r.Description }

func unreadable(format string, args ...any) error {
	return &Refusal{Err: ErrInvalidRequest, Description: fmt.Sprintf(format, args...)}
}
