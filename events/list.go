package events

import (
	"strings"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// list collects what one event writes: entries, each merged with the one it replaces,
// and credentials that are revoked.
type list struct {
	data    Data
	now     time.Time
	entries []authz.Entity
}

// revoke adds r, made as strong as the entry of its name that is there. What that
// covers already is not written again.
func (l *list) revoke(r *authz.Revocation) error {
	r.Normalize()
	entity, err := l.replaced(r)
	if err != nil {
		return err
	}
	if was, ok := entity.(*authz.Revocation); ok {
		r.Header = was.Header
		if !l.ended(was) {
			r.AtLeast(was)
			if r.IssuedBefore.Equal(was.IssuedBefore) && r.Until.Equal(was.Until) {
				return nil
			}
			r.Reason = bothReasons(was.Reason, r.Reason)
		}
	}
	return l.add(r)
}

// renew is revoke for a renewal.
func (l *list) renew(r *authz.Renewal) error {
	r.Normalize()
	entity, err := l.replaced(r)
	if err != nil {
		return err
	}
	if was, ok := entity.(*authz.Renewal); ok {
		r.Header = was.Header
		if !l.ended(was) {
			r.AtLeast(was)
			if r.IssuedBefore.Equal(was.IssuedBefore) && r.Until.Equal(was.Until) && r.Deadline.Equal(was.Deadline) {
				return nil
			}
			r.Reason = bothReasons(was.Reason, r.Reason)
		}
	}
	return l.add(r)
}

// end puts a credential in the state revoked, which is final.
func (l *list) end(id string) error {
	entity, err := l.data.Entity(authz.Credentials, id)
	if err != nil {
		return err
	}
	c := entity.(*authz.Credential)
	if c.State == authz.CredentialRevoked {
		return nil
	}
	c.State = authz.CredentialRevoked
	return l.add(c)
}

// replaced is the entry stored under the name of e, nil when there is none.
func (l *list) replaced(e authz.Entity) (authz.Entity, error) {
	return stored(l.data, e.Collection(), e.Head().ID)
}

func (l *list) ended(e authz.Entity) bool {
	until := e.Expires()
	return !until.IsZero() && !l.now.Before(until)
}

func (l *list) add(e authz.Entity) error {
	for _, added := range l.entries {
		if added.Collection() == e.Collection() && added.Head().ID == e.Head().ID {
			return nil // what one event writes is equally strong
		}
	}
	if err := e.Validate(); err != nil {
		return err
	}
	l.entries = append(l.entries, e)
	return nil
}

// bothReasons joins why an entry was there and why it grew, while there is room.
func bothReasons(was, now string) string {
	switch both := was + "; " + now; {
	case was == "", len(both) > authz.MaxTextLength:
		return now
	case strings.Contains(was, now):
		return was
	default:
		return both
	}
}
