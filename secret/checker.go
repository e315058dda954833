package secret

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// Config is what a Checker needs. Zero means the default throughout; negative
// values are refused.
type Config struct {
	// Now is the clock of guesses; nil means time.Now.
	Now func() time.Time
	// MaxConcurrent is how many runs of argon2 happen at once. Each takes a core
	// (p cores, for a hash made elsewhere with p over 1) and 19 MiB, at most 64.
	// Default half of GOMAXPROCS, at least 1: the other half decides.
	MaxConcurrent int
	// Wait is how long an attempt waits for its turn. Default 500 ms.
	Wait time.Duration
	// GuessBurst is how many wrong cold guesses a guesser has in a row, and
	// GuessEvery how long until it has one more. Default 10, and 10 s.
	GuessBurst int
	GuessEvery time.Duration
	// MaxGuessers is how many guessers are counted. Default 65,536, some 15 MB
	// when full.
	MaxGuessers int
	// MaxMarks is how many proved secrets are remembered, and how many guessers
	// that proved one. It should be more than the secrets in use: those over it run
	// argon2 again and again. Default 65,536, some 40 MB when full.
	MaxMarks int
}

func (c *Config) fillDefaults() {
	if c.Now == nil {
		c.Now = time.Now
	}
	defaultTo(&c.MaxConcurrent, max(1, runtime.GOMAXPROCS(0)/2))
	defaultTo(&c.Wait, 500*time.Millisecond)
	defaultTo(&c.GuessBurst, 10)
	defaultTo(&c.GuessEvery, 10*time.Second)
	defaultTo(&c.MaxGuessers, 1<<16)
	defaultTo(&c.MaxMarks, 1<<16)
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
		{"MaxGuessers", int64(c.MaxGuessers)},
		{"MaxMarks", int64(c.MaxMarks)},
	} {
		if field.value < 0 {
			return fmt.Errorf("secret: %s must not be negative", field.name)
		}
	}
	return nil
}

// Checker compares presented secrets with hashes. It is made by NewChecker and is
// safe for use by any number of goroutines.
type Checker struct {
	clock   func() time.Time
	wait    time.Duration
	marks   *marks
	guesses *guesses
	// explanations counts, for each client, what may be spent on saying that a wrong
	// secret is a spent one.
	explanations *guesses
	turns        *turns
	tries        *tries
	matches      func(phc, string) bool // phc.matches; tests count its calls
}

// How often a wrong secret of one client is compared with its spent ones: twice in
// a row, and once more a minute.
const (
	explainBurst = 2
	explainEvery = time.Minute
)

// NewChecker makes a Checker that has proved nothing yet.
func NewChecker(config Config) (*Checker, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	config.fillDefaults()
	marks, err := newMarks(config.MaxMarks)
	if err != nil {
		return nil, err
	}
	guesses, err := newGuesses(config.GuessBurst, config.GuessEvery, config.MaxGuessers, config.MaxMarks)
	if err != nil {
		return nil, err
	}
	explanations, err := newGuesses(explainBurst, explainEvery, config.MaxGuessers, 1)
	if err != nil {
		return nil, err
	}
	return &Checker{
		clock: config.Now, wait: config.Wait,
		marks: marks, guesses: guesses, explanations: explanations, turns: newTurns(config.MaxConcurrent), tries: newTries(),
		matches: phc.matches,
	}, nil
}

// Check gives the index of the candidate whose secret is presented (the first,
// should several have the same). Nil error means that it was proved; with an
// error the index is -1, and the error is
// authz.ErrSecretMismatch (perhaps wrapped with what is wrong with a candidate's hash),
// authz.ErrSecretThrottled, authz.ErrSecretBusy, or says that there are too many candidates. None of them
// holds a secret or a hash.
//
// It takes microseconds, and cannot fail with authz.ErrSecretThrottled or authz.ErrSecretBusy, when the
// secret was proved before (it is warm), when every candidate is warm, and when
// there are none. Spent candidates are looked at last, and may be passed over.
func (c *Checker) Check(ctx context.Context, a Attempt) (int, error) {
	if len(a.Candidates) > MaxCandidates {
		return -1, fmt.Errorf("secret: there are %d candidates; at most %d are compared", len(a.Candidates), MaxCandidates)
	}
	if a.Secret == "" || len(a.Secret) > MaxLength {
		return -1, authz.ErrSecretMismatch
	}
	presented := c.marks.of(a.Secret)
	match, cold, spent := c.marks.recall(a.Candidates, presented)
	if match >= 0 || len(cold)+len(spent) == 0 {
		return answer(match)
	}
	ctx, cancel := context.WithTimeout(ctx, c.wait)
	defer cancel()
	return c.prove(ctx, a, presented)
}

// prove finds out by argon2, after anybody who is finding out the same.
func (c *Checker) prove(ctx context.Context, a Attempt, presented mac) (int, error) {
	t := try{client: a.ClientID, secret: presented}
	for {
		ended, ours := c.tries.begin(t)
		if ours {
			defer c.tries.end(t) // this pass returns
		}
		// Looked at after begin: one who ended just before has left its mark by now.
		match, cold, spent := c.marks.recall(a.Candidates, presented)
		if match >= 0 || len(cold)+len(spent) == 0 {
			return answer(match)
		}
		if ours {
			return c.find(ctx, a, presented, cold, spent)
		}
		select {
		case <-ended:
		case <-ctx.Done():
			return -1, authz.ErrSecretBusy
		}
	}
}

// find looks among the cold candidates, and then among the spent ones.
func (c *Checker) find(ctx context.Context, a Attempt, presented mac, cold, spent []int) (match int, err error) {
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

// explain finds the spent candidate whose secret is presented, as long as that
// keeps nobody waiting; -1 when it is of none, or that is not looked at.
func (c *Checker) explain(a Attempt, presented mac, spent []int) int {
	hashes, _ := parseHashes(a.Candidates, spent)
	by := guesserOf(a.ClientID, "")
	if len(hashes) == 0 || !c.explanations.take(by, c.clock()) {
		return -1
	}
	if !c.turns.acquireFree() {
		c.explanations.giveBack(by)
		return -1
	}
	defer c.turns.release()
	return c.compare(a, presented, hashes)
}

// guess spends a guess and a turn on the cold candidates. A guess that was right,
// or that compared nothing, is given back.
func (c *Checker) guess(ctx context.Context, a Attempt, presented mac, cold []int) (int, error) {
	hashes, unusable := parseHashes(a.Candidates, cold)
	if len(hashes) == 0 {
		return -1, unusable
	}
	by := guesserOf(a.ClientID, a.Source)
	if !c.guesses.take(by, c.clock()) {
		return -1, authz.ErrSecretThrottled
	}
	if !c.turns.acquire(ctx, c.laneOf(a, by)) {
		c.guesses.giveBack(by)
		return -1, authz.ErrSecretBusy
	}
	defer c.turns.release()
	match := c.compare(a, presented, hashes)
	if match < 0 {
		return -1, unusable
	}
	c.guesses.right(by)
	return match, nil
}

// laneOf is a lane of its own for a guesser that proved the client before; all
// others share the client's.
func (c *Checker) laneOf(a Attempt, by guesser) lane {
	if a.Familiar || c.guesses.hasProved(by) {
		return lane{name: by, known: true}
	}
	return lane{name: guesserOf(a.ClientID, "")}
}

// compare runs argon2 for every hash, whichever matches, and marks those that do.
func (c *Checker) compare(a Attempt, presented mac, hashes map[int]phc) int {
	match := -1
	for i, hash := range hashes {
		if !c.matches(hash, a.Secret) {
			continue
		}
		c.marks.add(a.Candidates[i], presented)
		if match < 0 || i < match {
			match = i
		}
	}
	return match
}

// parseHashes reads the hashes of the candidates at indexes. A mismatch with them
// is the error: authz.ErrSecretMismatch alone when all could be read.
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
