package daemon

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/verdict-pdp/verdict/authz"
)

// issuerStatus is how an issuer stands: what it publishes, and its introspection
// endpoint.
func (d *Daemon) issuerStatus(issuer *authz.Issuer) *authz.IssuerStatus {
	status := d.verifier.Status(issuer)
	if issuer.Kind == authz.IssuerIntrospection {
		asked := d.asker.Status(issuer.ID)
		status.Breaker = asked.Breaker
		status.LastError, status.LastErrorAt = asked.LastError, asked.LastFailure
	}
	return &status
}

// maxIssuerLabels bounds the issuers that metrics name.
const maxIssuerLabels = 200

// issuerMetrics show how each issuer stands when they are read: what to alarm on
// before decisions change.
type issuerMetrics struct {
	daemon             *Daemon
	fresh, left, asked *prometheus.Desc
}

func newIssuerMetrics(d *Daemon) issuerMetrics {
	describe := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, []string{"issuer"}, nil)
	}
	return issuerMetrics{
		daemon: d,
		fresh:  describe("verdict_issuer_fresh", "1 while what the issuer published is fresh, 0 while it is stale, too old or missing."),
		left:   describe("verdict_issuer_usable_seconds", "Seconds until what the issuer published is of no use to any service, if it stays out of reach; negative when it is."),
		asked:  describe("verdict_issuer_asked", "1 while the issuer's introspection endpoint is asked, 0 while its breaker is open."),
	}
}

// Describe implements prometheus.Collector.
func (m issuerMetrics) Describe(to chan<- *prometheus.Desc) {
	to <- m.fresh
	to <- m.left
	to <- m.asked
}

// Collect implements prometheus.Collector.
func (m issuerMetrics) Collect(to chan<- prometheus.Metric) {
	issuers := m.daemon.issuers()
	for _, issuer := range issuers[:min(len(issuers), maxIssuerLabels)] {
		status := m.daemon.issuerStatus(issuer)
		show := func(desc *prometheus.Desc, value float64) {
			to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, issuer.ID)
		}
		show(m.fresh, truth(status.State == authz.Fresh))
		if !status.UsableUntil.IsZero() {
			show(m.left, status.UsableUntil.Sub(m.daemon.config.Now()).Round(time.Second).Seconds())
		}
		if status.Breaker != "" {
			show(m.asked, truth(status.Breaker != "open"))
		}
	}
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
