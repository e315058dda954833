package daemon

import (
	"context"
	"path/filepath"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/config"
	"github.com/verdict-pdp/verdict/decisionlog"
	"github.com/verdict-pdp/verdict/engine"
	"github.com/verdict-pdp/verdict/server/admin"
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

// records is the decision log as the admin surface sees it.
type records struct{ *Daemon }

// Get implements admin.Decisions.
func (d records) Get(ctx context.Context, id string) (authz.Record, error) { return d.log.Get(ctx, id) }

// List implements admin.Decisions.
func (d records) List(ctx context.Context, f authz.RecordFilter, cursor string, limit int) (admin.RecordPage, error) {
	page, err := d.log.List(ctx, f, decisionlog.Page{Cursor: cursor, Limit: limit})
	return admin.RecordPage{Records: page.Records, NextCursor: page.NextCursor, Head: page.Head}, err
}

// After implements admin.Decisions.
func (d records) After(ctx context.Context, f authz.RecordFilter, after uint64, limit int) (admin.RecordPage, error) {
	tail, err := d.log.Tail(ctx, f, after, limit)
	if err == nil && tail.Missed > 0 {
		err = authz.Errorf(authz.CodeGone, "%d records after number %d are no longer kept; read on from a later one", tail.Missed, after)
	}
	return admin.RecordPage{Records: tail.Records, NextAfter: tail.NextAfter, Head: tail.Head}, err
}

// Await implements admin.Decisions.
func (d records) Await(ctx context.Context, after uint64) error { return d.log.Await(ctx, after) }

// Export implements admin.Decisions.
func (d records) Export(ctx context.Context, f authz.RecordFilter, changes bool, fn func(*authz.Record) error) error {
	return d.log.Export(ctx, f, changes, fn)
}

// audit is the decision log as the admin surface sees its changes.
type audit struct{ *decisionlog.Log }

// Changes implements admin.Audit.
func (a audit) Changes(ctx context.Context, f authz.AuditFilter, cursor string, limit int) (authz.AuditPage, error) {
	return a.Log.Changes(ctx, f, decisionlog.Page{Cursor: cursor, Limit: limit})
}

// Verify implements admin.Decisions.
func (d records) Verify(ctx context.Context) (authz.VerifyReport, error) {
	return d.log.Verify(ctx, func(uint64, uint64) {})
}

// Explain implements admin.Decisions.
func (d records) Explain(ctx context.Context, id string) (*authz.Explanation, string, error) {
	return d.history().Explain(ctx, id)
}
