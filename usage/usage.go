package usage

import (
	"container/heap"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Uses holds the latest use of credentials. It is safe for concurrent use.
type Uses struct {
	config    Config
	writeLock chan struct{} // full during a write

	mu      sync.Mutex // guards the rest and every record; never held during a write
	known   *simplelru.LRU[string, *record]
	pending queue
	stats   Stats
}

// Stats counts what happened since the start, and what is there now.
type Stats struct {
	Known, Pending int    // credentials
	Written        uint64 // uses stored
	Dropped        uint64 // uses lost because there was no room for their credential
	Failures       uint64 // writes that failed
}

// New makes a Uses that is empty. The error means that config is not valid.
func New(config Config) (*Uses, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	u := &Uses{config: config.withDefaults(), writeLock: make(chan struct{}, 1)}
	known, err := simplelru.NewLRU(u.config.Max, u.evictLocked)
	if err != nil {
		return nil, err
	}
	u.known = known
	return u, nil
}

// Seen notes that a credential was used at a time. Stored is its LastUsedAt as the
// decision read it: zero when it was never used. It is for the hot path: it writes
// nothing and waits for no write.
func (u *Uses) Seen(credential string, stored, at time.Time, from string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	r, ok := u.known.Get(credential)
	if !ok {
		r = &record{}
		u.known.Add(credential, r)
	}
	if stored.After(r.stored) {
		r.stored = stored
	}
	if r.late(at) {
		return
	}
	r.use = Use{Credential: credential, At: at, From: from}
	if r.phase == idle {
		u.queueLocked(r)
	}
}

// Last is the latest use seen in this process, written or not; false when none was.
func (u *Uses) Last(credential string) (Use, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	r, ok := u.known.Peek(credential)
	if !ok || r.use.At.IsZero() {
		return Use{}, false
	}
	return r.use, true
}

// Stats gives the counts.
func (u *Uses) Stats() Stats {
	u.mu.Lock()
	defer u.mu.Unlock()
	s := u.stats
	s.Known, s.Pending = u.known.Len(), len(u.pending)
	return s
}

// queueLocked makes r pending. The zero due of a credential never stored comes
// before every other.
func (u *Uses) queueLocked(r *record) {
	r.phase, r.due = pending, time.Time{}
	if !r.stored.IsZero() {
		r.due = r.stored.Add(u.config.Every)
	}
	heap.Push(&u.pending, r)
}

// evictLocked is called by known, under mu, for a record that made room.
func (u *Uses) evictLocked(_ string, r *record) {
	r.gone = true
	if r.phase == pending {
		heap.Remove(&u.pending, r.place)
		u.stats.Dropped++
	}
}
