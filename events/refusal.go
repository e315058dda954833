package events

import "fmt"

// What a Refusal may say (RFC 8935 section 2.4).
const (
	ErrInvalidRequest       = "invalid_request"       // it cannot be read, or says what it may not
	ErrInvalidKey           = "invalid_key"           // its key is not acceptable
	ErrInvalidIssuer        = "invalid_issuer"        // its issuer is not known for events
	ErrInvalidAudience      = "invalid_audience"      // it is not for us
	ErrAuthenticationFailed = "authentication_failed" // its signature does not hold
	ErrAccessDenied         = "access_denied"         // its issuer has no say in what it is about
)

// Refusal is the error of an event that sending again does not mend. Both texts are
// shown to the transmitter and logged; of the token they hold names of members at
// most, never a value.
type Refusal struct {
	Err         string // one of the Err constants
	Description string
}

// Error implements error.
func (r *Refusal) Error() string { return r.Err + ": " + r.Description }

func unreadable(format string, args ...any) error {
	return &Refusal{Err: ErrInvalidRequest, Description: fmt.Sprintf(format, args...)}
}
