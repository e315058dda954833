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

// Limits of what one issuer's memory holds, beside Config.CacheSize.
const (
	maxClaimsBytes = 32 << 20
	maxSources     = 4   // remembered with a positive answer
	maxSourceBytes = 256 // a longer source is never known
)

// key is what an answer is remembered by: SHA-256 of revision and token. The
// issuer is known by the memory it is in.
type key [sha256.Size]byte

func keyOf(revision uint64, token string) key {
	text := make([]byte, 0, 512)
	text = binary.BigEndian.AppendUint64(text, revision)
	return sha256.Sum256(append(text, token...))
}

// positive is a remembered answer about an active token. All but sources is
// immutable.
type positive struct {
	claims  []byte
	at      time.Time
	exp     numericDate
	sources []string // guarded by memory.mu; latest first
}

// memory holds the answers of one issuer. A key has a positive answer, a negative
// one or none.
type memory struct {
	now func() time.Time

	mu        sync.Mutex                     // guards the rest
	positives *simplelru.LRU[key, *positive] // :: key -> answer
	negatives *simplelru.LRU[key, time.Time] // :: key -> until when it is repeated
	bytes     int                            // of claims in positives
}

func newMemory(size int, now func() time.Time) *memory {
	m := &memory{now: now}
	m.positives = newLRU(size, func(_ key, p *positive) { m.bytes -= len(p.claims) })
	m.negatives = newLRU[key, time.Time](size, nil)
	return m
}

// newLRU panics on a size that is not positive, which Config.withDefaults rules out.
func newLRU[K comparable, V any](size int, dropped simplelru.EvictCallback[K, V]) *simplelru.LRU[K, V] {
	l, err := simplelru.NewLRU(size, dropped)
	if err != nil {
		panic(err)
	}
	return l
}

// recall gives the positive answer when it is younger than within; found is false
// when none is. It is authz.ErrInactive when the token is remembered to be inactive or its
// exp has passed.
func (m *memory) recall(k key, a Authority, source string, within time.Duration) (answer authz.IntrospectionAnswer, found bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now() // after locking, so that no remembered answer is from the future
	if m.inactiveLocked(k, a, now) {
		return authz.IntrospectionAnswer{}, false, authz.ErrInactive
	}
	p, ok := m.positives.Get(k)
	if !ok {
		return authz.IntrospectionAnswer{}, false, nil
	}
	age := now.Sub(p.at)
	if age < 0 || age >= within { // below zero the clock was set back: nobody knows the age
		return authz.IntrospectionAnswer{}, false, nil
	}
	freshness := authz.Stale
	if age < a.FreshFor {
		freshness = authz.Fresh
	}
	return p.answerLocked(source, age, freshness), true, nil
}

func (m *memory) inactiveLocked(k key, a Authority, now time.Time) bool {
	if until, ok := m.negatives.Get(k); ok {
		if now.Before(until) {
			return true
		}
		m.negatives.Remove(k)
	}
	if p, ok := m.positives.Get(k); ok && p.exp.passed(now) {
		m.denyLocked(k, now.Add(a.NegativeFor))
		return true
	}
	return false
}

// present gives p, which the authority has just confirmed.
func (m *memory) present(p *positive, source string) authz.IntrospectionAnswer {
	m.mu.Lock()
	defer m.mu.Unlock()
	return p.answerLocked(source, max(0, m.now().Sub(p.at)), authz.Fresh)
}

// settle remembers what the authority, asked at the given time, said. The result
// is authz.ErrInactive, or the positive answer with the sources of the one it replaces.
func (m *memory) settle(k key, a Authority, r reply, at time.Time) (*positive, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	if !r.active || r.exp.passed(now) {
		m.denyLocked(k, now.Add(a.NegativeFor))
		return nil, authz.ErrInactive
	}
	p := &positive{claims: r.body, at: at, exp: r.exp}
	if last, ok := m.positives.Peek(k); ok {
		p.sources = last.sources
		m.positives.Remove(k)
	}
	m.negatives.Remove(k)
	m.bytes += len(p.claims)
	m.positives.Add(k, p)
	for m.bytes > maxClaimsBytes {
		m.positives.RemoveOldest()
	}
	return p, nil
}

func (m *memory) denyLocked(k key, until time.Time) {
	m.positives.Remove(k)
	m.negatives.Add(k, until)
}

func (m *memory) size() (positives, negatives int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.positives.Len(), m.negatives.Len()
}

// answerLocked makes the answer for one caller. Only a fresh one makes its source
// known.
func (p *positive) answerLocked(source string, age time.Duration, freshness string) authz.IntrospectionAnswer {
	n := slices.Index(p.sources, source)
	if freshness == authz.Fresh && n != 0 && source != "" && len(source) <= maxSourceBytes {
		p.rememberLocked(source, n)
	}
	return authz.IntrospectionAnswer{Claims: p.claims, At: p.at, Age: age, Freshness: freshness, KnownSource: n >= 0}
}

// rememberLocked puts source, which is at n or at -1, first. The list is made anew:
// an answer being replaced may share it.
func (p *positive) rememberLocked(source string, n int) {
	rest := p.sources
	if n >= 0 {
		rest = slices.Delete(slices.Clone(rest), n, n+1)
	}
	sources := append(make([]string, 0, maxSources), source)
	p.sources = append(sources, rest[:min(len(rest), maxSources-1)]...)
}
