package daemon

import (
	"context"
	"io/fs"
	"os"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
	"github.com/verdict-pdp/verdict/engine"
	"github.com/verdict-pdp/verdict/policies"
)

// loadPolicies compiles the policy set and makes it the active one.
func (d *Daemon) loadPolicies(context.Context) error {
	archive, err := bundles.Read(d.policyFiles())
	if err != nil {
		return err
	}
	snapshot, err := bundles.Compile(archive, bundles.Options{Generation: 1})
	if err != nil {
		return err
	}
	c := d.config.Engine
	policy, err := engine.New(snapshot, engine.Config{
		Timeout:      c.Timeout,
		MaxKeys:      c.MaxKeys,
		DecodedFacts: c.DecodedFacts,
		Fault: func(ctx context.Context, err error) {
			d.config.Logger.ErrorContext(ctx, "an evaluation failed", "error", err)
		},
	})
	if err != nil {
		return err
	}
	for _, guard := range snapshot.Guards() {
		d.guards = append(d.guards, guard.Name)
	}
	d.engine.Activate(policy)
	return nil
}

func (d *Daemon) policyFiles() fs.FS {
	switch {
	case d.config.PolicyFiles != nil:
		return d.config.PolicyFiles
	case d.config.Policies != "":
		return os.DirFS(d.config.Policies)
	}
	return policies.Bundle
}

func (d *Daemon) policy() authz.PolicyRef {
	if active := d.engine.Evaluator(); active != nil {
		return active.Policy()
	}
	return authz.PolicyRef{}
}

func (d *Daemon) policyReady() error {
	if d.engine.Evaluator() == nil {
		return authz.Errorf(authz.CodeUnavailable, "no policy is active")
	}
	return nil
}
