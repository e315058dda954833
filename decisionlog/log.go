package decisionlog

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/time/rate"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/disk"
)

// Log is the decision log of one node. All methods may be called concurrently.
type Log struct {
	config  Config
	db      *disk.DB
	commits *disk.Committer[*draft]
	// commit makes a transaction outlive the process, sync the machine. They are
	// fields so that a failing disk can be staged.
	commit func(*badger.Txn) error
	sync   func() error

	state  atomic.Pointer[state] // replaced under the lock of commits
	anchor atomic.Pointer[link]  // the last record removed; replaced under the lock of commits
	// changeAnchor is the last intent or change removed; replaced under the lock of commits.
	changeAnchor atomic.Pointer[link]
	pending      atomic.Int64 // announced changes without an outcome; changed under the lock of commits
	// unsynced says that something was committed that sync was not called after.
	unsynced atomic.Bool
	lost     atomic.Uint64 // records lost that no loss record stands for yet
	stats    counters

	// What may happen with every decision must not fill the operator's log.
	lossLog, unmaskableLog rate.Sometimes

	waiting    quota      // of the drafts of spool and required
	changing   quota      // of the drafts of intents and changes: decisions take none of it
	background background // what async left to be recorded

	retention sync.Mutex // held to remove records, or to keep them from being removed

	cursorMu sync.Mutex
	cursors  map[string]uint64 // :: reader -> last record it is done with, of those in use; guarded by cursorMu
}

var _ authz.Recorder = (*Log)(nil)

// state is what readers see. It is never changed.
type state struct {
	heads
	superseded chan struct{} // closed when there is a newer state
}

// Open opens the log in config.Dir, making it when it is not there. It refuses a
// directory another process has open, one written by a newer Verdict, one on a full
// disk, and one whose newest records were cut off from the chain. It does not verify
// the chain; see Verify.
func Open(config Config) (*Log, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	config = config.withDefaults()
	db, err := disk.Open(config.badger())
	if err != nil {
		return nil, err
	}
	l := &Log{
		config:     config,
		db:         db,
		commit:     (*badger.Txn).Commit,
		sync:       db.Sync,
		waiting:    quota{maxEntries: config.Queue, maxBytes: config.QueueBytes},
		changing:   quota{maxEntries: MaxPending, maxBytes: maxChangingBytes},
		background: newBackground(config),
		cursors:    make(map[string]uint64),

		lossLog:       rate.Sometimes{Interval: logInterval},
		unmaskableLog: rate.Sometimes{Interval: logInterval},
	}
	l.commits = disk.NewCommitter(db.Closing(), l.commitGroup, l.fail, (*draft).release)
	if err := l.load(); err != nil {
		return nil, errors.Join(err, db.DB.Close())
	}
	return l, nil
}

// logInterval is the pause between two messages about what may happen with every decision.
const logInterval = 10 * time.Second

// load reads where the chain begins and ends.
func (l *Log) load() error {
	if err := checkSchema(l.db.DB); err != nil {
		return err
	}
	return l.db.View(func(txn *badger.Txn) error {
		var places [4]link
		for i, key := range [...][]byte{headKey, anchorKey, changeHeadKey, changeAnchorKey} {
			var err error
			if places[i], err = getLink(txn, key); err != nil {
				return err
			}
		}
		head, anchor, changeHead, changeAnchor := places[0], places[1], places[2], places[3]
		switch {
		case follows(txn, recordKey(head.seq+1)):
			return corrupt(fmt.Errorf("there are records after the last one, %d", head.seq))
		case follows(txn, changeKey(changeHead.seq+1)):
			return corrupt(fmt.Errorf("there are changes after the last one, %d", changeHead.seq))
		case head.changes != changeHead.seq:
			return corrupt(fmt.Errorf("the chain has %d changes, and the last one is %d", head.changes, changeHead.seq))
		}
		l.state.Store(&state{heads: heads{head: head, changes: &changeHead}, superseded: make(chan struct{})})
		l.anchor.Store(&anchor)
		l.changeAnchor.Store(&changeAnchor)
		l.pending.Store(countKeys(txn, kindPending))
		return nil
	})
}

// follows reports whether there is a key of the same kind at first or after it. Each
// record is written together with its being the head: someone took the head back, and
// the next record would be written over one that is there.
func follows(txn *badger.Txn, first []byte) bool {
	it := txn.NewIterator(badger.IteratorOptions{Prefix: first[:1]})
	defer it.Close()
	it.Seek(first)
	return it.Valid()
}

func countKeys(txn *badger.Txn, kind byte) (n int64) {
	it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{kind}})
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		n++
	}
	return n
}

func getLink(txn *badger.Txn, key []byte) (link, error) {
	v, err := get(txn, key)
	if err != nil {
		return link{}, err
	}
	return readLink(v)
}

// get is the value of a key, nil when there is none.
func get(txn *badger.Txn, key []byte) ([]byte, error) {
	item, err := txn.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, internal("reading the decision log", err)
	}
	v, err := item.ValueCopy(nil)
	if err != nil {
		return nil, internal("reading the decision log", err)
	}
	return v, nil
}

// checkSchema refuses a database of a newer Verdict or of something else, and
// marks an empty one, and one of an older Verdict, as ours.
func checkSchema(db *badger.DB) error {
	return db.Update(func(txn *badger.Txn) error {
		v, err := get(txn, schemaKey)
		switch {
		case err != nil:
			return err
		case v == nil && !empty(txn):
			return authz.Errorf(authz.CodeConflict, "the directory of the decision log holds a database that is no decision log; choose another directory")
		case v == nil:
			return txn.Set(schemaKey, binary.BigEndian.AppendUint32(nil, schemaVersion))
		case len(v) != 4:
			return corrupt(fmt.Errorf("schema version is %d bytes", len(v)))
		case binary.BigEndian.Uint32(v) > schemaVersion:
			return authz.Errorf(authz.CodeConflict, "the decision log has schema version %d and this Verdict reads up to %d; start a newer Verdict", binary.BigEndian.Uint32(v), schemaVersion)
		case binary.BigEndian.Uint32(v) < schemaVersion:
			return txn.Set(schemaKey, binary.BigEndian.AppendUint32(nil, schemaVersion))
		}
		return nil
	})
}

func empty(txn *badger.Txn) bool {
	it := txn.NewIterator(badger.IteratorOptions{})
	defer it.Close()
	it.Rewind()
	return !it.Valid()
}

// Head is the number of the newest record, 0 when there never was one.
func (l *Log) Head() uint64 { return l.state.Load().head.seq }

// Await returns once there is a record with a number higher than seq. When ctx
// ends first it returns CodeBehind.
func (l *Log) Await(ctx context.Context, seq uint64) error {
	return l.await(ctx, "record", seq, func(now *state) uint64 { return now.head.seq })
}

// await returns once the number that of gives is higher than after.
func (l *Log) await(ctx context.Context, what string, after uint64, of func(*state) uint64) error {
	for {
		now := l.state.Load()
		if of(now) > after {
			return nil
		}
		select {
		case <-now.superseded:
		case <-l.db.Closing():
			return errClosed()
		case <-ctx.Done():
			return &authz.Error{Code: authz.CodeBehind, Message: fmt.Sprintf("the newest %s is %d and a later one than %d was asked for", what, of(now), after), Cause: ctx.Err()}
		}
	}
}

// syncEvery bounds how long a spool record is on no disk.
const syncEvery = time.Second

// Run records what async left, syncs spool records within a second, and removes
// what is too old or too much, until ctx ends or the log is closed. What async
// leaves after that is recorded by Close.
func (l *Log) Run(ctx context.Context) error {
	var running sync.WaitGroup
	running.Go(func() { l.recordBackground(ctx) })
	running.Go(func() { l.every(ctx, syncEvery, l.recordLoss) })
	running.Go(func() { l.every(ctx, syncEvery, l.syncRest) })
	running.Go(func() { l.every(ctx, l.config.MaintainEvery, func() error { return l.Maintain(ctx) }) })
	running.Wait()
	return nil
}

// every does something now and then until ctx ends. What fails is tried again, and
// logged unless it says that nothing is written now, which was.
func (l *Log) every(ctx context.Context, pause time.Duration, do func() error) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-l.db.Closing():
			return
		case <-ctx.Done():
			return
		}
		err := do()
		if err != nil && authz.CodeOf(err) != authz.CodeUnavailable {
			l.config.Log.Warn("maintenance of the decision log failed; it is tried again", "error", err, "cause", errors.Unwrap(err))
		}
	}
}

// syncRest waits until what was committed and not synced yet is on disk.
func (l *Log) syncRest() error {
	if !l.unsynced.Load() {
		return nil
	}
	if err := l.db.Enter(); err != nil {
		return err
	}
	defer l.db.Leave()
	return l.syncAll()
}

// syncAll waits until everything committed is on disk. It is sure of records whose
// commit nothing followed: Badger syncs the memtable that it writes to now, and of
// one it has filled only waits for the table made of it.
func (l *Log) syncAll() error {
	l.unsynced.Store(false)
	l.stats.syncs.Add(1)
	if err := l.sync(); err != nil {
		return l.fail(err)
	}
	return nil
}

// Close records what async left, waits for the reads and commits under way, and
// closes the log. Later calls are refused with CodeUnavailable. Closing again does
// nothing and returns the same.
func (l *Log) Close() error {
	return l.db.Close(func() error {
		l.background.close()
		l.recordLeft()
		l.commits.Stop()
		err := l.writeLoss()
		if broken := l.db.Shut(); broken != nil {
			err = errors.Join(err, internal("closing the decision log", broken))
		}
		return err
	})
}

// hold takes the commit lock, which the caller unlocks, unless the log is being closed.
func (l *Log) hold() error {
	if l.commits.Lock(context.Background()) != disk.Done {
		return errClosed()
	}
	return nil
}

// fail stops all further writes: what of a failed commit reached the disk is known
// only after a restart. Reads go on.
func (l *Log) fail(cause error) error {
	err := &authz.Error{Code: authz.CodeUnavailable, Message: "nothing is recorded any more, as a write to the decision log failed; mend the disk and restart Verdict", Cause: cause}
	l.db.Fail(err)
	l.config.Log.Error("the decision log failed; it takes no more records until it is opened again", "head", l.Head(), "error", cause)
	return err
}
