package introspection

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/verdict-pdp/verdict/authz"
)

// Limits of one issuer's cache, beside Config.CacheSize.
const (
	maxClaimsBytes = 32 << 20
	maxSources     = 4   // of one positive answer
	maxSourceBytes = 256 // a longer source is never known
)

// key is the cache key of an answer: the SHA-256 of revision and token. Each issuer has
// a cache of its own.
type key [sha256.Size]byte

func keyOf(revision uint64, token string) key {
	text := make([]byte, 0, 512)
	text = binary.BigEndian.AppendUint64(text, revision)
	return sha256.Sum256(append(text, token...))
}

// positive is a cached answer about an active token. All but sources is immutable.
type positive struct {
	claims  []byte
	at      time.Time
	exp     numericDate
	sources []string // where the token was presented from, latest first; guarded by cache.mu
}

// cache has the answers of one issuer. A key has a positive answer, a negative one, or
// none.
type cache struct {
	now func() time.Time

	mu        sync.Mutex                     // guards the rest
	positives *simplelru.LRU[key, *positive] // :: key -> answer
	negatives *simplelru.LRU[key, time.Time] // :: key -> when it expires
	bytes     int                            // of claims in positives
}

func newCache(size int, now func() time.Time) *cache {
	c := &cache{now: now}
	c.positives = newLRU(size, func(_ key, p *positive) { c.bytes -= len(p.claims) })
	c.negatives = newLRU[key, time.Time](size, nil)
	return c
}

// newLRU panics if size is not positive, which Config.withDefaults rules out.
func newLRU[K comparable, V any](size int, evicted simplelru.EvictCallback[K, V]) *simplelru.LRU[K, V] {
	l, err := simplelru.NewLRU(size, evicted)
	if err != nil {
		panic(err)
	}
	return l
}

// get returns the positive answer if it is younger than maxAge, or else found is false.
// The error is authz.ErrInactive if the cached answer is negative, or the positive one's
// exp has passed.
func (c *cache) get(k key, a Authority, source string, maxAge time.Duration) (answer authz.IntrospectionAnswer, found bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now() // after locking, so that no cached answer is from the future
	if c.inactiveLocked(k, a, now) {
		return authz.IntrospectionAnswer{}, false, authz.ErrInactive
	}
	p, ok := c.positives.Get(k)
	if !ok {
		return authz.IntrospectionAnswer{}, false, nil
	}
	age := now.Sub(p.at)
	if age < 0 || age >= maxAge { // below zero: the clock was set back, so the age is unknown
		return authz.IntrospectionAnswer{}, false, nil
	}
	freshness := authz.Stale
	if age < a.FreshFor {
		freshness = authz.Fresh
	}
	return p.answerLocked(source, age, freshness), true, nil
}

func (c *cache) inactiveLocked(k key, a Authority, now time.Time) bool {
	if until, ok := c.negatives.Get(k); ok {
		if now.Before(until) {
			return true
		}
		c.negatives.Remove(k)
	}
	if p, ok := c.positives.Get(k); ok && p.exp.passed(now) {
		c.putInactiveLocked(k, now.Add(a.NegativeFor))
		return true
	}
	return false
}

// confirmed returns the answer p that the authority just gave.
func (c *cache) confirmed(p *positive, source string) authz.IntrospectionAnswer {
	c.mu.Lock()
	defer c.mu.Unlock()
	return p.answerLocked(source, max(0, c.now().Sub(p.at)), authz.Fresh)
}

// put caches the reply to a request that was sent at the given time. It returns the
// positive answer, with the sources of the one it replaces, or authz.ErrInactive.
func (c *cache) put(k key, a Authority, r reply, at time.Time) (*positive, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if !r.active || r.exp.passed(now) {
		c.putInactiveLocked(k, now.Add(a.NegativeFor))
		return nil, authz.ErrInactive
	}
	p := &positive{claims: r.body, at: at, exp: r.exp}
	if last, ok := c.positives.Peek(k); ok {
		p.sources = last.sources
		c.positives.Remove(k)
	}
	c.negatives.Remove(k)
	c.bytes += len(p.claims)
	c.positives.Add(k, p)
	for c.bytes > maxClaimsBytes {
		c.positives.RemoveOldest()
	}
	return p, nil
}

func (c *cache) putInactiveLocked(k key, until time.Time) {
	c.positives.Remove(k)
	c.negatives.Add(k, until)
}

func (c *cache) size() (positives, negatives int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.positives.Len(), c.negatives.Len()
}

// answerLocked returns the answer for one caller. Only a fresh one adds its source to
// the known ones.
func (p *positive) answerLocked(source string, age time.Duration, freshness string) authz.IntrospectionAnswer {
	n := slices.Index(p.sources, source)
	if freshness == authz.Fresh && n != 0 && source != "" && len(source) <= maxSourceBytes {
		p.addSourceLocked(source, n)
	}
	return authz.IntrospectionAnswer{Claims: p.claims, At: p.at, Age: age, Freshness: freshness, KnownSource: n >= 0}
}

// addSourceLocked puts source, whose index is n or -1, first. It copies the list, which
// an answer that is being replaced may share.
func (p *positive) addSourceLocked(source string, n int) {
	rest := p.sources
	if n >= 0 {
		rest = slices.Delete(slices.Clone(rest), n, n+1)
	}
	sources := append(make([]string, 0, maxSources), source)
	p.sources = append(sources, rest[:min(len(rest), maxSources-1)]...)
}
