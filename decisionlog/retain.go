package decisionlog

import (
	"context"

	"github.com/dgraph-io/badger/v4"
)

// retainBatch is how many records one transaction removes: records that are to be
// written wait for it.
const retainBatch = 200

// Maintain is one pass of retention: it removes the oldest records while they are
// older than Config.MaxAge or more than Config.MaxBytes are kept. What a reader with
// a cursor has yet to read is spared up to twice that. It ends early with ctx.
func (l *Log) Maintain(ctx context.Context) error {
	l.retention.Lock()
	defer l.retention.Unlock()
	for ctx.Err() == nil {
		removed, err := l.removeOldest()
		if err != nil || removed == 0 {
			return err
		}
	}
	return nil
}

func (l *Log) roomToRemove() error {
	if err := l.enter(); err != nil {
		return err
	}
	defer l.leave()
	return l.room(l.config.MinFree / 2)
}

// removeOldest removes up to retainBatch records and says how many.
func (l *Log) removeOldest() (removed uint64, err error) {
	if err := l.roomToRemove(); err != nil {
		return 0, err
	}
	before := *l.anchor.Load()
	after, ids, err := l.excess(before)
	if err != nil || after == before {
		return 0, err
	}
	err = l.update(func(txn *badger.Txn) error {
		for seq := before.seq + 1; seq <= after.seq; seq++ {
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

// excess is the last of the records after the anchor that are to go, and their ids.
func (l *Log) excess(anchor link) (last link, ids []string, err error) {
	head := l.state.Load().head
	cutoff := nanoseconds(l.config.Now().Add(-l.config.MaxAge))
	unread, spared := l.slowest()
	last = anchor
	err = l.scan(anchor.seq+1, head.seq, func(seq uint64, value []byte) (bool, error) {
		h, err := readHeader(value)
		if err != nil {
			// It must not keep all others from being removed; what is left tells of it.
			l.config.Log.Error("a damaged record of the decision log is removed", "seq", seq)
			last = link{seq: seq, total: last.total}
			return seq-anchor.seq < retainBatch, nil
		}
		kept := head.total - last.total
		tooMuch, tooOld := kept > uint64(l.config.MaxBytes), h.at < cutoff
		if !tooMuch && !tooOld || spared && seq > unread && kept <= 2*uint64(l.config.MaxBytes) {
			return false, nil
		}
		last = link{seq: seq, total: h.total, hash: h.hash}
		if len(h.id) > 0 {
			ids = append(ids, string(h.id))
		}
		return seq-anchor.seq < retainBatch, nil
	})
	return last, ids, err
}

// update commits what do changes, between the commits of records. do must not
// touch records that may still be read as the newest.
func (l *Log) update(do func(*badger.Txn) error) error {
	if err := l.hold(); err != nil {
		return err
	}
	defer func() { <-l.commitLock }()
	if err := l.failure(); err != nil {
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
