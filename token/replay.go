package token

import (
	"crypto/sha256"
	"fmt"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// Limits of the replay cache.
const (
	maxUsedIDs   = 1_000_000 // some 80 MB when full
	replayShards = 64        // a power of two below 256: the first byte of a hash picks one
	maxUsedShard = maxUsedIDs / replayShards
	// usedBucket is the period of one bucket: ids expire together at its end.
	usedBucket = time.Minute
)

// proofVerifier verifies evidence that is made anew for every use: DPoP proofs and
// client assertions. It is safe for concurrent use.
type proofVerifier struct {
	replay *replayCache
	keys   *lru.Cache[credentialID, *keySet] // of registered public keys
}

// newProofVerifier returns a proofVerifier that knows uses since started: when the
// process began to accept evidence.
func newProofVerifier(started time.Time) (*proofVerifier, error) {
	keys, err := lru.New[credentialID, *keySet](maxParsedSets)
	if err != nil {
		return nil, err
	}
	return &proofVerifier{replay: newReplayCache(started), keys: keys}, nil
}

// What a caller can do about single-use evidence.
const (
	fixAgain = "Make a new one and retry; if this stays, set the client's clock."
	fixLater = "Make a new one and retry shortly."
)

// use uses an id, or, in a rehearsal, only returns what a use would.
func (s *proofVerifier) use(scope, id string, expires, now time.Time, rehearsal bool) useResult {
	if rehearsal {
		return s.replay.check(scope, id, expires)
	}
	return s.replay.use(scope, id, expires, now)
}

// useResult is the result of a use. The zero useResult refuses.
type useResult int

const (
	replayed   useResult = iota // used before, or perhaps before
	replayFull                  // cannot be remembered, so it must not be accepted
	firstUse                    // not used before
)

// replayCache remembers ids that may be used once, until they expire. It is safe for
// concurrent use. It never forgets an id early: it holds at most 1,000,000, and refuses
// further ones with replayFull.
//
// It is in memory. Uses before started are not known, so callers must refuse evidence
// that was made before: a client whose clock is behind is refused for as long as it is
// behind, after every restart. If a client's clock is ahead, its evidence may be dated
// after a restart that follows its use. Someone who saw that evidence could use it once
// more. maxLead limits how long.
type replayCache struct {
	started time.Time
	shards  [replayShards]replayShard
}

// replayShard has the ids whose hashes begin alike, in buckets by the minute they
// expire.
type replayShard struct {
	mu      sync.Mutex
	buckets map[int64]map[usedID]struct{} // :: minute of expiry -> ids
	count   int                           // ids in all buckets
	swept   int64                         // the latest minute whose bucket was dropped
}

// usedID is a hash of a scope and an id, so that long ones take no memory.
type usedID [sha256.Size]byte

func newReplayCache(started time.Time) *replayCache {
	r := &replayCache{started: started}
	for i := range r.shards {
		r.shards[i].buckets = map[int64]map[usedID]struct{}{}
	}
	return r
}

// use uses an id, within a scope, until it expires. An id whose bucket was dropped
// already, which can be only if the clock went back, counts as used.
func (r *replayCache) use(scope, id string, expires, now time.Time) useResult {
	name := hashUsed(scope, id)
	s := r.shard(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweepLocked(minute(now))
	bucket := minute(expires)
	switch {
	case bucket <= s.swept || s.hasLocked(name):
		return replayed
	case s.count >= maxUsedShard:
		return replayFull
	}
	if s.buckets[bucket] == nil {
		s.buckets[bucket] = map[usedID]struct{}{}
	}
	s.buckets[bucket][name] = struct{}{}
	s.count++
	return firstUse
}

// check returns what use would, without using the id.
func (r *replayCache) check(scope, id string, expires time.Time) useResult {
	name := hashUsed(scope, id)
	s := r.shard(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case minute(expires) <= s.swept || s.hasLocked(name):
		return replayed
	case s.count >= maxUsedShard:
		return replayFull
	}
	return firstUse
}

func (r *replayCache) shard(name usedID) *replayShard { return &r.shards[name[0]%replayShards] }

// hasLocked looks into every bucket, because an id may come again with another expiry.
func (s *replayShard) hasLocked(name usedID) bool {
	for _, ids := range s.buckets {
		if _, ok := ids[name]; ok {
			return true
		}
	}
	return false
}

// sweepLocked drops the buckets that have expired.
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
