package daemon

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"runtime"
	"strconv"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
	"github.com/verdict-pdp/verdict/engine"
	"github.com/verdict-pdp/verdict/pdp"
	"github.com/verdict-pdp/verdict/replay"
	"github.com/verdict-pdp/verdict/server/admin"
	"github.com/verdict-pdp/verdict/store"
)

// replays is replaying as the admin surface sees it.
type replays struct{ *Daemon }

// defaultReplayed is how many records are replayed when nothing is said.
const defaultReplayed = 5000

// Replay implements admin.Replays.
func (d replays) Replay(ctx context.Context, run admin.ReplayRun) (authz.Comparison, error) {
	policy, err := d.judging(ctx, run)
	if err != nil {
		return authz.Comparison{}, err
	}
	filter := run.Request.Filter
	last := cmp.Or(run.Request.Last, defaultReplayed)
	var total uint64
	records := sent(run.Records)
	if run.Records == nil {
		n, err := d.log.Count(ctx, filter, last)
		if err != nil {
			return authz.Comparison{}, err
		}
		total, records = uint64(n), d.recorded(ctx, filter, last)
	}
	return replay.Run(ctx, d.replaying(), records, policy, cmp.Or(run.Request.Data, api.DataRecorded), func(done uint64) {
		if run.Progress != nil {
			run.Progress(done, total)
		}
	})
}

// judging is the policy that judges anew.
func (d replays) judging(ctx context.Context, run admin.ReplayRun) (*engine.Policy, error) {
	switch {
	case run.Bundle != nil:
		snapshot, err := d.policies.With(ctx, run.Request.Bundle, run.Bundle)
		if err != nil {
			return nil, err
		}
		return d.prepareReplay(snapshot)
	case run.Request.Generation == 0:
		return d.generation(d.policy().Generation)
	}
	return d.generation(run.Request.Generation)
}

// generation is a generation that is kept, ready to judge decisions again.
func (d *Daemon) generation(number uint64) (*engine.Policy, error) {
	snapshot, err := d.policies.Snapshot(number)
	if err != nil {
		return nil, err
	}
	return d.prepareReplay(snapshot)
}

// replaying is how records are judged again: on every core, when somebody waits for it.
func (d *Daemon) replaying() replay.Config {
	return replay.Config{Judge: pdp.Rejudge, ViewAt: d.viewAt}
}

// aside is replaying on half of the cores, so that decisions hardly notice.
func (d *Daemon) aside() replay.Config {
	c := d.replaying()
	c.Workers = max(1, runtime.GOMAXPROCS(0)/2)
	return c
}

// viewAt is the data as of a revision, 0 being now.
func (d *Daemon) viewAt(revision uint64) (replay.View, error) {
	view, err := d.snapshotAt(revision)
	if err != nil {
		return nil, err // and not a view that is a nil snapshot
	}
	return view, nil
}

func (d *Daemon) snapshotAt(revision uint64) (*store.Snapshot, error) {
	if revision == 0 {
		return d.store.Snapshot()
	}
	return d.store.SnapshotAt(revision)
}

// rehearse is the last step of the gate: what a candidate makes of the newest
// recorded decisions. There is none while nothing is recorded.
func (d *Daemon) rehearse(ctx context.Context, candidate *bundles.Snapshot) (*authz.Comparison, error) {
	last := d.config.Bundles.Replay
	if last == 0 || d.log == nil {
		return nil, nil
	}
	if n, err := d.log.Count(ctx, authz.RecordFilter{}, last); n == 0 || err != nil {
		return nil, err
	}
	policy, err := d.prepareReplay(candidate)
	if err != nil {
		return nil, err
	}
	report, err := replay.Run(ctx, d.aside(), d.recorded(ctx, authz.RecordFilter{}, last), policy, api.DataRecorded, func(uint64) {})
	return &report, err
}

// compareGenerations says what b makes of the newest decisions, beside what a makes
// of them.
func (d *Daemon) compareGenerations(ctx context.Context, a, b uint64, last int) (*authz.Comparison, error) {
	from, err := d.generation(a)
	if err != nil {
		return nil, err
	}
	to, err := d.generation(b)
	if err != nil {
		return nil, err
	}
	report, err := replay.Run(ctx, d.aside(), d.judgedBy(ctx, from, d.recorded(ctx, authz.RecordFilter{}, last)), to, api.DataRecorded, func(uint64) {})
	return &report, err
}

// judgedBy gives records with the decision that policy makes of them. What it cannot
// judge stays as it is, for the comparison to count.
func (d *Daemon) judgedBy(ctx context.Context, policy *engine.Policy, records iter.Seq2[*authz.Record, error]) iter.Seq2[*authz.Record, error] {
	return func(yield func(*authz.Record, error) bool) {
		for r, err := range records {
			if err == nil && r.Judged && len(r.Input) > 0 {
				r, err = d.rejudged(ctx, policy, r)
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

func (d *Daemon) rejudged(ctx context.Context, policy *engine.Policy, r *authz.Record) (*authz.Record, error) {
	view, err := d.store.SnapshotAt(r.DataRevision)
	if code := authz.CodeOf(err); code == authz.CodeGone || code == authz.CodeInvalid {
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	defer view.Close()
	decision, err := pdp.Rejudge(ctx, policy, r, view)
	if err != nil {
		return nil, err
	}
	again := *r
	again.Decision = decision.Outcome
	again.Result, err = json.Marshal(decision)
	return &again, err
}

// errEnough ends a walk through the log that nobody wants more of.
var errEnough = errors.New("enough")

// recorded are the newest records a filter selects, oldest first.
func (d *Daemon) recorded(ctx context.Context, filter authz.RecordFilter, last int) iter.Seq2[*authz.Record, error] {
	return func(yield func(*authz.Record, error) bool) {
		err := d.log.Each(ctx, filter, last, func(r *authz.Record) error {
			if !yield(r, nil) {
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(nil, err)
		}
	}
}

// maxRecordLine bounds one line of records that are sent along.
const maxRecordLine = 2 << 20

// sent are records as they were exported, one a line.
func sent(lines io.Reader) iter.Seq2[*authz.Record, error] {
	return func(yield func(*authz.Record, error) bool) {
		scanner := bufio.NewScanner(lines)
		scanner.Buffer(nil, maxRecordLine)
		for n := 1; scanner.Scan(); n++ {
			if len(scanner.Bytes()) == 0 {
				continue
			}
			var r authz.Record
			if err := json.Unmarshal(scanner.Bytes(), &r); err != nil {
				yield(nil, authz.Invalid("records line "+strconv.Itoa(n), "is not a record as `verdict decisions export` writes them"))
				return
			}
			if !yield(&r, nil) {
				return
			}
		}
		if err := scanner.Err(); err != nil {
			yield(nil, &authz.Error{Code: authz.CodeInvalid, Field: "records", Message: "could not be read to their end", Cause: err})
		}
	}
}
