package daemon

import (
	"context"
	"os"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/decisionlog/sink"
)

// openSinks makes a runner for each place that records are sent to.
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

// sinksQuiet reports whether a sink did not take records the last time.
func (d *Daemon) sinksQuiet() error {
	for _, runner := range d.sinks {
		if failed := runner.Stats().LastError; failed != "" {
			return authz.Errorf(authz.CodeUnavailable, "sink %s: %s", runner.Name(), failed)
		}
	}
	return nil
}
