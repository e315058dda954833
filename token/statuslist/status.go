package statuslist

import "strconv"

// Status is what a list says of one token (draft section 7). The zero value says
// valid, as the draft has it: read it only where Value returned no error.
type Status uint8

// The registered statuses.
const (
	Valid               Status = 0 // good
	Invalid             Status = 1 // revoked, for good
	Suspended           Status = 2 // temporarily invalid
	ApplicationSpecific Status = 3 // what the issuer says it is
)

// Valid is true for the status Valid alone: every other one, known or not, is a
// reason to refuse the token.
func (s Status) Valid() bool { return s == Valid }

// String names the status: valid, invalid, suspended, application_specific,
// application_12 to application_15 for the other values the registry leaves to
// applications, and reserved for the rest.
func (s Status) String() string {
	switch s {
	case Valid:
		return "valid"
	case Invalid:
		return "invalid"
	case Suspended:
		return "suspended"
	case ApplicationSpecific:
		return "application_specific"
	case 12, 13, 14, 15:
		return "application_" + strconv.Itoa(int(s))
	}
	return "reserved"
}
