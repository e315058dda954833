package sources

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var sourceAge = prometheus.NewDesc("verdict_policy_source_age_seconds", "Time since a source of bundles was last asked with success; -1: never.", []string{"bundle"}, nil)

// Collectors show how long ago each source answered, when they are read.
func (p *Puller) Collectors() []prometheus.Collector {
	return []prometheus.Collector{prometheus.CollectorFunc(func(to chan<- prometheus.Metric) {
		for _, f := range p.feeds {
			status := f.read()
			to <- prometheus.MustNewConstMetric(sourceAge, prometheus.GaugeValue, age(status.LastSuccess, f.config.Now), status.Name)
		}
	})}
}

func age(at time.Time, now func() time.Time) float64 {
	if at.IsZero() {
		return -1
	}
	return now().Sub(at).Seconds()
}
