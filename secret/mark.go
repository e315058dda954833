package secret

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/verdict-pdp/verdict/authz"
)

// mac is the HMAC-SHA256 of a secret under a key only this process has.
type mac [sha256.Size]byte

// marks remembers what argon2 proved. A secret is in it as its mac only, and
// only for as long as the process lives.
type marks struct {
	key   []byte
	known *lru.Cache[marked, mac] // :: candidate -> mac of its one secret
}

// marked is what a mark is of.
type marked struct {
	id      string
	version uint64
	hash    string
}

func markedOf(c authz.SecretCandidate) marked {
	return marked{id: c.ID, version: c.Version, hash: c.Hash}
}

func newMarks(size int) (*marks, error) {
	known, err := lru.New[marked, mac](size)
	if err != nil {
		return nil, err
	}
	key := make([]byte, sha256.Size)
	rand.Read(key) // never fails
	return &marks{key: key, known: known}, nil
}

// of is the mac of secret. It leaves the candidate out: marks are found by their
// candidate, so one mac serves all candidates of an attempt.
func (m *marks) of(secret string) (sum mac) {
	h := hmac.New(sha256.New, m.key)
	h.Write([]byte(secret)) // a hash never fails
	h.Sum(sum[:0])
	return sum
}

// recall gives the first candidate whose mark is presented, -1 when none is, and
// the candidates without a mark, which only argon2 can judge, the spent ones apart.
// Every candidate is compared, in constant time, whichever matches.
func (m *marks) recall(candidates []authz.SecretCandidate, presented mac) (match int, cold, spent []int) {
	match = -1
	for i := len(candidates) - 1; i >= 0; i-- {
		mark, ok := m.known.Get(markedOf(candidates[i]))
		switch {
		case ok:
			match = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(mark[:], presented[:]), i, match)
		case candidates[i].Spent:
			spent = append(spent, i)
		default:
			cold = append(cold, i)
		}
	}
	return match, cold, spent
}

func (m *marks) add(candidate authz.SecretCandidate, proved mac) {
	m.known.Add(markedOf(candidate), proved)
}
