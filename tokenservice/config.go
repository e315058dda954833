package tokenservice

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// Defaults and bounds of Config.
const (
	DefaultIssuerID = "verdict"

	MaxLifetime    = time.Hour // of a token
	MinKeyLifetime = time.Hour // bounds how many keys are published at once
)

// Config is what a Service is made of. Fields without a default are required.
type Config struct {
	// Issuer is the iss of the tokens, and where their verifiers find us: an https URL
	// (http to a loopback address only) with a host and nothing behind it, not even a
	// slash.
	Issuer string
	// IssuerID is the id of the issuer entity given to Publish. Default DefaultIssuerID.
	IssuerID string
	// Service is the id of the service that stands for this one in edges: who may have
	// a token is who may do token.issue there.
	Service string
	// Dir holds the private keys. It is made when it is missing, for its user alone.
	Dir string
	// Lifetime is how long a token lives, in whole seconds, at most MaxLifetime.
	Lifetime time.Duration
	// KeyLifetime is how long a key signs, at least MinKeyLifetime.
	KeyLifetime time.Duration
	// Overlap is how long a key is published before it signs, at most KeyLifetime. It
	// must be longer than any copy of the key set is kept. Default one
	// hour.
	Overlap time.Duration

	// Decide judges who may have a token, and, in simulated requests, whether one holds.
	Decide authz.DecideFunc
	// Services reports whether a service is registered.
	Services func(id string) (exists bool, err error)
	// TenantOf gives the tenant of a machine user or a user, "" when it has none or is
	// not registered. Policies want to know whose data an external caller touches. Nil
	// says nothing.
	TenantOf func(c authz.Collection, id string) (tenant string, err error)
	// Publish makes the issuer known to the decision path: once it returned nil the next
	// decision verifies tokens with the issuer's keys and no others. It is called by New,
	// whenever the keys change, and every minute by Run, by one goroutine at a time: it
	// must write nothing when the issuer is known as it is given.
	Publish func(context.Context, *authz.Issuer) error
	// Revoke stores a revocation, durably when it returned nil.
	Revoke func(context.Context, *authz.Revocation) error

	// Now is the clock. Default time.Now.
	Now func() time.Time
	// After waits. Default time.After.
	After func(time.Duration) <-chan time.Time
	// NewID makes a jti, never the same twice. Default 128 random bits.
	NewID func() string
	// Log takes a line for each token issued or refused, and the life of keys. Default
	// slog.Default.
	Log *slog.Logger
}

func (c *Config) fillDefaults() {
	defaultTo(&c.IssuerID, DefaultIssuerID)
	defaultTo(&c.Overlap, time.Hour)
	defaultTo(&c.Log, slog.Default())
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.After == nil {
		c.After = time.After
	}
	if c.NewID == nil {
		c.NewID = rand.Text
	}
}

func defaultTo[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate names the first field that cannot be. A field left out that has a default
// is fine.
func (c Config) Validate() error {
	c.fillDefaults()
	switch {
	case c.Dir == "":
		return errors.New("tokenservice: Dir is required")
	case c.Decide == nil || c.Services == nil || c.Publish == nil || c.Revoke == nil:
		return errors.New("tokenservice: Decide, Services, Publish and Revoke are required")
	case c.Lifetime < time.Second || c.Lifetime > MaxLifetime || c.Lifetime%time.Second != 0:
		return fmt.Errorf("tokenservice: Lifetime must be whole seconds, 1 s to %s", MaxLifetime)
	case c.KeyLifetime < MinKeyLifetime:
		return fmt.Errorf("tokenservice: KeyLifetime must be at least %s", MinKeyLifetime)
	case c.Overlap < 0 || c.Overlap > c.KeyLifetime:
		return errors.New("tokenservice: Overlap must be 0 to KeyLifetime")
	}
	for _, err := range []error{
		validateIssuer(c.Issuer),
		authz.ValidateID("IssuerID", c.IssuerID),
		authz.ValidateID("Service", c.Service),
	} {
		if err != nil {
			return fmt.Errorf("tokenservice: %w", err)
		}
	}
	return nil
}

// validateIssuer accepts the URLs at whose root the endpoints can be: RFC 8414
// section 3 puts the metadata of any other issuer elsewhere.
func validateIssuer(raw string) error {
	if err := authz.ValidateFetchURL("Issuer", raw); err != nil {
		return err
	}
	u, err := url.Parse(raw)
	if err != nil || raw != u.Scheme+"://"+u.Host {
		return authz.Invalid("Issuer", "must end with its host or port: no path, not even a slash, and no query")
	}
	return nil
}
