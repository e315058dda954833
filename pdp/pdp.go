package pdp

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// View is one frozen view of the data. The pipeline closes what it opened.
type View interface {
	authz.Facts
	authz.Directory
	Close()
}

// Verifier turns evidence into a principal. It never fails: evidence that
// proves nobody is a Principal with a Fault.
type Verifier interface {
	Verify(context.Context, authz.Presentation) authz.Principal
}

// Data opens views and waits for revisions.
type Data interface {
	// View opens a view of the newest revision.
	View() (View, error)
	// WaitFor returns nil once revision can be viewed, and an error when ctx
	// ends first.
	WaitFor(ctx context.Context, revision uint64) error
}

// Config is what a PDP is made of. Every field is required but Recorder, Durability,
// Observe, Log, BatchTime and AtLeastWait.
type Config struct {
	Data     Data
	Verifier Verifier
	// Active is the evaluator to use now, nil while no policy is active. It is
	// called once for a request and once for a whole batch.
	Active func() authz.Evaluator
	// Recorder keeps the decisions that are not simulations, before they are
	// answered; nil keeps none. An error of it takes them back: see Durability.
	Recorder authz.Recorder
	// Durability is how durable every record is at least. Where it, or the policy, is
	// authz.Required, what could not be recorded is a deny with authz.NotRecorded;
	// else it is an error.
	Durability authz.Durability
	// Observe is called once for each decision that is not a simulation, as it is
	// answered. It must not block and must not keep the request.
	Observe func(context.Context, authz.Request, authz.Decision)
	// Log is told of such decisions at debug level, and why decisions were denied that
	// could not be recorded; nil discards it.
	Log *slog.Logger
	Now func() time.Time
	// NewID makes the id of a decision.
	NewID func(time.Time) string
	// BatchTime bounds the judging of one batch, or of one request; 0 means
	// DefaultBatchTime. A batch that takes longer gets an error, not a part.
	BatchTime time.Duration
	// AtLeastWait bounds the wait for a revision asked for with at_least; 0 does
	// not wait.
	AtLeastWait time.Duration
}

// DefaultBatchTime is the default of Config.BatchTime.
const DefaultBatchTime = 10 * time.Second

// PDP answers requests. It is safe for concurrent use.
type PDP struct {
	config  Config
	metrics *metrics
}

// New makes a PDP of config. The error says what is missing.
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
		config.BatchTime = DefaultBatchTime
	}
	if config.Observe == nil {
		config.Observe = func(context.Context, authz.Request, authz.Decision) {}
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	return &PDP{config: config, metrics: newMetrics()}, nil
}

// Decide answers one request. It is an authz.DecideFunc.
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

// DecideBatch answers a batch on one view by one policy. It is an
// authz.DecideBatchFunc. An error about one item names it.
func (p *PDP) DecideBatch(ctx context.Context, b authz.Batch) ([]authz.Decision, error) {
	if err := checkBatch(b); err != nil {
		return nil, err
	}
	return p.decide(ctx, b)
}

// decide answers a batch that was checked.
func (p *PDP) decide(ctx context.Context, b authz.Batch) ([]authz.Decision, error) {
	view, err := p.view(ctx, b)
	if err != nil {
		return nil, err
	}
	defer view.Close()

	ctx, cancel := context.WithTimeout(ctx, p.config.BatchTime)
	defer cancel()
	s := sitting{pdp: p, view: view, policy: p.config.Active(), now: p.config.Now()}
	entries := make([]authz.Entry, 0, len(b.Items))
	for _, r := range b.Items {
		entry, err := s.decide(ctx, r)
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry)
		if b.Semantics.StopsAfter(entry.Decision.Outcome) {
			break
		}
	}
	return p.answer(ctx, b, entries)
}

// answer records what is no simulation and gives the decisions in the order of
// their items.
func (p *PDP) answer(ctx context.Context, b authz.Batch, entries []authz.Entry) ([]authz.Decision, error) {
	decisions := make([]authz.Decision, len(entries))
	if b.Items[0].Simulated {
		for i := range entries {
			decisions[i] = entries[i].Decision
		}
		return decisions, nil
	}
	if err := p.keep(ctx, entries); err != nil {
		return nil, err
	}
	for i := range entries {
		decisions[i] = entries[i].Decision
		p.observe(ctx, b.Items[i], decisions[i], entries[i].Took)
	}
	return decisions, nil
}

// observe counts a decision and, at debug level, logs it: who and why, never what a
// caller is free to write, such as the action. The decision log has that, masked.
func (p *PDP) observe(ctx context.Context, r authz.Request, d authz.Decision, took time.Duration) {
	p.metrics.count(d, took)
	p.config.Observe(ctx, r, d)
	if !p.config.Log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	codes := make([]authz.ReasonCode, len(d.Reasons))
	for i, reason := range d.Reasons {
		codes[i] = reason.Code
	}
	p.config.Log.LogAttrs(ctx, slog.LevelDebug, "decision",
		slog.String("id", d.ID),
		slog.String("outcome", d.Outcome.String()),
		slog.Any("codes", codes),
		slog.String("subject", d.Subject),
		slog.String("caller", r.Caller.ID),
		slog.Uint64("data_revision", d.DataRevision),
		slog.Uint64("generation", d.Policy.Generation),
		slog.Int("keys_read", d.KeysRead),
		slog.Duration("took", took),
	)
}

// check refuses what no surface may let through, so that no surface can forget: what
// is malformed, and what the caller's roles do not let it ask. Roles are held against
// questions here and nowhere else.
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

// view opens a view that includes every revision the batch asked for.
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
