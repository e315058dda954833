package tokenservice

import "github.com/prometheus/client_golang/prometheus"

var (
	requests      = prometheus.NewDesc("verdict_token_service_requests_total", "Requests to the token service, by result: issued, revoked, refused, failed.", []string{"result"}, nil)
	keysPublished = prometheus.NewDesc("verdict_token_service_keys_published_timestamp_seconds", "When the token service last saw its keys published; it looks every minute.", nil, nil)
)

// Collectors show Stats, as they are when they are read.
func (s *Service) Collectors() []prometheus.Collector {
	return []prometheus.Collector{prometheus.CollectorFunc(func(to chan<- prometheus.Metric) {
		count := func(result string, n uint64) {
			to <- prometheus.MustNewConstMetric(requests, prometheus.CounterValue, float64(n), result)
		}
		stats := s.Stats()
		count("issued", stats.Issued)
		count("revoked", stats.Revoked)
		count("refused", stats.Refused)
		count("failed", stats.Failed)
		to <- prometheus.MustNewConstMetric(keysPublished, prometheus.GaugeValue, float64(stats.KeysPublished.Unix()))
	})}
}
