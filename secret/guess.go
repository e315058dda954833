package secret

import (
	"crypto/sha256"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// guesser is the hash of a client id and a source, so that what a stranger sends
// as either takes no memory of its own.
type guesser [sha256.Size]byte

func guesserOf(client, source string) guesser {
	return sha256.Sum256(fmt.Appendf(nil, "%d:%s%s", len(client), client, source))
}

// guesses counts the guesses each guesser has left: burst at first, and one more
// every so often. A guesser is forgotten, and has its burst again, when more than
// the bound have guessed since.
type guesses struct {
	burst time.Duration // guesses in a row, times every
	every time.Duration

	mu     sync.Mutex
	owes   *simplelru.LRU[guesser, time.Time] // :: guesser -> when its burst is whole again; guarded by mu
	proved *simplelru.LRU[guesser, struct{}]  // :: guessers that proved a secret by argon2; guarded by mu
}

func newGuesses(burst int, every time.Duration, maxGuessers, maxProved int) (*guesses, error) {
	owes, err := simplelru.NewLRU[guesser, time.Time](maxGuessers, nil)
	if err != nil {
		return nil, err
	}
	// Apart from owes: strangers cannot push a proved guesser out of it.
	proved, err := simplelru.NewLRU[guesser, struct{}](maxProved, nil)
	if err != nil {
		return nil, err
	}
	return &guesses{burst: time.Duration(burst) * every, every: every, owes: owes, proved: proved}, nil
}

// take spends a guess of g; false means none is left.
func (s *guesses) take(g guesser, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	whole, _ := s.owes.Get(g)
	owed := max(0, whole.Sub(now))
	if owed > s.burst { // the clock was put back
		owed = s.burst
		s.owes.Add(g, now.Add(owed))
	}
	if owed+s.every > s.burst {
		return false
	}
	s.owes.Add(g, now.Add(owed+s.every))
	return true
}

// giveBack returns a guess that compared nothing.
func (s *guesses) giveBack(g guesser) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.giveBackLocked(g)
}

func (s *guesses) giveBackLocked(g guesser) {
	if whole, ok := s.owes.Get(g); ok {
		s.owes.Add(g, whole.Add(-s.every))
	}
}

// right returns a guess that was right, and remembers who made it.
func (s *guesses) right(g guesser) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.giveBackLocked(g)
	s.proved.Add(g, struct{}{})
}

// hasProved says whether g was right before.
func (s *guesses) hasProved(g guesser) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.proved.Get(g)
	return ok
}
