package replay_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/pdp"
	"github.com/verdict-pdp/verdict/replay"
)

func shadowOf(d *data, change ...func(*replay.ShadowConfig)) *replay.Shadow {
	c := replay.ShadowConfig{ViewAt: d.viewAt, Assemble: pdp.AssembleEntry, Now: config(d).Now}
	for _, f := range change {
		f(&c)
	}
	return replay.NewShadow(c)
}

// running runs a shadow until the test ends.
func running(t *testing.T, s *replay.Shadow) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// entry is a live decision, made of a judgement by the pipeline.
func entry(n int, action string, j authz.Judgement, change ...func(*authz.Entry)) authz.Entry {
	e := authz.Entry{
		Question: authz.Question{
			Action: authz.Action{Name: action}, Resource: authz.Resource{ID: "svc:email"}, Time: noon,
			Principal: authz.Principal{Subject: "mu:user-svc", Level: 3, Freshness: authz.Fresh},
		},
		Judged:   true,
		Decision: authz.Decision{ID: fmt.Sprintf("dec-%05d", n), DataRevision: 5},
	}
	e.Decision = pdp.AssembleEntry(e, j, authz.PolicyRef{Generation: 3, Digest: "sha256:33"})
	for _, c := range change {
		c(&e)
	}
	return e
}

func TestShadow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &data{oldest: 4, newest: 9}
		s := shadowOf(d)
		stricter := func(action string, _ uint64) authz.Judgement {
			if action == "email.purge" {
				return deny("PURGE")
			}
			return allow()
		}
		s.Offer([]authz.Entry{entry(0, "email.purge", allow())}) // nobody is in the shadow
		if err := s.Start(policy(stricter), 0, "ann"); err != nil {
			t.Fatal(err)
		}
		s.Offer([]authz.Entry{
			entry(1, "email.send", allow()),
			entry(2, "email.purge", allow()),
			entry(3, "email.send", deny("OLD")),
			entry(4, "email.send", authz.Judgement{Allow: true, CacheableForS: 7}),
			entry(5, "email.purge", allow(), func(e *authz.Entry) { e.Judged = false }),
			entry(6, "email.purge", allow(), func(e *authz.Entry) { e.Decision.DataRevision = 2 }),
			entry(7, "email.send", deny(authz.NotRecorded)),
		})
		running(t, s)
		synctest.Wait()

		want := authz.ShadowReport{
			Running: true, Policy: policy(nil).Policy(), By: "ann", Since: noon, Sample: 1,
			Offered: 7, Sampled: 7, Judged: 7,
			Comparison: authz.Comparison{
				Policy: policy(nil).Policy(), Compared: 4, AllowToDeny: 1, DenyToAllow: 1, Changed: 1, NotJudged: 2,
				Skipped: []authz.Skipped{{Reason: "its data revision is no longer kept", Count: 1}},
				ByCode: []authz.FlipGroup{
					{Name: "OLD", DenyToAllow: 1, Examples: []string{"dec-00003"}},
					{Name: "PURGE", AllowToDeny: 1, Examples: []string{"dec-00002"}},
				},
				ByEdge:        []authz.FlipGroup{{Name: "mu:user-svc>svc:email", AllowToDeny: 1, DenyToAllow: 1, Examples: []string{"dec-00002", "dec-00003"}}},
				ByMachineUser: []authz.FlipGroup{{Name: "mu:user-svc", AllowToDeny: 1, DenyToAllow: 1, Examples: []string{"dec-00002", "dec-00003"}}},
				Examples: []authz.Flip{
					live("dec-00002", "email.purge", authz.Allow, authz.Deny, nil, deny("PURGE").Reasons),
					live("dec-00003", "email.send", authz.Deny, authz.Allow, deny("OLD").Reasons, nil),
					live("dec-00004", "email.send", authz.Allow, authz.Allow, nil, nil),
				},
			},
		}
		if diff := cmp.Diff(want, s.Report(), sameJSON); diff != "" {
			t.Error(diff)
		}
		if d.stillOpen() != 0 || d.times(5) != 1 {
			t.Errorf("%d views are open while nothing is judged; opened %v", d.stillOpen(), d.opened)
		}

		want.Running, want.Until = false, noon
		if r, err := s.Running(); err != nil || !r.Running {
			t.Errorf("running: %+v, %v; want the one that runs", r, err)
		}
		stopped, err := s.Stop()
		if diff := cmp.Diff(want, stopped, sameJSON); diff != "" || err != nil {
			t.Error(diff, err)
		}
		s.Offer([]authz.Entry{entry(8, "email.purge", allow())})
		synctest.Wait()
		if diff := cmp.Diff(want, s.Report(), sameJSON); diff != "" {
			t.Errorf("after it was stopped: %s", diff)
		}
	})
}

// TestShadowReplaces starts another policy in the place of the one that runs: what comes
// then is judged by that one alone. What cannot be started stops nothing.
func TestShadowReplaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shadowOf(&data{oldest: 4, newest: 9})
		for _, by := range []string{"ann", "bob"} { // also when none runs
			if err := s.Replace(policy(allows), 0, by); err != nil {
				t.Fatal(err)
			}
			s.Offer([]authz.Entry{entry(1, "email.send", allow())})
		}
		running(t, s)
		synctest.Wait()
		if got := s.Report(); !got.Running || got.By != "bob" || got.Offered != 1 || got.Judged != 1 {
			t.Errorf("%+v; want bob's, of 1 decision", got)
		}
		if err := s.Replace(policy(allows), 2, "eve"); authz.CodeOf(err) != authz.CodeInvalid {
			t.Errorf("a sample of 2: %v, want %s", err, authz.CodeInvalid)
		}
		if got := s.Report(); !got.Running || got.By != "bob" {
			t.Errorf("%+v; want bob's to run on", got)
		}
	})
}

// live is a flip as a shadow reports it: without what no mask went over.
func live(id, action string, was, now authz.Outcome, wasReasons, nowReasons []authz.Reason) authz.Flip {
	return authz.Flip{
		ID: id, At: noon, Subject: "mu:user-svc", Service: "svc:email", Action: action,
		Was: was, Now: now, WasReasons: words(wasReasons), NowReasons: words(nowReasons), WasRevision: 5, NowRevision: 5,
	}
}

func words(reasons []authz.Reason) []authz.Reason {
	var kept []authz.Reason
	for _, r := range reasons {
		kept = append(kept, authz.Reason{Code: r.Code, Guard: r.Guard})
	}
	return kept
}

func TestShadowRefuses(t *testing.T) {
	s := shadowOf(&data{newest: 9})
	for _, sample := range []float64{-0.1, 1.1, math.NaN(), math.Inf(1)} {
		if err := s.Start(policy(allows), sample, "ann"); authz.CodeOf(err) != authz.CodeInvalid {
			t.Errorf("a sample of %v: %v", sample, err)
		}
	}
	if r, err := s.Running(); authz.CodeOf(err) != authz.CodeNotFound {
		t.Errorf("running: %+v, %v; want CodeNotFound while none runs", r, err)
	}
	if _, err := s.Stop(); authz.CodeOf(err) != authz.CodeNotFound {
		t.Errorf("stopping nothing: %v", err)
	}
	if diff := cmp.Diff(authz.ShadowReport{}, s.Report()); diff != "" {
		t.Error(diff)
	}
	if err := s.Start(policy(allows), 1, "ann"); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(policy(allows), 1, "bob"); authz.CodeOf(err) != authz.CodeConflict {
		t.Errorf("a second one: %v", err)
	}
}

// Large questions are bounded by bytes before there are many of them, and room comes
// back as they are judged.
func TestShadowQueueIsBoundedInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shadowOf(&data{newest: 9}, func(c *replay.ShadowConfig) { c.QueueBytes = 5 << 20 })
		if err := s.Start(policy(allows), 1, "ann"); err != nil {
			t.Fatal(err)
		}
		large := func(e *authz.Entry) {
			e.Question.Context = map[string]any{"list": []any{map[string]any{"x": strings.Repeat("x", 1<<20)}}}
		}
		for n := range 10 {
			s.Offer([]authz.Entry{entry(n, "email.send", allow(), large)})
		}
		if r := s.Report(); r.Dropped != 6 {
			t.Errorf("report %+v, want 6 of 10 dropped", r)
		}
		running(t, s)
		synctest.Wait()
		s.Offer([]authz.Entry{entry(10, "email.send", allow(), large)})
		synctest.Wait()
		if r := s.Report(); r.Judged != 5 || r.Dropped != 6 {
			t.Errorf("report %+v, want 5 judged and 6 dropped", r)
		}
	})
}

// A caller never waits: not for a queue that is full, nor for a worker that is not
// there or does not come back.
func TestOfferNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shadowOf(&data{newest: 9}, func(c *replay.ShadowConfig) { c.Queue = 10 })
		release := make(chan struct{})
		slow := func(string, uint64) authz.Judgement { <-release; return allow() }
		if err := s.Start(policy(slow), 1, "ann"); err != nil {
			t.Fatal(err)
		}
		offer := func(from, n int) {
			for i := range n {
				s.Offer([]authz.Entry{entry(from+i, "email.send", allow())})
			}
		}
		offer(0, 15)
		if r := s.Report(); r.Offered != 15 || r.Sampled != 15 || r.Dropped != 5 || r.Judged != 0 {
			t.Errorf("without a worker: %+v", r)
		}
		running(t, s)
		synctest.Wait() // one is being judged, nine wait
		offer(15, 3)
		if r := s.Report(); r.Sampled != 18 || r.Dropped != 7 || r.Judged != 0 {
			t.Errorf("with a worker that waits: %+v", r)
		}
		close(release)
		synctest.Wait()
		if r := s.Report(); r.Judged != 11 || r.Dropped != 7 || r.Comparison.Compared != 11 {
			t.Errorf("at the end: %+v", r)
		}
	})
}

// What waits when a shadow is stopped is not judged, also when another one starts.
func TestStopForgetsTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shadowOf(&data{newest: 9})
		if err := s.Start(policy(allows), 1, "ann"); err != nil {
			t.Fatal(err)
		}
		s.Offer([]authz.Entry{entry(1, "email.send", allow()), entry(2, "email.send", allow())})
		if r, err := s.Stop(); err != nil || r.Running || r.Sampled != 2 || r.Judged != 0 || r.Dropped != 2 {
			t.Errorf("report %+v, error %v, want both that were offered dropped", r, err)
		}
		never := func(string, uint64) authz.Judgement { t.Error("judged after all"); return allow() }
		if err := s.Start(policy(never), 1, "bob"); err != nil {
			t.Fatal(err)
		}
		running(t, s)
		synctest.Wait()
		if r := s.Report(); !r.Running || r.By != "bob" || r.Offered+r.Sampled+r.Judged+r.Dropped != 0 {
			t.Errorf("report %+v, want nothing of the shadow before", r)
		}
	})
}

// The node stops in the middle of a judgement, which then says nothing.
func TestRunStopsInTheMiddle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &data{newest: 9}
		s := shadowOf(d)
		ctx, cancel := context.WithCancel(t.Context())
		if err := s.Start(policy(func(string, uint64) authz.Judgement { cancel(); return deny("CUT") }), 1, "ann"); err != nil {
			t.Fatal(err)
		}
		s.Offer([]authz.Entry{entry(1, "email.send", allow()), entry(2, "email.send", allow())})
		if err := s.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if r := s.Report(); r.Comparison.Compared != 0 || d.stillOpen() != 0 {
			t.Errorf("%+v, %d views open", r, d.stillOpen())
		}
	})
}

func TestShadowOfDataThatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := shadowOf(&data{}, func(c *replay.ShadowConfig) {
			c.ViewAt = func(uint64) (replay.View, error) {
				return nil, authz.Errorf(authz.CodeInternal, "the disk is gone")
			}
			c.Log = slog.New(slog.NewTextHandler(&log, nil))
		})
		running(t, s)
		if err := s.Start(policy(allows), 1, "ann"); err != nil {
			t.Fatal(err)
		}
		s.Offer([]authz.Entry{entry(1, "email.send", allow()), entry(2, "email.send", allow())})
		synctest.Wait()
		want := []authz.Skipped{{Reason: "a fault of this node, which its log tells", Count: 2}}
		if diff := cmp.Diff(want, s.Report().Comparison.Skipped); diff != "" {
			t.Error(diff)
		}
		if n := strings.Count(log.String(), "the disk is gone"); n != 1 {
			t.Errorf("told %d times: %s", n, &log)
		}
	})
}

// Which decisions are judged follows from their ids: on every node and every time
// the same, and as many as asked for.
func TestSample(t *testing.T) {
	const n = 100_000
	sampled := func(sample float64) uint64 {
		s := shadowOf(&data{newest: 9}, func(c *replay.ShadowConfig) { c.Queue = 1 })
		if err := s.Start(policy(allows), sample, "ann"); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			s.Offer([]authz.Entry{{Decision: authz.Decision{ID: fmt.Sprintf("dec-01J9ZK4D%012d", i)}}})
		}
		return s.Report().Sampled
	}
	for _, sample := range []float64{0.01, 0.1, 0.5, 0.9, 1} {
		got := float64(sampled(sample)) / n
		if math.Abs(got-sample) > 0.01 {
			t.Errorf("a sample of %v is %v", sample, got)
		}
		if again := float64(sampled(sample)) / n; again != got {
			t.Errorf("a sample of %v is first %v, then %v", sample, got, again)
		}
	}
}

// Everything at once, for the race detector.
func TestShadowConcurrently(t *testing.T) {
	d := &data{newest: 9}
	s := shadowOf(d, func(c *replay.ShadowConfig) { c.Queue = 16 })
	running(t, s)
	var callers sync.WaitGroup
	for caller := range 4 {
		callers.Go(func() {
			for n := range 500 {
				s.Offer([]authz.Entry{entry(caller*1000+n, "email.send", deny("A"), func(e *authz.Entry) { e.Decision.DataRevision = uint64(1 + n%9) })})
			}
		})
	}
	callers.Go(func() {
		for range 50 {
			if err := s.Start(policy(allows), 0.5, "ann"); err != nil {
				t.Error(err)
			}
			for range 5 {
				if r := s.Report(); r.Comparison.Compared+total(authz.Comparison{Skipped: r.Comparison.Skipped}) != r.Judged {
					t.Errorf("report %+v, want as many compared or skipped as were judged", r)
				}
			}
			if r, err := s.Stop(); err != nil || r.Judged+r.Dropped != r.Sampled {
				t.Errorf("report %+v, error %v, want all of the sample judged or dropped", r, err)
			}
		}
	})
	callers.Wait()
}

// BenchmarkOffer is what a shadow costs a caller: nobody in it, a decision outside
// the sample, and one that finds the queue full.
func BenchmarkOffer(b *testing.B) {
	entries := []authz.Entry{entry(1, "email.send", allow())}
	for name, sample := range map[string]float64{"none": -1, "outside": 1e-9, "full": 1} {
		b.Run(name, func(b *testing.B) {
			s := shadowOf(&data{newest: 9}, func(c *replay.ShadowConfig) { c.Queue = 1 })
			if sample > 0 {
				if err := s.Start(policy(allows), sample, "ann"); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				s.Offer(entries)
			}
		})
	}
}
