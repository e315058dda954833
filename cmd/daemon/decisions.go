package daemon

import (
	"context"
	"os"
	"path/filepath"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/config"
	"github.com/verdict-pdp/verdict/decisionlog"
	"github.com/verdict-pdp/verdict/decisionlog/sink"
	"github.com/verdict-pdp/verdict/engine"
)

func (d *Daemon) openLog(context.Context) (err error) {
	opening := logConfig(d.config.Config)
	opening.Mask, opening.Now, opening.Log = d.mask, d.config.Now, d.config.Logger
	d.log, err = decisionlog.Open(opening)
	return err
}

// logConfig is the decision log's configuration from the settings, without mask, clock and
// logger.
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

// mask evaluates which parts of a record the active policies mask. They may be newer than
// those that decided.
func (d *Daemon) mask(ctx context.Context, r *authz.Record) ([]authz.Mask, error) {
	active := d.engine.Active()
	if active == nil {
		return nil, nil
	}
	return active.Mask(ctx, r.Input, r.Result)
}

// recorder records decisions, and then offers them to the shadow.
type recorder struct{ *Daemon }

// Record implements authz.Recorder.
func (d recorder) Record(ctx context.Context, entries []authz.Entry) error {
	if err := d.log.Record(ctx, entries); err != nil {
		return err
	}
	d.shadow.Offer(entries)
	return nil
}

// openSinks makes a runner for each configured sink.
func (d *Daemon) openSinks(context.Context) error {
	c := d.config.DecisionLog
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	labels := map[string]string{"id": host, "version": d.config.Version}
	for _, place := range []struct {
		name string
		to   string // empty: none
		make func() (sink.Sink, error)
	}{
		{"lines", c.Lines, func() (sink.Sink, error) {
			if c.Lines == "-" {
				return sink.NewStream(os.Stdout), nil
			}
			return sink.NewFile(c.Lines)
		}},
		{"opa", c.OPAURL, func() (sink.Sink, error) {
			return sink.NewOPA(sink.Endpoint{URL: c.OPAURL, TokenFile: c.OPATokenFile}, labels)
		}},
		{"otlp", c.OTLPEndpoint, func() (sink.Sink, error) {
			return sink.NewOTLP(sink.Endpoint{URL: c.OTLPEndpoint}, labels)
		}},
	} {
		if place.to == "" {
			continue
		}
		made, err := place.make()
		if err != nil {
			return err
		}
		runner, err := sink.New(sink.Config{Name: place.name, Sink: made, Log: d.log, Cursors: d.log, Now: d.config.Now, Logger: d.config.Logger})
		if err != nil {
			return err
		}
		d.sinks = append(d.sinks, runner)
	}
	return nil
}

// sinksQuiet returns an error when the last delivery to a sink failed.
func (d *Daemon) sinksQuiet() error {
	for _, runner := range d.sinks {
		if failed := runner.Stats().LastError; failed != "" {
			return authz.Errorf(authz.CodeUnavailable, "sink %s: %s", runner.Name(), failed)
		}
	}
	return nil
}

func (d *Daemon) sinkStatus() (all []authz.SinkStatus) {
	for _, runner := range d.sinks {
		all = append(all, runner.Status())
	}
	return all
}
