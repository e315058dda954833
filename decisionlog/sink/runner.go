package sink

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/verdict-pdp/verdict/authz"
)

// immediateSkips is how many records in a row are skipped without a back-off.
const immediateSkips = 10

// Log is the decision log as a Runner reads it.
type Log interface {
	// After reads at most limit records that follow seq, in order.
	After(ctx context.Context, seq uint64, limit int) ([]authz.Record, error)
	// Await returns nil once there is a record after seq.
	Await(ctx context.Context, seq uint64) error
	// Head is the number of the last record; it does not wait.
	Head() uint64
}

// Cursors stores how far each sink got: the number of the last record it is done with,
// 0 for a sink that is new.
type Cursors interface {
	Cursor(name string) (uint64, error)
	SetCursor(name string, seq uint64) error
}

// Config is what a Runner needs. Name, Sink, Log and Cursors must be given.
type Config struct {
	Name    string // of the cursor: an id, unique among the sinks
	Sink    Sink
	Log     Log
	Cursors Cursors
	// Batch and BatchBytes bound what one Send is given, and what is read ahead; a
	// record larger than BatchBytes goes alone. 0 or less means 500 records and 4 MiB.
	Batch, BatchBytes int
	// Linger is how long a batch that is not full waits for more. 0 means
	// 200 ms, less than 0 not to wait.
	Linger time.Duration
	// MinDelay and MaxDelay bound the back-off; 0 or less means 500 ms and 5 min.
	MinDelay, MaxDelay time.Duration
	// Now is the clock of lag; nil means time.Now. Waits run on the system's clock.
	Now func() time.Time
	// Random spreads delays, in [0, 1); nil means rand.Float64.
	Random func() float64
	// Logger receives failures, skips and recoveries; nil discards them.
	Logger *slog.Logger
}

func (c Config) validate() error {
	if c.Sink == nil || c.Log == nil || c.Cursors == nil {
		return authz.Errorf(authz.CodeInternal, "a runner needs a sink, a log to read and a place for its cursor")
	}
	return authz.ValidateID("name", c.Name)
}

func (c Config) withDefaults() Config {
	if c.Batch <= 0 {
		c.Batch = 500
	}
	if c.BatchBytes <= 0 {
		c.BatchBytes = 4 << 20
	}
	if c.Linger == 0 {
		c.Linger = 200 * time.Millisecond
	}
	if c.MinDelay <= 0 {
		c.MinDelay = 500 * time.Millisecond
	}
	if c.MaxDelay <= 0 {
		c.MaxDelay = 5 * time.Minute
	}
	c.MaxDelay = max(c.MinDelay, c.MaxDelay)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Random == nil {
		c.Random = rand.Float64
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Runner brings the records of a log to one sink. Its contract is the package's.
type Runner struct {
	config Config

	// These belong to Run.
	backoff *backoff.ExponentialBackOff
	cursor  uint64 // the last record that is done with
	size    int    // of the next batch: less than config.Batch after a refusal
	skips   int    // in a row
	paused  bool   // before the record that is refused was sent last

	mu       sync.Mutex
	progress progress // guarded by mu
}

// New makes a Runner that has read nothing yet.
func New(config Config) (*Runner, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	config = config.withDefaults()
	return &Runner{
		config: config,
		size:   config.Batch,
		// The jitter is ours, so that it can be given.
		backoff: &backoff.ExponentialBackOff{InitialInterval: config.MinDelay, Multiplier: 2, MaxInterval: config.MaxDelay},
	}, nil
}

// Run sends records until ctx ends; it fails at nothing. What it did not send waits
// in the log for the next Run. It is called once.
func (r *Runner) Run(ctx context.Context) error {
	if !r.retry(ctx, r.loadCursor) {
		return nil
	}
	for {
		var batch []authz.Record
		read := func() (err error) {
			batch, err = r.read(ctx)
			return err
		}
		if !r.retry(ctx, read) {
			return nil
		}
		r.deliver(ctx, batch)
	}
}

// retry calls do until it succeeds, with back-off, and reports whether it did before ctx
// ended.
func (r *Runner) retry(ctx context.Context, do func() error) bool {
	for ctx.Err() == nil {
		err := do()
		if err == nil {
			return true
		}
		r.fail(ctx, err)
	}
	return false
}

func (r *Runner) loadCursor() error {
	seq, err := r.config.Cursors.Cursor(r.config.Name)
	if err != nil {
		return err
	}
	r.cursor = seq
	r.update(func(p *progress) { p.cursor, p.started = seq, true })
	return nil
}

// errNoRecords is a failure, so that a log that contradicts itself is not read in a hot loop.
var errNoRecords = errors.New("the log says there are later records and gives none")

// read waits for records and reads some.
func (r *Runner) read(ctx context.Context) ([]authz.Record, error) {
	if err := r.config.Log.Await(ctx, r.cursor); err != nil {
		return nil, err
	}
	if r.config.Linger > 0 && r.config.Log.Head() < r.cursor+uint64(r.config.Batch) {
		wait(ctx, r.config.Linger)
	}
	batch, err := r.config.Log.After(ctx, r.cursor, r.config.Batch)
	if err != nil {
		return nil, err
	}
	if len(batch) == 0 || batch[0].Seq <= r.cursor {
		return nil, errNoRecords
	}
	missed := max(batch[0].First(), r.cursor+1) - r.cursor - 1
	if r.cursor > 0 && missed > 0 {
		r.config.Logger.WarnContext(ctx, "sink missed records that the log no longer keeps", "sink", r.config.Name, "missed", missed)
		r.update(func(p *progress) { p.Missed += missed })
	}
	return batch, nil
}

// deliver sends a batch, whole or in parts, until all of it is done with or ctx ends.
func (r *Runner) deliver(ctx context.Context, batch []authz.Record) {
	for len(batch) > 0 && ctx.Err() == nil {
		part := batch[:r.portion(batch)]
		r.update(func(p *progress) { p.oldest = part[0].At })
		done := r.send(ctx, part)
		batch = batch[done:]
	}
	r.update(func(p *progress) { p.oldest = time.Time{} })
}

// portion is how many records of a batch go into the next Send, at least one.
func (r *Runner) portion(batch []authz.Record) int {
	bytes, limit := 0, min(r.size, len(batch))
	for n := range limit {
		bytes += len(batch[n].Input) + len(batch[n].Result)
		if bytes > r.config.BatchBytes && n > 0 {
			return n
		}
	}
	return limit
}

// send sends some records and returns how many of them are done with: all, the one that is
// skipped, or none. After none it has waited, or made the next part smaller.
func (r *Runner) send(ctx context.Context, records []authz.Record) (done int) {
	wanted := r.wanted(records)
	if len(wanted) == 0 {
		r.leaveOut(ctx, records, wanted)
		return len(records)
	}
	err := r.config.Sink.Send(ctx, wanted)
	var partial *Partial
	switch {
	case err == nil:
		r.taken(ctx, records, wanted, 0)
		return len(records)
	case errors.As(err, &partial):
		r.config.Logger.WarnContext(ctx, "sink rejected records", "sink", r.config.Name, "rejected", partial.Rejected,
			"from_seq", records[0].Seq, "to_seq", records[len(records)-1].Seq)
		r.taken(ctx, records, wanted, partial.Rejected)
		return len(records)
	case !errors.Is(err, ErrRefused):
		r.fail(ctx, err)
		return 0
	case len(records) > 1:
		r.size = len(records) / 2
		return 0
	case r.skips >= immediateSkips && !r.paused:
		r.fail(ctx, err)
		r.paused = true
		return 0
	}
	r.skip(ctx, records[0].Seq, err)
	return 1
}

// wanted are those of records that the sink takes.
func (r *Runner) wanted(records []authz.Record) []authz.Record {
	chooser, ok := r.config.Sink.(Chooser)
	if !ok {
		return records
	}
	wanted := make([]authz.Record, 0, len(records))
	for i := range records {
		if chooser.Takes(&records[i]) {
			wanted = append(wanted, records[i])
		}
	}
	return wanted
}

// leaveOut is done with records, of which wanted are those that the sink takes.
func (r *Runner) leaveOut(ctx context.Context, records, wanted []authz.Record) {
	if n := len(records) - len(wanted); n > 0 {
		r.update(func(p *progress) { p.LeftOut += uint64(n) })
	}
	r.move(ctx, records[len(records)-1].Seq)
}

func (r *Runner) taken(ctx context.Context, records, wanted []authz.Record, rejected int) {
	r.backoff.Reset()
	r.skips, r.paused = 0, false
	r.size = min(2*r.size, r.config.Batch)
	var recovered bool
	r.update(func(p *progress) {
		recovered = p.failing
		p.failing, p.LastError, p.LastSuccess = false, "", r.config.Now()
		p.Sent += uint64(len(wanted) - rejected)
		p.Skipped += uint64(rejected)
	})
	if recovered {
		r.config.Logger.InfoContext(ctx, "sink takes records again", "sink", r.config.Name)
	}
	r.leaveOut(ctx, records, wanted)
}

// skip gives up on one record. It is no success: the back-off goes on growing.
func (r *Runner) skip(ctx context.Context, seq uint64, err error) {
	r.config.Logger.ErrorContext(ctx, "sink refuses a record, which is skipped", "sink", r.config.Name, "seq", seq, "error", err)
	r.skips++
	r.paused = false
	r.update(func(p *progress) {
		p.Skipped++
		p.LastError = err.Error()
	})
	r.move(ctx, seq)
}

// move moves the cursor. One that cannot be stored matters after a restart only, when
// records arrive again.
func (r *Runner) move(ctx context.Context, seq uint64) {
	r.cursor = seq
	r.update(func(p *progress) { p.cursor = seq })
	if err := r.config.Cursors.SetCursor(r.config.Name, seq); err != nil {
		r.config.Logger.ErrorContext(ctx, "cursor of a sink cannot be kept", "sink", r.config.Name, "seq", seq, "error", err)
		r.update(func(p *progress) { p.LastError = err.Error() })
	}
}

// fail notes a failure and waits; ctx ending is none.
func (r *Runner) fail(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	delay := r.delay(err)
	r.config.Logger.WarnContext(ctx, "sink failed", "sink", r.config.Name, "error", err, "next_attempt_in", delay)
	r.update(func(p *progress) {
		p.Failed++
		p.failing, p.LastError = true, err.Error()
	})
	wait(ctx, delay)
}

// delay is the next back-off, half of it random, or longer when the sink said so.
func (r *Runner) delay(err error) time.Duration {
	whole := r.backoff.NextBackOff()
	delay := whole/2 + time.Duration(r.config.Random()*float64(whole/2))
	var busy *busyError
	if errors.As(err, &busy) {
		delay = max(delay, min(busy.after, r.config.MaxDelay))
	}
	return delay
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
