package usage

import "github.com/prometheus/client_golang/prometheus"

var (
	usesPending   = prometheus.NewDesc("verdict_credential_uses_pending", "Last uses of credentials that wait to be written.", nil, nil)
	writeFailures = prometheus.NewDesc("verdict_credential_use_write_failures_total", "Times last uses could not be written; they are tried again.", nil, nil)
	usesDropped   = prometheus.NewDesc("verdict_credential_uses_dropped_total", "Last uses given up because too many credentials were in use at once.", nil, nil)
)

// Collectors show Stats, as they are when they are read.
func (u *Uses) Collectors() []prometheus.Collector {
	return []prometheus.Collector{prometheus.CollectorFunc(func(to chan<- prometheus.Metric) {
		stats := u.Stats()
		to <- prometheus.MustNewConstMetric(usesPending, prometheus.GaugeValue, float64(stats.Pending))
		to <- prometheus.MustNewConstMetric(writeFailures, prometheus.CounterValue, float64(stats.Failures))
		to <- prometheus.MustNewConstMetric(usesDropped, prometheus.CounterValue, float64(stats.Dropped))
	})}
}
