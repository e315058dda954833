package generations

import (
	"context"
	"log/slog"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
)

// DefaultKeep is how many generations are kept when Config.Keep is 0.
const DefaultKeep = 20

// Config says where a Set keeps generations, what they must pass, and whom it
// hands them to.
type Config struct {
	// Dir is the folder of the generations, made when missing. One Set at a time.
	Dir string
	// Keep is how many generations that were active stay on disk beside the active
	// one and the one before it, and how many candidates newer than the active one;
	// older ones of both kinds go first. 0 means DefaultKeep.
	Keep int
	// Verification is what bundles that are not made by Verdict itself must pass.
	Verification bundles.Verification
	// Limits bound one bundle that is pushed; zero fields take the defaults of bundles.
	// The base is bounded by the defaults.
	Limits bundles.Limits
	// Try returns an error for a snapshot that could not be put in force.
	// Required.
	Try func(*bundles.Snapshot) error
	// Use puts a snapshot in force: a pointer store. It is called with one snapshot
	// at a time; an error means that the one before is still in force. Required.
	Use func(*bundles.Snapshot) error
	// Active names what is in force: the snapshot that Use put there last, the zero
	// PolicyRef before that. It is a pointer load, and the only source of what is active:
	// the Set has no other notion of it. Required.
	Active func() authz.PolicyRef
	// Replay says what a snapshot makes of recorded decisions; nil, here or as its
	// result, means that there are none. An error refuses the snapshot, flips do not.
	Replay func(context.Context, *bundles.Snapshot) (*authz.Comparison, error)
	// Tables runs the decision tables among files, the YAML files of the bundle that is in
	// the gate by "<bundle>/<path>", with the snapshot that it makes with the rest of its
	// set. It returns how many rows passed; an error refuses the snapshot. nil runs none.
	Tables func(ctx context.Context, candidate *bundles.Snapshot, files map[string][]byte) (rows int, err error)
	// ReplayTimeout bounds Replay, which is left out when it takes longer: other
	// changes must not wait for policies that are slow. 0 means a minute.
	ReplayTimeout time.Duration
	// SkipTests leaves the bundles' own tests and decision tables out of the gate.
	SkipTests bool
	// TestTimeout bounds all tests of one bundle, and then all of its decision tables; 0
	// means a minute.
	TestTimeout time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Log takes what happens to generations; nil means slog.Default.
	Log *slog.Logger
}

// Validate names the first field that cannot be.
func (c Config) Validate() error {
	switch {
	case c.Dir == "":
		return authz.Invalid("dir", "is required")
	case c.Keep < 0:
		return authz.Invalid("keep", "must not be negative")
	case c.ReplayTimeout < 0:
		return authz.Invalid("replay_timeout", "must not be negative")
	case c.TestTimeout < 0:
		return authz.Invalid("test_timeout", "must not be negative")
	case c.Try == nil:
		return authz.Invalid("try", "is required: it reports whether a policy set could be put in force")
	case c.Use == nil:
		return authz.Invalid("use", "is required: it puts a policy set in force")
	case c.Active == nil:
		return authz.Invalid("active", "is required: it names the policy set in force")
	}
	return c.Verification.Validate()
}

func (c Config) withDefaults() Config {
	if c.Keep == 0 {
		c.Keep = DefaultKeep
	}
	if c.ReplayTimeout == 0 {
		c.ReplayTimeout = time.Minute
	}
	if c.TestTimeout == 0 {
		c.TestTimeout = time.Minute
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return c
}
