package usage

import (
	"context"

	"github.com/verdict-pdp/verdict/authz"
)

// Store holds credentials.
type Store interface {
	// Get reads an entity as a value the caller may change. CodeNotFound when there is
	// none.
	Get(c authz.Collection, key string) (authz.Entity, error)
	// Write makes one write of all entities, durably. Each replaces the one that is at
	// its Revision. CodePrecondition, and nothing is written, when one is not.
	Write(ctx context.Context, entities []authz.Entity) (revision uint64, err error)
}

// WriteTo is a Config.Write that stores uses in their credentials. A credential that is
// gone is passed over.
func WriteTo(s Store) func(context.Context, []Use) error {
	return func(ctx context.Context, uses []Use) error {
		return authz.Retry(ctx, "last uses are written later", func() error { return tryWrite(ctx, s, uses) })
	}
}

func tryWrite(ctx context.Context, s Store, uses []Use) error {
	var used []authz.Entity
	for _, use := range uses {
		entity, err := s.Get(authz.Credentials, use.Credential)
		if authz.CodeOf(err) == authz.CodeNotFound {
			continue
		}
		if err != nil {
			return err
		}
		c := entity.(*authz.Credential)
		c.LastUsedAt, c.LastUsedFrom = use.At.UTC(), use.From
		used = append(used, c)
	}
	if len(used) == 0 {
		return nil
	}
	_, err := s.Write(ctx, used)
	return err
}
