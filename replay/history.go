package replay

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
	"iter"
	"runtime"

	"github.com/verdict-pdp/verdict/authz"
)

// Policies gives the policy sets that decisions are judged by. Each may take longer than one
// that answers requests.
type Policies interface {
	// Generation is a generation that is kept, 0 being the active one. The error is
	// CodeNotFound when it is not kept.
	Generation(number uint64) (authz.Rejudger, error)
	// With is the active generation with a bundle, gzipped tar, in the place of the one
	// of its name.
	With(ctx context.Context, bundle string, packed io.Reader) (authz.Rejudger, error)
}

// Log is where decisions were recorded.
type Log interface {
	// Get is the record of one decision, CodeNotFound when there is none.
	Get(ctx context.Context, id string) (authz.Record, error)
	// Count is how many records f selects, at most last of them.
	Count(ctx context.Context, f authz.RecordFilter, last int) (uint64, error)
	// Each calls fn with the newest records that f selects, at most last of them, oldest
	// first. An error of fn ends it and is returned.
	Each(ctx context.Context, f authz.RecordFilter, last int, fn func(*authz.Record) error) error
}

// History is the decisions a node recorded, with the policies and the data that they
// were made by, as far as those are kept. All fields are required.
type History struct {
	Log      Log
	Policies Policies
	// Judge and ViewAt are as in Config.
	Judge  Judge
	ViewAt func(revision uint64) (View, error)
}

// Sent is what is sent along with a request for a replay; both may be nil.
type Sent struct {
	Bundle  io.Reader // gzipped tar: the bundle that the request names
	Records io.Reader // NDJSON, as exported: instead of those in the log
}

// Replay judges recorded decisions anew, as r says, on every core: its caller waits.
// Progress, if given, is called as Run calls it, with how many records were worked
// off of how many there are; a total of 0 is not known.
func (h History) Replay(ctx context.Context, r authz.ReplayRequest, sent Sent, progress func(done, total uint64)) (authz.Comparison, error) {
	policy, err := h.policyFor(ctx, r, sent)
	if err != nil {
		return authz.Comparison{}, err
	}
	last := cmp.Or(r.Last, authz.DefaultReplayed)
	var total uint64
	var records iter.Seq2[*authz.Record, error]
	if sent.Records != nil {
		records = Exported(sent.Records)
	} else {
		if total, err = h.Log.Count(ctx, r.Filter, last); err != nil {
			return authz.Comparison{}, err
		}
		records = h.recorded(ctx, r.Filter, last)
	}
	return Run(ctx, h.config(0), records, policy, r.Data, func(done uint64) {
		if progress != nil {
			progress(done, total)
		}
	})
}

// policyFor is the policy that judges anew.
func (h History) policyFor(ctx context.Context, r authz.ReplayRequest, sent Sent) (authz.Rejudger, error) {
	if sent.Bundle != nil {
		return h.Policies.With(ctx, r.Bundle, sent.Bundle)
	}
	return h.Policies.Generation(r.Generation)
}

// config is that of a Run on so many cores, 0 being all.
func (h History) config(workers int) Config {
	return Config{Judge: h.Judge, ViewAt: h.ViewAt, Workers: workers}
}

// onHalfTheCores is for replays in the background, so that decisions hardly notice.
func (h History) onHalfTheCores() Config { return h.config(max(1, runtime.GOMAXPROCS(0)/2)) }

// Any reports whether any decision is recorded.
func (h History) Any(ctx context.Context) (bool, error) {
	n, err := h.Log.Count(ctx, authz.RecordFilter{}, 1)
	return n > 0, err
}

// Rehearse says what a policy set that never decided makes of the newest decisions.
func (h History) Rehearse(ctx context.Context, candidate authz.Rejudger, last int) (authz.Comparison, error) {
	return Run(ctx, h.onHalfTheCores(), h.recorded(ctx, authz.RecordFilter{}, last), candidate, authz.DataRecorded, nil)
}

// Compare says what generation b makes of the newest decisions, beside what a makes of
// them.
func (h History) Compare(ctx context.Context, a, b uint64, last int) (authz.Comparison, error) {
	from, err := h.Policies.Generation(a)
	if err != nil {
		return authz.Comparison{}, err
	}
	to, err := h.Policies.Generation(b)
	if err != nil {
		return authz.Comparison{}, err
	}
	return Run(ctx, h.onHalfTheCores(), h.judgedBy(ctx, from, h.recorded(ctx, authz.RecordFilter{}, last)), to, authz.DataRecorded, nil)
}

// judgedBy gives records with the decision that policy makes of them. What it cannot
// judge stays as it is, for the comparison to count.
func (h History) judgedBy(ctx context.Context, policy authz.Rejudger, records iter.Seq2[*authz.Record, error]) iter.Seq2[*authz.Record, error] {
	return func(yield func(*authz.Record, error) bool) {
		for r, err := range records {
			if err == nil && r.Judged && len(r.Input) > 0 {
				r, err = h.rejudged(ctx, policy, r)
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

func (h History) rejudged(ctx context.Context, policy authz.Rejudger, r *authz.Record) (*authz.Record, error) {
	if r.DataRevision == 0 {
		return r, nil // it does not say what it saw
	}
	view, err := h.ViewAt(r.DataRevision)
	if err != nil && skipReason(err) != "" {
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	defer view.Close()
	decision, err := h.Judge(ctx, policy, r, view)
	switch {
	case authz.CodeOf(err) == authz.CodeInvalid:
		return r, nil
	case err != nil:
		return nil, err
	}
	again := *r
	again.Decision = decision.Outcome
	again.Result, err = json.Marshal(decision)
	return &again, err
}

// Explain explains a recorded decision by the policies and the data that it was made by,
// or else by those of now, which note says. The explanation is nil when there is nothing
// to explain, and note says why. The error is CodeNotFound when there is no record.
func (h History) Explain(ctx context.Context, id string) (explanation *authz.Explanation, note string, err error) {
	r, err := h.Log.Get(ctx, id)
	switch {
	case err != nil:
		return nil, "", err
	case !r.Judged:
		return nil, "No policy judged this decision: its evidence proved nobody, or no policy was active.", nil
	case len(r.Input) == 0:
		return nil, "The record has no input to judge again: " + r.InputError, nil
	}
	policy, note, err := h.policyOf(&r)
	if err != nil {
		return nil, "", err
	}
	view, seen, err := h.viewOf(&r)
	if err != nil {
		return nil, "", err
	}
	defer view.Close()
	_, explanation = policy.ExplainInput(ctx, r.Input, view)
	return explanation, note + seen, nil
}

// policyOf is the policy that made a decision, or else the active one and a note.
func (h History) policyOf(r *authz.Record) (policy authz.Rejudger, note string, err error) {
	if r.Policy.Generation > 0 {
		policy, err = h.Policies.Generation(r.Policy.Generation)
		switch {
		case err == nil && policy.Policy().Digest == r.Policy.Digest:
			return policy, "", nil
		case err != nil && authz.CodeOf(err) != authz.CodeNotFound:
			return nil, "", err
		}
	}
	policy, err = h.Policies.Generation(0)
	return policy, "The generation that decided is no longer kept: this is what the active one says. ", err
}

// viewOf is the data a decision saw, or else that of now and a note.
func (h History) viewOf(r *authz.Record) (view View, note string, err error) {
	if r.DataRevision > 0 {
		if view, err = h.ViewAt(r.DataRevision); err == nil || skipReason(err) == "" {
			return view, "", err
		}
	}
	view, err = h.ViewAt(0)
	return view, "The data that it saw is no longer kept: this is with the data of now. ", err
}

// evidenceRecords is how many of the newest decisions the evidence for a mode is taken
// from.
const evidenceRecords = 10_000

// Evidence is what guards said lately.
func (h History) Evidence(ctx context.Context) (*Evidence, error) {
	var said Evidence
	err := h.Log.Each(ctx, authz.RecordFilter{}, evidenceRecords, said.Add)
	return &said, err
}
