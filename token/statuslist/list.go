package statuslist

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

// MaxPayloadBytes is the size of the largest payload that Parse accepts: enough for a list
// of MaxBytes that does not compress, in base64url. As a compact JWS, such a payload is a
// third longer.
const MaxPayloadBytes = 2 << 20

// List is a Status List. The zero List is empty.
type List struct {
	packed    []byte
	perByte   int // statuses in a byte: 8, 4, 2 or 1
	issuedAt  time.Time
	expiresAt time.Time
	ttl       time.Duration
}

// Parse parses the claims of a Status List Token (draft section 5.1) whose typ and
// signature the caller has verified. uri is where the list was fetched from, and sub must
// be exactly that: a list has no status for tokens that refer to another one.
func Parse(payload []byte, uri string) (*List, error) {
	if len(payload) > MaxPayloadBytes {
		return nil, authz.Errorf(authz.CodeTooLarge, "a status list token has at most %d bytes of claims", MaxPayloadBytes)
	}
	var c claims
	if err := ijson.UnmarshalOpen(payload, &c); err != nil {
		return nil, err
	}
	if c.Subject == "" || c.Subject != uri {
		return nil, authz.Invalid("sub", "must be the URI that tokens of this list refer to")
	}
	issuedAt, err := c.issuedAt()
	if err != nil {
		return nil, err
	}
	expiresAt, err := c.expiresAt()
	if err != nil {
		return nil, err
	}
	ttl, err := c.ttl()
	if err != nil {
		return nil, err
	}
	if !width(c.StatusList.Bits) {
		return nil, authz.Invalid("status_list.bits", widths)
	}
	packed, err := inflate(c.StatusList.List)
	if err != nil {
		return nil, err
	}
	return &List{packed: packed, perByte: 8 / c.StatusList.Bits, issuedAt: issuedAt, expiresAt: expiresAt, ttl: ttl}, nil
}

// Value returns the status at index. An index outside the list is an error: the token has
// no status, and must be refused.
func (l *List) Value(index int) (Status, error) {
	if index < 0 || index >= l.Len() {
		return 0, authz.Invalid("status_list.idx", "is outside the list, which has "+strconv.Itoa(l.Len())+" entries")
	}
	bits := 8 / l.perByte
	shifted := l.packed[index/l.perByte] >> (index % l.perByte * bits)
	return Status(shifted & mask(bits)), nil
}

// Len returns the number of statuses in the list. It counts whole bytes, so the last few
// may be the issuer's padding.
func (l *List) Len() int { return len(l.packed) * l.perByte }

// IssuedAt returns when the issuer made the list.
func (l *List) IssuedAt() time.Time { return l.issuedAt }

// ExpiresAt returns when the list stops being usable; zero means never.
func (l *List) ExpiresAt() time.Time { return l.expiresAt }

// TTL returns after how long a new list should be fetched; zero if the issuer does not
// say, else positive.
func (l *List) TTL() time.Duration { return l.ttl }

const (
	maxDate = 253402300799             // the last second of the year 9999, where RFC 3339 ends
	maxTTL  = 100 * 365 * 24 * 60 * 60 // seconds: about a century, well within a time.Duration
)

// claims has the claims of a Status List Token that are used.
type claims struct {
	Subject    string   `json:"sub"`
	IssuedAt   *float64 `json:"iat"`
	ExpiresAt  *float64 `json:"exp"`
	TTL        *float64 `json:"ttl"`
	StatusList struct {
		Bits int    `json:"bits"`
		List string `json:"lst"`
	} `json:"status_list"`
}

func (c *claims) issuedAt() (time.Time, error) {
	if c.IssuedAt == nil {
		return time.Time{}, authz.Invalid("iat", "is missing")
	}
	return date("iat", *c.IssuedAt)
}

func (c *claims) expiresAt() (time.Time, error) {
	if c.ExpiresAt == nil {
		return time.Time{}, nil
	}
	return date("exp", *c.ExpiresAt)
}

// ttl rounds up to a nanosecond, so that it is zero only if it is absent.
func (c *claims) ttl() (time.Duration, error) {
	if c.TTL == nil {
		return 0, nil
	}
	seconds := *c.TTL
	if seconds <= 0 || seconds > maxTTL {
		return 0, authz.Invalid("ttl", "must be more than 0 and at most "+strconv.Itoa(maxTTL)+" seconds")
	}
	return time.Duration(math.Ceil(seconds * float64(time.Second))), nil
}

// date converts a NumericDate (RFC 7519 section 2), rounded down to a whole second, which
// makes a list older, and its end earlier.
func date(claim string, seconds float64) (time.Time, error) {
	if seconds < 0 || seconds > maxDate {
		return time.Time{}, authz.Invalid(claim, "must be a time in seconds since 1970, before the year 10000")
	}
	return time.Unix(int64(seconds), 0).UTC(), nil
}

// MaxBytes is the size of the largest list that is accepted, inflated: 2^20 statuses of
// 8 bits, 2^23 of 1 bit.
const MaxBytes = 1 << 20

const widths = "must be 1, 2, 4 or 8"

func width(bits int) bool { return bits == 1 || bits == 2 || bits == 4 || bits == 8 }

// mask returns a byte with the low bits set.
func mask(bits int) byte { return 0xff >> (8 - bits) }

// inflate decodes a lst member: base64url without padding (RFC 7515 section 2) of exactly
// one zlib stream (RFC 1950), with its checksum. It stops one byte after MaxBytes,
// whatever the stream would inflate to.
func inflate(lst string) ([]byte, error) {
	const field = "status_list.lst"
	compressed, err := base64.RawURLEncoding.Strict().DecodeString(lst)
	if err != nil || strings.ContainsAny(lst, "\r\n") { // which the decoder ignores
		return nil, &authz.Error{Code: authz.CodeInvalid, Field: field, Message: "must be base64url without padding", Cause: err}
	}
	source := bytes.NewReader(compressed)
	stream, err := zlib.NewReader(source)
	if err != nil {
		return nil, &authz.Error{Code: authz.CodeInvalid, Field: field, Message: "must be a list compressed with zlib", Cause: err}
	}
	packed, err := io.ReadAll(io.LimitReader(stream, MaxBytes+1))
	switch {
	case len(packed) > MaxBytes:
		return nil, &authz.Error{Code: authz.CodeTooLarge, Field: field, Message: "inflates to more than " + strconv.Itoa(MaxBytes) + " bytes; publish several lists"}
	case err != nil:
		return nil, &authz.Error{Code: authz.CodeInvalid, Field: field, Message: "breaks off or is damaged: it must be one whole zlib stream", Cause: err}
	case source.Len() > 0:
		return nil, authz.Invalid(field, "must end with its zlib stream")
	}
	return packed, nil
}
