package control

import (
	"context"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/credentials"
	"github.com/verdict-pdp/verdict/store"
)

// EntityStore is the store as the rooms see it that compute credentials, rotations and list
// entries: credentials.Store and events.Store.
type EntityStore struct{ *store.Store }

// View implements credentials.Store.
func (s EntityStore) View() (credentials.View, error) { return s.Snapshot() }

// Write writes entities that are as their Revision says.
func (s EntityStore) Write(ctx context.Context, entities []authz.Entity) (uint64, error) {
	result, err := s.Apply(ctx, conditional(entities))
	return result.Revision, err
}

func conditional(entities []authz.Entity) []store.Op {
	ops := make([]store.Op, len(entities))
	for i, entity := range entities {
		ops[i] = store.Op{Entity: entity, If: authz.IfAbsent()}
		if revision := entity.Head().Revision; revision > 0 {
			ops[i].If = authz.IfRevision(revision)
		}
	}
	return ops
}

// List implements credentials.Store.
func (s EntityStore) List(ctx context.Context, c authz.Collection, filter, value string) (all []authz.Entity, err error) {
	query := authz.Query{Collection: c, Filters: map[string]string{filter: value}, Limit: authz.MaxPageSize}
	for {
		page, err := s.Store.List(ctx, query)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if query.Cursor = page.NextCursor; query.Cursor == "" {
			return all, nil
		}
	}
}

// Delete implements credentials.Store.
func (s EntityStore) Delete(ctx context.Context, gone authz.Entity, entities []authz.Entity) (uint64, error) {
	head := gone.Head()
	ops := []store.Op{{Collection: gone.Collection(), Key: head.ID, If: authz.IfRevision(head.Revision)}}
	result, err := s.Apply(ctx, append(ops, conditional(entities)...))
	return result.Revision, err
}
