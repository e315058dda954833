package introspection

import (
	"errors"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

// reply is an authority's well-formed answer.
type reply struct {
	active bool
	body   []byte
	exp    numericDate
}

// readReply reads the body of an answer. The error's text continues "the answer"
// and names nothing but active and exp, since the authority chose the rest.
func readReply(body []byte) (reply, error) {
	var members struct {
		Active *bool       `json:"active"`
		Exp    numericDate `json:"exp"`
	}
	if err := ijson.UnmarshalOpen(body, &members); err != nil {
		return reply{}, broken(err)
	}
	if members.Active == nil {
		return reply{}, errors.New("lacks active, which RFC 7662 section 2.2 requires to be true or false")
	}
	return reply{active: *members.Active, body: body, exp: members.Exp}, nil
}

func broken(err error) error {
	var detail *authz.Error
	if !errors.As(err, &detail) {
		return errors.New("is not one JSON object")
	}
	switch detail.Field {
	case "active", "exp":
		return errors.New("is malformed: " + detail.Error())
	}
	return errors.New("is malformed: a member, or the whole, " + detail.Message)
}

// numericDate is an RFC 7519 NumericDate. The zero value is one that was absent.
type numericDate struct {
	present bool
	at      time.Time
}

var errNotADate = errors.New("it must be a number of seconds since 1970, 0 to 2^53")

// UnmarshalJSON implements json.Unmarshaler. A fraction of a second is dropped.
func (d *numericDate) UnmarshalJSON(text []byte) error {
	var seconds float64
	if err := ijson.Unmarshal(text, &seconds); err != nil || seconds < 0 { // more than 2^53 is no number to ijson
		return errNotADate
	}
	*d = numericDate{present: true, at: time.Unix(int64(seconds), 0)}
	return nil
}

// passed says that the date is over at now: RFC 7519 section 4.1.4 wants now
// before exp.
func (d numericDate) passed(now time.Time) bool { return d.present && !now.Before(d.at) }
