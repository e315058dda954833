package tokenservice

import (
	"slices"
	"time"

	"github.com/verdict-pdp/verdict/ijson"
)

// kept is how long a key stays published after it stopped signing: the longest life
// of a token, whatever Config.Lifetime was when it was signed, and the largest
// difference of clocks an issuer may be granted.
const kept = MaxLifetime + 5*time.Minute

// ring is the keys of one moment, in the order they were made. It is immutable and
// has at least one key.
type ring struct {
	keys []*key
	set  []byte // their JWK Set
}

func newRing(keys []*key) (*ring, error) {
	var set keySet
	for _, k := range keys {
		set.Keys = append(set.Keys, k.jwk)
	}
	document, err := ijson.Marshal(set)
	if err != nil {
		return nil, err
	}
	return &ring{keys: keys, set: document}, nil
}

// current is the key that signs now, nil when none has been published. A clock set
// back before every key's time leaves the oldest.
func (r *ring) current(now time.Time) *key {
	for _, k := range slices.Backward(r.keys) {
		if k.signs(now) {
			return k
		}
	}
	if oldest := r.keys[0]; !oldest.SignsFrom.IsZero() {
		return oldest
	}
	return nil
}

func (r *ring) newest() *key { return r.keys[len(r.keys)-1] }

// wantsNext reports whether the newest key has signed for so long that its successor must
// be made.
func (r *ring) wantsNext(now time.Time, after time.Duration) bool {
	newest := r.newest()
	return newest.signs(now) && !now.Before(newest.SignsFrom.Add(after))
}

// outlived are the keys that no living token was signed with.
func (r *ring) outlived(now time.Time) []*key {
	n := 0
	for n+1 < len(r.keys) && r.keys[n+1].signs(now.Add(-kept)) {
		n++
	}
	return r.keys[:n]
}
