package decisionlog

import (
	"context"
	"fmt"
	"strconv"

	"github.com/dgraph-io/badger/v4"

	"github.com/verdict-pdp/verdict/authz"
)

// maxChangeScan is how many intents and changes one page looks at; see maxPageScan for
// its other limits.
const maxChangeScan = 20_000

// Pending is the announced changes without an outcome, oldest first: MaxPending at
// most.
func (l *Log) Pending(ctx context.Context) ([]authz.AuditedChange, error) {
	if ctx.Err() != nil {
		return nil, errInterrupted(ctx)
	}
	var pending []authz.AuditedChange
	err := l.view(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{kindPending}})
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			c, ok, err := changeAt(txn, numberOf(it.Item().Key()))
			if err != nil {
				return err
			}
			if !ok {
				return corrupt(fmt.Errorf("the intent %d is missing", numberOf(it.Item().Key())))
			}
			r, err := c.record()
			if err != nil {
				return err
			}
			pending = append(pending, *r.Change)
		}
		return nil
	})
	return pending, err
}

// Change is the change id as the log has it: its outcome when there is one, else its
// intent. The record is the one it stands in. CodeNotFound when there is none, or none
// any more.
func (l *Log) Change(ctx context.Context, id string) (authz.AuditedChange, authz.Record, error) {
	if ctx.Err() != nil {
		return authz.AuditedChange{}, authz.Record{}, errInterrupted(ctx)
	}
	var r authz.Record
	err := l.view(func(txn *badger.Txn) error {
		_, c, ok, err := changeByID(txn, id)
		switch {
		case err != nil:
			return err
		case !ok:
			return errNoChange()
		}
		if r, err = c.record(); err == nil && r.Change.ID != id {
			err = errNoChange()
		}
		return err
	})
	if err != nil {
		return authz.AuditedChange{}, authz.Record{}, err
	}
	return *r.Change, r, nil
}

func errNoChange() error {
	return authz.Errorf(authz.CodeNotFound, "there is no record of this change, or it is no longer kept")
}

// Changes is one page of the changes that f selects, newest first. An intent is among
// them while it has no outcome. cursor and limit are as in a List. Changes that are recorded while a list is read are not
// in its later pages.
func (l *Log) Changes(ctx context.Context, f authz.AuditFilter, cursor string, limit int) (authz.AuditPage, error) {
	found, err := newChangeRun(ctx, f, limit)
	if err != nil {
		return authz.AuditPage{}, err
	}
	err = l.view(func(txn *badger.Txn) error {
		oldest, err := found.bounds(txn)
		if err != nil {
			return err
		}
		first, err := firstOf(cursor, found.page.Head)
		if err != nil || first < oldest {
			return err
		}
		if err := scanKind(txn, kindChange, first, oldest, found.next); err != nil {
			return err
		}
		if found.more && found.last > oldest {
			found.page.NextCursor = strconv.FormatUint(found.last-1, 10)
		}
		return nil
	})
	if err != nil {
		return authz.AuditPage{}, err
	}
	found.page.NextAfter = found.page.Head
	return found.page, nil
}

// ChangesAfter is up to limit of the changes after number after that f selects, oldest
// first; limit is as in a List. An intent is among them while it has no outcome, which
// comes with a number of its own. CodeGone says that some of what was asked for is no
// longer kept.
func (l *Log) ChangesAfter(ctx context.Context, f authz.AuditFilter, after uint64, limit int) (authz.AuditPage, error) {
	found, err := newChangeRun(ctx, f, limit)
	if err != nil {
		return authz.AuditPage{}, err
	}
	err = l.view(func(txn *badger.Txn) error {
		oldest, err := found.bounds(txn)
		if err != nil {
			return err
		}
		head := found.page.Head
		if found.page.NextAfter = max(after, head); after >= head {
			return nil
		}
		if after+1 < oldest {
			return authz.Errorf(authz.CodeGone, "%d records of changes after number %d are no longer kept; read on from %d", oldest-after-1, after, oldest-1)
		}
		if err := scanKind(txn, kindChange, after+1, head, found.next); err != nil {
			return err
		}
		if found.more {
			found.page.NextAfter = found.last
		}
		return nil
	})
	if err != nil {
		return authz.AuditPage{}, err
	}
	return found.page, nil
}

// AwaitChange returns once there is an intent or a change with a number higher than
// after. When ctx ends first it returns CodeBehind.
func (l *Log) AwaitChange(ctx context.Context, after uint64) error {
	return l.await(ctx, "change", after, func(now *state) uint64 { return now.changes.seq })
}

// changeRun is a page of changes while it is filled.
type changeRun struct {
	ctx     context.Context
	filter  authz.AuditFilter
	limit   int
	page    authz.AuditPage
	bytes   int
	scanned int
	last    uint64 // number of the last one looked at
	more    bool   // it stopped there because of a limit
}

// newChangeRun refuses a limit, a kind and an outcome that cannot be.
func newChangeRun(ctx context.Context, f authz.AuditFilter, limit int) (*changeRun, error) {
	limit, err := limitOf(limit)
	if err != nil {
		return nil, err
	}
	if _, ok := f.Kind.Role(); f.Kind != "" && !ok {
		return nil, authz.Invalid("kind", "is not a kind of change")
	}
	if f.Outcome != "" && !knownOutcome(f.Outcome) {
		return nil, authz.Invalid("outcome", "must be pending, made, refused, failed, not_made or interrupted")
	}
	if ctx.Err() != nil {
		return nil, errInterrupted(ctx)
	}
	return &changeRun{ctx: ctx, filter: f, limit: limit, page: authz.AuditPage{Items: []authz.AuditedChange{}}}, nil
}

// bounds sets the head of the page, and returns the number of the oldest change that
// may be kept, both as txn sees them.
func (run *changeRun) bounds(txn *badger.Txn) (oldest uint64, err error) {
	head, err := getLink(txn, changeHeadKey)
	if err != nil {
		return 0, err
	}
	anchor, err := getLink(txn, changeAnchorKey)
	run.page.Head = head.seq
	return anchor.seq + 1, err
}

// next looks at one stored intent or change.
func (run *changeRun) next(txn *badger.Txn, number uint64, value []byte) (more bool, err error) {
	run.scanned++
	run.last = number
	if run.scanned%1024 == 0 && run.ctx.Err() != nil {
		return false, errInterrupted(run.ctx)
	}
	c, err := readChange(value)
	if err != nil {
		return false, err
	}
	shown := !c.intent
	if c.intent {
		mark, err := get(txn, pendingKey(number))
		if err != nil {
			return false, err
		}
		shown = mark != nil
	}
	if shown {
		r, err := c.record()
		if err != nil {
			return false, err
		}
		if run.filter.Selects(r.Change) {
			run.page.Items = append(run.page.Items, *r.Change)
			run.bytes += len(value)
		}
	}
	run.more = len(run.page.Items) >= run.limit || run.bytes >= maxPageBytes || run.scanned >= maxChangeScan
	return !run.more, nil
}
