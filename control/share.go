package control

import (
	"context"
	"sync"

	"github.com/verdict-pdp/verdict/authz"
)

// changesAtOnce is how many changes of one author are in progress at once; further ones
// wait. So an author with many slow changes delays only itself: the audit takes many times
// as many (decisionlog.MaxPending).
const changesAtOnce = 16

// shares are the slots of each author.
type shares struct {
	mu  sync.Mutex
	all map[string]*share // guarded by mu :: key -> its share, of those with changes under way
}

type share struct {
	slots chan struct{}
	users int // that hold a slot or wait for one; guarded by shares.mu
}

// take waits for a slot of an author, and returns the function that frees it.
func (s *shares) take(ctx context.Context, key string) (end func(), err error) {
	of := s.enter(key)
	select {
	case of.slots <- struct{}{}:
		return func() { <-of.slots; s.leave(key, of) }, nil
	case <-ctx.Done():
		s.leave(key, of)
		return nil, &authz.Error{Code: authz.CodeUnavailable, Message: "too many changes of this key are under way, and the request ended before its turn came: nothing was changed", Cause: ctx.Err()}
	}
}

func (s *shares) enter(key string) *share {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.all[key]
	if of == nil {
		of = &share{slots: make(chan struct{}, changesAtOnce)}
		s.all[key] = of
	}
	of.users++
	return of
}

func (s *shares) leave(key string, of *share) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if of.users--; of.users == 0 {
		delete(s.all, key)
	}
}
