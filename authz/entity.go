package authz

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Header is what every entity carries. Clients may send id; the store writes
// the other fields and ignores what a client sent for them.
type Header struct {
	ID        string    `json:"id,omitempty"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	UpdatedAt time.Time `json:"updated_at,omitzero"`
	// Revision is the data revision that last wrote the entity, also its ETag.
	Revision uint64 `json:"revision,omitzero"`
}

// Entity is one stored object. Normalize fills derived and default fields (the
// id of a pair, a state left out) and is idempotent; Validate then checks the
// whole and returns an *Error naming the first field at fault.
type Entity interface {
	Head() *Header
	Collection() Collection
	// Field is the value of one of Collection().Filters(), "" when unset.
	Field(name string) string
	// Expires is when the entity ends by itself; zero when it does not.
	Expires() time.Time
	Normalize()
	Validate() error
}

// Paired is an Entity named by two ids. Place fills in those that its document left out,
// from the path it was put to.
type Paired interface {
	Entity
	Place(first, second string)
}

// Successor is an Entity that takes over something from the one it replaces, or may not
// replace every one. The store calls Succeed, within the write and after Validate, with
// the entity as it was; the result must still be valid. An error prevents the write.
type Successor interface {
	Entity
	Succeed(previous Entity, at time.Time) error
}

// Redactor is an Entity with members that no response may have, such as the hash of a
// secret. Redacted returns a copy without them.
type Redactor interface {
	Entity
	Redacted() Entity
}

// Head returns h, so that embedding Header gives an entity its head.
func (h *Header) Head() *Header { return h }

// noExpiry is embedded by entities that do not end by themselves.
type noExpiry struct{}

// Expires is always zero.
func (noExpiry) Expires() time.Time { return time.Time{} }

// firstError returns the first non-nil error, typed so that nil stays nil.
func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func validateOneOf(field, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return Invalid(field, "is "+strconv.Quote(value)+"; it must be one of "+strings.Join(allowed, ", "))
}

func validateOptionalID(field, id string) error {
	if id == "" {
		return nil
	}
	return ValidateID(field, id)
}

func validateIDs(field string, ids []string) error {
	for i, id := range ids {
		if err := ValidateID(field+"["+strconv.Itoa(i)+"]", id); err != nil {
			return err
		}
	}
	return nil
}

func validateRange(field string, value, low, high int) error {
	if value < low || value > high {
		return Invalid(field, "is "+strconv.Itoa(value)+"; it must be "+strconv.Itoa(low)+" to "+strconv.Itoa(high))
	}
	return nil
}

// MaxTextLength bounds every free-text field, in bytes.
const MaxTextLength = 2000

func validateText(field, text string) error {
	if len(text) > MaxTextLength {
		return Invalid(field, "is longer than "+strconv.Itoa(MaxTextLength)+" bytes")
	}
	for _, r := range text {
		if r < 0x20 && r != '\n' && r != '\t' || r == 0x7f {
			return Invalid(field, "has a control character")
		}
	}
	return nil
}

func validateCIDRs(field string, cidrs []string) error {
	for i, cidr := range cidrs {
		at := field + "[" + strconv.Itoa(i) + "]"
		prefix, err := netip.ParsePrefix(cidr)
		if err != nil {
			return Invalid(at, "is "+strconv.Quote(cidr)+"; write a network such as 10.4.2.0/24 or 2001:db8::/32")
		}
		if prefix != prefix.Masked() {
			return Invalid(at, "has host bits set; did you mean "+prefix.Masked().String()+"?")
		}
	}
	return nil
}

// Hours is a weekly window in which a machine user may act.
type Hours struct {
	Days []string `json:"days,omitempty"` // mon..sun; empty means every day
	From string   `json:"from"`           // 24-hour clock "01:00", inclusive
	To   string   `json:"to"`             // "03:00", exclusive; before From it crosses midnight; "24:00" ends the day
	Zone string   `json:"zone,omitempty"` // IANA name; empty means UTC
}

func validateHours(field string, hours []Hours) error {
	for i, h := range hours {
		at := field + "[" + strconv.Itoa(i) + "]"
		for _, day := range h.Days {
			if err := validateOneOf(at+".days", day, "mon", "tue", "wed", "thu", "fri", "sat", "sun"); err != nil {
				return err
			}
		}
		if !validClock(h.From, false) {
			return Invalid(at+".from", "is "+strconv.Quote(h.From)+"; write a time such as 01:00")
		}
		if !validClock(h.To, true) {
			return Invalid(at+".to", "is "+strconv.Quote(h.To)+"; write a time such as 03:00 (24:00 ends the day)")
		}
		if h.From == h.To {
			return Invalid(at+".to", "equals from, which leaves no time at all; for a whole day write 00:00 to 24:00")
		}
		if !validZoneName(h.Zone) {
			return Invalid(at+".zone", "is "+strconv.Quote(h.Zone)+"; write an IANA name such as Europe/Berlin")
		}
	}
	return nil
}

func validClock(s string, end bool) bool {
	if end && s == "24:00" {
		return true
	}
	t, err := time.Parse("15:04", s)
	return err == nil && t.Format("15:04") == s
}

// validZoneName asks the time zone database for the name. "Local" is refused:
// it would mean something else on every node.
func validZoneName(name string) bool {
	if name == "" || name == "UTC" {
		return true
	}
	if name == "Local" {
		return false
	}
	_, err := time.LoadLocation(name)
	return err == nil
}
