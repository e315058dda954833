package daemon

import (
	"context"
	"path/filepath"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/config"
	"github.com/verdict-pdp/verdict/decisionlog"
	"github.com/verdict-pdp/verdict/engine"
)

func (d *Daemon) openLog(context.Context) (err error) {
	opening := logConfig(d.config.Config)
	opening.Mask, opening.Now, opening.Log = d.mask, d.config.Now, d.config.Logger
	d.log, err = decisionlog.Open(opening)
	return err
}

// logConfig is how the settings have the decision log opened, but for its mask, its
// clock and its logger.
func logConfig(c config.Config) decisionlog.Config {
	return decisionlog.Config{
		Dir:           filepath.Join(c.Data, "decisions"),
		Durability:    authz.Durability(c.DecisionLog.Durability),
		Queue:         c.DecisionLog.Queue,
		Wait:          c.DecisionLog.Wait,
		MaxAge:        c.DecisionLog.MaxAge,
		MaxBytes:      c.DecisionLog.MaxBytes,
		AuditMaxAge:   c.DecisionLog.AuditMaxAge,
		AuditMaxBytes: c.DecisionLog.AuditMaxBytes,
		MinFree:       c.Store.MinFree,
		Input:         engine.Input,
	}
}

// mask asks the active policies what of a record is not to be kept. They may be
// later ones than those that decided.
func (d *Daemon) mask(ctx context.Context, r *authz.Record) ([]authz.Mask, error) {
	active := d.engine.Active()
	if active == nil {
		return nil, nil
	}
	return active.Mask(ctx, r.Input, r.Result)
}
