package store

import "github.com/dgraph-io/badger/v4"

// FailCommits makes every commit fail with err, before anything is written.
func FailCommits(s *Store, err error) {
	s.commitAt = func(*badger.Txn, uint64) error { return err }
}

// Flatten makes Badger compact everything it has.
func Flatten(s *Store) error { return s.db.Flatten(2) }
