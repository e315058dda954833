package replay

import (
	"context"
	"log/slog"
	"math"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// ShadowConfig is what a Shadow works with.
type ShadowConfig struct {
	// ViewAt is as in Config. Required.
	ViewAt func(revision uint64) (View, error)
	// Assemble makes the decision of a judgement: what the pipeline would have answered
	// to the entry. Required.
	Assemble func(authz.Entry, authz.Judgement, authz.PolicyRef) authz.Decision
	// Queue is how many decisions wait at most; 0 is 1000. QueueBytes is about how much
	// their questions hold; 0 is 32 MiB.
	Queue      int
	QueueBytes int64
	// Now is the clock of reports; nil is time.Now.
	Now func() time.Time
	// Log takes warnings of decisions whose data cannot be read; nil is slog.Default().
	Log *slog.Logger
}

// Shadow lets one more policy judge live decisions, after they were answered and
// without effect on them. Offer costs a caller a sampled decision's hash, a look at
// how large its question is, and one send that never waits; everything else happens
// in Run. Its methods are safe for concurrent use.
type Shadow struct {
	config  ShadowConfig
	queue   chan offered
	waiting atomic.Int64            // bytes of what is in queue, and of what is on its way there
	current atomic.Pointer[session] // nil while none runs

	mu   sync.Mutex
	last *session // that was started last; guarded by mu
}

// offered is a decision in the queue, and the session that it is for.
type offered struct {
	to    *session
	entry authz.Entry
	size  int64
}

// session is one policy's time as a shadow.
type session struct {
	policy    authz.Evaluator
	by        string
	since     time.Time
	sample    float64
	threshold uint64 // hashes up to it are in the sample

	offered, sampled, dropped atomic.Uint64

	mu      sync.Mutex // guards what follows
	until   time.Time  // zero while it runs
	judged  uint64
	sums    *tally
	faulted bool // a fault was logged
}

// NewShadow makes a shadow without a policy. Nothing is judged until Run runs.
func NewShadow(config ShadowConfig) *Shadow {
	if config.Queue <= 0 {
		config.Queue = 1000
	}
	if config.QueueBytes <= 0 {
		config.QueueBytes = 32 << 20
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Log == nil {
		config.Log = slog.Default()
	}
	return &Shadow{config: config, queue: make(chan offered, config.Queue)}
}

// Start lets a policy judge a part of the decisions from now on; a sample of 0 is
// all of them. Which ones are in the sample follows from their ids alone: a larger
// sample holds the smaller one. By is who wanted it. The error has CodeConflict while
// another shadow runs, CodeInvalid when sample is not 0 to 1.
func (s *Shadow) Start(policy authz.Evaluator, sample float64, by string) error {
	return s.begin(policy, sample, by, func(running *session) error {
		return authz.Errorf(authz.CodeConflict, "generation %d is in the shadow already; stop it first", running.policy.Policy().Generation)
	})
}

// Replace is Start in the place of the one that runs, if one does, which is stopped.
func (s *Shadow) Replace(policy authz.Evaluator, sample float64, by string) error {
	return s.begin(policy, sample, by, func(running *session) error {
		running.stop(s.config.Now())
		return nil
	})
}

// begin starts a session, once instead has dealt with the one that runs, if one does.
func (s *Shadow) begin(policy authz.Evaluator, sample float64, by string, instead func(running *session) error) error {
	if math.IsNaN(sample) || sample < 0 || sample > 1 {
		return authz.Invalid("sample", "is "+strconv.FormatFloat(sample, 'g', -1, 64)+"; it must be above 0 and at most 1, or 0 for all decisions")
	}
	if sample == 0 {
		sample = 1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if running := s.current.Load(); running != nil {
		if err := instead(running); err != nil {
			return err
		}
	}
	s.last = &session{policy: policy, by: by, since: s.config.Now(), sample: sample, threshold: thresholdOf(sample), sums: newTally()}
	s.current.Store(s.last)
	return nil
}

func thresholdOf(sample float64) uint64 {
	if sample >= 1 {
		return math.MaxUint64
	}
	return uint64(sample * (1 << 64))
}

// Stop ends the shadow and returns its last report, in which decisions still in the
// queue count as dropped. The error has CodeNotFound when none runs.
func (s *Shadow) Stop() (authz.ShadowReport, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	running := s.current.Swap(nil)
	if running == nil {
		return authz.ShadowReport{}, errNoShadow()
	}
	running.stop(s.config.Now())
	return running.report(), nil
}

// Report says what came of the shadow that runs, or else of the one before.
func (s *Shadow) Report() authz.ShadowReport {
	s.mu.Lock()
	last := s.last
	s.mu.Unlock()
	if last == nil {
		return authz.ShadowReport{}
	}
	return last.report()
}

// Running is Report of the shadow that runs. The error has CodeNotFound when none does.
func (s *Shadow) Running() (authz.ShadowReport, error) {
	report := s.Report()
	if !report.Running {
		return authz.ShadowReport{}, errNoShadow()
	}
	return report, nil
}

func errNoShadow() error {
	return authz.Errorf(authz.CodeNotFound, "no generation is in the shadow; start one first")
}

// Offer hands decisions over after they were answered. It never waits: what does
// not fit into the queue is counted and dropped. It refers to entries until they were
// judged, and changes nothing in them.
func (s *Shadow) Offer(entries []authz.Entry) {
	running := s.current.Load()
	if running == nil {
		return
	}
	running.offered.Add(uint64(len(entries)))
	for i := range entries {
		if hash(entries[i].Decision.ID) > running.threshold {
			continue
		}
		running.sampled.Add(1)
		if !s.enqueue(offered{to: running, entry: entries[i], size: entries[i].Size()}) {
			running.dropped.Add(1)
		}
	}
}

// enqueue is false when there is no room.
func (s *Shadow) enqueue(next offered) bool {
	if s.waiting.Add(next.size) <= s.config.QueueBytes {
		select {
		case s.queue <- next:
			return true
		default:
		}
	}
	s.waiting.Add(-next.size)
	return false
}

// Run judges what is offered, one decision at a time and with pauses between, until ctx
// ends, and then returns nil. Nothing more is judged after it returned. Run it once.
func (s *Shadow) Run(ctx context.Context) error {
	seen := views{open: s.config.ViewAt}
	defer seen.close()
	for {
		if len(s.queue) == 0 {
			seen.close() // no revision is held while there is nothing to judge
		}
		select {
		case <-ctx.Done():
			return nil
		case next := <-s.queue:
			s.waiting.Add(-next.size)
			began := time.Now() // of the machine: it is about its cores
			s.judge(ctx, &seen, next)
			if !pause(ctx, pauseFactor*time.Since(began)) {
				return nil
			}
		}
	}
}

// pauseFactor is how many times as long as a judgement took the shadow pauses after it: it
// takes a tenth of one core at most, so that callers do not notice it, and what it has
// no time for is dropped and counted.
const pauseFactor = 9

// pause waits for d and reports whether it did before ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// judge compares one decision, unless its shadow was stopped.
func (s *Shadow) judge(ctx context.Context, seen *views, next offered) {
	if next.to.stopped() {
		return
	}
	found, err := s.find(ctx, seen, next)
	if err != nil {
		if next.to.firstFault() {
			s.config.Log.ErrorContext(ctx, "a decision could not be judged in the shadow; further ones are only counted", "decision", next.entry.Decision.ID, "error", err)
		}
		found = skip(skippedFault)
	}
	if ctx.Err() == nil { // an evaluation that was cut short denies
		next.to.add(&found)
	}
}

func (s *Shadow) find(ctx context.Context, seen *views, next offered) (finding, error) {
	was := &next.entry.Decision
	if !next.entry.Judged || unrecorded(was) {
		return finding{notJudged: true}, nil
	}
	if was.DataRevision == 0 {
		return skip(skippedNoRevision), nil
	}
	view, err := seen.at(was.DataRevision)
	if err != nil {
		if reason := skipReason(err); reason != "" {
			return skip(reason), nil
		}
		return finding{}, err
	}
	judgement := next.to.policy.Evaluate(ctx, next.entry.Question, view)
	now := s.config.Assemble(next.entry, judgement, next.to.policy.Policy())
	return compareEntry(&next.entry, &now)
}

// unrecorded reports whether the decision became a deny because it could not be recorded,
// which does not tell what the policy answered.
func unrecorded(d *authz.Decision) bool {
	for _, r := range d.Reasons {
		if r.Code == authz.NotRecorded {
			return true
		}
	}
	return false
}

// add counts a finding, unless the session was stopped meanwhile: then the decision
// counts as dropped already.
func (n *session) add(f *finding) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.until.IsZero() {
		n.judged++
		n.sums.add(f)
	}
}

// firstFault is true once.
func (n *session) firstFault() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	first := !n.faulted
	n.faulted = true
	return first
}

func (n *session) stopped() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return !n.until.IsZero()
}

func (n *session) stop(at time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.until = at
}

func (n *session) report() authz.ShadowReport {
	n.mu.Lock()
	defer n.mu.Unlock()
	r := authz.ShadowReport{
		Running: n.until.IsZero(), Policy: n.policy.Policy(), By: n.by, Since: n.since, Until: n.until, Sample: n.sample,
		Judged: n.judged, Comparison: n.sums.comparison(n.policy.Policy()),
	}
	r.Dropped = n.dropped.Load()
	r.Sampled = n.sampled.Load()
	r.Offered = n.offered.Load()
	if !r.Running {
		r.Dropped = r.Sampled - r.Judged
	}
	return r
}
