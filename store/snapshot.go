package store

import (
	"errors"

	"github.com/dgraph-io/badger/v4"

	"github.com/verdict-pdp/verdict/authz"
)

// Snapshot is the data frozen at one revision. It implements authz.Facts and
// authz.Directory. It is for one goroutine at a time and must be closed:
// while it is open, no version it can read is discarded.
type Snapshot struct {
	store  *Store
	state  *state
	txn    *badger.Txn // opened by the first cold read
	closed bool
}

var (
	_ authz.Facts     = (*Snapshot)(nil)
	_ authz.Directory = (*Snapshot)(nil)
)

// Snapshot freezes the data as it is now.
func (s *Store) Snapshot() (*Snapshot, error) {
	select {
	case <-s.db.Closing():
		return nil, errClosed()
	default:
	}
	s.viewsMu.Lock()
	defer s.viewsMu.Unlock()
	now := s.state.Load()
	s.views[now.revision]++
	return &Snapshot{store: s, state: now}, nil
}

// Close lets go of the snapshot. Closing twice is allowed.
func (v *Snapshot) Close() {
	if v.closed {
		return
	}
	v.closed = true
	if v.txn != nil {
		v.txn.Discard()
	}
	s := v.store
	s.viewsMu.Lock()
	defer s.viewsMu.Unlock()
	if s.views[v.state.revision]--; s.views[v.state.revision] == 0 {
		delete(s.views, v.state.revision)
	}
}

// Revision is the data revision of the snapshot.
func (v *Snapshot) Revision() uint64 { return v.state.revision }

// Fact reads one entity by key. Of a hot collection it costs a map lookup, of
// another one Badger read.
func (v *Snapshot) Fact(c authz.Collection, key string) (authz.Fact, bool, error) {
	rec, err := v.record(codeOf(c), key)
	if rec == nil {
		return authz.Fact{}, false, err
	}
	return rec.fact(), true, nil
}

// Under reads the entities of a pair collection whose first id is first, in key
// order, and stops with more true after limit of them.
func (v *Snapshot) Under(c authz.Collection, first string, limit int) (facts []authz.Fact, more bool, err error) {
	code := codeOf(c)
	if err := v.usable(code); err != nil {
		return nil, false, err
	}
	if hot := v.state.hotFor(code, first); hot != nil {
		facts, more = clip(hot.index.(*pairIndex).under(first), limit)
		return facts, more, nil
	}
	return v.underCold(code, first, limit)
}

func clip(group []*record, limit int) (facts []authz.Fact, more bool) {
	more = len(group) > limit
	group = group[:min(len(group), max(limit, 0))]
	facts = make([]authz.Fact, len(group))
	for i, rec := range group {
		facts[i] = rec.fact()
	}
	return facts, more
}

func (v *Snapshot) underCold(code collCode, first string, limit int) (facts []authz.Fact, more bool, err error) {
	err = v.cold(func(txn *badger.Txn) error {
		prefix := ref{code: code, key: authz.PairKey(first, "")}.dataKey()
		return scan(txn, prefix, nil, true, func(item *badger.Item) (bool, error) {
			if item.UserMeta() == metaTombstone {
				return true, nil
			}
			if len(facts) >= limit {
				more = true
				return false, nil
			}
			rec, err := itemRecord(item, dataRef(item.Key()).key)
			if err != nil {
				return false, err
			}
			v.store.stats.coldReads.Add(1)
			facts = append(facts, rec.fact())
			return true, nil
		})
	})
	return facts, more, err
}

// Entity reads one entity as a value the caller may change. CodeNotFound when
// there is none.
func (v *Snapshot) Entity(c authz.Collection, key string) (authz.Entity, error) {
	code := codeOf(c)
	if code == 0 {
		return nil, unknownCollection(c)
	}
	if err := c.ValidateKey(key); err != nil {
		return nil, err
	}
	rec, err := v.record(code, key)
	if err != nil {
		return nil, err
	}
	if rec == nil {
		return nil, notFound(ref{code: code, key: key})
	}
	return rec.decode(c)
}

// record is one entity, nil when there is none.
func (v *Snapshot) record(code collCode, key string) (rec *record, err error) {
	if err := v.usable(code); err != nil {
		return nil, err
	}
	if hot := v.state.hotFor(code, key); hot != nil {
		rec, _ := hot.records.get(key)
		return rec, nil
	}
	v.store.stats.coldReads.Add(1)
	err = v.cold(func(txn *badger.Txn) error {
		rec, err = readCold(txn, ref{code: code, key: key})
		return err
	})
	return rec, err
}

// cold reads from Badger at the snapshot's revision.
func (v *Snapshot) cold(read func(*badger.Txn) error) error {
	if v.closed {
		return errSnapshotClosed()
	}
	if err := v.store.db.Enter(); err != nil {
		return err
	}
	defer v.store.db.Leave()
	if v.txn == nil {
		v.txn = v.store.db.NewTransactionAt(v.state.revision, false)
	}
	if err := read(v.txn); err != nil {
		return internal("reading", err)
	}
	return nil
}

func (v *Snapshot) usable(code collCode) error {
	if v.closed {
		return errSnapshotClosed()
	}
	if code == 0 {
		return authz.Errorf(authz.CodeInternal, "an unknown collection was read")
	}
	return nil
}

var errReadAfterClose = errors.New("snapshot used after Close")

func errSnapshotClosed() error {
	return &authz.Error{Code: authz.CodeInternal, Message: "the data snapshot was closed before it was read", Cause: errReadAfterClose}
}

// Get reads one entity as it is now. CodeNotFound when there is none.
func (s *Store) Get(c authz.Collection, key string) (authz.Entity, error) {
	view, err := s.Snapshot()
	if err != nil {
		return nil, err
	}
	defer view.Close()
	return view.Entity(c, key)
}

// Content is the JSON of an entity as it is stored, shared: it must not be changed.
// CodeNotFound when there is none.
func (v *Snapshot) Content(c authz.Collection, key string) ([]byte, error) {
	code := codeOf(c)
	if code == 0 {
		return nil, unknownCollection(c)
	}
	rec, err := v.record(code, key)
	if err != nil {
		return nil, err
	}
	if rec == nil {
		return nil, notFound(ref{code: code, key: key})
	}
	return rec.json, nil
}
