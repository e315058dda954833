package daemon

import (
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/verdict-pdp/verdict/cmd/config"
	"github.com/verdict-pdp/verdict/demo"
)

// Config is what a Daemon is built from: the operator's settings, and what only
// tests set.
type Config struct {
	config.Config

	// Logger takes everything the daemon logs; nil means slog.Default.
	Logger *slog.Logger
	// Version is shown by /v1/status.
	Version string
	// Tracer makes spans of requests; nil makes none.
	Tracer trace.TracerProvider

	// Now is the clock of decisions, entities and API keys; nil means time.Now.
	Now func() time.Time
	// After waits on the clock of Now for steps of rotations; nil means time.After.
	After func(time.Duration) <-chan time.Time
	// DemoDay is the day that the demo data is set up for; zero means the one of Now.
	DemoDay time.Time
	// PolicyFiles, when given, is the policy set instead of Config.Policies.
	PolicyFiles fs.FS
	// DecisionsListener and AdminListener, when given, are served instead of the
	// configured addresses.
	DecisionsListener, AdminListener net.Listener
	// JWKSTransport fetches issuers' key sets; nil means the real one.
	JWKSTransport http.RoundTripper
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.DemoDay.IsZero() {
		c.DemoDay = c.Now()
	}
	if c.Demo && c.TokenService.Issuer == "" {
		c.TokenService.Issuer = demo.TokenService(c.Listen, c.TLS.Cert != "")
	}
	return c
}
