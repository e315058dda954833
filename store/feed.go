package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/verdict-pdp/verdict/authz"
)

// ChangeOp says what happened to an entity.
type ChangeOp string

// What happens to entities.
const (
	Put    ChangeOp = "put"
	Delete ChangeOp = "delete"
)

// Change is one entity's part in a write.
type Change struct {
	Revision   uint64
	Op         ChangeOp
	Collection authz.Collection
	ID         string
	At         time.Time
	// Entity is what was put. It is nil for a delete, and for a put that a later
	// change has replaced: that change follows.
	Entity authz.Entity
}

// ChangePage is a stretch of the change feed, oldest first.
type ChangePage struct {
	Changes   []Change
	NextAfter uint64 // ask for the changes after this revision next
	Revision  uint64 // data revision the page was read at
}

// MaxChanges bounds the limit of Changes.
const MaxChanges = 1000

// Changes reads the feed after a revision; 0 starts at its beginning. A page ends
// with a whole write, so it may hold more than limit changes, by less than the
// last write's. CodeGone when the feed no longer reaches back that far.
func (s *Store) Changes(ctx context.Context, after uint64, limit int) (ChangePage, error) {
	if limit < 1 || limit > MaxChanges {
		return ChangePage{}, authz.Invalid("limit", fmt.Sprintf("is %d; it must be 1 to %d", limit, MaxChanges))
	}
	if !s.config.logsChanges() {
		return ChangePage{}, authz.Errorf(authz.CodeGone, "the change feed is switched off on this node")
	}
	view, err := s.Snapshot()
	if err != nil {
		return ChangePage{}, err
	}
	defer view.Close()
	if after > view.Revision() {
		return ChangePage{}, authz.Invalid("after", fmt.Sprintf("is %d but the data revision is %d; start again from an export", after, view.Revision()))
	}
	page := ChangePage{Changes: []Change{}, NextAfter: after, Revision: view.Revision()}
	err = view.cold(func(txn *badger.Txn) error { return page.read(ctx, txn, view.state.floor, limit) })
	if err != nil {
		return ChangePage{}, err
	}
	return page, view.attach(page.Changes)
}

// read fills the page. Every revision after the floor has a record, so a gap
// means that the feed was compacted past it.
func (p *ChangePage) read(ctx context.Context, txn *badger.Txn, floor uint64, limit int) error {
	if p.NextAfter < floor {
		return gone(p.NextAfter, floor)
	}
	start := changeKey(p.NextAfter+1, 0)
	err := scan(txn, []byte{kindChange}, start, true, func(item *badger.Item) (bool, error) {
		if ctx.Err() != nil {
			return false, &authz.Error{Code: authz.CodeUnavailable, Message: "the page was not read: the request ended first", Cause: ctx.Err()}
		}
		revision := changeRevision(item.Key())
		if revision > p.NextAfter+1 {
			return false, gone(p.NextAfter, revision-1)
		}
		if revision > p.NextAfter && len(p.Changes) >= limit {
			return false, nil
		}
		p.NextAfter = revision
		return true, item.Value(func(v []byte) error {
			_, changes, err := readChanges(revision, v)
			p.Changes = append(p.Changes, changes...)
			return err
		})
	})
	if err == nil && len(p.Changes) < limit && p.NextAfter < p.Revision {
		return gone(p.NextAfter, p.Revision)
	}
	return err
}

func gone(after, oldest uint64) error {
	return authz.Errorf(authz.CodeGone, "the changes after revision %d are no longer kept; the feed starts after %d: take an export, then continue from its revision", after, oldest)
}

// readChanges undoes changeValue. number is that of the first change.
func readChanges(revision uint64, v []byte) (number uint64, changes []Change, err error) {
	broken := corrupt(fmt.Errorf("change record of revision %d", revision))
	if len(v) < 16 {
		return 0, nil, broken
	}
	at := fromMillis(int64(binary.BigEndian.Uint64(v)))
	number = binary.BigEndian.Uint64(v[8:])
	for v = v[16:]; len(v) > 0; {
		if len(v) < 3 {
			return 0, nil, broken
		}
		op, code := v[0], collCode(v[1])
		length, n := binary.Uvarint(v[2:])
		if n <= 0 || uint64(len(v)-2-n) < length {
			return 0, nil, broken
		}
		c := Change{Revision: revision, Op: Put, Collection: code.collection(), ID: string(v[2+n : 2+n+int(length)]), At: at}
		if op == changeDelete {
			c.Op = Delete
		}
		changes = append(changes, c)
		v = v[2+n+int(length):]
	}
	return number, changes, nil
}

// attach adds the entities that are still as the change left them.
func (v *Snapshot) attach(changes []Change) error {
	for i := range changes {
		c := &changes[i]
		if c.Op == Delete {
			continue
		}
		rec, err := v.record(codeOf(c.Collection), c.ID)
		if err != nil {
			return err
		}
		if rec == nil || rec.revision != c.Revision {
			continue
		}
		if c.Entity, err = rec.decode(c.Collection); err != nil {
			return err
		}
	}
	return nil
}

// WaitFor returns once readers see revision or a later one. When ctx ends first
// it returns CodeBehind.
func (s *Store) WaitFor(ctx context.Context, revision uint64) error {
	for {
		now := s.state.Load()
		if now.revision >= revision {
			return nil
		}
		select {
		case <-now.superseded:
		case <-s.closing:
			return errClosed()
		case <-ctx.Done():
			return &authz.Error{Code: authz.CodeBehind, Message: fmt.Sprintf("the data is at revision %d and %d was asked for", now.revision, revision), Cause: ctx.Err()}
		}
	}
}
