package daemon

import (
	"context"
	"io"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
	"github.com/verdict-pdp/verdict/engine"
	"github.com/verdict-pdp/verdict/pdp"
	"github.com/verdict-pdp/verdict/replay"
)

func (d *Daemon) openShadow(context.Context) error {
	d.shadow = replay.NewShadow(replay.ShadowConfig{ViewAt: d.viewAt, Assemble: pdp.AssembleEntry, Now: d.config.Now, Log: d.config.Logger})
	return nil
}

// history replays recorded decisions.
func (d *Daemon) history() replay.History {
	return replay.History{Log: d.log, Policies: judges{d}, Judge: pdp.Rejudge, ViewAt: d.viewAt}
}

// judges are the policy sets for replays.
type judges struct{ *Daemon }

// Generation implements replay.Policies.
func (d judges) Generation(number uint64) (authz.Rejudger, error) {
	if number == 0 {
		number = d.policy().Generation
	}
	policy, err := d.generation(number)
	if err != nil {
		return nil, err
	}
	return policy, nil
}

// With implements replay.Policies.
func (d judges) With(ctx context.Context, bundle string, packed io.Reader) (authz.Rejudger, error) {
	snapshot, err := d.policies.With(ctx, bundle, packed)
	if err != nil {
		return nil, err
	}
	policy, err := d.prepareReplay(snapshot)
	if err != nil {
		return nil, err
	}
	return policy, nil
}

// generation is a generation that is kept, ready to judge decisions again.
func (d *Daemon) generation(number uint64) (*engine.Policy, error) {
	snapshot, err := d.policies.Snapshot(number)
	if err != nil {
		return nil, err
	}
	return d.prepareReplay(snapshot)
}

// viewAt is the data as of a revision, 0 being now.
func (d *Daemon) viewAt(revision uint64) (replay.View, error) {
	open := func() (replay.View, error) { return d.store.SnapshotAt(revision) }
	if revision == 0 {
		open = func() (replay.View, error) { return d.store.Snapshot() }
	}
	view, err := open()
	if err != nil {
		return nil, err // and not a view that is a nil snapshot
	}
	return view, nil
}

// rehearse implements generations.Config.Replay: it replays the newest recorded decisions
// with a candidate.
func (d *Daemon) rehearse(ctx context.Context, candidate *bundles.Snapshot) (*authz.Comparison, error) {
	last := d.config.Bundles.Replay
	if last == 0 || d.log == nil {
		return nil, nil
	}
	if recorded, err := d.history().Any(ctx); !recorded || err != nil {
		return nil, err
	}
	policy, err := d.prepareReplay(candidate)
	if err != nil {
		return nil, err
	}
	report, err := d.history().Rehearse(ctx, policy, last)
	return &report, err
}
