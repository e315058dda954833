package statuslist

import (
	"strconv"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

const (
	maxURIBytes = 2000
	maxIndex    = MaxBytes*8 - 1 // the last entry of the largest list of 1-bit statuses
)

// Reference is a token's place in a list.
type Reference struct {
	Index int    // from 0; no larger than any list can hold
	URI   string // of the list, as the token has it: 1 to 2000 bytes, not checked further
}

// ParseReference parses a token's status claim (draft section 6.2): one object whose
// member status_list refers to a place in a list. Other members are other mechanisms, and
// are ignored. A status claim without status_list is an error, because the token's status
// cannot be determined.
func ParseReference(status []byte) (Reference, error) {
	var claim struct {
		StatusList *struct {
			Index *int   `json:"idx"`
			URI   string `json:"uri"`
		} `json:"status_list"`
	}
	if err := ijson.UnmarshalOpen(status, &claim); err != nil {
		return Reference{}, err
	}
	list := claim.StatusList
	switch {
	case list == nil:
		return Reference{}, authz.Invalid("status_list", "is missing: no other status mechanism is supported")
	case list.Index == nil:
		return Reference{}, authz.Invalid("status_list.idx", "is missing")
	case *list.Index < 0 || *list.Index > maxIndex:
		return Reference{}, authz.Invalid("status_list.idx", "must be 0 to "+strconv.Itoa(maxIndex))
	case list.URI == "" || len(list.URI) > maxURIBytes:
		return Reference{}, authz.Invalid("status_list.uri", "must be a URI of 1 to "+strconv.Itoa(maxURIBytes)+" bytes")
	}
	return Reference{Index: *list.Index, URI: list.URI}, nil
}

// Status is the status of one token (draft section 7). The zero value is Valid, as in the
// draft, so it must not be used if Value returned an error.
type Status uint8

// The registered statuses.
const (
	Valid               Status = 0 // good
	Invalid             Status = 1 // revoked, for good
	Suspended           Status = 2 // temporarily invalid
	ApplicationSpecific Status = 3 // what the issuer says it is
)

// Valid reports whether the status is Valid. Every other one, known or not, is a reason to
// refuse the token.
func (s Status) Valid() bool { return s == Valid }

// String returns the name of the status: valid, invalid, suspended, application_specific,
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
