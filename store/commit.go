package store

import (
	"context"
	"reflect"

	"github.com/dgraph-io/badger/v4"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/disk"
)

// Apply makes one write of ops: all of them happen, in order and at one
// revision, or none does. On return the write is on disk and seen by every later
// Snapshot. A write that ctx ended before it was committed is not made; once its
// commit has begun, ctx no longer matters.
func (s *Store) Apply(ctx context.Context, ops []Op) (Result, error) {
	if len(ops) == 0 {
		return Result{}, authz.Invalid("ops", "is empty")
	}
	prepared := make([]operation, len(ops))
	for i, op := range ops {
		made, err := prepare(op)
		if err != nil {
			return Result{}, atOperation(err, i, len(ops))
		}
		prepared[i] = made
	}
	w := &write{ops: prepared, by: authz.ChangeOf(ctx)}
	if err := s.submit(ctx, w); err != nil {
		return Result{}, err
	}
	return w.result(), nil
}

func (w *write) result() Result {
	entities := make([]authz.Entity, len(w.ops))
	result := Result{
		Revision: w.revision, Entities: entities,
		Created: make([]bool, len(w.ops)), Before: make([][]byte, len(w.ops)), After: make([][]byte, len(w.ops)),
	}
	for i, op := range w.ops {
		result.Created[i] = w.outcomes[i].isNew
		result.Before[i], result.After[i] = w.outcomes[i].was, w.outcomes[i].is
		if op.entity == nil {
			continue
		}
		if stored := w.outcomes[i].succeeded; stored != nil {
			reflect.ValueOf(op.entity).Elem().Set(reflect.ValueOf(stored).Elem())
		}
		head := op.entity.Head()
		head.CreatedAt = fromMillis(w.outcomes[i].created)
		head.UpdatedAt = fromMillis(w.outcomes[i].updated)
		head.Revision = w.revision
		entities[i] = op.entity
	}
	return result
}

// submit queues w and returns when it was committed or refused. A write that is being
// committed is waited for, whatever ends meanwhile.
func (s *Store) submit(ctx context.Context, w *write) error {
	queued := s.commits.Enqueue(w)
	var reason error
	switch s.commits.Wait(ctx, queued, nil) {
	case disk.Done:
		return queued.Err()
	case disk.Closing:
		reason = errClosed()
	default:
		reason = &authz.Error{Code: authz.CodeUnavailable, Message: "the write was not made: the request ended before its turn came", Cause: ctx.Err()}
	}
	if s.commits.Withdraw(queued) {
		return reason
	}
	<-queued.Done()
	return queued.Err()
}

// commitGroup commits the first writes of queue, at least one, as one Badger
// transaction, answers them and returns how many. The caller holds the commit lock.
func (s *Store) commitGroup(queue []*write) (taken int) {
	if err := s.db.Failure(); err != nil {
		for _, w := range queue {
			s.commits.Answer(w, err)
		}
		return len(queue)
	}
	g := s.newGroup()
	defer g.txn.Discard()
	for taken < len(queue) && g.add(queue[taken]) {
		taken++
	}
	var failed error
	if len(g.writes) > 0 {
		failed = s.commit(g)
	}
	for _, w := range queue[:taken] {
		err := w.refused
		if err == nil && w.revision > 0 { // it is one of g.writes
			err = failed
		}
		s.commits.Answer(w, err)
	}
	return taken
}

// group is the writes of one Badger transaction.
type group struct {
	store   *Store
	base    *state    // what readers see now
	state   persisted // after the writes accepted so far
	now     int64
	txn     *badger.Txn // reads at base.revision; holds the accepted entries
	records map[ref]*record
	writes  []*write
	count   int64 // entries and bytes of txn, as Badger counts them
	size    int64
	broken  error // txn refused an entry: the group must not be committed
}

// Badger adds one entry that ends the transaction; the state is another.
const (
	reservedEntries = 3
	reservedBytes   = 1024
	entryOverhead   = 2 + 10 // two meta bytes, and Badger's allowance for the version
)

func (s *Store) newGroup() *group {
	base := s.state.Load()
	return &group{
		store: s, base: base, state: base.persisted,
		now:     s.config.Now().UnixMilli(),
		txn:     s.db.NewTransactionAt(base.revision, true),
		records: make(map[ref]*record),
		count:   reservedEntries, size: reservedBytes,
	}
}

// add evaluates w and accepts it into the group. False leaves w for the next
// group, because it does not fit into this one.
func (g *group) add(w *write) bool {
	d, err := g.evaluate(w)
	if err != nil {
		g.store.stats.refused.Add(1)
		w.refused = err
		return true
	}
	w.outcomes = d.outcomes
	if len(d.changes) == 0 {
		return true
	}
	if g.store.config.logsChanges() {
		d.entries = append(d.entries, d.changeEntries()...)
	}
	count, size := int64(len(d.entries)), sizeOf(d.entries)
	fits := g.count+count < g.store.db.MaxBatchCount() && g.size+size < g.store.db.MaxBatchSize()
	if !fits && len(g.writes) > 0 {
		return false
	}
	if !fits {
		w.refused = authz.Errorf(authz.CodeTooLarge, "the write needs %d stored entries of %d bytes together; at most %d and %d fit into one: split it", count, size, g.store.db.MaxBatchCount()-reservedEntries, g.store.db.MaxBatchSize()-reservedBytes)
		return true
	}
	g.count += count
	g.size += size
	g.accept(w, d)
	return true
}

func sizeOf(entries []entry) (bytes int64) {
	for _, e := range entries {
		bytes += int64(len(e.key) + len(e.value) + entryOverhead)
	}
	return bytes
}

func (g *group) accept(w *write, d *draft) {
	for _, e := range d.entries {
		if err := setEntry(g.txn, e); err != nil && g.broken == nil {
			g.broken = err
		}
	}
	for r, rec := range d.records {
		g.records[r] = rec
	}
	g.state.revision = d.revision
	g.state.nextChange += uint64(len(d.changes))
	if !g.store.config.logsChanges() {
		g.state.floor = d.revision
	}
	for code, delta := range d.counts {
		g.state.counts[code] = uint64(int64(g.state.counts[code]) + delta)
	}
	w.revision = d.revision
	g.writes = append(g.writes, w)
}

func setEntry(txn *badger.Txn, e entry) error {
	if e.deleted {
		return txn.Delete(e.key)
	}
	return txn.SetEntry(badger.NewEntry(e.key, e.value).WithMeta(e.meta))
}

// tombstoneEntry is what a deleted entity leaves: a tombstone when the change log will
// clear it away, nothing otherwise.
func (g *group) tombstoneEntry(r ref, revision uint64, now int64) entry {
	if !g.store.config.logsChanges() {
		return entry{key: r.dataKey(), deleted: true}
	}
	return entry{key: r.dataKey(), value: tombstone(revision, now), meta: metaTombstone}
}

// record is the entity as the accepted writes left it, nil when there is none.
func (g *group) record(r ref) (*record, error) {
	if rec, ok := g.records[r]; ok {
		return rec, nil
	}
	if hot := g.base.hotFor(r.code, r.key); hot != nil {
		rec, _ := hot.records.get(r.key)
		return rec, nil
	}
	return readCold(g.txn, r)
}

// issuersOf are the ids of the issuers readers see under url now.
func (g *group) issuersOf(url string) (map[string]bool, error) {
	ids := make(map[string]bool)
	if index := g.base.issuers(); index != nil {
		for _, issuer := range index.withURL(url) {
			ids[issuer.ID] = true
		}
		return ids, nil
	}
	txn := g.store.db.NewTransactionAt(g.base.revision, false)
	defer txn.Discard()
	keys, err := indexed(txn, issuersCode, "url", url, 1)
	for _, id := range keys {
		ids[id] = true
	}
	return ids, err
}

// commit makes g durable and then visible. The caller holds the commit lock.
func (s *Store) commit(g *group) error {
	if g.broken != nil {
		return internal("writing", g.broken)
	}
	if err := s.db.CheckSpace(); err != nil {
		s.stats.noSpace.Add(uint64(len(g.writes)))
		return err
	}
	err := setEntry(g.txn, entry{key: stateKey, value: g.state.value()})
	if err == nil {
		err = s.commitAt(g.txn, g.state.revision)
	}
	if err != nil {
		return s.fail(err)
	}
	changes := make([]hotChange, 0, len(g.records))
	for r, rec := range g.records {
		changes = append(changes, hotChange{ref: r, record: rec})
	}
	s.publish(g.base.with(g.state, changes, s.config.HotLimit))
	for r := range g.records {
		s.config.Written(r.code.collection(), r.key)
	}
	s.stats.groups.Add(1)
	s.stats.writes.Add(uint64(len(g.writes)))
	return nil
}

// fail stops all further writes: what of a failed commit reached the disk is
// known only after a restart. Reads go on at the published revision.
func (s *Store) fail(cause error) error {
	err := &authz.Error{Code: authz.CodeUnavailable, Message: "the write could not be stored and no more are taken; mend the disk and restart Verdict (reads go on)", Cause: cause}
	s.db.Fail(err)
	s.config.Logger.Error("commit failed; the store takes no more writes until it is opened again", "revision", s.Revision(), "error", cause)
	return err
}

// Writable says why no write can be taken, nil when one can.
func (s *Store) Writable() error {
	if err := s.db.Failure(); err != nil {
		return err
	}
	return s.db.CheckSpace()
}
