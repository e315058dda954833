package replay

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/verdict-pdp/verdict/authz"
)

// View is one frozen view of the data, for one goroutine at a time.
type View interface {
	authz.Facts
	Close()
}

// Judge answers a recorded question anew. An error of CodeInvalid means that this
// record cannot be judged; any other one ends the replay.
type Judge func(ctx context.Context, policy authz.Rejudger, r *authz.Record, f authz.Facts) (authz.Decision, error)

// Config is what a replay works with.
type Config struct {
	// Judge is required.
	Judge Judge
	// ViewAt opens the data as it was at a revision, or for 0 as it is now. Its error
	// has CodeGone when that revision is no longer kept, and CodeInvalid when it has
	// not been reached. Required, and called by many goroutines.
	ViewAt func(revision uint64) (View, error)
	// Workers is how many judge at the same time; 0 is GOMAXPROCS.
	Workers int
	// Now measures TookMS; nil is time.Now.
	Now func() time.Time
}

// records in a batch: few enough that progress is seen, enough that handing them
// over costs nothing beside judging them.
const batchSize = 32

// batchBytes is how much of records ends a batch before that, and maxRecord how much
// of one is taken; the decision log has no larger ones, but a file may have any.
const (
	batchBytes = 1 << 20
	maxRecord  = 1 << 20
)

// batch is a run of records on its way to one worker and back.
type batch struct {
	records  []*authz.Record
	findings []finding     // one per record, written by the worker before it closes done
	done     chan struct{} // closed when findings are there
}

// replay is one Run.
type replay struct {
	config Config
	policy authz.Rejudger
	data   dataset

	work    chan *batch // to the worker that is free
	ordered chan *batch // the same batches, to be added up in the order of the records
}

// Run judges every record anew and reports what policy makes of it.
//
// The records belong to Run once they were yielded: the source must not change
// them or reuse their bytes. An error it yields ends the replay.
//
// Data says what is judged by: "recorded" or nothing for what each decision saw,
// "now" for the newest revision, or the number of a revision. Records whose
// revision is no longer kept are skipped and counted; a number that is not kept is an
// error of CodeGone.
//
// Progress, if given, is called now and then, and at the end, by the goroutine
// that called Run, with the number of records worked off.
//
// The error is an *authz.Error, the source's own or, with CodeUnavailable, what
// ended ctx; there is no report then.
func Run(ctx context.Context, config Config, records iter.Seq2[*authz.Record, error], policy authz.Rejudger, data string, progress func(done uint64)) (authz.Comparison, error) {
	now := config.Now
	if now == nil {
		now = time.Now
	}
	began := now()
	set, err := openDataset(config.ViewAt, data)
	if err != nil {
		return authz.Comparison{}, err
	}
	defer set.close()

	if config.Workers <= 0 {
		config.Workers = runtime.GOMAXPROCS(0)
	}
	r := &replay{
		config: config, policy: policy, data: set,
		work:    make(chan *batch, config.Workers),
		ordered: make(chan *batch, 4*config.Workers),
	}
	report, err := r.run(ctx, records, progress)
	if err != nil {
		return authz.Comparison{}, stopped(ctx, err)
	}
	report.TookMS = now().Sub(began).Milliseconds()
	return report, nil
}

func (r *replay) run(ctx context.Context, records iter.Seq2[*authz.Record, error], progress func(uint64)) (authz.Comparison, error) {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return r.read(ctx, records) })
	for range r.config.Workers {
		group.Go(func() error { return r.judge(ctx) })
	}
	sums, err := r.addUp(ctx, progress)
	if err := cmp.Or(group.Wait(), err); err != nil {
		return authz.Comparison{}, err
	}
	return sums.comparison(r.policy.Policy()), nil
}

// read fills batches and queues each twice: for a worker, and in its place.
func (r *replay) read(ctx context.Context, records iter.Seq2[*authz.Record, error]) error {
	defer close(r.ordered)
	defer close(r.work)
	next, size := newBatch(), 0
	for record, err := range records {
		if err != nil {
			return err
		}
		if record.Kind == authz.RecordIntent || record.Kind == authz.RecordChange {
			continue // an export has them, for its chain
		}
		bytes := sizeOf(record)
		if bytes > maxRecord {
			record, bytes = &authz.Record{Kind: kindTooLarge}, 0
		}
		next.records = append(next.records, record)
		size += bytes
		if len(next.records) < batchSize && size < batchBytes {
			continue
		}
		if err := r.queue(ctx, next); err != nil {
			return err
		}
		next, size = newBatch(), 0
	}
	if len(next.records) == 0 {
		return nil
	}
	return r.queue(ctx, next)
}

func newBatch() *batch {
	return &batch{records: make([]*authz.Record, 0, batchSize), done: make(chan struct{})}
}

func (r *replay) queue(ctx context.Context, b *batch) error {
	for _, to := range []chan *batch{r.ordered, r.work} {
		select {
		case to <- b:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// judge is one worker.
func (r *replay) judge(ctx context.Context) error {
	w := worker{replay: r, views: views{open: r.config.ViewAt}}
	defer w.views.close()
	for b := range r.work {
		b.findings = make([]finding, len(b.records))
		for i, record := range b.records {
			found, err := w.find(ctx, record)
			if err != nil {
				return err
			}
			b.findings[i] = found
		}
		close(b.done)
	}
	return nil
}

// addUp adds the findings up in the order of their records, until all were. The
// error is that of ctx.
func (r *replay) addUp(ctx context.Context, progress func(uint64)) (*tally, error) {
	sums := newTally()
	done := uint64(0)
	for b := range r.ordered {
		select {
		case <-b.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		for i := range b.findings {
			sums.add(&b.findings[i])
		}
		done += uint64(len(b.records))
		if progress != nil {
			progress(done)
		}
	}
	return sums, nil
}

// stopped is err, unless the replay ended because ctx did.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() == nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &authz.Error{Code: authz.CodeUnavailable, Message: "the replay was stopped before it ended; start it again, over fewer records if it took too long", Cause: err}
}

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
		if reason := skipReason(err); reason != "" {
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

// incomparable is why a record cannot be compared, and for how many decisions it stands.
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
