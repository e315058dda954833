package secret

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/verdict-pdp/verdict/authz"
)

// mac is the HMAC-SHA256 of a secret under a key that only this process has.
type mac [sha256.Size]byte

// verifiedCache has the HMACs of secrets that argon2 verified, for as long as the
// process lives.
type verifiedCache struct {
	key  []byte
	macs *lru.Cache[candidateKey, mac] // :: candidate -> HMAC of its secret
}

// candidateKey identifies a candidate; any change of it makes it another one.
type candidateKey struct {
	id      string
	version uint64
	hash    string
}

func candidateKeyOf(c authz.SecretCandidate) candidateKey {
	return candidateKey{id: c.ID, version: c.Version, hash: c.Hash}
}

func newVerifiedCache(size int) (*verifiedCache, error) {
	macs, err := lru.New[candidateKey, mac](size)
	if err != nil {
		return nil, err
	}
	key := make([]byte, sha256.Size)
	rand.Read(key) // never fails
	return &verifiedCache{key: key, macs: macs}, nil
}

// mac returns the HMAC of secret. It does not include the candidate, so that one serves
// all candidates of an attempt.
func (c *verifiedCache) mac(secret string) (sum mac) {
	h := hmac.New(sha256.New, c.key)
	h.Write([]byte(secret)) // a hash never fails
	h.Sum(sum[:0])
	return sum
}

// lookup returns the index of the first candidate whose cached HMAC is presented, or -1,
// and the indexes of the candidates without one, which only argon2 can compare: spent
// are those that are Spent, cold the others. Every cached HMAC is compared, in constant
// time, whichever matches.
func (c *verifiedCache) lookup(candidates []authz.SecretCandidate, presented mac) (match int, cold, spent []int) {
	match = -1
	for i := len(candidates) - 1; i >= 0; i-- {
		verified, ok := c.macs.Get(candidateKeyOf(candidates[i]))
		switch {
		case ok:
			match = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(verified[:], presented[:]), i, match)
		case candidates[i].Spent:
			spent = append(spent, i)
		default:
			cold = append(cold, i)
		}
	}
	return match, cold, spent
}

func (c *verifiedCache) add(candidate authz.SecretCandidate, verified mac) {
	c.macs.Add(candidateKeyOf(candidate), verified)
}

// attemptKey is one secret presented for one client.
type attemptKey struct {
	client string
	secret mac
}

// inFlight knows which secrets are being compared, so that the many first calls of a
// client that starts up share one run of argon2.
//
// It is no singleflight.Group: callers share the run, but not its result. Each has its
// own candidates, deadline and limit, so one that waited looks into the cache, and runs
// argon2 itself if its answer is not there. A Group would give it the error of the other.
type inFlight struct {
	mu   sync.Mutex
	done map[attemptKey]chan struct{} // :: attempts being compared -> closed at their end; guarded by mu
}

func newInFlight() *inFlight { return &inFlight{done: map[attemptKey]chan struct{}{}} }

// begin reports whether the caller is the first with k; it must call end then. For the
// others done is closed when the first calls end.
func (f *inFlight) begin(k attemptKey) (done <-chan struct{}, first bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if done, ok := f.done[k]; ok {
		return done, false
	}
	f.done[k] = make(chan struct{})
	return nil, true
}

func (f *inFlight) end(k attemptKey) {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.done[k])
	delete(f.done, k)
}
