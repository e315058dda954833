package decisionlog

import "sync"

// quota bounds entries and their bytes. One entry is always taken when there is
// none, whatever its size.
type quota struct {
	maxEntries int
	maxBytes   int64

	mu      sync.Mutex
	entries int           // guarded by mu
	bytes   int64         // guarded by mu
	freed   chan struct{} // closed and made anew at every release that a caller waits for; guarded by mu
}

// take takes entries and bytes. When they do not fit it takes nothing and returns
// a channel that is closed when it may be tried again.
func (q *quota) take(entries int, bytes int64) (freed <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.entries == 0 || q.entries+entries <= q.maxEntries && q.bytes+bytes <= q.maxBytes {
		q.entries += entries
		q.bytes += bytes
		return nil
	}
	if q.freed == nil {
		q.freed = make(chan struct{})
	}
	return q.freed
}

func (q *quota) release(entries int, bytes int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.entries -= entries
	q.bytes -= bytes
	if q.freed != nil {
		close(q.freed)
		q.freed = nil
	}
}

func (q *quota) taken() (entries int, bytes int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.entries, q.bytes
}

func (q *quota) full() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.entries >= q.maxEntries || q.bytes >= q.maxBytes
}
