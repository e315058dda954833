package daemon

import (
	"context"

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

// ShadowReport implements admin.Shadow.
func (d shadow) ShadowReport(context.Context) (authz.ShadowReport, error) {
	report := d.shade.Report()
	if !report.Running {
		return authz.ShadowReport{}, authz.Errorf(authz.CodeNotFound, "no generation is in the shadow; start one first")
	}
	return report, nil
}
