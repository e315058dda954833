package control

import (
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// Refusals of one author that are recorded one by one: a burst, and one a second
// after it. Those beyond are counted, so that no key can push the changes of others
// out of the audit by asking for what it may not do.
const (
	refusalBurst = 30
	refusalEvery = time.Second
	maxRefusers  = 1024 // authors remembered; there are as many as API keys at most
)

// refusals bound what refused changes take of the audit.
type refusals struct {
	now func() time.Time

	mu  *sync.Mutex
	all *lru.Cache[string, *refuser] // guarded by mu :: key -> its refusals
}

type refuser struct {
	limit   *rate.Limiter
	omitted uint64 // since the last one recorded
}

func newRefusals(now func() time.Time) refusals {
	all, err := lru.New[string, *refuser](maxRefusers)
	if err != nil {
		panic(err) // of a size that is no size
	}
	return refusals{now: now, mu: new(sync.Mutex), all: all}
}

// take reports whether a refusal of an author is recorded, and how many of its
// refusals before were not.
func (r refusals) take(key string) (omitted uint64, record bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	by := r.of(key)
	if !by.limit.AllowN(r.now(), 1) {
		by.omitted++
		return 0, false
	}
	omitted, by.omitted = by.omitted, 0
	return omitted, true
}

// giveBack counts refusals that could not be recorded after all.
func (r refusals) giveBack(key string, n uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.of(key).omitted += n
}

// of is the refuser of a key. The caller holds mu.
func (r refusals) of(key string) *refuser {
	by, ok := r.all.Get(key)
	if !ok {
		by = &refuser{limit: rate.NewLimiter(rate.Every(refusalEvery), refusalBurst)}
		r.all.Add(key, by)
	}
	return by
}
