package tokenservice

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// Service issues, revokes and explains tokens. It is made by New and safe for use by
// any number of goroutines.
type Service struct {
	config Config
	ring   atomic.Pointer[ring] // replaced whole by the holder of turning

	turning  sync.Mutex // held while keys change or are published
	counters counters
}

// New loads the keys of Config.Dir, makes the first one when there is none, and
// publishes them. When it returns nil, tokens can be had.
func New(ctx context.Context, config Config) (*Service, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	config.fillDefaults()
	s := &Service{config: config}
	if err := s.loadKeys(); err != nil {
		return nil, fmt.Errorf("tokenservice: %w", err)
	}
	if err := s.takeDueSteps(ctx); err != nil {
		return nil, fmt.Errorf("tokenservice: %w", err)
	}
	return s, nil
}

func (s *Service) loadKeys() error {
	s.turning.Lock()
	defer s.turning.Unlock()
	keys, err := s.folder().load()
	if err != nil {
		return err
	}
	if len(keys) == 0 {
		return s.addLocked(true)
	}
	return s.useLocked(keys)
}

func (s *Service) folder() folder { return folder(s.config.Dir) }

// Issuer is the iss of the tokens.
func (s *Service) Issuer() string { return s.config.Issuer }

// KeySet is the JWK Set tokens are verified with, the next key included, and for how
// long a copy of it may be kept. It is shared and must not be changed.
func (s *Service) KeySet() (document []byte, maxAge time.Duration) {
	return s.ring.Load().set, min(s.config.Overlap, maxKeep)
}

// maxKeep bounds how long the copies others keep outlive an emergency rotation.
const maxKeep = 5 * time.Minute

// Who the decision path sees asking: for a token, and what a token would be worth. The
// second asks hypothetical questions only, which need no other role.
var (
	caller    = authz.Caller{ID: "token-service", Roles: []authz.Role{authz.RoleDecide}}
	rehearser = authz.Caller{ID: "token-service", Roles: []authz.Role{authz.RoleSimulate}}
)
