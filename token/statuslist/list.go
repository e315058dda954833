package statuslist

import (
	"strconv"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

// MaxPayloadBytes bounds the payload that Parse reads: room for a list of
// MaxBytes that does not compress, written in base64url. Signed as a compact
// JWS, such a payload is a third longer.
const MaxPayloadBytes = 2 << 20

// List is one Status List. The zero List is empty: it has no value for anybody.
type List struct {
	packed    []byte
	perByte   int // statuses in a byte: 8, 4, 2 or 1
	issuedAt  time.Time
	expiresAt time.Time
	ttl       time.Duration
}

// Parse reads the claims of a Status List Token (draft section 5.1) whose typ
// and signature the caller has verified. uri is the one the list was asked for
// by, and sub must be exactly that: a list does not speak for another's tokens.
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

// Value is the status at index. An index the list does not reach is an error:
// the token refers to nothing, and must be refused.
func (l *List) Value(index int) (Status, error) {
	if index < 0 || index >= l.Len() {
		return 0, authz.Invalid("status_list.idx", "is outside the list, which has "+strconv.Itoa(l.Len())+" entries")
	}
	bits := 8 / l.perByte
	shifted := l.packed[index/l.perByte] >> (index % l.perByte * bits)
	return Status(shifted & mask(bits)), nil
}

// Len is how many statuses the list has: those of whole bytes, so that the last
// few may be padding of the issuer.
func (l *List) Len() int { return len(l.packed) * l.perByte }

// IssuedAt is when the issuer made the list.
func (l *List) IssuedAt() time.Time { return l.issuedAt }

// ExpiresAt is when the list stops being usable; zero when the issuer set no end.
func (l *List) ExpiresAt() time.Time { return l.expiresAt }

// TTL is how long the list may be kept before a fresh one should be fetched;
// zero when the issuer does not say, else positive.
func (l *List) TTL() time.Duration { return l.ttl }
