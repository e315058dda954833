package daemon

import (
	"context"
	"time"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/credentials"
	"github.com/verdict-pdp/verdict/server/admin"
	"github.com/verdict-pdp/verdict/store"
	"github.com/verdict-pdp/verdict/usage"
)

// writer writes entities that are as their Revision says: what the rooms that
// compute entries, credentials and rotations have in common.
type writer struct{ *store.Store }

// Write implements credentials.Store and events.Store.
func (w writer) Write(ctx context.Context, entities []authz.Entity) (uint64, error) {
	result, err := w.Apply(ctx, conditional(entities))
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

// vault is the store as the credentials room sees it.
type vault struct{ writer }

// View implements credentials.Store.
func (v vault) View() (credentials.View, error) { return v.Snapshot() }

// List implements credentials.Store.
func (v vault) List(ctx context.Context, c authz.Collection, filter, value string) (all []authz.Entity, err error) {
	query := authz.Query{Collection: c, Filters: map[string]string{filter: value}, Limit: store.MaxPageSize}
	for {
		page, err := v.Store.List(ctx, query)
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
func (v vault) Delete(ctx context.Context, gone authz.Entity, entities []authz.Entity) (uint64, error) {
	head := gone.Head()
	ops := []store.Op{{Collection: gone.Collection(), Key: head.ID, If: authz.IfRevision(head.Revision)}}
	result, err := v.Apply(ctx, append(ops, conditional(entities)...))
	return result.Revision, err
}

// lastUse is when a credential was last used as far as this process knows.
func (d *Daemon) lastUse(id string) (time.Time, string) {
	use, _ := d.uses.Last(id)
	return use.At, use.From
}

// usesAttempts is how often last uses are read and written anew when somebody else
// wrote one of the credentials in between.
const usesAttempts = 5

// writeUses stores last uses. A credential that is gone is passed over.
func (d *Daemon) writeUses(ctx context.Context, uses []usage.Use) (err error) {
	for range usesAttempts {
		if err = d.tryUses(ctx, uses); authz.CodeOf(err) != authz.CodePrecondition {
			return err
		}
	}
	return err
}

func (d *Daemon) tryUses(ctx context.Context, uses []usage.Use) error {
	view, err := d.store.Snapshot()
	if err != nil {
		return err
	}
	defer view.Close()
	var ops []store.Op
	for _, use := range uses {
		entity, err := view.Entity(authz.Credentials, use.Credential)
		if authz.CodeOf(err) == authz.CodeNotFound {
			continue
		}
		if err != nil {
			return err
		}
		c := entity.(*authz.Credential)
		c.LastUsedAt, c.LastUsedFrom = use.At.UTC(), use.From
		ops = append(ops, store.Op{Entity: c, If: authz.IfRevision(c.Revision)})
	}
	if len(ops) == 0 {
		return nil
	}
	_, err = d.store.Apply(ctx, ops)
	return err
}

// keeper is the credentials room as the admin surface sees it.
type keeper struct{ *credentials.Keeper }

// NewSecret implements admin.Credentials.
func (k keeper) NewSecret(ctx context.Context, machineUser, id string, notAfter time.Time) (admin.NewSecret, error) {
	made, text, err := k.Keeper.NewSecret(ctx, machineUser, id, notAfter)
	return admin.NewSecret{Written: made, Secret: text}, err
}

// Revoke implements admin.Credentials.
func (k keeper) Revoke(ctx context.Context, r *authz.Revocation, text string) (authz.Written, error) {
	written, err := k.Keeper.Revoke(ctx, r, text)
	return written, err
}

// Renew implements admin.Credentials.
func (k keeper) Renew(ctx context.Context, r *authz.Renewal, text string) (authz.Written, error) {
	written, err := k.Keeper.Renew(ctx, r, text)
	return written, err
}

// StartRotation implements admin.Rotations.
func (k keeper) StartRotation(ctx context.Context, set, by string, material map[string]api.Material) (api.StartedRotation, error) {
	progress, secrets, err := k.Keeper.StartRotation(ctx, set, by, material)
	return api.StartedRotation{Rotation: progress, Secrets: secrets}, err
}
