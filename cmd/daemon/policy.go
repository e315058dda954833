package daemon

import (
	"context"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
	"github.com/verdict-pdp/verdict/cmd/config"
	"github.com/verdict-pdp/verdict/decisiontable"
	"github.com/verdict-pdp/verdict/engine"
	"github.com/verdict-pdp/verdict/generations"
	"github.com/verdict-pdp/verdict/policies"
	"github.com/verdict-pdp/verdict/sources"
)

// openPolicies opens the generations that were kept; none is active yet.
func (d *Daemon) openPolicies(context.Context) error {
	c := d.config.Bundles
	keys, err := c.ReadKeys()
	if err != nil {
		return err
	}
	if d.bundleSources, err = c.ReadSources(); err != nil {
		return err
	}
	d.policies, err = generations.Open(generations.Config{
		Dir:          d.path("policies"),
		Keep:         c.Keep,
		Verification: bundles.Verification{Required: c.RequireSignatures, Keys: keys, Scope: c.Scope},
		Limits:       bundles.Limits{Packed: c.MaxSize},
		Try:          d.try,
		Use:          d.use,
		Active:       d.policy,
		Tables:       d.checkTables,
		Replay:       d.rehearse,
		Now:          d.config.Now,
		Log:          d.config.Logger,
	})
	return err
}

// basePolicies are the policies a node begins with.
func (d *Daemon) basePolicies() generations.Base {
	if files := d.policyFolder(); files != nil {
		return generations.Base{Files: files, Source: authz.SourceFolder}
	}
	return generations.Base{Files: policies.Bundle, Source: authz.SourceBuiltIn}
}

// policyFolder is the folder of the base policies, nil when they are those in the
// binary.
func (d *Daemon) policyFolder() fs.FS {
	switch {
	case d.config.PolicyFiles != nil:
		return d.config.PolicyFiles
	case d.config.Policies != "":
		return os.DirFS(d.config.Policies)
	}
	return nil
}

// prepare makes a snapshot ready to decide.
func (d *Daemon) prepare(snapshot *bundles.Snapshot) (*engine.Policy, error) {
	return d.prepareWithin(snapshot, d.config.Engine.Timeout)
}

// replayTimeout is the least timeout of an evaluation that no request waits for: a replay
// on a busy machine must not find timeouts that the policy is not to blame for.
const replayTimeout = 30 * time.Second

// prepareReplay makes a snapshot ready to judge decisions again.
func (d *Daemon) prepareReplay(snapshot *bundles.Snapshot) (*engine.Policy, error) {
	return d.prepareWithin(snapshot, max(replayTimeout, d.config.Engine.Timeout))
}

func (d *Daemon) prepareWithin(snapshot *bundles.Snapshot, timeout time.Duration) (*engine.Policy, error) {
	c := d.config.Engine
	return engine.New(snapshot, engine.Config{
		Timeout:      timeout,
		MaxKeys:      c.MaxKeys,
		DecodedFacts: c.DecodedFacts,
		Fault: func(ctx context.Context, err error) {
			d.config.Logger.ErrorContext(ctx, "an evaluation failed", "error", err)
		},
	})
}

// try implements generations.Config.Try.
func (d *Daemon) try(snapshot *bundles.Snapshot) error {
	_, err := d.prepare(snapshot)
	return err
}

// checkTables implements generations.Config.Tables.
func (d *Daemon) checkTables(ctx context.Context, candidate *bundles.Snapshot, files map[string][]byte) (rows int, err error) {
	policy, err := d.prepareReplay(candidate)
	if err != nil {
		return 0, err
	}
	return decisiontable.Check(ctx, policy, files)
}

// use implements generations.Config.Use: decisions that start after it returned are made
// with snapshot.
func (d *Daemon) use(snapshot *bundles.Snapshot) error {
	policy, err := d.prepare(snapshot)
	if err != nil {
		return err
	}
	d.engine.Activate(policy)
	return nil
}

// guards are the names of the active policies' guards.
func (d *Daemon) guards() []string {
	var names []string
	for _, guard := range d.engine.Active().Guards() {
		names = append(names, guard.Name)
	}
	return names
}

// policy names the active policies, the zero PolicyRef when there are none.
func (d *Daemon) policy() authz.PolicyRef { return d.engine.Active().Policy() }

func (d *Daemon) policyReady() error {
	if d.engine.Active() == nil {
		return authz.Errorf(authz.CodeUnavailable, "no policy is active")
	}
	return nil
}

// policiesQuiet reports whether the last version of a bundle did not get through: the node
// answers on with what it has, and an operator should look.
func (d *Daemon) policiesQuiet() error {
	if failing := d.policies.Failing(); len(failing) > 0 {
		return authz.Errorf(authz.CodeUnavailable, "bundle %s: %s", failing[0].Name, failing[0].Message)
	}
	return nil
}

// policyStatus is the state of the policy set and of its sources.
func (d *Daemon) policyStatus() authz.PolicyStatus {
	status := d.policies.Status()
	if d.puller != nil {
		status.Sources = d.puller.Status()
	}
	return status
}

// library is the generations for the admin surface.
type library struct {
	*generations.Set
	daemon *Daemon
}

// Diff implements admin.Policies.
func (l library) Diff(ctx context.Context, a, b uint64, last int) (authz.Difference, error) {
	files, err := l.Set.Diff(a, b)
	difference := authz.Difference{From: a, To: b, Files: files}
	if err != nil || last == 0 {
		return difference, err
	}
	decisions, err := l.daemon.history().Compare(ctx, a, b, last)
	difference.Decisions = &decisions
	return difference, err
}

// Status implements admin.Policies.
func (l library) Status() authz.PolicyStatus { return l.daemon.policyStatus() }

// Guards implements admin.Policies: those of the policies that are active when it is
// asked, with what each said lately.
func (l library) Guards(ctx context.Context) ([]authz.GuardMode, error) {
	active := l.daemon.engine.Active()
	said, err := l.daemon.history().Evidence(ctx)
	if err != nil {
		return nil, err
	}
	return active.GuardModes(said.Of), nil
}

// openPuller prepares to pull bundles: from the sources configured, and from the
// folder of the base policies.
func (d *Daemon) openPuller(context.Context) (err error) {
	if d.config.Policies != "" && d.config.PolicyFiles == nil {
		base := sources.Source{Name: authz.BaseBundle, Folder: d.config.Policies, MaxBytes: d.config.Bundles.MaxSize}
		d.bundleSources = append(d.bundleSources, config.BundleSource{Source: base})
	}
	var from []sources.Source
	for _, s := range d.bundleSources {
		s.LastActive = d.policies.LastActive(s.Name)
		from = append(from, s.Source)
	}
	if len(from) == 0 {
		return nil
	}
	d.puller, err = sources.New(sources.Config{
		Sources: from,
		Push:    d.pull,
		Pack:    bundles.Pack,
		Now:     d.config.Now,
		Log:     d.config.Logger,
	})
	return err
}

// pull takes what a source gave through the gate, and makes it active unless its
// source is configured to wait for an operator.
func (d *Daemon) pull(ctx context.Context, name string, body io.Reader, source string) (activated bool, err error) {
	made, _, err := d.policies.Push(ctx, generations.Push{Name: name, Body: body, Source: source, Author: source, Message: "pulled from " + source})
	if err != nil || made.State == authz.GenerationActive {
		return err == nil, err
	}
	for _, s := range d.bundleSources {
		if s.Name == name && s.Candidate {
			return false, nil
		}
	}
	_, err = d.control.ActivatePulled(ctx, name, made.Number, source)
	return err == nil, err
}
