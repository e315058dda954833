package store

import "github.com/dgraph-io/badger/v4"

// FailCommits makes every commit fail with err, before anything is written.
func FailCommits(s *Store, err error) {
	s.commitAt = func(*badger.Txn, uint64) error { return err }
}

// HoldCommits makes every commit report on begun and wait for a value from proceed.
func HoldCommits(s *Store) (begun <-chan uint64, proceed chan<- struct{}) {
	beginning, waiting, commit := make(chan uint64), make(chan struct{}), s.commitAt
	s.commitAt = func(txn *badger.Txn, revision uint64) error {
		beginning <- revision
		<-waiting
		return commit(txn, revision)
	}
	return beginning, waiting
}

// Queued is how many writes wait for the commit lock.
func Queued(s *Store) int { return s.commits.Waiting() }

// Flatten makes Badger compact everything it has.
func Flatten(s *Store) error { return s.db.Flatten(2) }

// History is the oldest revision that SnapshotAt can read.
func History(s *Store) uint64 {
	s.viewsMu.Lock()
	defer s.viewsMu.Unlock()
	return s.history
}
