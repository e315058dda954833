package decisionlog

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"github.com/dgraph-io/badger/v4"

	"github.com/verdict-pdp/verdict/authz"
)

// Limits of what one call returns. A page that reaches one of the others than its
// own is shorter, or empty, and has a next one all the same.
const (
	maxPageBytes = 16 << 20 // stored bytes of the records
	maxPageScan  = 200_000  // records looked at
)

// Get is the record of a decision, CodeNotFound when there is none, or none any more.
func (l *Log) Get(ctx context.Context, id string) (authz.Record, error) {
	if err := ctx.Err(); err != nil {
		return authz.Record{}, errInterrupted(ctx)
	}
	var r authz.Record
	err := l.view(func(txn *badger.Txn) error {
		at, err := get(txn, idKey(id))
		if err != nil {
			return err
		}
		if len(at) != 8 {
			return errUnknown()
		}
		value, err := get(txn, recordKey(binary.BigEndian.Uint64(at)))
		switch {
		case err != nil:
			return err
		case value == nil:
			return errUnknown()
		}
		h, err := readHeader(value)
		switch {
		case err != nil:
			return err
		case string(h.id) != id:
			return errUnknown()
		}
		r, err = h.record()
		return err
	})
	return r, err
}

func errUnknown() error {
	return authz.Errorf(authz.CodeNotFound, "there is no record of this decision, or it is no longer kept")
}

func errInterrupted(ctx context.Context) error {
	return &authz.Error{Code: authz.CodeUnavailable, Message: "reading the decision log ended with the request", Cause: ctx.Err()}
}

// record is the record that the header stands before.
func (h *header) record() (r authz.Record, err error) {
	if err := json.Unmarshal(h.json, &r); err != nil {
		return authz.Record{}, corrupt(err)
	}
	r.Hash = hex.EncodeToString(h.hash[:])
	return r, nil
}

// recordAs is record for any record, with its number. Of an intent or a change it is
// the whole when that is asked for and kept, or what a stub tells.
func (h *header) recordAs(changes changesAs, txn *badger.Txn, seq uint64) (authz.Record, error) {
	if !h.change {
		return h.record()
	}
	if changes == whole {
		c, ok, err := changeAt(txn, h.number)
		if err != nil {
			return authz.Record{}, err
		}
		if ok {
			return c.record()
		}
	}
	return h.withheld(seq), nil
}

// List is one page of the records that filter selects, newest first; intents and
// changes are not among them. cursor is the NextCursor of the page before; empty starts
// at the newest. limit is the most records of the page, at most authz.MaxPageSize; 0 means
// authz.DefaultPageSize.
// Records that come while a list is read are not in its later pages.
func (l *Log) List(ctx context.Context, filter authz.RecordFilter, cursor string, limit int) (authz.RecordPage, error) {
	m, err := newMatcher(filter)
	if err != nil {
		return authz.RecordPage{}, err
	}
	if limit, err = limitOf(limit); err != nil {
		return authz.RecordPage{}, err
	}
	head := l.Head()
	first, err := firstOf(cursor, head)
	if err != nil {
		return authz.RecordPage{}, err
	}
	page := authz.RecordPage{Head: head, NextAfter: head}
	oldest := l.oldest()
	if first < oldest {
		return page, nil
	}
	run := run{limit: limit}
	if err := l.collect(ctx, m, first, oldest, &run); err != nil {
		return authz.RecordPage{}, err
	}
	page.Items = run.records
	if run.more && run.last > oldest {
		page.NextCursor = strconv.FormatUint(run.last-1, 10)
	}
	return page, nil
}

// firstOf is the number of the newest record that may be on the page of a cursor.
func firstOf(cursor string, head uint64) (uint64, error) {
	if cursor == "" {
		return head, nil
	}
	first, err := strconv.ParseUint(cursor, 10, 64)
	if err != nil || strconv.FormatUint(first, 10) != cursor {
		return 0, authz.Invalid("cursor", "is not one that a list gave; start without it")
	}
	return min(first, head), nil
}

func limitOf(limit int) (int, error) {
	switch {
	case limit == 0:
		return authz.DefaultPageSize, nil
	case limit < 0 || limit > authz.MaxPageSize:
		return 0, authz.Invalid("limit", fmt.Sprintf("must be 1 to %d", authz.MaxPageSize))
	}
	return limit, nil
}

// oldest is the number of the oldest record that may be kept.
func (l *Log) oldest() uint64 { return l.anchor.Load().seq + 1 }

// After is up to limit records after the one with number after, oldest first, and
// never more than a page takes: all of them, intents and changes too. Records that are
// no longer kept are passed over; an intent or a change of which only the place in the
// chain is kept is withheld.
func (l *Log) After(ctx context.Context, after uint64, limit int) ([]authz.Record, error) {
	m, err := newMatcher(authz.RecordFilter{})
	if err != nil {
		return nil, err
	}
	m.changes = whole
	page, _, err := l.tail(ctx, m, after, min(limit, authz.MaxPageSize))
	return page.Items, err
}

// Tail is up to limit of the records after the one with number after that filter
// selects, oldest first; limit is as in a List. Intents and changes are not among them.
// NextAfter is how far the log was looked at: ask for what is after it next. CodeGone says
// that some of what was asked for is no longer kept.
func (l *Log) Tail(ctx context.Context, filter authz.RecordFilter, after uint64, limit int) (authz.RecordPage, error) {
	m, err := newMatcher(filter)
	if err != nil {
		return authz.RecordPage{}, err
	}
	page, missed, err := l.tail(ctx, m, after, limit)
	if err == nil && missed > 0 {
		return authz.RecordPage{}, authz.Errorf(authz.CodeGone, "%d records after number %d are no longer kept; read on from a later one", missed, after)
	}
	return page, err
}

// tail is Tail; missed is how many records that were asked for are no longer kept.
func (l *Log) tail(ctx context.Context, m *matcher, after uint64, limit int) (page authz.RecordPage, missed uint64, err error) {
	if limit, err = limitOf(limit); err != nil {
		return authz.RecordPage{}, 0, err
	}
	head := l.Head()
	page = authz.RecordPage{Head: head, NextAfter: max(after, head)}
	if after >= head {
		return page, 0, nil
	}
	run := run{limit: limit}
	first := max(after+1, l.oldest())
	missed = first - after - 1
	if first > head { // none of them is kept
		return page, missed, nil
	}
	if err := l.collect(ctx, m, first, head, &run); err != nil {
		return authz.RecordPage{}, 0, err
	}
	page.Items = run.records
	if run.more {
		page.NextAfter = run.last
	}
	return page, missed, nil
}

// run is what collect found, within the limits of a page.
type run struct {
	limit   int
	records []authz.Record
	bytes   int
	scanned int
	last    uint64 // number of the last record looked at
	more    bool   // it stopped there because of a limit
}

// collect adds to found the records from first to last that m selects, in that
// order. Both are numbers there may be; first may be the higher.
func (l *Log) collect(ctx context.Context, m *matcher, first, last uint64, found *run) error {
	return l.scan(first, last, func(txn *badger.Txn, seq uint64, value []byte) (bool, error) {
		found.scanned++
		found.last = seq
		if found.scanned%1024 == 0 && ctx.Err() != nil {
			return false, errInterrupted(ctx)
		}
		h, err := readHeader(value)
		if err != nil {
			return false, err
		}
		if m.matches(&h) {
			r, err := h.recordAs(m.changes, txn, seq)
			if err != nil {
				return false, err
			}
			found.records = append(found.records, r)
			found.bytes += len(value)
		}
		found.more = len(found.records) >= found.limit || found.bytes >= maxPageBytes || found.scanned >= maxPageScan
		return !found.more, nil
	})
}

// newest is the number of the oldest of the last records that m selects, at or
// before head, and how many there are. last 0 means all.
func (l *Log) newest(ctx context.Context, m *matcher, head uint64, last int) (from, count uint64, err error) {
	want := uint64(math.MaxUint64)
	if last > 0 {
		want = uint64(last)
	}
	from = head + 1
	oldest := l.oldest()
	if head < oldest {
		return from, 0, nil
	}
	scanned := 0
	err = l.scan(head, oldest, func(_ *badger.Txn, seq uint64, value []byte) (bool, error) {
		if scanned++; scanned%1024 == 0 && ctx.Err() != nil {
			return false, errInterrupted(ctx)
		}
		h, err := readHeader(value)
		if err != nil {
			return false, err
		}
		if m.matches(&h) {
			from = seq
			count++
		}
		return count < want, nil
	})
	return from, count, err
}

// Count is how many records filter selects, at most last of them; last 0 counts all.
// Intents and changes are not counted.
func (l *Log) Count(ctx context.Context, filter authz.RecordFilter, last int) (uint64, error) {
	m, err := matcherOfLast(filter, last)
	if err != nil {
		return 0, err
	}
	_, count, err := l.newest(ctx, m, l.Head(), last)
	return count, err
}

// matcherOfLast is the matcher of filter, when last may be a number of records.
func matcherOfLast(filter authz.RecordFilter, last int) (*matcher, error) {
	if last < 0 {
		return nil, authz.Invalid("last", "must not be negative")
	}
	return newMatcher(filter)
}

// Each calls do with the newest records that filter selects, at most last of them,
// 0 for all, oldest first; records that come meanwhile are not among them, nor are
// intents and changes. It keeps a few of them in memory at a time. An error of do ends
// it and is returned; CodeGone says that retention has overtaken it: records were
// removed that it had yet to read.
func (l *Log) Each(ctx context.Context, filter authz.RecordFilter, last int, do func(*authz.Record) error) error {
	m, err := matcherOfLast(filter, last)
	if err != nil {
		return err
	}
	return l.each(ctx, m, last, do)
}

// Export is Each for all records that filter selects, among which are the intents and
// changes unless the filter asks for something that only decisions have: so an export
// without a filter can be verified, see VerifyLines. changes reports that the reader may
// read changes (authz.RoleReview). Others get them withheld: their place in the chain
// alone. So do all readers get those whose age or share of the log is over.
func (l *Log) Export(ctx context.Context, filter authz.RecordFilter, changes bool, do func(*authz.Record) error) error {
	m, err := newMatcher(filter)
	if err != nil {
		return err
	}
	if m.changes = withheld; changes {
		m.changes = whole
	}
	return l.each(ctx, m, 0, do)
}

func (l *Log) each(ctx context.Context, m *matcher, last int, do func(*authz.Record) error) (err error) {
	head := l.Head()
	next := l.oldest()
	if last > 0 {
		if next, _, err = l.newest(ctx, m, head, last); err != nil {
			return err
		}
	}
	for begun := false; next <= head; begun = true {
		run := run{limit: eachChunk}
		if err := l.collect(ctx, m, next, head, &run); err != nil {
			return err
		}
		if overlaps := len(run.records) > 0 && run.records[0].First() < next; begun && overlaps {
			return authz.Errorf(authz.CodeGone, "the records from %d to %d are no longer kept one by one; they were while they were read", run.records[0].First(), run.records[0].Seq)
		}
		if oldest := l.oldest(); begun && oldest > next {
			return authz.Errorf(authz.CodeGone, "the records before %d were removed while they were read; they are no longer kept", oldest)
		}
		for i := range run.records {
			if err := do(&run.records[i]); err != nil {
				return err
			}
		}
		if !run.more {
			return nil
		}
		next = run.last + 1
	}
	return nil
}

// eachChunk is how many records Each reads at once.
const eachChunk = 256
