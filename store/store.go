package store

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/disk"
)

// Store is the data at rest of one node. All methods may be called concurrently.
type Store struct {
	config  Config
	db      *disk.DB
	commits *disk.Committer[*write]
	// commitAt makes a transaction durable at a revision. It is a field so that
	// a failing disk can be staged.
	commitAt func(txn *badger.Txn, revision uint64) error

	state atomic.Pointer[state]

	// viewsMu orders opening a view, publishing a state, and choosing what
	// Badger may discard.
	viewsMu sync.Mutex
	views   map[uint64]int // :: revision -> open views of it; guarded by viewsMu
	history uint64         // the oldest revision SnapshotAt can read; guarded by viewsMu

	stats counters
}

// Open opens the store in config.Dir, making it when it is not there. It
// refuses a directory another process has open, one written by a newer Verdict,
// and one on a full disk.
func Open(config Config) (*Store, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	config = config.withDefaults()
	db, err := disk.Open(config.badger())
	if err != nil {
		return nil, err
	}
	s := &Store{
		config:   config,
		db:       db,
		commitAt: func(txn *badger.Txn, revision uint64) error { return txn.CommitAt(revision, nil) },
		views:    make(map[uint64]int),
	}
	s.commits = disk.NewCommitter(db.Closing(), s.commitGroup, s.fail, nil)
	if err := s.load(); err != nil {
		return nil, errors.Join(err, db.DB.Close())
	}
	return s, nil
}

// load makes the first state from what is on disk.
func (s *Store) load() error {
	version, err := readSchema(s.db.DB)
	if err != nil {
		return err
	}
	stored, err := loadPersisted(s.db.DB)
	if err != nil {
		return err
	}
	if err := upgrade(s.db.DB, version, stored.revision); err != nil {
		return err
	}
	if err := s.loadHistory(stored.revision); err != nil {
		return err
	}
	first := &state{persisted: stored, superseded: make(chan struct{})}
	txn := s.db.NewTransactionAt(stored.revision, false)
	defer txn.Discard()
	for _, code := range kinds.known {
		if first.hot[code], err = loadHot(txn, code, s.config.HotLimit); err != nil {
			return err
		}
	}
	s.publish(first)
	return nil
}

// loadHot reads a hot collection, nil when it is not one or has more than limit entities.
func loadHot(txn *badger.Txn, code collCode, limit int) (*hotCollection, error) {
	prefixes := hotPrefixes(code)
	if len(prefixes) == 0 {
		return nil, nil
	}
	var changes []hotChange
	for _, prefix := range prefixes {
		err := scan(txn, prefix, nil, true, func(item *badger.Item) (bool, error) {
			r := dataRef(item.Key())
			rec, err := itemRecord(item, r.key)
			if err != nil || rec == nil {
				return err == nil, err
			}
			changes = append(changes, hotChange{ref: r, record: rec})
			return len(changes) <= limit, decodeHot(code, rec)
		})
		if err != nil {
			return nil, err
		}
	}
	if len(changes) > limit {
		return nil, nil
	}
	return newHotCollection(code).with(changes), nil
}

func loadPersisted(db *badger.DB) (persisted, error) {
	v, err := readMeta(db, stateKey)
	if err != nil || v == nil {
		return persisted{}, err
	}
	return readPersisted(v)
}

// readMeta is the newest value of a meta key, nil when there is none.
func readMeta(db *badger.DB, key []byte) (value []byte, err error) {
	err = db.View(func(txn *badger.Txn) error {
		item, err := txn.Get(key)
		if errors.Is(err, badger.ErrKeyNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		value, err = item.ValueCopy(nil)
		return err
	})
	if err != nil {
		return nil, internal("reading the data directory", err)
	}
	return value, nil
}

// publish makes next what readers see and wakes those who wait for it. The
// caller holds the commit lock, or is Open.
func (s *Store) publish(next *state) {
	s.viewsMu.Lock()
	previous := s.state.Swap(next)
	s.discardLocked()
	s.viewsMu.Unlock()
	if previous != nil && previous.revision != next.revision {
		close(previous.superseded)
	}
}

// discardLocked lets Badger drop the versions no view can read any more, nor
// SnapshotAt. The caller holds viewsMu.
func (s *Store) discardLocked() {
	oldest := s.history
	for revision := range s.views {
		oldest = min(oldest, revision)
	}
	s.db.SetDiscardTs(oldest)
}

// Revision is the data revision readers see now.
func (s *Store) Revision() uint64 { return s.state.Load().revision }

// Counts is how many entities each collection has.
func (s *Store) Counts() map[authz.Collection]uint64 {
	now := s.state.Load()
	counts := make(map[authz.Collection]uint64, len(kinds.known))
	for _, code := range kinds.known {
		counts[code.collection()] = now.counts[code]
	}
	return counts
}

// Close waits for the commit and the reads under way and closes the store. Later
// calls are refused with CodeUnavailable; of a snapshot that is still open only
// those that go to Badger. Closing again does nothing and returns the same.
func (s *Store) Close() error {
	return s.db.Close(func() error {
		s.commits.Stop()
		if err := s.db.Shut(); err != nil {
			return internal("closing the data directory", err)
		}
		return nil
	})
}

func errClosed() error {
	return authz.Errorf(authz.CodeUnavailable, "the store is closed")
}
