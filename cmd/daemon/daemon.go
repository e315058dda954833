package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/config"
	"github.com/verdict-pdp/verdict/engine"
	"github.com/verdict-pdp/verdict/pdp"
	"github.com/verdict-pdp/verdict/server"
	"github.com/verdict-pdp/verdict/server/admin"
	"github.com/verdict-pdp/verdict/server/api"
	"github.com/verdict-pdp/verdict/server/apikey"
	"github.com/verdict-pdp/verdict/store"
	"github.com/verdict-pdp/verdict/token"
)

// Daemon is one Verdict. Open, then Run once, then Close.
type Daemon struct {
	config   Config
	store    *store.Store
	verifier *token.Verifier
	engine   engine.Engine
	guards   []string // names of the active policies' guards
	metrics  *metrics
	pdp      *pdp.PDP
	server   *server.Server

	// Written lists the key files Open made, for the one who started it.
	Written []string
}

// Open builds the rooms, bottom up, and opens the listeners. Nothing is served
// before Run. When it fails, nothing stays open.
func Open(ctx context.Context, c Config) (_ *Daemon, err error) {
	d := &Daemon{config: c.withDefaults(), metrics: newMetrics()}
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
		{"loading the policies", d.loadPolicies},
		{"making the first API keys", d.makeFirstKeys},
		{"setting the demo up", d.setUpDemo},
		{"building the pipeline", d.buildPipeline},
		{"building the server", d.buildServer},
		{"listening", func(context.Context) error { return d.server.Listen() }},
	} {
		if err := step.do(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", step.doing, err)
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
	group.Go(func() error { return d.store.Run(rooms) })
	group.Go(func() error { return d.verifier.Run(rooms, d.issuers) })
	return group.Wait()
}

// Close closes the store. It is called after Run returned, or instead of it.
func (d *Daemon) Close() error {
	if d.store == nil {
		return nil
	}
	return d.store.Close()
}

// DecisionsURL is where decisions are served.
func (d *Daemon) DecisionsURL() string { return "http://" + d.server.DecisionsAddr().String() }

// AdminURL is where administration is served.
func (d *Daemon) AdminURL() string { return "http://" + d.server.AdminAddr().String() }

// Decide answers one request in process, as a surface would be answered.
func (d *Daemon) Decide(ctx context.Context, r authz.Request) (authz.Decision, error) {
	return d.pdp.Decide(ctx, r)
}

// DecideBatch answers a batch in process.
func (d *Daemon) DecideBatch(ctx context.Context, b authz.Batch) ([]authz.Decision, error) {
	return d.pdp.DecideBatch(ctx, b)
}

// Apply makes one write of ops, as the admin surface would.
func (d *Daemon) Apply(ctx context.Context, ops []store.Op) (store.Result, error) {
	return d.store.Apply(ctx, ops)
}

func (d *Daemon) openStore(context.Context) (err error) {
	c := d.config
	// Badger makes its files as the umask says; the folder is what keeps others out.
	if err := os.MkdirAll(StoreDir(c.Data), 0o700); err != nil {
		return err
	}
	opening := StoreConfig(c.Config)
	opening.Now, opening.Logger = c.Now, c.Logger
	d.store, err = store.Open(opening)
	return err
}

// StoreConfig is how the settings have the store opened, but for its clock and
// its logger.
func StoreConfig(c config.Config) store.Config {
	return store.Config{
		Dir:              StoreDir(c.Data),
		HotLimit:         c.Store.HotLimit,
		ChangeRetention:  c.Store.ChangeLogMax,
		ExpiredRetention: c.Store.ExpiredRetention,
		MinFree:          c.Store.MinFree,
	}
}

// NewKeyID makes the id of an API key.
func NewKeyID() string { return "key-" + ulid.Make().String() }

func (d *Daemon) openVerifier(context.Context) (err error) {
	d.verifier, err = token.New(token.Config{Dir: d.path("jwks"), Transport: d.config.JWKSTransport, Log: d.config.Logger, Now: d.config.Now})
	return err
}

func (d *Daemon) buildPipeline(context.Context) (err error) {
	d.pdp, err = pdp.New(pdp.Config{
		Data:     data{d.store},
		Verifier: d.verifier,
		Active:   d.engine.Evaluator,
		Record:   d.record,
		Now:      d.config.Now,
		NewID: func(t time.Time) string {
			return ulid.MustNew(ulid.Timestamp(t), ulid.DefaultEntropy()).String()
		},
		AtLeastWait: d.config.Config.Decide.AtLeastWait,
	})
	return err
}

func (d *Daemon) buildServer(context.Context) (err error) {
	registry := prometheus.NewRegistry()
	c := d.config
	d.server, err = server.New(server.Config{
		DecisionsAddr:     c.Listen,
		AdminAddr:         c.AdminListen,
		DecisionsListener: c.DecisionsListener,
		AdminListener:     c.AdminListener,
		API:               &api.Handler{Decide: d.pdp.Decide, Batch: d.pdp.DecideBatch, BodyLimit: c.HTTP.BodyLimit},
		Admin: &admin.Handler{
			Entities: entities{d.store, d.verifier},
			Feed:     feed{d.store},
			Bulk:     bulk{d.store},
			Check: map[authz.Collection]func(authz.Entity) error{
				authz.Issuers:     checkIssuer,
				authz.Edges:       d.checkModes,
				authz.Revocations: d.checkListed,
				authz.Renewals:    d.checkListed,
			},
			Policy:  d.policy,
			NewID:   NewKeyID,
			Now:     c.Now,
			Version: c.Version,

			BodyLimit: c.HTTP.BodyLimit,
		},
		Keys:            &apikey.Authenticator{Keys: keys{d.store}, Now: c.Now},
		Ready:           []server.Check{{Name: "policy", Ready: d.policyReady}, {Name: "store", Ready: d.storeReady}},
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
	registry.MustRegister(d.metrics.collectors()...)
	registry.MustRegister(d.server.Collectors()...)
	registry.MustRegister(d.gauges()...)
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return nil
}

// StoreDir is where the store lies in a data directory.
func StoreDir(data string) string { return filepath.Join(data, "store") }

func (d *Daemon) path(name string) string { return filepath.Join(d.config.Data, name) }

// checkModes refuses a mode for a guard that no policy has: it would do nothing,
// and the guard that was meant would be as strict or as lax as before.
func (d *Daemon) checkModes(e authz.Entity) error {
	for name := range e.(*authz.Edge).Modes {
		if !slices.Contains(d.guards, name) {
			return authz.Invalid("modes."+name, "is no guard of the active policies; they have "+strings.Join(d.guards, ", "))
		}
	}
	return nil
}

// checkListed refuses a list entry that names a token or a key by an issuer that
// is not registered: it would stop nothing, and look as if it did.
func (d *Daemon) checkListed(e authz.Entity) error {
	var listed authz.Listed
	switch entry := e.(type) {
	case *authz.Revocation:
		listed = entry.Listed
	case *authz.Renewal:
		listed = entry.Listed
	}
	if listed.Issuer == "" {
		return nil
	}
	view, err := d.store.Snapshot()
	if err != nil {
		return err
	}
	defer view.Close()
	if _, known, err := view.IssuerByURL(listed.Issuer); err != nil || known {
		return err
	}
	return authz.Invalid("issuer", "is not the url of a registered issuer; write the url exactly as the issuer's tokens have it in iss")
}

func checkIssuer(e authz.Entity) error { return token.CheckIssuer(e.(*authz.Issuer)) }
