package replay

import "github.com/prometheus/client_golang/prometheus"

var (
	shadowRunning = prometheus.NewDesc("verdict_shadow_running", "1 while a generation is in the shadow.", nil, nil)
	shadowJudged  = prometheus.NewDesc("verdict_shadow_judged_total", "Decisions the shadow judged, since it was started.", nil, nil)
	shadowDropped = prometheus.NewDesc("verdict_shadow_dropped_total", "Decisions of its sample the shadow had no room for.", nil, nil)
	shadowFlips   = prometheus.NewDesc("verdict_shadow_flips_total", "Decisions whose outcome would be another one, by direction.", []string{"flip"}, nil)
	shadowChanged = prometheus.NewDesc("verdict_shadow_changed_total", "Decisions that would keep their outcome and say something else.", nil, nil)
)

// Collectors show Report, as it is when they are read.
func (s *Shadow) Collectors() []prometheus.Collector {
	return []prometheus.Collector{prometheus.CollectorFunc(func(to chan<- prometheus.Metric) {
		count := func(desc *prometheus.Desc, n float64, labels ...string) {
			to <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, n, labels...)
		}
		report := s.Report()
		running := 0.0
		if report.Running {
			running = 1
		}
		to <- prometheus.MustNewConstMetric(shadowRunning, prometheus.GaugeValue, running)
		count(shadowJudged, float64(report.Judged))
		count(shadowDropped, float64(report.Dropped))
		count(shadowFlips, float64(report.Comparison.AllowToDeny), "allow_to_deny")
		count(shadowFlips, float64(report.Comparison.DenyToAllow), "deny_to_allow")
		count(shadowChanged, float64(report.Comparison.Changed))
	})}
}
