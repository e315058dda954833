package daemon

import (
	"context"
	"time"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/credentials"
	"github.com/verdict-pdp/verdict/rotation"
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
		ops[i] = store.Op{Entity: entity, If: store.IfAbsent()}
		if revision := entity.Head().Revision; revision > 0 {
			ops[i].If = store.IfRevision(revision)
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
	query := store.Query{Collection: c, Filters: map[string]string{filter: value}, Limit: store.MaxPageSize}
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
	ops := []store.Op{{Collection: gone.Collection(), Key: head.ID, If: store.IfRevision(head.Revision)}}
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
		ops = append(ops, store.Op{Entity: c, If: store.IfRevision(c.Revision)})
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
	return admin.NewSecret{Written: admin.Written(made), Secret: text}, err
}

// Revoke implements admin.Credentials.
func (k keeper) Revoke(ctx context.Context, r *authz.Revocation, text string) (admin.Written, error) {
	written, err := k.Keeper.Revoke(ctx, r, text)
	return admin.Written(written), err
}

// Renew implements admin.Credentials.
func (k keeper) Renew(ctx context.Context, r *authz.Renewal, text string) (admin.Written, error) {
	written, err := k.Keeper.Renew(ctx, r, text)
	return admin.Written(written), err
}

// RotationStatus implements admin.Rotations.
func (k keeper) RotationStatus(ctx context.Context, set string) (api.Rotation, error) {
	progress, err := k.Keeper.RotationStatus(ctx, set)
	return shownRotation(progress), err
}

// StartRotation implements admin.Rotations.
func (k keeper) StartRotation(ctx context.Context, set, by string, material map[string]api.Material) (api.StartedRotation, error) {
	given := make(map[string]credentials.Material, len(material))
	for member, m := range material {
		given[member] = credentials.Material(m)
	}
	progress, secrets, err := k.Keeper.StartRotation(ctx, set, by, given)
	return api.StartedRotation{Rotation: shownRotation(progress), Secrets: secrets}, err
}

// StepRotation implements admin.Rotations.
func (k keeper) StepRotation(ctx context.Context, set, by, action string) (api.Rotation, error) {
	step, ok := rotationSteps[action]
	if !ok {
		return api.Rotation{}, authz.Errorf(authz.CodeInternal, "%q is no step of a rotation", action)
	}
	progress, err := k.Keeper.StepRotation(ctx, set, by, step)
	return shownRotation(progress), err
}

var rotationSteps = map[string]func(rotation.State) (rotation.Plan, error){
	api.RotationAdvance:   rotation.Advance,
	api.RotationForce:     rotation.Force,
	api.RotationAbort:     rotation.Abort,
	api.RotationEmergency: rotation.Emergency,
}

func shownRotation(p credentials.Progress) api.Rotation {
	shown := api.Rotation{
		ID: p.ID, Phase: p.Phase, WaitingFor: p.WaitingFor, QuietLeftS: p.QuietLeftS, Breaks: p.Breaks, DataRevision: p.Revision,
		Steps: make([]api.RotationStep, len(p.Steps)), Members: make([]api.RotationMember, len(p.Members)),
	}
	for i, step := range p.Steps {
		shown.Steps[i] = api.RotationStep(step)
	}
	for i, m := range p.Members {
		shown.Members[i] = api.RotationMember{
			MachineUser: m.MachineUser, Light: m.Light,
			Old: m.Old, OldUsedAt: m.OldUsedAt, OldUsedFrom: m.OldUsedFrom,
			New: m.New, NewUsedAt: m.NewUsedAt, NewUsedFrom: m.NewUsedFrom,
			WaitingFor: m.WaitingFor,
		}
	}
	return shown
}
