package generations

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/verdict-pdp/verdict/authz"
)

var (
	pushes      = prometheus.NewDesc("verdict_policy_pushes_total", "Bundles that got to the gate.", nil, nil)
	refused     = prometheus.NewDesc("verdict_policy_refused_total", "Bundles the gate refused, by step.", []string{"step"}, nil)
	activations = prometheus.NewDesc("verdict_policy_activations_total", "Generations activated, rollbacks too.", nil, nil)
	failingDesc = prometheus.NewDesc("verdict_policy_failing_bundles", "Bundles of sources, and of the start, whose last version did not get through. What somebody pushed is not among them.", nil, nil)
	kept        = prometheus.NewDesc("verdict_policy_generations_kept", "Generations on disk.", nil, nil)
)

// Collectors show Stats and how many Failing there are, when they are read.
func (s *Set) Collectors() []prometheus.Collector {
	return []prometheus.Collector{prometheus.CollectorFunc(func(to chan<- prometheus.Metric) {
		count := func(desc *prometheus.Desc, n uint64, labels ...string) {
			to <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n), labels...)
		}
		gauge := func(desc *prometheus.Desc, n int) {
			to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(n))
		}
		stats := s.Stats()
		count(pushes, stats.Pushes)
		for _, step := range []string{authz.GateRead, authz.GateSignature, authz.GateCompile, authz.GateTest, authz.GateReplay} {
			count(refused, stats.Refused[step], step)
		}
		count(activations, stats.Activations)
		gauge(failingDesc, len(s.Failing()))
		gauge(kept, stats.Kept)
	})}
}
