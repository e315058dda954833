package usage

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// DefaultEvery is the default of Config.Every.
const DefaultEvery = time.Minute

// Config is what New needs.
type Config struct {
	// Write stores uses, at most 256 of different credentials; it is called for one
	// batch at a time. It skips credentials that are gone: an error means that the
	// whole batch is to be written again. Required.
	Write func(ctx context.Context, uses []Use) error
	// Every is how long after a write the next one of the same credential is due.
	// 0 means DefaultEvery.
	Every time.Duration
	// First is how often Run writes what is due, and so how long the first use of a
	// credential waits. 0 means half a second.
	First time.Duration
	// Grace bounds the write after the context of Run has ended. 0 means 5 s.
	Grace time.Duration
	// Max bounds the credentials known. 0 means 65536.
	Max int

	Now   func() time.Time                     // nil means time.Now
	After func(time.Duration) <-chan time.Time // nil means time.After
	Log   *slog.Logger                         // nil means slog.Default()
}

func (c Config) withDefaults() Config {
	c.Every = cmp.Or(c.Every, DefaultEvery)
	c.First = cmp.Or(c.First, 500*time.Millisecond)
	c.Grace = cmp.Or(c.Grace, 5*time.Second)
	c.Max = cmp.Or(c.Max, 1<<16)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.After == nil {
		c.After = time.After
	}
	c.Log = cmp.Or(c.Log, slog.Default())
	return c
}

// Validate says which setting cannot be.
func (c Config) Validate() error {
	switch {
	case c.Write == nil:
		return authz.Invalid("usage.write", "is required")
	case c.Every < 0:
		return authz.Invalid("usage.every", "must not be negative")
	case c.First < 0:
		return authz.Invalid("usage.first", "must not be negative")
	case c.Grace < 0:
		return authz.Invalid("usage.grace", "must not be negative")
	case c.Max < 0:
		return authz.Invalid("usage.max", "must not be negative")
	}
	return nil
}
