package daemon

import "github.com/prometheus/client_golang/prometheus"

// countMetrics show what rooms count by result, when they are read.
type countMetrics struct {
	daemon         *Daemon
	events, tokens *prometheus.Desc
	keysPublished  *prometheus.Desc
}

func newCountMetrics(d *Daemon) countMetrics {
	byResult := []string{"result"}
	return countMetrics{
		daemon:        d,
		events:        prometheus.NewDesc("verdict_security_events_total", "Security events received, by result: applied, ignored, duplicate, refused, failed.", byResult, nil),
		tokens:        prometheus.NewDesc("verdict_token_service_requests_total", "Requests to the token service, by result: issued, revoked, refused, failed.", byResult, nil),
		keysPublished: prometheus.NewDesc("verdict_token_service_keys_published_timestamp_seconds", "When the token service last saw its keys published; it looks every minute.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (m countMetrics) Describe(to chan<- *prometheus.Desc) {
	to <- m.events
	to <- m.tokens
	to <- m.keysPublished
}

// Collect implements prometheus.Collector.
func (m countMetrics) Collect(to chan<- prometheus.Metric) {
	count := func(desc *prometheus.Desc, result string, n uint64) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n), result)
	}
	received := m.daemon.receiver.Stats()
	count(m.events, "applied", received.Applied)
	count(m.events, "ignored", received.Ignored)
	count(m.events, "duplicate", received.Duplicate)
	count(m.events, "refused", received.Refused)
	count(m.events, "failed", received.Failed)
	if m.daemon.issuing == nil {
		return
	}
	issued := m.daemon.issuing.Stats()
	count(m.tokens, "issued", issued.Issued)
	count(m.tokens, "revoked", issued.Revoked)
	count(m.tokens, "refused", issued.Refused)
	count(m.tokens, "failed", issued.Failed)
	to <- prometheus.MustNewConstMetric(m.keysPublished, prometheus.GaugeValue, float64(issued.KeysPublished.Unix()))
}
