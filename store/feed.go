package store

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"github.com/verdict-pdp/verdict/authz"
)

// MaxChanges bounds the limit of Changes.
const MaxChanges = 1000

// Changes reads the feed after a revision; 0 starts at its beginning. A page ends
// with a whole write, so it may hold more than limit changes, by less than the
// last write's. CodeGone when the feed no longer reaches back that far.
func (s *Store) Changes(ctx context.Context, after uint64, limit int) (authz.Changes[authz.Entity], error) {
	if limit < 1 || limit > MaxChanges {
		return authz.Changes[authz.Entity]{}, authz.Invalid("limit", fmt.Sprintf("is %d; it must be 1 to %d", limit, MaxChanges))
	}
	if !s.config.logsChanges() {
		return authz.Changes[authz.Entity]{}, authz.Errorf(authz.CodeGone, "the change feed is switched off on this node")
	}
	view, err := s.Snapshot()
	if err != nil {
		return authz.Changes[authz.Entity]{}, err
	}
	defer view.Close()
	if after > view.Revision() {
		return authz.Changes[authz.Entity]{}, authz.Invalid("after", fmt.Sprintf("is %d but the data revision is %d; start again from an export", after, view.Revision()))
	}
	page := authz.Changes[authz.Entity]{Changes: []authz.Change[authz.Entity]{}, NextAfter: after, Revision: view.Revision()}
	err = view.cold(func(txn *badger.Txn) error { return readFeed(ctx, &page, txn, view.state.floor, limit) })
	if err != nil {
		return authz.Changes[authz.Entity]{}, err
	}
	return page, view.attach(page.Changes)
}

// readFeed fills the page. Every revision after the floor has a record, so a gap
// means that the feed was compacted past it.
func readFeed(ctx context.Context, p *authz.Changes[authz.Entity], txn *badger.Txn, floor uint64, limit int) error {
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
func readChanges(revision uint64, v []byte) (number uint64, changes []authz.Change[authz.Entity], err error) {
	broken := corrupt(fmt.Errorf("change record of revision %d", revision))
	if len(v) < 16 {
		return 0, nil, broken
	}
	at := fromMillis(int64(binary.BigEndian.Uint64(v)))
	number = binary.BigEndian.Uint64(v[8:])
	by := ""
	for v = v[16:]; len(v) > 0; {
		if len(v) < 3 {
			return 0, nil, broken
		}
		op, code := v[0], collCode(v[1])
		length, n := binary.Uvarint(v[2:])
		if n <= 0 || uint64(len(v)-2-n) < length {
			return 0, nil, broken
		}
		key := string(v[2+n : 2+n+int(length)])
		v = v[2+n+int(length):]
		if op == changeBy {
			by = key
			continue
		}
		c := authz.Change[authz.Entity]{Revision: revision, Op: authz.OpPut, Collection: code.collection(), ID: key, At: at, By: by}
		if op == changeDelete {
			c.Op = authz.OpDelete
		}
		changes = append(changes, c)
	}
	return number, changes, nil
}

// attach adds the entities that are still as the change left them.
func (v *Snapshot) attach(changes []authz.Change[authz.Entity]) error {
	for i := range changes {
		c := &changes[i]
		if c.Op == authz.OpDelete {
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
		case <-s.db.Closing():
			return errClosed()
		case <-ctx.Done():
			return &authz.Error{Code: authz.CodeBehind, Message: fmt.Sprintf("the data is at revision %d and %d was asked for", now.revision, revision), Cause: ctx.Err()}
		}
	}
}

// LogsChanges reports whether this node keeps a change feed.
func (s *Store) LogsChanges() bool { return s.config.logsChanges() }
