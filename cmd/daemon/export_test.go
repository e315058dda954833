package daemon

import (
	"context"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/generations"
	"github.com/verdict-pdp/verdict/ijson"
	"github.com/verdict-pdp/verdict/pdp"
	"github.com/verdict-pdp/verdict/server"
)

// Again judges a recorded decision by its own generation and revision: the result as
// it was recorded, and as it is now.
func (d *Daemon) Again(ctx context.Context, id string) (was, now []byte, err error) {
	r, err := d.log.Get(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	policy, err := d.generation(r.Policy.Generation)
	if err != nil {
		return nil, nil, err
	}
	view, err := d.viewAt(r.DataRevision)
	if err != nil {
		return nil, nil, err
	}
	defer view.Close()
	decision, err := pdp.Rejudge(ctx, policy, &r, view)
	if err != nil {
		return nil, nil, err
	}
	now, err = ijson.Marshal(decision)
	return r.Result, now, err
}

// Guards lists the guards as the admin surface does, and Status how the policies stand.
func (d *Daemon) Guards(ctx context.Context) ([]authz.GuardMode, error) {
	return library{d.policies, d}.Guards(ctx)
}

func (d *Daemon) Status() authz.PolicyStatus { return d.policyStatus() }

// Policies are the generations, for a test to change.
func (d *Daemon) Policies() *generations.Set { return d.policies }

// Routes are what the listeners serve.
func (d *Daemon) Routes() []server.Route { return d.server.Routes() }

// Entity reads what is stored.
func (d *Daemon) Entity(c authz.Collection, key string) (authz.Entity, error) {
	return d.store.Get(c, key)
}
