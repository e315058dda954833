package admin

import (
	"context"
	"io"

	"github.com/verdict-pdp/verdict/authz"
)

// Policies is the life of the policy set: bundles come in as candidates, one
// generation is active, others are kept.
type Policies interface {
	Bundles
	Generations
	Guards
}

// Bundles is where policies come in and go out. by is the id of the API key that
// asks.
type Bundles interface {
	// Push takes one bundle through the gate, with the other bundles of the active
	// generation, and gives the candidate it made; created is false when there was
	// such a generation already. What a bundle must change is CodeInvalid with
	// Problems, and nothing is kept of it.
	Push(ctx context.Context, p PolicyPush) (g authz.Generation, created bool, err error)
	// Remove makes a candidate without the bundle name, through the gate as well.
	// CodeNotFound when the active generation has none of that name.
	Remove(ctx context.Context, name, by, message string) (authz.Generation, error)
	// Bundle is a bundle of the active generation as it came in: gzipped tar, not to
	// be changed. CodeNotFound when there is none of that name.
	Bundle(name string) (packed []byte, ref authz.BundleRef, err error)
	// Changed is closed when another generation becomes active than the one of now.
	Changed() <-chan struct{}
}

// PolicyPush is one bundle on its way in.
type PolicyPush struct {
	Name string
	// Body is gzipped tar. It has no limit but the time each Read takes: Push holds
	// it to its own, and reads it to its end unless it refuses it.
	Body    io.Reader
	Author  string // id of the API key
	Message string
}

// Generations are the policy sets that passed the gate. by is the id of the API
// key that asks.
type Generations interface {
	Active() authz.Generation
	// List is every generation kept, newest first.
	List() []authz.Generation
	// Get is one of them, else CodeNotFound.
	Get(number uint64) (authz.Generation, error)
	// Activate makes a generation the active one, durably, and gives it as it is
	// then. CodeNotFound when it is not kept.
	Activate(ctx context.Context, number uint64, by, message string) (authz.Generation, error)
	// Rollback is Activate of a generation that was active before: the last such one
	// when to is 0, CodeConflict when there is none.
	Rollback(ctx context.Context, to uint64, by, message string) (authz.Generation, error)
	// Diff compares two generations: their files, and with last above 0 what b makes
	// of the last decisions recorded and a makes of them.
	Diff(ctx context.Context, a, b uint64, last int) (authz.Difference, error)
	// Status says how the policy set stands, with what it is pulled from.
	Status() authz.PolicyStatus
}

// Guards are the guards of the active generation and their modes.
type Guards interface {
	// Guards lists them by name, each with the evidence for its next mode.
	Guards(ctx context.Context) ([]authz.GuardMode, error)
	// SetMode makes a generation with another mode of a guard and activates it. by is
	// the id of the API key that asks. CodeNotFound when there is no such guard,
	// CodeConflict for more than one step up.
	SetMode(ctx context.Context, guard, mode, by, message string) (authz.Generation, error)
}
