package daemon

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/config"
	"github.com/verdict-pdp/verdict/control"
	"github.com/verdict-pdp/verdict/credentials"
	"github.com/verdict-pdp/verdict/decisionlog"
	"github.com/verdict-pdp/verdict/decisionlog/sink"
	"github.com/verdict-pdp/verdict/engine"
	"github.com/verdict-pdp/verdict/events"
	"github.com/verdict-pdp/verdict/generations"
	"github.com/verdict-pdp/verdict/introspection"
	"github.com/verdict-pdp/verdict/pdp"
	"github.com/verdict-pdp/verdict/replay"
	"github.com/verdict-pdp/verdict/secret"
	"github.com/verdict-pdp/verdict/server"
	"github.com/verdict-pdp/verdict/server/apikey"
	"github.com/verdict-pdp/verdict/server/oauth"
	"github.com/verdict-pdp/verdict/sources"
	"github.com/verdict-pdp/verdict/store"
	"github.com/verdict-pdp/verdict/token"
	"github.com/verdict-pdp/verdict/tokenservice"
	"github.com/verdict-pdp/verdict/usage"
)

// Daemon is one Verdict. Open, then Run once, then Close.
type Daemon struct {
	config       Config
	store        *store.Store
	introspector *introspection.Client
	verifier     *token.Verifier
	uses         *usage.Uses
	credentials  *credentials.Service
	control      *control.Service
	// followFrom is the data revision that the verifier began with.
	followFrom    uint64
	receiver      *events.Receiver
	issuing       *tokenservice.Service // nil when the token service is off
	log           *decisionlog.Log
	sinks         []*sink.Runner
	policies      *generations.Set
	bundleSources []config.BundleSource
	puller        *sources.Puller // nil when bundles are pulled from nowhere
	engine        engine.Engine   // the active policy: decisions, masks, guards, status
	shadow        *replay.Shadow
	pdp           *pdp.PDP
	server        *server.Server
	started       time.Time
	overTLS       map[string]*tls.Config // :: listener -> what it is served with; nil is plain HTTP

	// Written lists the key files that Open made.
	Written []string
}

// Steps of Open that fail because of files of the operator.
const (
	LoadingPolicies = "loading the policies"
	SettingUpDemo   = "setting the demo up"
)

// StepError is the step that Open failed in.
type StepError struct {
	Doing string
	Err   error
}

// Error names the step.
func (e *StepError) Error() string { return e.Doing + ": " + e.Err.Error() }

// Unwrap returns what failed.
func (e *StepError) Unwrap() error { return e.Err }

// Open builds the rooms, bottom up, and opens the listeners. Nothing is served
// before Run. When it fails, nothing stays open.
func Open(ctx context.Context, c Config) (_ *Daemon, err error) {
	d := &Daemon{config: c.withDefaults()}
	d.started = d.config.Now()
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Close())
		}
	}()
	for _, step := range []struct {
		doing string
		do    func(context.Context) error
	}{
		{"opening the store", d.openStore},
		{"loading key sets", d.openVerifier},
		{"preparing credentials", d.openCredentials},
		{"preparing for security events", d.openReceiver},
		{"opening the decision log", d.openLog},
		{"preparing the shadow", d.openShadow},
		{"opening the kept policies", d.openPolicies},
		{LoadingPolicies, func(ctx context.Context) error { return d.policies.Start(ctx, d.basePolicies()) }},
		{"preparing to pull bundles", d.openPuller},
		{"preparing to send records", d.openSinks},
		{"preparing for changes", d.openControl},
		{"settling changes of data and policies that were interrupted", func(ctx context.Context) error { return d.control.Recover(ctx, false) }},
		{"making the first API keys", d.makeFirstKeys},
		{SettingUpDemo, d.setUpDemo},
		{"building the pipeline", d.buildPipeline},
		{"opening the token service", d.openTokenService},
		{"settling changes that were interrupted", func(ctx context.Context) error { return d.control.Recover(ctx, true) }},
		{"building the server", d.buildServer},
		{"listening", func(context.Context) error { return d.server.Listen() }},
	} {
		if err := step.do(ctx); err != nil {
			return nil, &StepError{Doing: step.doing, Err: err}
		}
	}
	return d, nil
}

// Run serves until ctx ends, finishes what is in flight and returns nil; or the
// first error of a room, with the others stopped.
func (d *Daemon) Run(ctx context.Context) error {
	// The surfaces stop first: what they have in flight still needs the rooms.
	rooms, stopRooms := context.WithCancel(context.WithoutCancel(ctx))
	defer stopRooms()
	group, serving := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer stopRooms()
		return d.server.Run(serving)
	})
	for name, run := range d.running() {
		group.Go(func() error {
			if err := run(rooms); err != nil {
				return fmt.Errorf("room %s: %w", name, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// running is what runs beside the server, by the name of its room.
func (d *Daemon) running() map[string]func(context.Context) error {
	rooms := map[string]func(context.Context) error{
		"store": d.store.Run, "control": d.control.Run, "usage": d.uses.Run, "decisionlog": d.log.Run, "replay": d.shadow.Run,
		"token":  func(ctx context.Context) error { return d.verifier.Run(ctx, d.store.Issuers) },
		"daemon": d.followWrites, "control's rotations": d.control.RunRotations,
	}
	for _, runner := range d.sinks {
		rooms["decisionlog/sink "+runner.Name()] = runner.Run
	}
	if d.puller != nil {
		rooms["sources"] = d.puller.Run
	}
	if d.issuing != nil {
		rooms["tokenservice"] = d.issuing.Run
	}
	return rooms
}

// Close closes what is on disk: the decision log and the store; and the listeners,
// when Run did not. It is called after Run returned, or instead of it.
func (d *Daemon) Close() error {
	var err error
	if d.server != nil {
		err = d.server.Close()
	}
	if d.log != nil {
		err = errors.Join(err, d.log.Close())
	}
	if d.store != nil {
		err = errors.Join(err, d.store.Close())
	}
	return err
}

// TokenIssuer is the URL the token service issues tokens under; empty without one.
func (d *Daemon) TokenIssuer() string { return d.config.TokenService.Issuer }

// Decide answers one request in process, as a surface would be answered.
func (d *Daemon) Decide(ctx context.Context, r authz.Request) (authz.Decision, error) {
	return d.pdp.Decide(ctx, r)
}

// DecideBatch answers a batch in process.
func (d *Daemon) DecideBatch(ctx context.Context, b authz.Batch) ([]authz.Decision, error) {
	return d.pdp.DecideBatch(ctx, b)
}

// Apply makes one write of ops without rules and audit, for tests and benchmarks.
func (d *Daemon) Apply(ctx context.Context, ops []store.Op) (store.Result, error) {
	return d.store.Apply(ctx, ops)
}

func (d *Daemon) openStore(context.Context) (err error) {
	c := d.config
	// Badger makes its files by the umask; the mode of the folder protects them.
	if err := os.MkdirAll(StoreDir(c.Data), 0o700); err != nil {
		return err
	}
	opening := storeConfig(c.Config)
	d.introspector = introspection.New(introspection.Config{Transport: c.JWKSTransport, Secrets: d.path("secrets"), Now: c.Now, Log: c.Logger})
	opening.Now, opening.Logger, opening.Written = c.Now, c.Logger, d.written
	d.store, err = store.Open(opening)
	if err == nil {
		d.followFrom = d.store.Revision()
	}
	return err
}

// storeConfig is the store's configuration from the settings, without clock and logger.
func storeConfig(c config.Config) store.Config {
	return store.Config{
		Dir:              StoreDir(c.Data),
		HotLimit:         c.Store.HotLimit,
		ChangeRetention:  c.Store.ChangeLogMax,
		ExpiredRetention: c.Store.ExpiredRetention,
		MinFree:          c.Store.MinFree,
	}
}

func (d *Daemon) openVerifier(context.Context) (err error) {
	c := d.config
	checker, err := secret.NewChecker(secret.Config{Now: c.Now})
	if err != nil {
		return err
	}
	d.verifier, err = token.New(token.Config{
		Identifiers:  d.identifiers(),
		Introspector: d.introspector,
		Secrets:      checker,
		Dir:          d.path("jwks"),
		Transport:    c.JWKSTransport,
		Log:          c.Logger,
		Now:          c.Now,
	})
	return err
}

// identifiers are the audiences that client assertions may have.
func (d *Daemon) identifiers() []string {
	names := []string{d.config.Config.Decide.Audience}
	if issuer := d.config.TokenService.Issuer; issuer != "" {
		names = append(names, oauth.AssertionAudiences(issuer)...)
	}
	return names
}

func (d *Daemon) openCredentials(context.Context) (err error) {
	c := d.config
	d.uses, err = usage.New(usage.Config{Write: usage.WriteTo(control.EntityStore{Store: d.store}), Every: c.Credentials.UseEvery, Now: c.Now, Log: c.Logger})
	if err != nil {
		return err
	}
	d.credentials = credentials.New(credentials.Config{
		Store:     control.EntityStore{Store: d.store},
		LastUse:   d.lastUse,
		UsesKnown: d.started,
		// The second is for the write.
		StoredWithin: c.Credentials.UseEvery + time.Second,
		Token:        d.tokenOf,
		Check:        func(c *authz.Credential) error { return checkCredential(c) },
		NewSecret:    secret.New,
		HashSecret:   secret.Hash,
		Now:          c.Now,
	})
	return nil
}

// lastUse returns when and from where a credential was last used, as far as this process
// knows.
func (d *Daemon) lastUse(id string) (time.Time, string) {
	use, _ := d.uses.Last(id)
	return use.At, use.From
}

// tokenOf returns what identifies the token whose text a caller sent.
func (d *Daemon) tokenOf(ctx context.Context, text string) (*authz.Token, error) {
	view, err := d.store.Snapshot()
	if err != nil {
		return nil, err
	}
	defer view.Close()
	return d.verifier.Named(ctx, view, text)
}

func (d *Daemon) buildPipeline(context.Context) (err error) {
	d.pdp, err = pdp.New(pdp.Config{
		Data:     data{d.store},
		Verifier: d.verifier,
		Active:   d.engine.Evaluator,
		Recorder: recorder{d},
		Observe:  d.uses.Observe,
		Log:      d.config.Logger,
		Now:      d.config.Now,

		Durability: authz.Durability(d.config.DecisionLog.Durability),
		NewID: func(t time.Time) string {
			return ulid.MustNew(ulid.Timestamp(t), ulid.DefaultEntropy()).String()
		},
		AtLeastWait: d.config.Config.Decide.AtLeastWait,
	})
	return err
}

func (d *Daemon) buildServer(context.Context) error {
	c, registry := d.config, prometheus.NewRegistry()
	listeners, err := d.listeners()
	if err != nil {
		return err
	}
	d.server, err = server.New(server.Config{
		Listeners:       listeners,
		Keys:            &apikey.Authenticator{Keys: d.store, Now: c.Now},
		Ready:           []server.Check{{Name: "policy", Ready: d.policyReady}, {Name: "store", Ready: d.store.Ready}, {Name: "decision_log", Ready: d.log.Ready}},
		Warnings:        []server.Check{{Name: "bundles", Ready: d.policiesQuiet}, {Name: "decision_log_sinks", Ready: d.sinksQuiet}},
		Gatherer:        registry,
		Tracer:          c.Tracer,
		Logger:          c.Logger,
		Now:             c.Now,
		DrainDelay:      c.HTTP.DrainDelay,
		ShutdownTimeout: c.HTTP.ShutdownTimeout,
	})
	if err != nil {
		return err
	}
	registry.MustRegister(append(d.collectors(), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))...)
	return nil
}

// collectors are the metrics of every room.
func (d *Daemon) collectors() []prometheus.Collector {
	all := slices.Concat(
		d.store.Collectors(), d.verifier.Collectors(d.store.Issuers), d.uses.Collectors(), d.receiver.Collectors(),
		d.log.Collectors(), d.policies.Collectors(), d.engine.Collectors(), d.shadow.Collectors(), d.pdp.Collectors(), d.server.Collectors(),
	)
	for _, runner := range d.sinks {
		all = append(all, runner.Collectors()...)
	}
	if d.puller != nil {
		all = append(all, d.puller.Collectors()...)
	}
	if d.issuing != nil {
		all = append(all, d.issuing.Collectors()...)
	}
	return all
}

// StoreDir is the folder of the store in a data directory.
func StoreDir(data string) string { return filepath.Join(data, "store") }

func (d *Daemon) path(name string) string { return filepath.Join(d.config.Data, name) }

// data is the store for the pipeline.
type data struct{ *store.Store }

// View implements pdp.Data.
func (d data) View() (pdp.View, error) { return d.Snapshot() }
