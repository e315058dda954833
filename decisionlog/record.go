package decisionlog

import (
	"context"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/disk"
)

// Record implements authz.Recorder. Each entry is as durable as Config.Durability
// or its decision asks for, whichever is stricter: async entries are taken over, or
// counted as lost when there is no room, and never waited for; the others are
// committed, together with those of other callers, before it returns.
//
// An error, CodeUnavailable mostly, means that the entries that are not async are not
// known to be recorded: there was no room for them within Config.Wait, the disk
// refused, ctx ended or the log is closed. Wait and ctx do not bound the one caller
// that is writing for all when the disk hangs.
func (l *Log) Record(ctx context.Context, entries []authz.Entry) error {
	var w write
	for i := range entries {
		e := &entries[i]
		if l.config.Durability.Stricter(e.Decision.Durability) == authz.Async {
			if err := l.offer(e); err != nil {
				return err
			}
			continue
		}
		d, err := l.draftOf(ctx, e)
		if err != nil {
			return err
		}
		if w.drafts == nil {
			w = newWrite(&l.waiting, len(entries)-i)
		}
		w.add(d, 2*d.size()) // it is copied to be stored
	}
	if w.drafts == nil {
		return nil
	}
	err := l.submit(ctx, w)
	if err != nil {
		l.stats.refused.Add(uint64(len(w.drafts)))
	}
	return err
}

// write is the drafts that one caller waits for.
type write struct {
	quota  *quota // that charges are taken from
	drafts []*draft
	charge int64 // of all drafts
}

func newWrite(from *quota, most int) write {
	return write{quota: from, drafts: make([]*draft, 0, most)}
}

func (w *write) add(d *draft, charge int64) {
	d.quota, d.charge = w.quota, charge
	w.drafts = append(w.drafts, d)
	w.charge += charge
}

// release gives back what d took of its quota, once it is answered or withdrawn.
func (d *draft) release() { d.quota.release(1, d.charge) }

// submit queues w and returns when it was committed or refused.
func (l *Log) submit(ctx context.Context, w write) error {
	if err := l.db.Failure(); err != nil {
		return err
	}
	freed := w.quota.take(len(w.drafts), w.charge)
	if freed != nil {
		return l.submitSlowly(ctx, w, nil, freed)
	}
	queued := l.commits.Enqueue(w.drafts...)
	if !l.commits.TryLead() {
		return l.submitSlowly(ctx, w, queued, nil)
	}
	return queued.Err()
}

// submitSlowly is submit for a write that has to wait: for room when freed is not
// nil, and then, queued, to be committed.
func (l *Log) submitSlowly(ctx context.Context, w write, queued *disk.Submission, freed <-chan struct{}) error {
	wait := time.NewTimer(l.config.Wait)
	defer wait.Stop()
	for freed != nil {
		select {
		case <-freed:
		case <-wait.C:
			return errNoRoom()
		case <-l.db.Closing():
			return errClosed()
		case <-ctx.Done():
			return errEnded(ctx)
		}
		if freed = w.quota.take(len(w.drafts), w.charge); freed == nil {
			queued = l.commits.Enqueue(w.drafts...)
		}
	}
	switch l.commits.Wait(ctx, queued, wait.C) {
	case disk.Closing:
		if l.commits.Withdraw(queued) {
			return errClosed()
		}
		<-queued.Done() // Close waits for it too
	case disk.Ended:
		return l.giveUp(queued, errEnded(ctx))
	case disk.Expired:
		return l.giveUp(queued, errNoRoom())
	}
	return queued.Err()
}

// giveUp withdraws what is queued for reason. What is being committed cannot be
// withdrawn; it is not waited for, as it may hang with the disk.
func (l *Log) giveUp(queued *disk.Submission, reason error) error {
	if l.commits.Withdraw(queued) {
		return reason
	}
	select {
	case <-queued.Done():
		return queued.Err()
	default:
		return &authz.Error{Code: authz.CodeUnavailable, Message: "the record is not known to be there: the log takes too long to write it", Cause: reason}
	}
}

func errNoRoom() error {
	return authz.Errorf(authz.CodeUnavailable, "nothing was recorded: more records wait for the log than it writes; ask again later")
}

func errEnded(ctx context.Context) error {
	return &authz.Error{Code: authz.CodeUnavailable, Message: "nothing was recorded: the request ended before its turn came", Cause: ctx.Err()}
}

// What a group takes of a Badger transaction beside the drafts: the heads of both
// chains, a loss with its key, and the entry that ends it.
const (
	reservedEntries  = 6
	reservedBytes    = 4 << 10
	entriesPerRecord = 2
	entriesPerChange = 4
)

// fitting is how many of queue, at least one, fit into one Badger transaction.
func (l *Log) fitting(queue []*draft) int {
	entries, size := int64(reservedEntries), int64(reservedBytes)
	for n, d := range queue {
		if entries += entriesPerRecord; d.change != nil {
			entries += entriesPerChange - entriesPerRecord
		}
		size += d.size()
		if n > 0 && (entries >= l.db.MaxBatchCount() || size >= l.db.MaxBatchSize()) {
			return n
		}
	}
	return len(queue)
}

// commitGroup commits the first drafts of queue, at least one, as one Badger
// transaction, answers them and returns how many. Those that need not be on the disk do
// not wait for the sync. The caller holds the commit lock.
func (l *Log) commitGroup(queue []*draft) (n int) {
	n = l.fitting(queue)
	drafts := queue[:n]
	err := l.db.Failure()
	if err == nil {
		err = l.db.CheckSpace()
	}
	if err == nil {
		if drafts = l.admitted(drafts); len(drafts) == 0 {
			return n
		}
		err = l.write(drafts)
	}
	strict := drafts[:0:0]
	for _, d := range drafts {
		if err == nil && d.durability == authz.Required {
			strict = append(strict, d)
			continue
		}
		l.commits.Answer(d, err)
	}
	if len(strict) == 0 {
		return n
	}
	err = l.syncAll()
	for _, d := range strict {
		l.commits.Answer(d, err)
	}
	return n
}

// write commits drafts, after the loss there may be to tell of, and publishes
// them. The caller holds the commit lock.
func (l *Log) write(drafts []*draft) error {
	all := drafts
	lost := l.lost.Load()
	if lost > 0 {
		loss, err := lossOf(lost, l.config.Now())
		if err != nil {
			return internal("recording a loss", err)
		}
		all = append([]*draft{loss}, drafts...)
	}
	next, err := l.put(all)
	if err != nil {
		return l.fail(err)
	}
	l.unsynced.Store(true)
	l.lost.Add(-lost)
	l.stats.recorded.Add(uint64(len(drafts)))
	l.stats.commits.Add(1)
	l.countPending(drafts)
	l.publish(next)
	return nil
}

// heads are the newest places of both chains.
type heads struct {
	head    link
	changes *link // the newest intent or change; never changed itself
}

// put commits drafts after the heads and returns the new ones.
func (l *Log) put(drafts []*draft) (next heads, err error) {
	next = l.state.Load().heads
	changes := next.changes.seq
	txn := l.db.NewTransaction(true)
	defer txn.Discard()
	for _, d := range drafts {
		if d.change != nil {
			if next, err = putChange(txn, d, next); err != nil {
				return heads{}, err
			}
			continue
		}
		var value []byte
		value, next.head = d.sealed(next.head)
		if err := txn.SetEntry(badger.NewEntry(recordKey(next.head.seq), value)); err != nil {
			return heads{}, err
		}
		if d.id == "" {
			continue
		}
		if err := txn.Set(idKey(d.id), recordKey(next.head.seq)[1:]); err != nil {
			return heads{}, err
		}
	}
	if err := txn.Set(headKey, next.head.value()); err != nil {
		return heads{}, err
	}
	if next.changes.seq > changes {
		if err := txn.Set(changeHeadKey, next.changes.value()); err != nil {
			return heads{}, err
		}
	}
	return next, l.commit(txn)
}

// publish shows readers the new heads and wakes those who wait for them. The caller
// holds the commit lock.
func (l *Log) publish(next heads) {
	previous := l.state.Swap(&state{heads: next, superseded: make(chan struct{})})
	close(previous.superseded)
}
