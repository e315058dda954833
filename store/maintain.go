package store

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/disk"
)

// Run maintains the store until ctx ends: it deletes what has been expired for
// long enough and compacts the change log. A pass that fails is logged and
// tried again with the next.
func (s *Store) Run(ctx context.Context) error {
	tick := time.NewTicker(s.config.MaintainEvery)
	defer tick.Stop()
	for {
		if err := s.Maintain(ctx); err != nil && ctx.Err() == nil {
			s.config.Logger.Warn("store maintenance failed; it is tried again", "error", err, "cause", errors.Unwrap(err))
		}
		select {
		case <-tick.C:
		case <-s.db.Closing():
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// Maintain is one pass of Run.
func (s *Store) Maintain(ctx context.Context) error {
	return errors.Join(s.sweep(ctx), s.compact(ctx), s.trimHistory())
}

// sweepBatch is how many entities the sweeper deletes in one write.
const sweepBatch = 1000

// sweep deletes expired entities, by ordinary writes.
func (s *Store) sweep(ctx context.Context) error {
	now := s.config.Now()
	for _, code := range kinds.known {
		limit := now.Add(-cmp.Or(code.kind().KeptAfterEnd, s.config.ExpiredRetention)).UnixMilli()
		for {
			swept, err := s.sweepCollection(ctx, code, limit)
			if err != nil {
				return err
			}
			if swept == 0 {
				break
			}
		}
	}
	return nil
}

// sweepCollection deletes up to sweepBatch entities that expired at or before limit.
func (s *Store) sweepCollection(ctx context.Context, code collCode, limit int64) (int, error) {
	expired, err := s.expired(code, limit)
	if err != nil || len(expired) == 0 {
		return 0, err
	}
	ops := make([]operation, len(expired))
	for i, r := range expired {
		ops[i] = operation{ref: r, intent: unlessNotDue, due: limit}
	}
	w := &write{ops: ops}
	if err := s.submit(ctx, w); err != nil {
		return 0, err
	}
	swept := 0
	for _, out := range w.outcomes {
		if out.changed {
			swept++
		}
	}
	s.stats.swept.Add(uint64(swept))
	return swept, nil
}

// expired are up to sweepBatch entities that expired at or before limit.
func (s *Store) expired(code collCode, limit int64) ([]ref, error) {
	view, err := s.Snapshot()
	if err != nil {
		return nil, err
	}
	defer view.Close()
	var found []ref
	err = view.cold(func(txn *badger.Txn) error {
		return scan(txn, expiryPrefix(code), nil, false, func(item *badger.Item) (bool, error) {
			r, millis := expiryRef(item.Key())
			if millis > limit || len(found) == sweepBatch {
				return false, nil
			}
			found = append(found, r)
			return true, nil
		})
	})
	return found, err
}

// compactBatch is how many keys one compaction transaction deletes, unless a
// single write made more.
const compactBatch = 10_000

// compact deletes the oldest change records beyond the retention, with the
// tombstones they made.
func (s *Store) compact(ctx context.Context) error {
	for {
		deleted, err := s.compactOnce(ctx)
		if err != nil || deleted == 0 {
			return err
		}
	}
}

// compactOnce runs under the commit lock because it writes at the published
// revision: what it deletes was written before, and reads of that revision find
// no entity either way.
func (s *Store) compactOnce(ctx context.Context) (deleted int, err error) {
	switch s.commits.Lock(ctx) {
	case disk.Closing:
		return 0, nil
	case disk.Ended:
		return 0, authz.Errorf(authz.CodeUnavailable, "the maintenance pass ended before it was done")
	}
	defer s.commits.Unlock()
	if err := s.db.Failure(); err != nil {
		return 0, err
	}
	now := s.state.Load()
	excess, err := s.excess(now)
	if err != nil || len(excess) == 0 {
		return 0, err
	}
	if err := s.db.CheckSpace(); err != nil {
		return 0, err
	}
	txn := s.db.NewTransactionAt(now.revision, true)
	defer txn.Discard()
	for _, key := range excess {
		if err := txn.Delete(key); err != nil {
			return 0, internal("compacting the change log", err)
		}
	}
	if err := s.commitAt(txn, now.revision); err != nil {
		return 0, s.fail(err)
	}
	return len(excess), nil
}

// excess are keys of change records beyond the retention and of the tombstones
// they made, oldest first. It takes whole writes only: the feed must not show
// half of one.
func (s *Store) excess(now *state) (keys [][]byte, err error) {
	txn := s.db.NewTransactionAt(now.revision, false)
	defer txn.Discard()
	keepFrom := s.keepFrom(now)
	var whole [][]byte // keys of the write being read
	var reading uint64
	err = scan(txn, []byte{kindChange}, nil, true, func(item *badger.Item) (bool, error) {
		if revision := changeRevision(item.Key()); revision != reading {
			keys, whole, reading = append(keys, whole...), nil, revision
		}
		v, err := item.ValueCopy(nil)
		if err != nil {
			return false, internal("reading the change log", err)
		}
		number, changes, err := readChanges(reading, v)
		if err != nil {
			return false, err
		}
		// A record written at the published revision cannot be deleted at it.
		if item.Version() >= now.revision || number+uint64(len(changes)) > keepFrom || len(keys) >= compactBatch {
			whole = nil
			return false, nil
		}
		deleted, err := tombstones(txn, changes)
		whole = append(append(whole, item.KeyCopy(nil)), deleted...)
		return true, err
	})
	if len(keys) > 0 && len(keys)+len(whole) > compactBatch {
		whole = nil
	}
	return append(keys, whole...), err
}

// keepFrom is the number of the oldest change to keep.
func (s *Store) keepFrom(now *state) uint64 {
	if !s.config.logsChanges() {
		return now.nextChange
	}
	return now.nextChange - min(now.nextChange, uint64(s.config.ChangeRetention))
}

// tombstones are the keys of those that the deletes among changes left and that still stand.
func tombstones(txn *badger.Txn, changes []authz.Change[authz.Entity]) ([][]byte, error) {
	var keys [][]byte
	for _, c := range changes {
		if c.Op != authz.OpDelete {
			continue
		}
		key := ref{code: codeOf(c.Collection), key: c.ID}.dataKey()
		item, err := txn.Get(key)
		if errors.Is(err, badger.ErrKeyNotFound) {
			continue
		}
		if err != nil {
			return nil, internal("reading a tombstone", err)
		}
		err = item.Value(func(v []byte) error {
			if item.UserMeta() == metaTombstone && tombstoneRevision(v) == c.Revision {
				keys = append(keys, key)
			}
			return nil
		})
		if err != nil {
			return nil, internal("reading a tombstone", err)
		}
	}
	return keys, nil
}
