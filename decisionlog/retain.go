package decisionlog

import (
	"bytes"
	"context"
	"crypto/sha256"

	"github.com/dgraph-io/badger/v4"

	"github.com/verdict-pdp/verdict/authz"
)

// retainBatch is how many records one transaction removes: records that are to be
// written wait for it.
const retainBatch = 200

// Maintain is one pass of retention: it removes the oldest records while they are
// older than Config.MaxAge or more than Config.MaxBytes are kept, and the oldest
// intents and changes, which those leave alone, while they are older than
// Config.AuditMaxAge or more than Config.AuditMaxBytes are. What a reader with a cursor
// has yet to read, and an intent without an outcome, is spared up to twice those bytes.
// It ends early with ctx.
func (l *Log) Maintain(ctx context.Context) error {
	l.retention.Lock()
	defer l.retention.Unlock()
	for _, remove := range [...]func() (uint64, error){l.removeOldest, l.removeOldestChanges} {
		for ctx.Err() == nil {
			removed, err := remove()
			if err != nil {
				return err
			}
			if removed == 0 {
				break
			}
		}
	}
	return nil
}

func (l *Log) roomToRemove() error {
	if err := l.db.Enter(); err != nil {
		return err
	}
	defer l.db.Leave()
	return l.db.SpaceAbove(l.config.MinFree / 2)
}

// removeOldest removes up to retainBatch records and says how many.
func (l *Log) removeOldest() (removed uint64, err error) {
	if err := l.roomToRemove(); err != nil {
		return 0, err
	}
	before := *l.anchor.Load()
	after, seqs, ids, err := l.excess(before)
	if err != nil || after == before {
		return 0, err
	}
	err = l.update(func(txn *badger.Txn) error {
		for _, seq := range seqs {
			if err := txn.Delete(recordKey(seq)); err != nil {
				return err
			}
		}
		for _, id := range ids {
			if err := txn.Delete(idKey(id)); err != nil {
				return err
			}
		}
		return txn.Set(anchorKey, after.value())
	})
	if err != nil {
		return 0, err
	}
	l.anchor.Store(&after)
	removed = after.seq - before.seq
	l.stats.removed.Add(removed)
	l.countMissed(before.seq+1, after.seq)
	return removed, nil
}

// excess is the last of the records after the anchor that are to go, under which numbers
// they are stored, and their ids.
func (l *Log) excess(anchor link) (last link, seqs []uint64, ids []string, err error) {
	head := l.state.Load().head
	cutoff := nanoseconds(l.config.Now().Add(-l.config.MaxAge))
	unread, spared := l.slowest()
	last = anchor
	err = l.scan(anchor.seq+1, head.seq, func(_ *badger.Txn, seq uint64, value []byte) (bool, error) {
		h, err := readHeader(value)
		if err != nil {
			// It must not keep all others from being removed; what is left tells of it.
			l.config.Log.Error("a damaged record of the decision log is removed", "seq", seq)
			last = link{seq: seq, total: last.total, changes: last.changes}
			seqs = append(seqs, seq)
			return len(seqs) < retainBatch, nil
		}
		kept, most := head.total-last.total, uint64(l.config.MaxBytes) // stubs are in neither
		tooMuch, tooOld := kept > most, h.at < cutoff
		if !tooMuch && !tooOld || spared && seq > unread && kept <= 2*most {
			return false, nil
		}
		last = h.place(seq, last)
		seqs = append(seqs, seq)
		if len(h.id) > 0 {
			ids = append(ids, string(h.id))
		}
		return len(seqs) < retainBatch, nil
	})
	return last, seqs, ids, err
}

// update commits what do changes, between the commits of records. do must not
// touch records that may still be read as the newest.
func (l *Log) update(do func(*badger.Txn) error) error {
	if err := l.hold(); err != nil {
		return err
	}
	defer l.commits.Unlock()
	if err := l.db.Failure(); err != nil {
		return err
	}
	txn := l.db.NewTransaction(true)
	defer txn.Discard()
	if err := do(txn); err != nil {
		return internal("writing to the decision log", err)
	}
	if err := l.commit(txn); err != nil {
		return l.fail(err)
	}
	l.unsynced.Store(true)
	return nil
}

// removeOldestChanges is removeOldest for intents and changes. Their stubs go with the
// records around them; those that nothing stands between become one.
func (l *Log) removeOldestChanges() (removed uint64, err error) {
	if err := l.roomToRemove(); err != nil {
		return 0, err
	}
	before := *l.changeAnchor.Load()
	after, err := l.excessChanges(before)
	if err != nil || after == before {
		return 0, err
	}
	unsettled := int64(0)
	err = l.update(func(txn *badger.Txn) error {
		for number := before.seq + 1; number <= after.seq; number++ {
			seq, pending, err := removeChange(txn, number)
			if err != nil {
				return err
			}
			if pending {
				unsettled++
			}
			if err := l.joinStub(txn, seq, number); err != nil {
				return err
			}
		}
		return txn.Set(changeAnchorKey, after.value())
	})
	if err != nil {
		return 0, err
	}
	l.changeAnchor.Store(&after)
	if unsettled > 0 {
		l.pending.Add(-unsettled)
		l.config.Log.Error("announced changes without an outcome are removed from the decision log", "changes", unsettled)
	}
	removed = after.seq - before.seq
	l.stats.removedChanges.Add(removed)
	return removed, nil
}

// joinStub joins the stub at seq, of the removed change with number, with the one before
// it, if the record before it is one: both are one record in the place of the later.
// There is no change between them, so that of the earlier is removed too. A stub that is
// not the one it should be stays, for Verify to tell of. So does the newest record, and
// what a reader has read is not joined with what it has not.
func (l *Log) joinStub(txn *badger.Txn, seq, number uint64) error {
	if seq < 2 || seq >= l.state.Load().head.seq || l.readTo(seq-1) {
		return nil
	}
	stub, h, err := stubAt(txn, seq, number)
	if err != nil || stub == nil {
		return err
	}
	earlier, before, err := stubAt(txn, seq-1, number-h.places)
	if err != nil || earlier == nil || before.hash != [sha256.Size]byte(h.prev) || before.total != h.total {
		return err
	}
	if err := txn.Delete(recordKey(seq - 1)); err != nil {
		return err
	}
	return txn.Set(recordKey(seq), joined(stub, before.prev, before.places+h.places))
}

// stubAt is the stub at seq, if it is that of the change with number, else nil.
func stubAt(txn *badger.Txn, seq, number uint64) ([]byte, header, error) {
	value, err := get(txn, recordKey(seq))
	if err != nil || value == nil {
		return nil, header{}, err
	}
	h, err := readHeader(value)
	if err != nil || !h.change || h.number != number {
		return nil, header{}, nil
	}
	return value, h, nil
}

// removeChange removes one intent or change and what leads to it. seq is the number of
// its record, 0 when that cannot be read, and pending reports that it was an intent
// without an outcome.
func removeChange(txn *badger.Txn, number uint64) (seq uint64, pending bool, err error) {
	c, ok, err := changeAt(txn, number)
	if err == nil && ok {
		var r authz.Record
		if r, err = c.record(); err == nil {
			err = forgetID(txn, r.Change.ID, number)
		}
	}
	if err != nil && authz.CodeOf(err) != authz.CodeInternal {
		return 0, false, err
	}
	// One that cannot be read must not keep all others from being removed.
	mark, err := get(txn, pendingKey(number))
	if err != nil {
		return 0, false, err
	}
	if mark != nil {
		if err := txn.Delete(pendingKey(number)); err != nil {
			return 0, false, err
		}
	}
	return c.seq, mark != nil, txn.Delete(changeKey(number))
}

// forgetID removes the way from the id of a change to number, unless it leads on to
// its outcome.
func forgetID(txn *badger.Txn, id string, number uint64) error {
	at, err := get(txn, changeIDKey(id))
	if err != nil || !bytes.Equal(at, changeKey(number)[1:]) {
		return err
	}
	return txn.Delete(changeIDKey(id))
}

// excessChanges is the last of the changes after the anchor that are to go.
func (l *Log) excessChanges(anchor link) (last link, err error) {
	head := l.state.Load().changes
	cutoff := nanoseconds(l.config.Now().Add(-l.config.AuditMaxAge))
	most := uint64(l.config.AuditMaxBytes)
	unread, spared := l.slowest()
	last = anchor
	err = l.view(func(txn *badger.Txn) error {
		return scanKind(txn, kindChange, anchor.seq+1, head.seq, func(txn *badger.Txn, number uint64, value []byte) (bool, error) {
			more := number-anchor.seq < retainBatch
			c, err := readChange(value)
			if err != nil {
				l.config.Log.Error("a damaged change of the decision log is removed", "number", number)
				last = link{seq: number, total: last.total}
				return more, nil
			}
			kept := head.total - last.total
			if kept <= most && c.at >= cutoff {
				return false, nil
			}
			pending, err := get(txn, pendingKey(number))
			if err != nil {
				return false, err
			}
			if kept <= 2*most && (pending != nil || spared && c.seq > unread) {
				return false, nil
			}
			last = link{seq: number, total: c.total, hash: c.hash}
			return more, nil
		})
	})
	return last, err
}
