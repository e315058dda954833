package decisionlog

import (
	"context"
	"sync"

	"github.com/verdict-pdp/verdict/authz"
)

// background is the entries that async left to be recorded.
type background struct {
	quota quota
	wake  chan struct{} // holds one when there may be something to do
	// recording is held from taking entries until they are committed.
	recording sync.Mutex

	mu      sync.Mutex
	entries []authz.Entry // guarded by mu
	sizes   []int64       // of each; guarded by mu
	closed  bool          // guarded by mu
}

func newBackground(c Config) background {
	return background{
		quota: quota{maxEntries: c.Queue, maxBytes: c.QueueBytes},
		wake:  make(chan struct{}, 1),
	}
}

// offer takes an entry over, or counts it as lost when there is no room.
func (l *Log) offer(e *authz.Entry) error {
	b := &l.background
	size := e.Size()
	if l.db.Failure() != nil || b.quota.take(1, size) != nil {
		l.lose(1)
		return nil
	}
	if !b.add(e, size) {
		b.quota.release(1, size)
		return errClosed()
	}
	return nil
}

// add is false once the log is closed.
func (b *background) add(e *authz.Entry, size int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.entries = append(b.entries, *e)
	b.sizes = append(b.sizes, size)
	if len(b.entries) == 1 {
		b.signal()
	}
	return true
}

func (b *background) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

func (b *background) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
}

func (b *background) take() ([]authz.Entry, []int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	entries, sizes := b.entries, b.sizes
	b.entries, b.sizes = nil, nil
	return entries, sizes
}

// lose counts records that are not written; the next commit writes a record that
// stands for them.
func (l *Log) lose(n uint64) {
	l.lost.Add(n)
	l.stats.lost.Add(n)
	l.lossLog.Do(func() {
		l.config.Log.Warn("decisions are lost for the log: the queue of async is full, or the log cannot be written", "lost", l.stats.lost.Load())
	})
}

// recordBackground records what async left, as it comes, until ctx ends.
func (l *Log) recordBackground(ctx context.Context) {
	for {
		select {
		case <-l.background.wake:
			l.recordLeft()
		case <-l.db.Closing():
			return
		case <-ctx.Done():
			return
		}
	}
}

// backgroundBatch is how many async records are committed at once.
const backgroundBatch = 256

// recordLeft records everything that async has left by now; when it returns nothing
// of it is on its way.
func (l *Log) recordLeft() {
	l.background.recording.Lock()
	defer l.background.recording.Unlock()
	entries, sizes := l.background.take()
	for start := 0; start < len(entries); start += backgroundBatch {
		end := min(start+backgroundBatch, len(entries))
		l.recordSome(entries[start:end], sizes[start:end])
		clear(entries[start:end])
	}
}

func (l *Log) recordSome(entries []authz.Entry, sizes []int64) {
	w := newWrite(&l.background.quota, len(entries))
	for i := range entries {
		d, err := l.draftOf(context.Background(), &entries[i])
		if err != nil {
			l.config.Log.Error("a decision could not be recorded", "id", entries[i].Decision.ID, "error", err)
			l.lose(1)
			l.background.quota.release(1, sizes[i])
			continue
		}
		w.add(d, sizes[i])
	}
	if len(w.drafts) == 0 {
		return
	}
	queued := l.commits.Enqueue(w.drafts...)
	l.commits.Lead()
	if queued.Err() != nil {
		l.lose(uint64(len(w.drafts)))
	}
}

// recordLoss records the loss there may be to tell of.
func (l *Log) recordLoss() error {
	if l.lost.Load() == 0 {
		return nil
	}
	if err := l.hold(); err != nil {
		return err
	}
	defer l.commits.Unlock()
	return l.writeLoss()
}

// writeLoss is recordLoss for a caller that holds the commit lock.
func (l *Log) writeLoss() error {
	if l.lost.Load() == 0 {
		return nil
	}
	if err := l.db.Failure(); err != nil {
		return err
	}
	if err := l.db.CheckSpace(); err != nil {
		return err
	}
	return l.write(nil)
}
