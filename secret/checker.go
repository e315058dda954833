package secret

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// Config has the limits of a Checker. Zero means the default throughout; negative values
// are refused.
type Config struct {
	// Now is the clock of GuessEvery; nil means time.Now.
	Now func() time.Time
	// MaxConcurrent limits the runs of argon2 at once. Each takes a core (p cores, for a
	// hash made elsewhere with p over 1) and 19 MiB, at most 64. Default half of
	// GOMAXPROCS, at least 1: the other half is left for decisions.
	MaxConcurrent int
	// Wait is how long an attempt waits for a run of argon2. Default 500 ms.
	Wait time.Duration
	// GuessBurst is how many wrong guesses at cold candidates each pair of client id and
	// source has in a row, GuessEvery the time until it has one more. Default 10, and 10 s.
	GuessBurst int
	GuessEvery time.Duration
	// MaxClientKeys is for how many pairs of client id and source guesses are counted.
	// Default 65,536, some 15 MB when full.
	MaxClientKeys int
	// MaxVerified is how many verified secrets are cached, and how many pairs of client
	// id and source that proved one. It should exceed the number of secrets in use: those
	// beyond it run argon2 again and again. Default 65,536, some 40 MB when full.
	MaxVerified int
}

func (c *Config) fillDefaults() {
	if c.Now == nil {
		c.Now = time.Now
	}
	defaultTo(&c.MaxConcurrent, max(1, runtime.GOMAXPROCS(0)/2))
	defaultTo(&c.Wait, 500*time.Millisecond)
	defaultTo(&c.GuessBurst, 10)
	defaultTo(&c.GuessEvery, 10*time.Second)
	defaultTo(&c.MaxClientKeys, 1<<16)
	defaultTo(&c.MaxVerified, 1<<16)
}

func defaultTo[T int | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

func (c *Config) validate() error {
	for _, field := range []struct {
		name  string
		value int64
	}{
		{"MaxConcurrent", int64(c.MaxConcurrent)},
		{"Wait", int64(c.Wait)},
		{"GuessBurst", int64(c.GuessBurst)},
		{"GuessEvery", int64(c.GuessEvery)},
		{"MaxClientKeys", int64(c.MaxClientKeys)},
		{"MaxVerified", int64(c.MaxVerified)},
	} {
		if field.value < 0 {
			return fmt.Errorf("secret: %s must not be negative", field.name)
		}
	}
	return nil
}

// Checker compares presented secrets with hashes. It is safe for concurrent use.
type Checker struct {
	clock    func() time.Time
	wait     time.Duration
	verified *verifiedCache
	guesses  *limiter
	// explanations limits, for each client, the comparisons with its spent candidates.
	explanations *limiter
	slots        *fairSemaphore
	inFlight     *inFlight
	matches      func(phc, string) bool // phc.matches; tests count its calls
}

// MaxCandidates is how many candidates one attempt may have. Each one that is cold costs
// a run of argon2.
const MaxCandidates = 8

// Attempt is a secret that is presented, and what is known about it.
type Attempt struct {
	// ClientID is the client that the secret is presented for.
	ClientID string
	// Source is where it is presented from, as far as the caller is certain of it: the
	// enforcement point's key and the source address, for example, with IPv6 addresses
	// cut to their /64. Guesses are counted for each pair of ClientID and Source, so all
	// attempts with an empty Source share one count.
	Source string
	// Familiar reports that the caller knows Source to have proved ClientID before, such
	// as by where a credential was last used from. The attempt then waits with the known
	// sources.
	Familiar bool
	// Secret is not in any text form of an Attempt.
	Secret string `json:"-"`
	// Candidates are the credentials that the secret may belong to, at most
	// MaxCandidates. None means that the client is unknown, and never matches.
	Candidates []authz.SecretCandidate
}

// Format implements fmt.Formatter for every verb, without the secret and the hashes.
func (a Attempt) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "attempt of client %q from %q", a.ClientID, a.Source)
}

// How often a wrong secret of one client is compared with its spent candidates: twice in
// a row, and then once a minute.
const (
	explainBurst = 2
	explainEvery = time.Minute
)

// NewChecker returns a Checker to which every candidate is cold.
func NewChecker(config Config) (*Checker, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	config.fillDefaults()
	verified, err := newVerifiedCache(config.MaxVerified)
	if err != nil {
		return nil, err
	}
	guesses, err := newLimiter(config.GuessBurst, config.GuessEvery, config.MaxClientKeys, config.MaxVerified)
	if err != nil {
		return nil, err
	}
	explanations, err := newLimiter(explainBurst, explainEvery, config.MaxClientKeys, 1)
	if err != nil {
		return nil, err
	}
	return &Checker{
		clock: config.Now, wait: config.Wait,
		verified: verified, guesses: guesses, explanations: explanations,
		slots: newFairSemaphore(config.MaxConcurrent), inFlight: newInFlight(),
		matches: phc.matches,
	}, nil
}

// CheckSecret is Check without Attempt.Familiar.
func (c *Checker) CheckSecret(ctx context.Context, clientID, source, secret string, candidates []authz.SecretCandidate) (int, error) {
	return c.Check(ctx, Attempt{ClientID: clientID, Source: source, Secret: secret, Candidates: candidates})
}

// Check returns the index of the candidate whose secret is presented, the first if
// several have the same. With an error the index is -1. The error is
// authz.ErrSecretMismatch (perhaps wrapped with what is wrong with a candidate's hash),
// authz.ErrSecretThrottled, authz.ErrSecretBusy, or about too many candidates. None of
// them has a secret or a hash in it.
//
// If the matching candidate is warm, if all candidates are, or if there are none, Check
// takes microseconds and cannot fail with authz.ErrSecretThrottled or
// authz.ErrSecretBusy. Spent candidates are compared last, and may be passed over.
func (c *Checker) Check(ctx context.Context, a Attempt) (int, error) {
	if len(a.Candidates) > MaxCandidates {
		return -1, fmt.Errorf("secret: there are %d candidates; at most %d are compared", len(a.Candidates), MaxCandidates)
	}
	if a.Secret == "" || len(a.Secret) > MaxLength {
		return -1, authz.ErrSecretMismatch
	}
	presented := c.verified.mac(a.Secret)
	match, cold, spent := c.verified.lookup(a.Candidates, presented)
	if match >= 0 || len(cold)+len(spent) == 0 {
		return answer(match)
	}
	ctx, cancel := context.WithTimeout(ctx, c.wait)
	defer cancel()
	return c.compareOnce(ctx, a, presented)
}

// compareOnce compares by argon2, unless another call is comparing the same secret: it
// waits for that one, and then looks into the cache first.
func (c *Checker) compareOnce(ctx context.Context, a Attempt, presented mac) (int, error) {
	k := attemptKey{client: a.ClientID, secret: presented}
	for {
		done, first := c.inFlight.begin(k)
		if first {
			defer c.inFlight.end(k) // this iteration returns
		}
		// Only after begin: a call that ended before it has filled the cache by now.
		match, cold, spent := c.verified.lookup(a.Candidates, presented)
		if match >= 0 || len(cold)+len(spent) == 0 {
			return answer(match)
		}
		if first {
			return c.compareAll(ctx, a, presented, cold, spent)
		}
		select {
		case <-done:
		case <-ctx.Done():
			return -1, authz.ErrSecretBusy
		}
	}
}

// compareAll compares with the cold candidates, and then with the spent ones.
func (c *Checker) compareAll(ctx context.Context, a Attempt, presented mac, cold, spent []int) (match int, err error) {
	match, err = -1, authz.ErrSecretMismatch
	if len(cold) > 0 {
		match, err = c.guess(ctx, a, presented, cold)
	}
	if !errors.Is(err, authz.ErrSecretMismatch) || len(spent) == 0 {
		return match, err
	}
	if explained := c.explain(a, presented, spent); explained >= 0 {
		return explained, nil
	}
	return -1, err
}

// explain returns the index of the spent candidate whose secret is presented, or -1 if
// there is none, or if comparing would make another attempt wait.
func (c *Checker) explain(a Attempt, presented mac, spent []int) int {
	hashes, _ := parseHashes(a.Candidates, spent)
	k := clientKeyOf(a.ClientID, "")
	if len(hashes) == 0 || !c.explanations.take(k, c.clock()) {
		return -1
	}
	if !c.slots.tryAcquire() {
		c.explanations.giveBack(k)
		return -1
	}
	defer c.slots.release()
	return c.compare(a, presented, hashes)
}

// guess compares with the cold candidates, which takes one of the guesses that client
// and source have, and a slot. A guess that was right, or compared nothing, is given
// back.
func (c *Checker) guess(ctx context.Context, a Attempt, presented mac, cold []int) (int, error) {
	hashes, unusable := parseHashes(a.Candidates, cold)
	if len(hashes) == 0 {
		return -1, unusable
	}
	k := clientKeyOf(a.ClientID, a.Source)
	if !c.guesses.take(k, c.clock()) {
		return -1, authz.ErrSecretThrottled
	}
	if !c.slots.acquire(ctx, c.queueOf(a, k)) {
		c.guesses.giveBack(k)
		return -1, authz.ErrSecretBusy
	}
	defer c.slots.release()
	match := c.compare(a, presented, hashes)
	if match < 0 {
		return -1, unusable
	}
	c.guesses.succeed(k)
	return match, nil
}

// queueOf returns a queue of its own for a source that proved the client before; the
// others share the client's.
func (c *Checker) queueOf(a Attempt, k clientKey) queue {
	if a.Familiar || c.guesses.hasProved(k) {
		return queue{key: k, known: true}
	}
	return queue{key: clientKeyOf(a.ClientID, "")}
}

// compare runs argon2 for every hash, whichever matches, and caches those that do.
func (c *Checker) compare(a Attempt, presented mac, hashes map[int]phc) int {
	match := -1
	for i, hash := range hashes {
		if !c.matches(hash, a.Secret) {
			continue
		}
		c.verified.add(a.Candidates[i], presented)
		if match < 0 || i < match {
			match = i
		}
	}
	return match
}

// parseHashes parses the hashes of the candidates at indexes. mismatch is the error of a
// check that none of them matches: authz.ErrSecretMismatch, wrapped with what is wrong
// with the hashes that cannot be parsed.
func parseHashes(candidates []authz.SecretCandidate, indexes []int) (hashes map[int]phc, mismatch error) {
	hashes = map[int]phc{} // :: index of the candidate -> its hash
	mismatch = authz.ErrSecretMismatch
	for _, i := range indexes {
		hash, err := parsePHC(candidates[i].Hash)
		if err != nil {
			mismatch = fmt.Errorf("%w; the hash of %q %w", mismatch, candidates[i].ID, err)
			continue
		}
		hashes[i] = hash
	}
	return hashes, mismatch
}

func answer(match int) (int, error) {
	if match < 0 {
		return -1, authz.ErrSecretMismatch
	}
	return match, nil
}
