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

// ParseReference reads the value of a token's status claim (draft section 6.2):
// one object whose member status_list names a place in a list. Members beside it
// are other mechanisms and are passed over. A status claim without status_list
// is an error, for nothing here can say how such a token stands.
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
	place := claim.StatusList
	switch {
	case place == nil:
		return Reference{}, authz.Invalid("status_list", "is missing: no other status mechanism is supported")
	case place.Index == nil:
		return Reference{}, authz.Invalid("status_list.idx", "is missing")
	case *place.Index < 0 || *place.Index > maxIndex:
		return Reference{}, authz.Invalid("status_list.idx", "must be 0 to "+strconv.Itoa(maxIndex))
	case place.URI == "" || len(place.URI) > maxURIBytes:
		return Reference{}, authz.Invalid("status_list.uri", "must be a URI of 1 to "+strconv.Itoa(maxURIBytes)+" bytes")
	}
	return Reference{Index: *place.Index, URI: place.URI}, nil
}
