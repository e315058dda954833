package decisionlog

import (
	"context"
	"encoding/binary"

	"github.com/dgraph-io/badger/v4"

	"github.com/verdict-pdp/verdict/authz"
)

// OnCommit makes every later commit do instead.
func (l *Log) OnCommit(do func() error) {
	l.commits.Stop()
	defer l.commits.Unlock()
	l.commit = func(*badger.Txn) error { return do() }
}

// FailCommits makes every later commit fail with err.
func (l *Log) FailCommits(err error) { l.OnCommit(func() error { return err }) }

// BlockCommits makes the next commit say on begun that it has begun, and wait until
// proceed is closed.
func (l *Log) BlockCommits(proceed <-chan struct{}) (begun <-chan struct{}) {
	l.commits.Stop()
	defer l.commits.Unlock()
	beginning, commit := make(chan struct{}), l.commit
	l.commit = func(txn *badger.Txn) error {
		close(beginning)
		<-proceed
		return commit(txn)
	}
	return beginning
}

// BlockSyncs makes every later sync wait until proceed is closed.
func (l *Log) BlockSyncs(proceed <-chan struct{}) {
	l.commits.Stop()
	defer l.commits.Unlock()
	sync := l.sync
	l.sync = func() error {
		<-proceed
		return sync()
	}
}

// FailSyncs makes every later sync fail with err.
func (l *Log) FailSyncs(err error) {
	l.commits.Stop()
	defer l.commits.Unlock()
	l.sync = func() error { return err }
}

// Hold stops commits until release is called.
func (l *Log) Hold() (release func()) {
	l.commits.Stop()
	return l.commits.Unlock
}

// Occupy takes all room for drafts until release is called.
func (l *Log) Occupy() (release func()) {
	entries, bytes := l.waiting.maxEntries, l.waiting.maxBytes
	l.waiting.take(entries, bytes)
	return func() { l.waiting.release(entries, bytes) }
}

// Waiting is how many drafts are queued for a commit.
func (l *Log) Waiting() int { return l.commits.Waiting() }

// Tamper replaces the stored value of a record by what change makes of it; nil
// deletes it. at is where its JSON starts.
func (l *Log) Tamper(seq uint64, change func(value []byte, at int) []byte) error {
	return l.db.Update(func(txn *badger.Txn) error {
		value, err := get(txn, recordKey(seq))
		if err != nil {
			return err
		}
		h, err := readHeader(value)
		if err != nil {
			return err
		}
		if value = change(value, len(value)-len(h.json)); value == nil {
			return txn.Delete(recordKey(seq))
		}
		return txn.Set(recordKey(seq), value)
	})
}

// TakeBack makes the log forget, once it is opened again, that there are records after
// seq; 0 is all.
func (l *Log) TakeBack(seq uint64) error {
	return l.db.Update(func(txn *badger.Txn) error {
		if seq == 0 {
			return txn.Delete(headKey)
		}
		value, err := get(txn, recordKey(seq))
		if err != nil {
			return err
		}
		h, err := readHeader(value)
		if err != nil {
			return err
		}
		return txn.Set(headKey, link{seq: seq, total: h.total, hash: h.hash}.value())
	})
}

// TamperChange replaces what is stored of the change with number, nil when there is
// nothing, by what change makes of it; nil deletes it. at is where its JSON starts.
func (l *Log) TamperChange(number uint64, change func(value []byte, at int) []byte) error {
	return l.db.Update(func(txn *badger.Txn) error {
		value, err := get(txn, changeKey(number))
		if err != nil {
			return err
		}
		if value = change(value, changeLength); value == nil {
			return txn.Delete(changeKey(number))
		}
		return txn.Set(changeKey(number), value)
	})
}

// TakeBackChanges makes the log forget, once it is opened again, that there are changes
// after number.
func (l *Log) TakeBackChanges(number uint64) error {
	return l.db.Update(func(txn *badger.Txn) error {
		c, _, err := changeAt(txn, number)
		if err != nil {
			return err
		}
		return txn.Set(changeHeadKey, link{seq: number, total: c.total, hash: c.hash}.value())
	})
}

// SetSchema marks the log as written by another version.
func (l *Log) SetSchema(version uint32) error {
	return l.db.Update(func(txn *badger.Txn) error {
		return txn.Set(schemaKey, binary.BigEndian.AppendUint32(nil, version))
	})
}

// HeaderCanBeRead reports whether a value has a header; it is for fuzzing.
func HeaderCanBeRead(value []byte) bool {
	h, err := readHeader(value)
	if err == nil {
		h.hasReason("x", false)
	}
	return err == nil
}

// GiveUpRecorded records e and then gives up on it for reason, as a caller does whose
// time ends while its commit does.
func (l *Log) GiveUpRecorded(e authz.Entry, reason error) error {
	d, err := l.draftOf(context.Background(), &e)
	if err != nil {
		return err
	}
	w := newWrite(&l.waiting, 1)
	w.add(d, d.size())
	if w.quota.take(1, w.charge) != nil {
		return errNoRoom()
	}
	queued := l.commits.Enqueue(w.drafts...)
	l.commits.Lead()
	return l.giveUp(queued, reason)
}
