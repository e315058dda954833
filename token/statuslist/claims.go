package statuslist

import (
	"math"
	"strconv"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

const (
	maxDate = 253402300799             // the last second of the year 9999, where RFC 3339 ends
	maxTTL  = 100 * 365 * 24 * 60 * 60 // seconds: about a century, well within a time.Duration
)

// claims are those of a Status List Token that matter here.
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

// ttl rounds up to a nanosecond, so that a ttl that is there is never zero.
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

// date reads a NumericDate (RFC 7519 section 2), rounded down to a whole second:
// a list is rather older, and ends rather sooner, than it says.
func date(claim string, seconds float64) (time.Time, error) {
	if seconds < 0 || seconds > maxDate {
		return time.Time{}, authz.Invalid(claim, "must be a time in seconds since 1970, before the year 10000")
	}
	return time.Unix(int64(seconds), 0).UTC(), nil
}
