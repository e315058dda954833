package daemon

import (
	"context"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/pdp"
	"github.com/verdict-pdp/verdict/replay"
)

// shadow is the shadow as the admin surface sees it.
type shadow struct{ *Daemon }

func (d *Daemon) openShadow(context.Context) error {
	d.shade = replay.NewShadow(replay.ShadowConfig{ViewAt: d.viewAt, Settle: pdp.Settle, Now: d.config.Now, Log: d.config.Logger})
	return nil
}

// StartShadow implements admin.Shadow.
func (d shadow) StartShadow(_ context.Context, r api.ShadowRequest, by string) (authz.ShadowReport, error) {
	policy, err := d.generation(r.Generation)
	if err != nil {
		return authz.ShadowReport{}, err
	}
	err = d.shade.Replace(policy, r.Sample, by)
	return d.shade.Report(), err
}

// StopShadow implements admin.Shadow.
func (d shadow) StopShadow(context.Context) (authz.ShadowReport, error) { return d.shade.Stop() }

// ShadowReport implements admin.Shadow.
func (d shadow) ShadowReport(context.Context) (authz.ShadowReport, error) {
	report := d.shade.Report()
	if !report.Running {
		return authz.ShadowReport{}, authz.Errorf(authz.CodeNotFound, "no generation is in the shadow; start one first")
	}
	return report, nil
}
