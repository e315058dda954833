package daemon

import (
	"cmp"
	"context"
	"io"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/credentials"
	"github.com/verdict-pdp/verdict/introspection"
	"github.com/verdict-pdp/verdict/pdp"
	"github.com/verdict-pdp/verdict/store"
	"github.com/verdict-pdp/verdict/token"
)

// The types in this file give the store the shapes that the pipeline and the
// surfaces declare. They hold no logic of their own.

// data is the store as the pipeline sees it.
type data struct{ *store.Store }

// View implements pdp.Data.
func (d data) View() (pdp.View, error) { return d.Snapshot() }

// entities is the store as the admin surface sees it. What another room has a say
// in goes through that room: the keys of a written issuer are fetched at once,
// nothing of a deleted machine user is left to be inherited, and our own issuer is
// the token service's to write.
type entities struct {
	store    *store.Store
	verifier *token.Verifier
	asker    *introspection.Client
	keeper   *credentials.Keeper
	ours     func(issuer string) bool
}

func (d *Daemon) entities() entities {
	return entities{store: d.store, verifier: d.verifier, asker: d.asker, keeper: d.keeper, ours: d.ours}
}

// Get implements admin.Entities.
func (e entities) Get(_ context.Context, c authz.Collection, key string) (authz.Entity, error) {
	return e.store.Get(c, key)
}

// List implements admin.Entities.
func (e entities) List(ctx context.Context, q authz.Query) (authz.Page[authz.Entity], error) {
	return e.store.List(ctx, q)
}

// Put implements admin.Entities.
func (e entities) Put(ctx context.Context, entity authz.Entity, p authz.Precondition) (authz.Written, error) {
	result, err := e.store.Apply(ctx, []store.Op{{Entity: entity, If: p}})
	if err != nil {
		return authz.Written{}, err
	}
	written := result.Entities[0]
	if written.Collection() == authz.Issuers {
		e.asker.Forget(written.Head().ID)
		e.verifier.Refresh(written.Head().ID)
	}
	return authz.Written{Entity: written, Created: result.Created[0], Revision: result.Revision}, nil
}

// Delete implements admin.Entities.
func (e entities) Delete(ctx context.Context, c authz.Collection, key string, p authz.Precondition) (uint64, error) {
	switch c {
	case authz.MachineUsers:
		return deleted(p)(e.keeper.DeleteMachineUser(ctx, key, p.Revision))
	case authz.Credentials:
		return deleted(p)(e.keeper.DeleteCredential(ctx, key, p.Revision))
	case authz.Issuers:
		if e.ours(key) {
			return 0, authz.Errorf(authz.CodeConflict, "issuer %s is the token service's own; to stop its tokens revoke by issuer, or replace its keys", key)
		}
	case authz.RotationSets:
		if err := e.keeper.CheckIdle(key); err != nil {
			return 0, err
		}
	}
	result, err := e.store.Apply(ctx, []store.Op{{Collection: c, Key: key, If: p}})
	if err == nil && c == authz.Issuers {
		e.asker.Forget(key)
	}
	return result.Revision, err
}

// deleted answers as the store does when a condition on what is not there fails.
func deleted(p authz.Precondition) func(uint64, error) (uint64, error) {
	return func(revision uint64, err error) (uint64, error) {
		if (p.Present || p.Revision > 0) && authz.CodeOf(err) == authz.CodeNotFound {
			return 0, &authz.Error{Code: authz.CodePrecondition, Message: err.Error(), Cause: err}
		}
		return revision, err
	}
}

// feed is the store's change feed as the admin surface sees it.
type feed struct{ store *store.Store }

// Changes implements admin.Feed.
func (f feed) Changes(ctx context.Context, after uint64, limit int) (authz.Changes[authz.Entity], error) {
	return f.store.Changes(ctx, after, limit)
}

// Await implements admin.Feed.
func (f feed) Await(ctx context.Context, after uint64) error {
	if err := f.store.WaitFor(ctx, after+1); err != nil {
		return cmp.Or(ctx.Err(), err)
	}
	return nil
}

// bulk moves many entities between the store and the admin surface.
type bulk struct{ store *store.Store }

// Import implements admin.Bulk.
func (b bulk) Import(ctx context.Context, r io.Reader, check func(authz.Entity) error) (authz.ImportReport, error) {
	return b.store.Import(ctx, r, store.ImportOptions{Check: check})
}

// Export implements admin.Bulk.
func (b bulk) Export(ctx context.Context, w io.Writer, collections []authz.Collection) error {
	_, err := b.store.Export(ctx, w, collections...)
	return err
}

// Backup implements admin.Bulk.
func (b bulk) Backup(ctx context.Context, w io.Writer) error {
	_, err := b.store.Backup(ctx, w)
	return err
}

// Counts implements admin.Bulk.
func (b bulk) Counts(context.Context) (map[authz.Collection]uint64, uint64, error) {
	view, err := b.store.Snapshot()
	if err != nil {
		return nil, 0, err
	}
	defer view.Close()
	return b.store.Counts(), view.Revision(), nil
}

// issuers lists every registered issuer, nil when the store cannot be read.
func (d *Daemon) issuers() []*authz.Issuer {
	all := []*authz.Issuer{}
	for cursor := ""; ; {
		page, err := d.store.List(context.Background(), authz.Query{Collection: authz.Issuers, Cursor: cursor, Limit: store.MaxPageSize})
		if err != nil {
			return nil
		}
		for _, item := range page.Items {
			all = append(all, item.(*authz.Issuer))
		}
		if cursor = page.NextCursor; cursor == "" {
			return all
		}
	}
}

func (d *Daemon) storeReady() error {
	view, err := d.store.Snapshot()
	if err != nil {
		return err
	}
	view.Close()
	return nil
}
