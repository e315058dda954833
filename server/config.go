package server

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/verdict-pdp/verdict/server/apikey"
)

// Config is what a Server serves and how. Fields without a default are
// required.
type Config struct {
	// Listeners are all served, or none is.
	Listeners []Listener
	// Keys authenticates callers.
	Keys *apikey.Authenticator
	// Ready lists what must be ready before this node is sent requests.
	Ready []Check
	// Warnings lists what an operator should look at when it is not ready, while this node
	// keeps answering: /readyz names it and stays 200.
	Warnings []Check
	// Gatherer is what /metrics shows. Register Collectors with it.
	Gatherer prometheus.Gatherer
	// Tracer makes a span of every request; nil makes none.
	Tracer trace.TracerProvider
	// Logger takes one line a request; nil means slog.Default.
	Logger *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// After waits; nil means time.After.
	After func(time.Duration) <-chan time.Time
	// NewID gives an id to a request that brought none; nil means a ULID.
	NewID func() string

	// ReadTimeout bounds the arrival of a request, headers and body, and
	// WriteTimeout the time from then to the end of its answer; 0 means 10 s and 30 s.
	// Streams, waiting and what judges policies extend both; see package admin.
	ReadTimeout, WriteTimeout time.Duration
	// IdleTimeout is how long a connection is kept open between two requests; 0 means
	// two minutes.
	IdleTimeout time.Duration
	// MaxHeaderBytes bounds the headers of a request; 0 means 16 KiB.
	MaxHeaderBytes int
	// DrainDelay is how long /readyz says 503 before the listeners close, for
	// load balancers that ask it now and then; 0 is no time at all.
	DrainDelay time.Duration
	// ShutdownTimeout bounds how long requests in flight are waited for; 0 is no time
	// at all.
	ShutdownTimeout time.Duration
}

// Check is one thing that must be ready. Ready may be called at any time, by
// several goroutines, and does not block.
type Check struct {
	Name  string // shown to every caller
	Ready func() error
}

// Validate returns an error that names the first invalid field.
func (c Config) Validate() error {
	if err := c.validateListeners(); err != nil {
		return err
	}
	switch {
	case c.Keys == nil || c.Keys.Keys == nil || c.Keys.Now == nil:
		return errors.New("keys needs a finder and a clock")
	case c.Gatherer == nil:
		return errors.New("gatherer is required")
	case c.ReadTimeout < 0 || c.WriteTimeout < 0 || c.IdleTimeout < 0 || c.DrainDelay < 0 || c.ShutdownTimeout < 0:
		return errors.New("timeouts must not be negative")
	case c.MaxHeaderBytes < 0:
		return errors.New("max_header_bytes must not be negative")
	}
	return nil
}

func (c Config) validateListeners() error {
	if len(c.Listeners) == 0 {
		return errors.New("listeners needs one")
	}
	named := map[string]bool{}
	for i, l := range c.Listeners {
		switch {
		case l.Name == "" || named[l.Name]:
			return fmt.Errorf("listeners[%d] needs a name of its own, not %q", i, l.Name)
		case l.Addr == "" && l.Net == nil:
			return fmt.Errorf("listener %s needs an address", l.Name)
		}
		named[l.Name] = true
	}
	return nil
}

func (c Config) withDefaults() Config {
	c.ReadTimeout = cmp.Or(c.ReadTimeout, 10*time.Second)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, 30*time.Second)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, 2*time.Minute)
	c.MaxHeaderBytes = cmp.Or(c.MaxHeaderBytes, 16<<10)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.After == nil {
		c.After = time.After
	}
	if c.NewID == nil {
		c.NewID = func() string { return ulid.Make().String() }
	}
	return c
}
