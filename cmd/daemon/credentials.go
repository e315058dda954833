package daemon

import (
	"context"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/store"
	"github.com/verdict-pdp/verdict/usage"
)

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
