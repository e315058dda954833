package decisionlog

import "github.com/prometheus/client_golang/prometheus"

func describe(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("verdict_decision_log_"+name, help, nil, nil)
}

var metrics = struct {
	recorded, lost, refused, unmaskable, removed, missed *prometheus.Desc
	waiting, head, oldest, bytes                         *prometheus.Desc
	auditOldest, auditBytes, auditRemoved, auditPending  *prometheus.Desc
}{
	recorded:     describe("records_total", "Records written: decisions, and those of changes."),
	lost:         describe("lost_total", "Async records lost to a full queue or a failed write. Each stands in the log."),
	refused:      describe("refused_total", "Spool and required records that could not be written: decisions taken back."),
	unmaskable:   describe("unmaskable_total", "Records kept without their input because it could not be masked."),
	removed:      describe("removed_total", "Records removed by age or size."),
	missed:       describe("missed_total", "Records removed before a sink had them."),
	waiting:      describe("waiting", "Records on their way to be written."),
	head:         describe("head", "Number of the newest record."),
	oldest:       describe("oldest", "Number of the oldest record kept."),
	bytes:        describe("bytes", "Size of the records kept, before compression."),
	auditOldest:  describe("audit_oldest", "Number of the oldest record of a change kept."),
	auditBytes:   describe("audit_bytes", "Size of the records of changes kept, before compression."),
	auditRemoved: describe("audit_removed_total", "Records of changes removed by age or size."),
	auditPending: describe("audit_pending", "Changes under way, or left so by a node that died."),
}

// Collectors show Stats, as they are when they are read.
func (l *Log) Collectors() []prometheus.Collector {
	return []prometheus.Collector{prometheus.CollectorFunc(func(to chan<- prometheus.Metric) {
		count := func(desc *prometheus.Desc, n uint64) {
			to <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n))
		}
		gauge := func(desc *prometheus.Desc, n float64) {
			to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, n)
		}
		stats := l.Stats()
		count(metrics.recorded, stats.Recorded)
		count(metrics.lost, stats.Lost)
		count(metrics.refused, stats.Refused)
		count(metrics.unmaskable, stats.Unmaskable)
		count(metrics.removed, stats.Removed)
		count(metrics.missed, stats.Missed)
		gauge(metrics.waiting, float64(stats.Waiting))
		gauge(metrics.head, float64(stats.Head))
		gauge(metrics.oldest, float64(stats.Oldest))
		gauge(metrics.bytes, float64(stats.Bytes))
		gauge(metrics.auditOldest, float64(stats.OldestChange))
		gauge(metrics.auditBytes, float64(stats.ChangeBytes))
		count(metrics.auditRemoved, stats.RemovedChanges)
		gauge(metrics.auditPending, float64(stats.Pending))
	})}
}
