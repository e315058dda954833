package secret

import (
	"crypto/sha256"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// clientKey is the hash of a client id and a source. It is a hash so that long ids and
// sources take no memory.
type clientKey [sha256.Size]byte

func clientKeyOf(client, source string) clientKey {
	return sha256.Sum256(fmt.Appendf(nil, "%d:%s%s", len(client), client, source))
}

// limiter limits wrong guesses with a token bucket for each clientKey: burst guesses at
// first, and one more at every interval. When there are more keys than it has room for,
// it forgets the one that guessed longest ago, whose bucket is full again then. It also
// knows which keys were right before.
type limiter struct {
	burst    time.Duration // guesses in a row, times interval
	interval time.Duration

	mu      sync.Mutex
	buckets *simplelru.LRU[clientKey, time.Time] // :: key -> when its bucket is full again; guarded by mu
	proved  *simplelru.LRU[clientKey, struct{}]  // :: keys that proved a secret by argon2; guarded by mu
}

func newLimiter(burst int, interval time.Duration, maxKeys, maxProved int) (*limiter, error) {
	buckets, err := simplelru.NewLRU[clientKey, time.Time](maxKeys, nil)
	if err != nil {
		return nil, err
	}
	// Separate from buckets, so that an attacker cannot evict a key that was right.
	proved, err := simplelru.NewLRU[clientKey, struct{}](maxProved, nil)
	if err != nil {
		return nil, err
	}
	return &limiter{burst: time.Duration(burst) * interval, interval: interval, buckets: buckets, proved: proved}, nil
}

// take takes a guess out of the bucket of k and reports whether there was one.
func (l *limiter) take(k clientKey, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	full, _ := l.buckets.Get(k)
	used := max(0, full.Sub(now))
	if used > l.burst { // the clock was put back
		used = l.burst
		l.buckets.Add(k, now.Add(used))
	}
	if used+l.interval > l.burst {
		return false
	}
	l.buckets.Add(k, now.Add(used+l.interval))
	return true
}

// giveBack returns a guess that compared nothing.
func (l *limiter) giveBack(k clientKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.giveBackLocked(k)
}

func (l *limiter) giveBackLocked(k clientKey) {
	if full, ok := l.buckets.Get(k); ok {
		l.buckets.Add(k, full.Add(-l.interval))
	}
}

// succeed returns a guess that was right, and remembers its key.
func (l *limiter) succeed(k clientKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.giveBackLocked(k)
	l.proved.Add(k, struct{}{})
}

// hasProved reports whether k was right before.
func (l *limiter) hasProved(k clientKey) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.proved.Get(k)
	return ok
}
