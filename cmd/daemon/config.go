package daemon

import (
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/config"
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
	if c.Demo && c.TokenService.Issuer == "" {
		c.TokenService.Issuer = demoTokenIssuer(c.Config)
	}
	return c
}

// demoTokenIssuer lets the demo have a token service where its decisions are
// served; none on a port that is not known yet, nor where others reach it.
func demoTokenIssuer(c config.Config) string {
	host, port, err := net.SplitHostPort(c.Listen) // a socket is none
	if err != nil || port == "0" || authz.ValidateFetchURL("listen", "http://"+net.JoinHostPort(host, port)) != nil {
		return ""
	}
	if c.TLS.Cert != "" {
		return "https://" + c.Listen
	}
	return "http://" + c.Listen
}
