package events

import "github.com/prometheus/client_golang/prometheus"

var received = prometheus.NewDesc("verdict_security_events_total", "Security events received, by result: applied, ignored, duplicate, refused, failed.", []string{"result"}, nil)

// Collectors show Stats, as they are when they are read.
func (r *Receiver) Collectors() []prometheus.Collector {
	return []prometheus.Collector{prometheus.CollectorFunc(func(to chan<- prometheus.Metric) {
		count := func(result string, n uint64) {
			to <- prometheus.MustNewConstMetric(received, prometheus.CounterValue, float64(n), result)
		}
		stats := r.Stats()
		count("applied", stats.Applied)
		count("ignored", stats.Ignored)
		count("duplicate", stats.Duplicate)
		count("refused", stats.Refused)
		count("failed", stats.Failed)
	})}
}
