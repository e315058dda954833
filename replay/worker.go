package replay

import (
	"context"

	"github.com/verdict-pdp/verdict/authz"
)

// worker judges records one after the other.
type worker struct {
	*replay
	views views
}

// find judges one record anew and compares. An error ends the replay.
func (w *worker) find(ctx context.Context, r *authz.Record) (finding, error) {
	if err := ctx.Err(); err != nil {
		return finding{}, err
	}
	if reason, count := incomparable(r); reason != "" {
		return finding{skipped: reason, count: count}, nil
	}
	if !r.Judged {
		return finding{notJudged: true}, nil
	}
	if len(r.Input) == 0 {
		return skip(skippedNoInput), nil
	}
	revision, ok := w.data.revisionOf(r)
	if !ok {
		return skip(skippedNoRevision), nil
	}
	view, err := w.views.at(revision)
	if err != nil {
		if reason := unseen(err); reason != "" {
			return skip(reason), nil
		}
		return finding{}, err
	}
	decision, err := w.config.Judge(ctx, w.policy, r, view)
	if authz.CodeOf(err) == authz.CodeInvalid && ctx.Err() == nil {
		return skip(skippedInput), nil
	}
	if err != nil {
		return finding{}, err
	}
	if err := ctx.Err(); err != nil { // an evaluation that was cut short denies
		return finding{}, err
	}
	return compareRecord(r, &decision, view.Revision())
}

// incomparable says why a record is of no decision, and for how many it stands.
func incomparable(r *authz.Record) (reason string, count uint64) {
	switch r.Kind {
	case authz.RecordDecision:
		return "", 0
	case authz.RecordLoss:
		return skippedLost, r.Lost
	case kindTooLarge:
		return skippedLarge, 1
	}
	return skippedKind, 1
}
