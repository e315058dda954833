package daemon

import (
	"cmp"
	"context"
	"errors"
	"io"
	"time"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/credentials"
	"github.com/verdict-pdp/verdict/introspection"
	"github.com/verdict-pdp/verdict/pdp"
	"github.com/verdict-pdp/verdict/server/admin"
	"github.com/verdict-pdp/verdict/store"
	"github.com/verdict-pdp/verdict/token"
)

// The types in this file give the store the shapes that the pipeline and the
// surfaces declare. They hold no logic of their own.

// data is the store as the pipeline sees it.
type data struct{ *store.Store }

// View implements pdp.Data.
func (d data) View() (pdp.View, error) { return d.Snapshot() }

// keys is the store as API key authentication sees it.
type keys struct{ store *store.Store }

// APIKey implements apikey.Finder.
func (k keys) APIKey(_ context.Context, id string) (*authz.APIKey, bool, error) {
	view, err := k.store.Snapshot()
	if err != nil {
		return nil, false, err
	}
	defer view.Close()
	return view.APIKey(id)
}

// entities is the store as the admin surface sees it. A written issuer has its
// keys fetched at once.
type entities struct {
	store    *store.Store
	verifier *token.Verifier
	asker    *introspection.Client
	now      func() time.Time
}

// Get implements admin.Entities.
func (e entities) Get(_ context.Context, c authz.Collection, key string) (authz.Entity, error) {
	return e.store.Get(c, key)
}

// List implements admin.Entities.
func (e entities) List(ctx context.Context, c authz.Collection, q admin.Query) (admin.Page, error) {
	page, err := e.store.List(ctx, store.Query{Collection: c, Filters: q.Filters, Cursor: q.Cursor, Limit: q.Limit})
	return admin.Page{Items: page.Items, NextCursor: page.NextCursor, Revision: page.Revision}, err
}

// Put implements admin.Entities.
func (e entities) Put(ctx context.Context, entity authz.Entity, p admin.Precondition) (admin.Written, error) {
	result, err := e.store.Apply(ctx, []store.Op{{Entity: entity, If: precondition(p)}})
	if err != nil {
		return admin.Written{}, err
	}
	written := result.Entities[0]
	if written.Collection() == authz.Issuers {
		e.asker.Forget(written.Head().ID)
		e.verifier.Refresh(written.Head().ID)
	}
	return admin.Written{Entity: written, Created: result.Created[0], Revision: result.Revision}, nil
}

// Delete implements admin.Entities.
func (e entities) Delete(ctx context.Context, c authz.Collection, key string, p admin.Precondition) (uint64, error) {
	ops := []store.Op{{Collection: c, Key: key, If: precondition(p)}}
	if c == authz.MachineUsers {
		departure, err := e.departure(key)
		if err != nil {
			return 0, err
		}
		ops = append(ops, departure)
	}
	result, err := e.store.Apply(ctx, ops)
	if err == nil && c == authz.Issuers {
		e.asker.Forget(key)
	}
	return result.Revision, unbatched(err)
}

// departure keeps a deleted machine user's tokens dead.
func (e entities) departure(machineUser string) (store.Op, error) {
	before, err := e.store.Get(authz.Revocations, authz.PairKey(authz.BySubject, machineUser))
	if err != nil && authz.CodeOf(err) != authz.CodeNotFound {
		return store.Op{}, err
	}
	existing, _ := before.(*authz.Revocation)
	return store.Op{Entity: credentials.Departure(machineUser, existing, e.now())}, nil
}

// unbatched takes the number of the operation out of an error about a write that
// looks like one to its caller.
func unbatched(err error) error {
	var ours *authz.Error
	if errors.As(err, &ours) && ours.Field == "ops[0]" {
		bare := *ours
		bare.Field = ""
		return &bare
	}
	return err
}

func precondition(p admin.Precondition) store.Precondition {
	switch {
	case p.Revision > 0:
		return store.IfRevision(p.Revision)
	case p.Exists:
		return store.IfPresent()
	case p.Absent:
		return store.IfAbsent()
	}
	return store.Precondition{}
}

// feed is the store's change feed as the admin surface sees it.
type feed struct{ store *store.Store }

// Changes implements admin.Feed.
func (f feed) Changes(ctx context.Context, after uint64, limit int) (admin.Changes, error) {
	page, err := f.store.Changes(ctx, after, limit)
	if err != nil {
		return admin.Changes{}, err
	}
	changes := make([]admin.Change, len(page.Changes))
	for i, c := range page.Changes {
		changes[i] = admin.Change{Revision: c.Revision, Collection: c.Collection, Key: c.ID, At: c.At, Deleted: c.Op == store.Delete, Entity: c.Entity}
	}
	return admin.Changes{Changes: changes, NextAfter: page.NextAfter, Revision: page.Revision}, nil
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
func (b bulk) Import(ctx context.Context, r io.Reader, check func(authz.Entity) error) (api.ImportReport, error) {
	report, err := b.store.Import(ctx, r, store.ImportOptions{Check: check})
	return importReport(report), err
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
		page, err := d.store.List(context.Background(), store.Query{Collection: authz.Issuers, Cursor: cursor, Limit: store.MaxPageSize})
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

func importReport(r store.ImportReport) api.ImportReport {
	report := api.ImportReport{
		Lines:        r.Lines,
		Written:      r.Written,
		Unchanged:    r.Unchanged,
		Failed:       r.Failed,
		Errors:       make([]api.LineError, len(r.Errors)),
		DataRevision: r.Revision,
	}
	for i, e := range r.Errors {
		report.Errors[i] = api.LineError{Line: e.Line, Field: e.Field, Message: e.Message}
	}
	return report
}
