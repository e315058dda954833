package credentials

import (
	"cmp"
	"context"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// View is one frozen view of the data. The caller that opened it closes it.
type View interface {
	authz.Directory
	// Entity reads one entity as a value the caller may change. CodeNotFound when
	// there is none.
	Entity(c authz.Collection, key string) (authz.Entity, error)
	Close()
}

// Store reads and writes entities. What it writes replaces the entity that is at its
// Revision, or, where that is 0, none; CodePrecondition, and nothing is written, when
// one is not as its Revision says. The entities come to show what was stored.
type Store interface {
	View() (View, error)
	// List reads every entity of a collection whose filter has a value, as values the
	// caller may change.
	List(ctx context.Context, c authz.Collection, filter, value string) ([]authz.Entity, error)
	// Write makes one write of all entities, durably, and gives its data revision.
	Write(ctx context.Context, entities []authz.Entity) (revision uint64, err error)
	// Delete is Write that, in the same write, deletes what is at gone's Revision.
	Delete(ctx context.Context, gone authz.Entity, entities []authz.Entity) (revision uint64, err error)
	Revision() uint64
}

// Config is what a Service works with. Every field is required.
type Config struct {
	Store Store
	// LastUse is when a credential was last used as far as this process knows, which
	// may be fresher than what is stored; the zero time when it does not.
	LastUse func(credential string) (at time.Time, from string)
	// UsesKnown is since when LastUse knows every use, and StoredWithin how long after
	// the stored one a use before it may be that was lost with the process that saw it.
	UsesKnown    time.Time
	StoredWithin time.Duration
	// Token verifies a token that an entry is named by, sent whole. It is an error when
	// it does not verify.
	Token func(ctx context.Context, text string) (*authz.Token, error)
	// Check refuses a credential whose material must not be stored. Each new one is
	// asked about before it is written.
	Check func(*authz.Credential) error
	// NewSecret makes a secret, HashSecret the hash that is kept of it.
	NewSecret  func() string
	HashSecret func(secret string) string
	Now        func() time.Time
}

// Service acts on credentials. It is safe for concurrent use.
type Service struct {
	config Config
}

// New makes a Service.
func New(config Config) *Service { return &Service{config: config} }

// write computes entities from a view and writes them, again while another write
// came in between.
func (s *Service) write(ctx context.Context, plan func(View) ([]authz.Entity, error)) (revision uint64, err error) {
	return s.commit(ctx, plan, s.config.Store.Write)
}

// commit is write by another method of the store. What plan refuses is final.
func (s *Service) commit(ctx context.Context, plan func(View) ([]authz.Entity, error), write func(context.Context, []authz.Entity) (uint64, error)) (revision uint64, err error) {
	var final error
	err = authz.Retry(ctx, "try again", func() error {
		var entities []authz.Entity
		if entities, final = s.plan(plan); final != nil {
			return nil
		}
		revision, err = write(ctx, entities)
		return err
	})
	return revision, cmp.Or(final, err)
}

func (s *Service) plan(plan func(View) ([]authz.Entity, error)) ([]authz.Entity, error) {
	view, err := s.config.Store.View()
	if err != nil {
		return nil, err
	}
	defer view.Close()
	return plan(view)
}
