package store

import (
	"encoding/binary"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"github.com/verdict-pdp/verdict/authz"
)

// The data of an earlier revision can be read again for as long as the change
// feed reaches back to it: Badger keeps the versions of every key since then.
// historyKey says from which revision on versions were kept in this directory at
// all; a restored one begins with the revision of its backup.

// SnapshotAt freezes the data as it was at an earlier revision, or is now. Every
// read of it goes to Badger. CodeGone when revision is no longer kept, CodeInvalid
// when it is not yet there. A revision inside a group of writes that were committed
// together reads as the one before the group: no reader saw more of it.
func (s *Store) SnapshotAt(revision uint64) (*Snapshot, error) {
	select {
	case <-s.db.Closing():
		return nil, errClosed()
	default:
	}
	s.viewsMu.Lock()
	defer s.viewsMu.Unlock()
	now := s.state.Load()
	switch {
	case revision > now.revision:
		return nil, authz.Invalid("revision", fmt.Sprintf("is %d, but the data revision is %d", revision, now.revision))
	case revision < s.history:
		return nil, authz.Errorf(authz.CodeGone, "the data of revision %d is no longer kept; the oldest kept is that of %d", revision, s.history)
	case revision == now.revision:
		s.views[revision]++
		return &Snapshot{store: s, state: now}, nil
	}
	s.views[revision]++
	return &Snapshot{store: s, state: &state{persisted: persisted{revision: revision}}}, nil
}

// loadHistory finds out how far back versions are kept, after marking a directory
// that has kept none as beginning to do so now.
func (s *Store) loadHistory(revision uint64) error {
	v, err := readMeta(s.db.DB, historyKey)
	if err != nil {
		return err
	}
	if v == nil {
		s.history = revision
		return s.beginHistory(revision)
	}
	if len(v) != 8 {
		return corrupt(fmt.Errorf("the beginning of history is %d bytes", len(v)))
	}
	s.history = binary.BigEndian.Uint64(v)
	oldest, err := s.oldestChange(revision)
	s.history = min(max(s.history, oldest), revision)
	return err
}

func (s *Store) beginHistory(revision uint64) error {
	at := max(revision, 1) // Badger does not take 0
	txn := s.db.NewTransactionAt(at, true)
	defer txn.Discard()
	err := txn.Set(historyKey, binary.BigEndian.AppendUint64(nil, revision))
	if err == nil {
		err = txn.CommitAt(at, nil)
	}
	if err != nil {
		return internal("beginning to keep history", err)
	}
	return nil
}

// oldestChange is the revision before the oldest change the feed has, and the
// newest revision when it has none.
func (s *Store) oldestChange(newest uint64) (oldest uint64, err error) {
	oldest = newest
	txn := s.db.NewTransactionAt(max(newest, 1), false)
	defer txn.Discard()
	err = scan(txn, []byte{kindChange}, nil, false, func(item *badger.Item) (bool, error) {
		oldest = changeRevision(item.Key()) - 1
		return false, nil
	})
	if err != nil {
		return 0, internal("reading the change log", err)
	}
	return oldest, nil
}

// trimHistory lets go of the versions the change feed no longer reaches back to.
func (s *Store) trimHistory() error {
	newest := s.Revision()
	oldest, err := s.oldestChange(newest)
	if err != nil {
		return err
	}
	s.viewsMu.Lock()
	defer s.viewsMu.Unlock()
	s.history = max(s.history, min(oldest, newest))
	s.discardLocked()
	return nil
}
