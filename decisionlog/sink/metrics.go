package sink

import "github.com/prometheus/client_golang/prometheus"

// Collectors show Stats, as they are when they are read, labelled with the name of the
// sink.
func (r *Runner) Collectors() []prometheus.Collector {
	describe := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("verdict_decision_log_sink_"+name, help, nil, prometheus.Labels{"sink": r.Name()})
	}
	var (
		sent       = describe("sent_total", "Records a sink took.")
		failed     = describe("failures_total", "Attempts of a sink that failed; they are repeated.")
		skipped    = describe("skipped_total", "Records a sink refused for good.")
		leftOut    = describe("left_out_total", "Records a sink does not take: changes, by OPA's decision logs.")
		lagRecords = describe("lag_records", "Records a sink does not have yet.")
		lagSeconds = describe("lag_seconds", "Age of the oldest record a sink does not have yet.")
	)
	return []prometheus.Collector{prometheus.CollectorFunc(func(to chan<- prometheus.Metric) {
		metric := func(desc *prometheus.Desc, kind prometheus.ValueType, n float64) {
			to <- prometheus.MustNewConstMetric(desc, kind, n)
		}
		stats := r.Stats()
		metric(sent, prometheus.CounterValue, float64(stats.Sent))
		metric(failed, prometheus.CounterValue, float64(stats.Failed))
		metric(skipped, prometheus.CounterValue, float64(stats.Skipped))
		metric(leftOut, prometheus.CounterValue, float64(stats.LeftOut))
		metric(lagRecords, prometheus.GaugeValue, float64(stats.LagRecords))
		metric(lagSeconds, prometheus.GaugeValue, stats.LagSeconds)
	})}
}
