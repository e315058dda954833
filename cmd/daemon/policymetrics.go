package daemon

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/verdict-pdp/verdict/authz"
)

// policyMetrics show the life of policies and the shadow, when they are read.
type policyMetrics struct {
	daemon *Daemon

	pushes, refused, activations, failing, kept    *prometheus.Desc
	sourceAge                                      *prometheus.Desc
	shadowRunning, judged, dropped, flips, changed *prometheus.Desc
}

func newPolicyMetrics(d *Daemon) policyMetrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("verdict_"+name, help, labels, nil)
	}
	return policyMetrics{
		daemon:        d,
		pushes:        desc("policy_pushes_total", "Bundles that got to the gate."),
		refused:       desc("policy_refused_total", "Bundles the gate refused, by step.", "step"),
		activations:   desc("policy_activations_total", "Generations activated, rollbacks too."),
		failing:       desc("policy_failing_bundles", "Bundles of sources, and of the start, whose last version did not get through. What somebody pushed is not among them."),
		kept:          desc("policy_generations_kept", "Generations on disk."),
		sourceAge:     desc("policy_source_age_seconds", "Time since a source of bundles was last asked with success; -1: never.", "bundle"),
		shadowRunning: desc("shadow_running", "1 while a generation is in the shadow."),
		judged:        desc("shadow_judged_total", "Decisions the shadow judged, since it was started."),
		dropped:       desc("shadow_dropped_total", "Decisions of its sample the shadow had no room for."),
		flips:         desc("shadow_flips_total", "Decisions whose outcome would be another one, by direction.", "flip"),
		changed:       desc("shadow_changed_total", "Decisions that would keep their outcome and say something else."),
	}
}

// Describe implements prometheus.Collector.
func (m policyMetrics) Describe(to chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, to) }

// Collect implements prometheus.Collector.
func (m policyMetrics) Collect(to chan<- prometheus.Metric) {
	metric := func(desc *prometheus.Desc, kind prometheus.ValueType, n float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, kind, n, labels...)
	}
	stats, status := m.daemon.policies.Stats(), m.daemon.policyStatus()
	metric(m.pushes, prometheus.CounterValue, float64(stats.Pushes))
	for _, step := range []string{authz.GateRead, authz.GateSignature, authz.GateCompile, authz.GateTest, authz.GateReplay} {
		metric(m.refused, prometheus.CounterValue, float64(stats.Refused[step]), step)
	}
	metric(m.activations, prometheus.CounterValue, float64(stats.Activations))
	metric(m.failing, prometheus.GaugeValue, float64(len(m.daemon.failingPolicies())))
	metric(m.kept, prometheus.GaugeValue, float64(stats.Kept))
	for _, source := range status.Sources {
		metric(m.sourceAge, prometheus.GaugeValue, m.age(source.LastSuccess), source.Name)
	}
	report := m.daemon.shade.Report()
	running := 0.0
	if report.Running {
		running = 1
	}
	metric(m.shadowRunning, prometheus.GaugeValue, running)
	metric(m.judged, prometheus.CounterValue, float64(report.Judged))
	metric(m.dropped, prometheus.CounterValue, float64(report.Dropped))
	metric(m.flips, prometheus.CounterValue, float64(report.Comparison.AllowToDeny), "allow_to_deny")
	metric(m.flips, prometheus.CounterValue, float64(report.Comparison.DenyToAllow), "deny_to_allow")
	metric(m.changed, prometheus.CounterValue, float64(report.Comparison.Changed))
}

func (m policyMetrics) age(at time.Time) float64 {
	if at.IsZero() {
		return -1
	}
	return m.daemon.config.Now().Sub(at).Seconds()
}
