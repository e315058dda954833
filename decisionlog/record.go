package decisionlog

import (
	"context"
	"errors"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/verdict-pdp/verdict/authz"
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
	var w *write
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
		if w == nil {
			w = newWrite(&l.waiting, len(entries)-i)
		}
		d.charge = 2 * d.size() // it is copied to be stored
		w.add(d)
	}
	if w == nil {
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
	left   int   // drafts not yet settled; whoever holds the commit lock
	err    error
	done   chan struct{} // closed when all drafts are settled; err may be read then
}

func newWrite(from *quota, most int) *write {
	return &write{quota: from, drafts: make([]*draft, 0, most), done: make(chan struct{})}
}

func (w *write) add(d *draft) {
	d.write = w
	w.drafts = append(w.drafts, d)
	w.charge += d.charge
	w.left++
}

// settle ends one draft of the write.
func (d *draft) settle(err error) {
	w := d.write
	w.quota.release(1, d.charge)
	if err != nil {
		w.err = err
	}
	if w.left--; w.left == 0 {
		close(w.done)
	}
}

// submit queues w and returns when it was committed or refused. Whoever gets the
// commit lock commits everything queued; the others find their write done.
func (l *Log) submit(ctx context.Context, w *write) error {
	if err := l.failure(); err != nil {
		return err
	}
	if freed := w.quota.take(len(w.drafts), w.charge); freed != nil || !l.tryLead(w) {
		return l.submitSlowly(ctx, w, freed)
	}
	<-w.done
	return w.err
}

// tryLead queues w, which has been given room, and commits it when nobody is
// committing now.
func (l *Log) tryLead(w *write) (led bool) {
	l.enqueue(w)
	select {
	case l.commitLock <- struct{}{}:
		l.lead()
		return true
	default:
		return false
	}
}

// submitSlowly is submit for a write that has to wait: for room when freed is not
// nil, and then, queued, for its turn.
func (l *Log) submitSlowly(ctx context.Context, w *write, freed <-chan struct{}) error {
	wait := time.NewTimer(l.config.Wait)
	defer wait.Stop()
	for freed != nil {
		select {
		case <-freed:
		case <-wait.C:
			return errNoRoom()
		case <-l.closing:
			return errClosed()
		case <-ctx.Done():
			return errEnded(ctx)
		}
		if freed = w.quota.take(len(w.drafts), w.charge); freed == nil {
			l.enqueue(w)
		}
	}
	select {
	case <-w.done:
		return w.err
	case l.commitLock <- struct{}{}:
		l.lead()
		<-w.done
		return w.err
	case <-l.closing:
		if l.withdraw(w) {
			return errClosed()
		}
		<-w.done // Close waits for it too
		return w.err
	case <-wait.C:
		return l.giveUp(w, errNoRoom())
	case <-ctx.Done():
		return l.giveUp(w, errEnded(ctx))
	}
}

func errNoRoom() error {
	return authz.Errorf(authz.CodeUnavailable, "nothing was recorded: more records wait for the log than it writes; ask again later")
}

func errEnded(ctx context.Context) error {
	return &authz.Error{Code: authz.CodeUnavailable, Message: "nothing was recorded: the request ended before its turn came", Cause: ctx.Err()}
}

func (l *Log) enqueue(w *write) {
	l.queueMu.Lock()
	defer l.queueMu.Unlock()
	l.queue = append(l.queue, w.drafts...)
}

func (l *Log) takeQueue() []*draft {
	l.queueMu.Lock()
	defer l.queueMu.Unlock()
	taken := l.queue
	l.queue = nil
	return taken
}

// giveUp withdraws w for reason. A write that is being committed cannot be
// withdrawn; it is not waited for, as it may hang with the disk.
func (l *Log) giveUp(w *write, reason error) error {
	if l.withdraw(w) {
		return reason
	}
	select {
	case <-w.done:
		return w.err
	default:
		return &authz.Error{Code: authz.CodeUnavailable, Message: "the record is not known to be there: the log takes too long to write it", Cause: reason}
	}
}

// withdraw takes w off the queue; false says that it is being committed or was.
func (l *Log) withdraw(w *write) bool {
	if !l.unqueue(w) {
		return false
	}
	w.quota.release(len(w.drafts), w.charge)
	return true
}

func (l *Log) unqueue(w *write) (found bool) {
	l.queueMu.Lock()
	defer l.queueMu.Unlock()
	kept := l.queue[:0]
	for _, d := range l.queue {
		if d.write == w {
			found = true
			continue
		}
		kept = append(kept, d)
	}
	clear(l.queue[len(kept):])
	l.queue = kept
	return found
}

// lead commits every queued draft, in as few Badger transactions as their limits
// allow, and lets go of the commit lock, which the caller holds.
func (l *Log) lead() {
	defer func() { <-l.commitLock }()
	queue := l.takeQueue()
	defer func() { l.abandon(queue) }()
	for len(queue) > 0 {
		n := l.fitting(queue)
		l.commitGroup(queue[:n])
		queue = queue[n:]
	}
}

// abandon fails the drafts that a panicking leader left: their callers, and those
// after them, must not wait for ever.
func (l *Log) abandon(queue []*draft) {
	if len(queue) == 0 {
		return
	}
	err := l.fail(errors.New("a commit did not run to its end"))
	for _, d := range queue {
		if d.write.left > 0 {
			d.settle(err)
		}
	}
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

// commitGroup commits drafts as one Badger transaction and settles them. The
// caller holds the commit lock.
func (l *Log) commitGroup(drafts []*draft) {
	err := l.failure()
	if err == nil {
		err = l.roomForRecord()
	}
	if err == nil {
		if drafts = l.admitted(drafts); len(drafts) == 0 {
			return
		}
		err = l.write(drafts)
	}
	strict := drafts[:0:0]
	for _, d := range drafts {
		if err == nil && d.durability == authz.Required {
			strict = append(strict, d)
			continue
		}
		d.settle(err)
	}
	if len(strict) == 0 {
		return
	}
	err = l.syncAll()
	for _, d := range strict {
		d.settle(err)
	}
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
