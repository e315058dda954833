package control

import (
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/verdict-pdp/verdict/authz"
)

// How many refused changes are recorded, for each author and kind of change, so that no
// key can fill the audit with refusals until the changes of others are removed. More are
// counted, and the counts are recorded.
const (
	// A refusal that needs no intent: a role, a rule, a body.
	refusalBurst = 10
	refusalEvery = time.Hour
	// A change that was announced and then refused by what is stored, such as an If-Match
	// that does not hold. After more of them the author has to wait.
	attemptBurst = 100
	attemptEvery = time.Minute

	maxRefused = 4096 // pairs of author and kind remembered
)

// refusals limits the records of refused changes.
type refusals struct {
	now func() time.Time

	mu  *sync.Mutex
	all *lru.Cache[asking, *refused] // guarded by mu
}

// asking is an author and a kind of change.
type asking struct {
	author string // key
	kind   authz.ChangeKind
}

type refused struct {
	refusals, attempts *rate.Limiter
	omitted            uint64       // since the last one recorded
	last               authz.Author // that was omitted
}

func newRefusals(now func() time.Time) refusals {
	all, err := lru.New[asking, *refused](maxRefused)
	if err != nil {
		panic(err) // of a size that is no size
	}
	return refusals{now: now, mu: new(sync.Mutex), all: all}
}

// take reports whether a refusal is recorded by itself, and how many like it before
// were not.
func (r refusals) take(by authz.Author, kind authz.ChangeKind) (omitted uint64, record bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	of := r.of(asking{by.Key, kind})
	if !of.refusals.AllowN(r.now(), 1) {
		of.omitted++
		of.last = by
		return 0, false
	}
	omitted, of.omitted = of.omitted, 0
	return omitted, true
}

// giveBack counts refusals that could not be recorded after all.
func (r refusals) giveBack(by authz.Author, kind authz.ChangeKind, n uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	of := r.of(asking{by.Key, kind})
	of.omitted += n
	of.last = by
}

// exhausted reports whether so many announced changes of an author were refused lately
// that it has to wait; it is counted then.
func (r refusals) exhausted(by authz.Author, kind authz.ChangeKind) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	of := r.of(asking{by.Key, kind})
	if of.attempts.TokensAt(r.now()) >= 1 {
		return false
	}
	of.omitted++
	of.last = by
	return true
}

// attempted notes an announced change that was refused.
func (r refusals) attempted(by authz.Author, kind authz.ChangeKind) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.of(asking{by.Key, kind}).attempts.AllowN(r.now(), 1)
}

// rest returns what was counted and not recorded, and resets it.
func (r refusals) rest() map[asking]refused {
	r.mu.Lock()
	defer r.mu.Unlock()
	counted := map[asking]refused{}
	for _, who := range r.all.Keys() {
		if of, ok := r.all.Peek(who); ok && of.omitted > 0 {
			counted[who] = refused{omitted: of.omitted, last: of.last}
			of.omitted = 0
		}
	}
	return counted
}

// of is what is remembered of a pair. The caller holds mu.
func (r refusals) of(who asking) *refused {
	of, ok := r.all.Get(who)
	if !ok {
		of = &refused{
			refusals: rate.NewLimiter(rate.Every(refusalEvery), refusalBurst),
			attempts: rate.NewLimiter(rate.Every(attemptEvery), attemptBurst),
		}
		r.all.Add(who, of)
	}
	return of
}
