package engine

import (
	"context"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// Defaults of Config.
const (
	DefaultTimeout      = 250 * time.Millisecond
	DefaultMaxKeys      = 64
	DefaultDecodedFacts = 10_000
)

// Config bounds evaluations. The zero Config has the defaults.
type Config struct {
	// Timeout is how long one evaluation may take; 0 means DefaultTimeout.
	Timeout time.Duration
	// MaxKeys is how many store keys one evaluation may ask for, found or not;
	// 0 means DefaultMaxKeys.
	MaxKeys int
	// DecodedFacts is how many facts are kept decoded between evaluations; 0
	// means DefaultDecodedFacts.
	DecodedFacts int
	// Fault gets why an evaluation failed where the reason must not say it:
	// facts that could not be read, and panics with their stack. It may be nil,
	// must not block, and may be called by many goroutines at once.
	Fault func(context.Context, error)
}

// Validate refuses negative limits.
func (c Config) Validate() error {
	switch {
	case c.Timeout < 0:
		return authz.Invalid("engine.timeout", "is negative; write how long one evaluation may take, such as 50ms")
	case c.MaxKeys < 0:
		return authz.Invalid("engine.max_keys", "is negative; write how many store keys one evaluation may read, such as 64")
	case c.DecodedFacts < 0:
		return authz.Invalid("engine.decoded_facts", "is negative; write how many facts to keep decoded, such as 10000")
	}
	return nil
}

func (c Config) withDefaults() Config {
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.MaxKeys == 0 {
		c.MaxKeys = DefaultMaxKeys
	}
	if c.DecodedFacts == 0 {
		c.DecodedFacts = DefaultDecodedFacts
	}
	if c.Fault == nil {
		c.Fault = func(context.Context, error) {}
	}
	return c
}
