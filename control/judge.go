package control

import (
	"context"
	"io"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/replay"
)

// Judging judges decisions again: live ones in the shadow, recorded ones in a replay.
type Judging struct {
	Shadow *replay.Shadow
	// Evaluator compiles a stored generation for the shadow.
	Evaluator func(generation uint64) (authz.Evaluator, error)
	// History gives the recorded decisions.
	History func() replay.History
}

// StartShadow lets a generation judge a sample of live traffic without effect, in
// place of one that does; a sample of 0 is all of it. CodeNotFound when the generation
// is not kept.
func (s *Service) StartShadow(ctx context.Context, by authz.Author, generation uint64, sample float64) (report authz.ShadowReport, err error) {
	c := &authz.AuditedChange{Kind: authz.ChangeShadowStart, Generation: generation}
	err = s.withJudging(ctx, by, c, func(context.Context) error {
		policy, err := s.config.Judging.Evaluator(generation)
		if err != nil {
			return err
		}
		if err := s.config.Judging.Shadow.Replace(policy, sample, by.Key); err != nil {
			return err
		}
		report = s.config.Judging.Shadow.Report()
		c.After = report.Policy.Digest
		return nil
	})
	return report, err
}

// StopShadow ends the shadow and returns its last report; CodeNotFound when none runs.
func (s *Service) StopShadow(ctx context.Context, by authz.Author) (report authz.ShadowReport, err error) {
	c := &authz.AuditedChange{Kind: authz.ChangeShadowStop}
	err = s.withJudging(ctx, by, c, func(context.Context) error {
		report, err = s.config.Judging.Shadow.Stop()
		c.Generation, c.Before = report.Policy.Generation, report.Policy.Digest
		return err
	})
	return report, err
}

// Replay judges recorded decisions again with another policy set or other data, and
// compares. It changes nothing, but shows decisions about subjects, and so is recorded.
// bundle and records come from the request, nil when it has none; progress is called now
// and then with how many records of total were judged, a total of 0 is unknown.
func (s *Service) Replay(ctx context.Context, by authz.Author, r authz.ReplayRequest, bundle, records io.Reader, progress func(done, total uint64)) (comparison authz.Comparison, err error) {
	c := &authz.AuditedChange{Kind: authz.ChangeReplay, Bundle: r.Bundle, Generation: r.Generation}
	err = s.withJudging(ctx, by, c, func(ctx context.Context) error {
		comparison, err = s.config.Judging.History().Replay(ctx, r, replay.Sent{Bundle: bundle, Records: records}, progress)
		return err
	})
	return comparison, err
}

// withJudging is do for changes that need Judging.
func (s *Service) withJudging(ctx context.Context, by authz.Author, c *authz.AuditedChange, effect func(context.Context) error) error {
	return s.do(ctx, by, c, func() error {
		if s.config.Judging == nil {
			return missing("shadow and no replays")
		}
		return nil
	}, effect)
}
