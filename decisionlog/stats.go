package decisionlog

import (
	"fmt"
	"sync/atomic"

	"github.com/verdict-pdp/verdict/authz"
)

// Stats are running totals since Open, and how the log stands now.
type Stats struct {
	Recorded   uint64 // records written, intents and changes among them, losses not
	Commits    uint64 // groups they were written in
	Syncs      uint64 // times the disk was waited for
	Lost       uint64 // async records that were not written
	Refused    uint64 // records of spool and required that could not be written
	Unmaskable uint64 // records stored without their input
	Backstop   uint64 // records in which more was masked than the policy asked for
	Removed    uint64 // records deleted by retention
	// Missed is how many records retention deleted before a reader with a cursor
	// had moved past them, added up over the readers.
	Missed uint64
	// RemovedChanges are intents and changes deleted by retention, which Removed does
	// not count.
	RemovedChanges uint64

	Waiting      int    // records on their way to be written
	WaitingBytes int64  // approximately
	Head         uint64 // number of the newest record; 0: none was ever written
	Oldest       uint64 // number of the oldest record kept; 0: there is none
	Bytes        int64  // of the records kept but intents and changes, before compression
	ChangeHead   uint64 // number of the newest intent or change; 0: none was ever written
	OldestChange uint64 // number of the oldest one kept; 0: there is none
	ChangeBytes  int64  // of those kept, before compression
	Pending      int    // announced changes without an outcome
	DiskBytes    int64  // of Badger's files, as it last counted them
}

type counters struct {
	recorded, commits, syncs, lost, refused, unmaskable, backstop, removed, missed, removedChanges atomic.Uint64
}

// Stats are the numbers a metrics surface shows.
func (l *Log) Stats() Stats {
	asyncEntries, asyncBytes := l.background.quota.taken()
	waitingEntries, waitingBytes := l.waiting.taken()
	anchor := *l.anchor.Load() // before head, which it never passes
	changeAnchor := *l.changeAnchor.Load()
	now := l.state.Load()
	head := now.head
	stats := Stats{
		Recorded:     l.stats.recorded.Load(),
		Commits:      l.stats.commits.Load(),
		Syncs:        l.stats.syncs.Load(),
		Lost:         l.stats.lost.Load(),
		Refused:      l.stats.refused.Load(),
		Unmaskable:   l.stats.unmaskable.Load(),
		Backstop:     l.stats.backstop.Load(),
		Removed:      l.stats.removed.Load(),
		Missed:       l.stats.missed.Load(),
		Waiting:      asyncEntries + waitingEntries,
		WaitingBytes: asyncBytes + waitingBytes,
		Head:         head.seq,
		Bytes:        int64(head.total - anchor.total),

		RemovedChanges: l.stats.removedChanges.Load(),
		ChangeHead:     now.changes.seq,
		ChangeBytes:    int64(now.changes.total - changeAnchor.total),
		Pending:        int(l.pending.Load()),
	}
	if now.changes.seq > changeAnchor.seq {
		stats.OldestChange = changeAnchor.seq + 1
	}
	if head.seq > anchor.seq {
		stats.Oldest = anchor.seq + 1
	}
	if err := l.db.Enter(); err == nil {
		defer l.db.Leave()
		lsm, vlog := l.db.Size()
		stats.DiskBytes = lsm + vlog
	}
	return stats
}

// Ready says why a decision might not be recorded now, nil when it would be: a
// commit failed, the disk is nearly full, a queue is full, the log is closed.
func (l *Log) Ready() error {
	if err := l.db.Enter(); err != nil {
		return err
	}
	defer l.db.Leave()
	if err := l.db.Failure(); err != nil {
		return err
	}
	if err := l.db.SpaceAbove(l.config.MinFree); err != nil {
		return err
	}
	if l.waiting.full() || l.background.quota.full() {
		return errFull()
	}
	return nil
}

func errFull() error {
	return authz.Errorf(authz.CodeUnavailable, "the decision log is full of records that wait to be written; decisions wait for it, or their records are lost where async allows it")
}

func errClosed() error {
	return authz.Errorf(authz.CodeUnavailable, "the decision log is closed")
}

// corrupt is the error for stored data that cannot be read.
func corrupt(cause error) error {
	return &authz.Error{Code: authz.CodeInternal, Message: "the decision log is damaged; verify it, and restore its directory or start with a new one", Cause: cause}
}

func internal(doing string, cause error) error {
	return &authz.Error{Code: authz.CodeInternal, Message: fmt.Sprintf("%s failed", doing), Cause: cause}
}
