package token

import (
	"crypto/sha256"
	"fmt"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// Bounds of what is remembered as used.
const (
	maxUsedIDs   = 1_000_000 // some 80 MB when full
	replayShards = 64        // a power of two below 256: the first byte of a hash picks one
	maxUsedShard = maxUsedIDs / replayShards
	// usedBucket is how long one bucket's ids are remembered beyond the last of them.
	usedBucket = time.Minute
)

// possession judges evidence that its holder makes anew for every use: DPoP proofs
// and client assertions. It is safe for use by any number of goroutines.
type possession struct {
	replay *replay
	keys   *lru.Cache[credentialID, *keySet] // of registered public keys
}

// newPossession remembers uses from started on: when the process began to accept
// evidence.
func newPossession(started time.Time) (*possession, error) {
	keys, err := lru.New[credentialID, *keySet](maxParsedSets)
	if err != nil {
		return nil, err
	}
	return &possession{replay: newReplay(started), keys: keys}, nil
}

// What a caller can do about evidence that may be used once.
const (
	fixAgain = "Make a new one and retry; if this stays, set the client's clock."
	fixLater = "Make a new one and retry shortly."
)

// spend uses an id up, or on rehearsal only says what would become of it.
func (s *possession) spend(scope, id string, expires, now time.Time, rehearsal bool) useResult {
	if rehearsal {
		return s.replay.wouldUse(scope, id, expires)
	}
	return s.replay.use(scope, id, expires, now)
}

// useResult is what became of a use. The zero useResult refuses.
type useResult int

const (
	used  useResult = iota // before, or perhaps before
	full                   // cannot be remembered, so must not be accepted
	fresh                  // for the first time
)

// replay remembers ids that may be used once, until they expire. It is safe for
// use by any number of goroutines. It refuses rather than forgets: at most
// 1,000,000 ids are held at a time, and ids beyond that are full.
//
// It lives in memory. What was used before started is not known, so evidence made
// before then must be refused by whoever asks: a client whose clock is behind is
// refused for as long as it is behind, once after every restart. Evidence
// post-dated by a clock that runs ahead, used before a restart and seen by somebody
// else, could be used once more after it; that is bounded by maxLead.
type replay struct {
	started time.Time
	shards  [replayShards]replayShard
}

// replayShard holds the ids whose hash begins alike, in buckets by when they expire.
type replayShard struct {
	mu      sync.Mutex
	buckets map[int64]map[usedID]struct{} // :: minute of expiry -> ids
	count   int                           // ids in all buckets
	swept   int64                         // the latest minute whose bucket was dropped
}

// usedID is a hash of a scope and an id, so that their lengths cost nothing.
type usedID [sha256.Size]byte

func newReplay(started time.Time) *replay {
	r := &replay{started: started}
	for i := range r.shards {
		r.shards[i].buckets = map[int64]map[usedID]struct{}{}
	}
	return r
}

// use uses an id up, within a scope, until it expires. An id whose memory has been
// dropped already, which takes a clock that went back, counts as used.
func (r *replay) use(scope, id string, expires, now time.Time) useResult {
	name := hashUsed(scope, id)
	s := r.shard(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweepLocked(minute(now))
	bucket := minute(expires)
	switch {
	case bucket <= s.swept || s.hasLocked(name):
		return used
	case s.count >= maxUsedShard:
		return full
	}
	if s.buckets[bucket] == nil {
		s.buckets[bucket] = map[usedID]struct{}{}
	}
	s.buckets[bucket][name] = struct{}{}
	s.count++
	return fresh
}

// wouldUse says what use would, and uses nothing.
func (r *replay) wouldUse(scope, id string, expires time.Time) useResult {
	name := hashUsed(scope, id)
	s := r.shard(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case minute(expires) <= s.swept || s.hasLocked(name):
		return used
	case s.count >= maxUsedShard:
		return full
	}
	return fresh
}

func (r *replay) shard(name usedID) *replayShard { return &r.shards[name[0]%replayShards] }

// hasLocked looks into every bucket: an id may come back with another expiry.
func (s *replayShard) hasLocked(name usedID) bool {
	for _, ids := range s.buckets {
		if _, ok := ids[name]; ok {
			return true
		}
	}
	return false
}

// sweepLocked drops the buckets whose last moment is over.
func (s *replayShard) sweepLocked(now int64) {
	last := now - 1
	if last <= s.swept {
		return
	}
	for minute, ids := range s.buckets {
		if minute <= last {
			s.count -= len(ids)
			delete(s.buckets, minute)
		}
	}
	s.swept = last
}

func minute(t time.Time) int64 { return t.Unix() / int64(usedBucket/time.Second) }

func hashUsed(scope, id string) usedID {
	return sha256.Sum256(fmt.Appendf(nil, "%d:%s%s", len(scope), scope, id))
}
