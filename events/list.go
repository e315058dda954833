package events

import (
	"strings"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// list gathers the entries of one event, each merged with the one it replaces.
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
			before, until := later(was.IssuedBefore, r.IssuedBefore), later(was.Until, r.Until)
			if before.Equal(was.IssuedBefore) && until.Equal(was.Until) {
				return nil
			}
			r.IssuedBefore, r.Until, r.Reason = before, until, bothReasons(was.Reason, r.Reason)
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
			before, until, deadline := later(was.IssuedBefore, r.IssuedBefore), later(was.Until, r.Until), earlier(was.Deadline, r.Deadline)
			if before.Equal(was.IssuedBefore) && until.Equal(was.Until) && deadline.Equal(was.Deadline) {
				return nil
			}
			r.IssuedBefore, r.Until, r.Deadline, r.Reason = before, until, deadline, bothReasons(was.Reason, r.Reason)
		}
	}
	return l.add(r)
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
			return nil // the entries of one event are equally strong
		}
	}
	if err := e.Validate(); err != nil {
		return err
	}
	l.entries = append(l.entries, e)
	return nil
}

// later is the later of two times of a list entry, where zero stands for no limit.
func later(a, b time.Time) time.Time {
	switch {
	case a.IsZero(), b.IsZero():
		return time.Time{}
	case a.Before(b):
		return b
	}
	return a
}

// bothReasons keeps why an entry was there beside why it grew, while there is room.
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
