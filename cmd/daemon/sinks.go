package daemon

import (
	"context"
	"os"

	"github.com/prometheus/client_golang/prometheus"

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

// sinksQuiet says whether a sink did not take records the last time.
func (d *Daemon) sinksQuiet() error {
	for _, runner := range d.sinks {
		if failed := runner.Stats().LastError; failed != "" {
			return authz.Errorf(authz.CodeUnavailable, "sink %s: %s", runner.Name(), failed)
		}
	}
	return nil
}

// logMetrics show the decision log and its sinks, when they are read.
type logMetrics struct {
	daemon *Daemon

	recorded, lost, refused, unmaskable, removed, missed *prometheus.Desc
	waiting, head, oldest, bytes                         *prometheus.Desc
	auditOldest, auditBytes, auditRemoved, auditPending  *prometheus.Desc
	sent, failed, skipped, leftOut                       *prometheus.Desc
	lagRecords, lagSeconds                               *prometheus.Desc
}

func newLogMetrics(d *Daemon) logMetrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("verdict_decision_log_"+name, help, labels, nil)
	}
	return logMetrics{
		daemon:       d,
		recorded:     desc("records_total", "Records written: decisions, and those of changes."),
		lost:         desc("lost_total", "Async records lost to a full queue or a failed write. Each stands in the log."),
		refused:      desc("refused_total", "Spool and required records that could not be written: decisions taken back."),
		unmaskable:   desc("unmaskable_total", "Records kept without their input because it could not be masked."),
		removed:      desc("removed_total", "Records removed by age or size."),
		missed:       desc("missed_total", "Records removed before a sink had them."),
		waiting:      desc("waiting", "Records on their way to be written."),
		head:         desc("head", "Number of the newest record."),
		oldest:       desc("oldest", "Number of the oldest record kept."),
		bytes:        desc("bytes", "Size of the records kept, before compression."),
		auditOldest:  desc("audit_oldest", "Number of the oldest record of a change kept."),
		auditBytes:   desc("audit_bytes", "Size of the records of changes kept, before compression."),
		auditRemoved: desc("audit_removed_total", "Records of changes removed by age or size."),
		auditPending: desc("audit_pending", "Changes under way, or left so by a node that died."),
		sent:         desc("sink_sent_total", "Records a sink took.", "sink"),
		failed:       desc("sink_failures_total", "Attempts of a sink that failed; they are repeated.", "sink"),
		skipped:      desc("sink_skipped_total", "Records a sink refused for good.", "sink"),
		leftOut:      desc("sink_left_out_total", "Records a sink does not take: changes, by OPA's decision logs.", "sink"),
		lagRecords:   desc("sink_lag_records", "Records a sink does not have yet.", "sink"),
		lagSeconds:   desc("sink_lag_seconds", "Age of the oldest record a sink does not have yet.", "sink"),
	}
}

// Describe implements prometheus.Collector.
func (m logMetrics) Describe(to chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, to) }

// Collect implements prometheus.Collector.
func (m logMetrics) Collect(to chan<- prometheus.Metric) {
	count := func(desc *prometheus.Desc, n uint64, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n), labels...)
	}
	gauge := func(desc *prometheus.Desc, n float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, n, labels...)
	}
	log := m.daemon.log.Stats()
	count(m.recorded, log.Recorded)
	count(m.lost, log.Lost)
	count(m.refused, log.Refused)
	count(m.unmaskable, log.Unmaskable)
	count(m.removed, log.Removed)
	count(m.missed, log.Missed)
	gauge(m.waiting, float64(log.Waiting))
	gauge(m.head, float64(log.Head))
	gauge(m.oldest, float64(log.Oldest))
	gauge(m.bytes, float64(log.Bytes))
	gauge(m.auditOldest, float64(log.OldestChange))
	gauge(m.auditBytes, float64(log.ChangeBytes))
	count(m.auditRemoved, log.RemovedChanges)
	gauge(m.auditPending, float64(log.Pending))
	for _, runner := range m.daemon.sinks {
		stats := runner.Stats()
		count(m.sent, stats.Sent, runner.Name())
		count(m.failed, stats.Failed, runner.Name())
		count(m.skipped, stats.Skipped, runner.Name())
		count(m.leftOut, stats.LeftOut, runner.Name())
		gauge(m.lagRecords, float64(stats.LagRecords), runner.Name())
		gauge(m.lagSeconds, stats.LagSeconds, runner.Name())
	}
}
