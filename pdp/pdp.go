package pdp

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// View is the data at one revision. The pipeline closes every view it opens.
type View interface {
	authz.Facts
	authz.Directory
	Close()
}

// Verifier turns evidence into a principal. It never fails: the principal of
// evidence that is not accepted has a Fault.
type Verifier interface {
	Verify(context.Context, authz.Presentation) authz.Principal
}

// Data opens views and waits for revisions.
type Data interface {
	// View opens a view of the newest revision.
	View() (View, error)
	// WaitFor returns nil once a view includes revision, and an error if ctx ends
	// first.
	WaitFor(ctx context.Context, revision uint64) error
}

// Config has the dependencies and limits of a PDP. Every field is required except
// Recorder, Durability, Observe, Log, BatchTime and AtLeastWait.
type Config struct {
	Data     Data
	Verifier Verifier
	// Active returns the evaluator of the active policy, nil while there is none. It
	// is called once for a request and once for a whole batch.
	Active func() authz.Evaluator
	// Recorder writes the decisions that are not simulations to the decision log
	// before they are answered; nil records none. If it returns an error, they are
	// not answered as they were made: see Durability.
	Recorder authz.Recorder
	// Durability is the least durability of every record; a policy may ask for more.
	// Where either is authz.Required, a decision that could not be recorded becomes a
	// deny with authz.NotRecorded; otherwise the request fails.
	Durability authz.Durability
	// Observe is called once for each decision that is not a simulation, as it is
	// answered. It must not block and must not retain the request.
	Observe func(context.Context, authz.Request, authz.Decision)
	// Log receives those decisions at debug level, and the cause when decisions were
	// denied because they could not be recorded; nil discards both.
	Log *slog.Logger
	Now func() time.Time
	// NewID returns the id of a new decision.
	NewID func(time.Time) string
	// BatchTime limits the evaluation of one batch, or of one request; 0 means
	// 10 s. A batch that takes longer fails as a whole.
	BatchTime time.Duration
	// AtLeastWait limits the wait for a revision asked for with at_least; 0 does
	// not wait.
	AtLeastWait time.Duration
}

// PDP decides requests. It is safe for concurrent use.
type PDP struct {
	config  Config
	metrics *metrics
}

// New returns a PDP. The error names the required field that is missing.
func New(config Config) (*PDP, error) {
	switch {
	case config.Data == nil:
		return nil, errors.New("pdp: Data is required")
	case config.Verifier == nil:
		return nil, errors.New("pdp: Verifier is required")
	case config.Active == nil:
		return nil, errors.New("pdp: Active is required")
	case config.Now == nil:
		return nil, errors.New("pdp: Now is required")
	case config.NewID == nil:
		return nil, errors.New("pdp: NewID is required")
	}
	if config.BatchTime == 0 {
		config.BatchTime = 10 * time.Second
	}
	if config.Observe == nil {
		config.Observe = func(context.Context, authz.Request, authz.Decision) {}
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	return &PDP{config: config, metrics: newMetrics()}, nil
}

// Decide decides one request. It is an authz.DecideFunc.
func (p *PDP) Decide(ctx context.Context, r authz.Request) (authz.Decision, error) {
	if err := check(&r); err != nil {
		return authz.Decision{}, err
	}
	decisions, err := p.decide(ctx, authz.Batch{Items: []authz.Request{r}, AtLeast: r.AtLeast})
	if err != nil {
		return authz.Decision{}, err
	}
	return decisions[0], nil
}

// DecideBatch decides all items of a batch on one view of the data and by one
// policy. It is an authz.DecideBatchFunc. An error about one item names it.
func (p *PDP) DecideBatch(ctx context.Context, b authz.Batch) ([]authz.Decision, error) {
	if err := checkBatch(b); err != nil {
		return nil, err
	}
	return p.decide(ctx, b)
}

// check returns an error for a request that is malformed, or that the caller's roles
// do not permit. Roles are checked against questions here and nowhere else, so that
// no surface can forget to.
func check(r *authz.Request) error {
	if err := r.Validate(); err != nil {
		return err
	}
	return r.Permitted()
}

func checkBatch(b authz.Batch) error {
	if len(b.Items) == 0 {
		return authz.Invalid("items", "is empty")
	}
	if len(b.Items) > authz.MaxBatch {
		return &authz.Error{Code: authz.CodeTooLarge, Field: "items", Message: "has more items than one batch may have"}
	}
	if err := b.Semantics.Validate(); err != nil {
		return err
	}
	for i := range b.Items {
		if err := check(&b.Items[i]); err != nil {
			return authz.InItem(i, err)
		}
		if b.Items[i].Simulated != b.Items[0].Simulated {
			return authz.Invalid("items", "are partly simulations; send those by themselves")
		}
	}
	return nil
}

// view waits for the revisions that the batch asked for, and opens a view that
// includes them.
func (p *PDP) view(ctx context.Context, b authz.Batch) (View, error) {
	want := b.AtLeast
	for i := range b.Items {
		want = max(want, b.Items[i].AtLeast)
	}
	if want > 0 {
		wait, cancel := context.WithTimeout(ctx, p.config.AtLeastWait)
		defer cancel()
		if err := p.config.Data.WaitFor(wait, want); err != nil {
			return nil, err
		}
	}
	view, err := p.config.Data.View()
	if err != nil {
		return nil, &authz.Error{Code: authz.CodeUnavailable, Message: "the data cannot be read now", Cause: err}
	}
	return view, nil
}
