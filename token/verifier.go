package token

import (
	"crypto/sha256"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// maxParsedSets bounds the parsed key sets kept; an evicted one is parsed again.
const maxParsedSets = 1024

// Config is what a Verifier needs. The zero Config is usable: fetched keys then
// do not survive a restart.
type Config struct {
	// Identifiers are what we are called in the aud of client assertions: the URLs
	// of our token endpoint and issuer. Without any, no assertion is accepted.
	Identifiers []string
	// Introspector asks issuers about opaque tokens; nil accepts none.
	Introspector Introspector
	// Secrets compares client secrets; nil accepts none.
	Secrets Secrets
	// Dir is where last good copies of what issuers publish are kept. It is made,
	// mode 0700, when missing. Empty keeps none.
	Dir string
	// CacheSize is how many verified tokens are remembered, and as many verified
	// client certificates, so that one seen again costs no signature check. 0 means
	// 10,000, negative none.
	CacheSize int
	// Transport fetches what issuers publish. Nil means one like http.DefaultTransport.
	Transport http.RoundTripper
	// Log receives what an operator should know of fetching, introspection and the
	// directory; nil discards it.
	Log *slog.Logger
	// Now, After and Random (0 <= x < 1) are the clock and the jitter of the
	// refresh; nil means time.Now, time.After and math/rand.
	Now    func() time.Time
	After  func(time.Duration) <-chan time.Time
	Random func() float64
}

// Verifier verifies evidence. It is safe for use by any number of goroutines.
type Verifier struct {
	*possession // what proves a key anew each time, and what was used up

	identifiers  []string
	introspector Introspector // nil accepts no opaque tokens
	secrets      Secrets      // nil accepts no client secrets

	log    *slog.Logger
	now    func() time.Time
	after  func(time.Duration) <-chan time.Time
	random func() float64
	fetch  fetcher
	copies copies

	verified *lru.Cache[[sha256.Size]byte, *verified] // nil remembers none
	peers    *lru.Cache[[sha256.Size]byte, *knownPeer]
	sets     *lru.Cache[setID, *keySet]
	asked    *lru.Cache[askedKid, time.Time] // unknown kids a refetch was asked for

	unreadable atomic.Bool // the directory is, and the log says so
	outages    outages     // of introspection, and the log says so

	wake chan struct{} // tells Run to look at its sources again

	mu      sync.RWMutex
	sources map[sourceID]*source // guarded by mu
}

// New makes a Verifier and loads the last good documents from config.Dir. It
// fails when Dir cannot be made or read. Run keeps what issuers publish fresh;
// without it there is what New loaded and nothing else.
func New(config Config) (*Verifier, error) {
	v := &Verifier{
		identifiers:  slices.Clone(config.Identifiers),
		introspector: config.Introspector,
		secrets:      config.Secrets,

		log:     config.Log,
		now:     config.Now,
		after:   config.After,
		random:  config.Random,
		fetch:   newFetcher(config.Transport),
		copies:  copies{dir: config.Dir},
		wake:    make(chan struct{}, 1),
		sources: map[sourceID]*source{},
	}
	v.fillDefaults()
	var err error
	if v.possession, err = newPossession(v.now()); err != nil {
		return nil, err
	}
	if err := v.makeCaches(config.CacheSize); err != nil {
		return nil, err
	}
	if err := v.loadCopies(); err != nil {
		return nil, err
	}
	return v, nil
}

func (v *Verifier) fillDefaults() {
	if v.log == nil {
		v.log = slog.New(slog.DiscardHandler)
	}
	if v.now == nil {
		v.now = time.Now
	}
	if v.after == nil {
		v.after = time.After
	}
	if v.random == nil {
		v.random = rand.Float64
	}
}

func (v *Verifier) makeCaches(size int) (err error) {
	if v.sets, err = lru.New[setID, *keySet](maxParsedSets); err != nil {
		return err
	}
	if v.asked, err = lru.New[askedKid, time.Time](maxAskedKids); err != nil {
		return err
	}
	if size < 0 {
		return nil
	}
	if size == 0 {
		size = 10_000
	}
	if v.verified, err = lru.New[[sha256.Size]byte, *verified](size); err != nil {
		return err
	}
	v.peers, err = lru.New[[sha256.Size]byte, *knownPeer](size)
	return err
}
