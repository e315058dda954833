package token

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/verdict-pdp/verdict/authz"
)

// maxIssuerLabels bounds the issuers that metrics name.
const maxIssuerLabels = 200

var (
	issuerFresh  = describeIssuer("verdict_issuer_fresh", "1 while what the issuer published is fresh, 0 while it is stale, too old or missing.")
	issuerUsable = describeIssuer("verdict_issuer_usable_seconds", "Seconds until what the issuer published is of no use to any service, if it stays out of reach; negative when it is.")
	issuerAsked  = describeIssuer("verdict_issuer_asked", "1 while the issuer's introspection endpoint is asked, 0 while its breaker is open or trying it again.")
)

func describeIssuer(name, help string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, []string{"issuer"}, nil)
}

// Collectors show how each issuer stands when they are read: what to alarm on before
// decisions change. issuers is as for Run.
func (v *Verifier) Collectors(issuers func() []*authz.Issuer) []prometheus.Collector {
	return []prometheus.Collector{prometheus.CollectorFunc(func(to chan<- prometheus.Metric) {
		registered := issuers()
		for _, issuer := range registered[:min(len(registered), maxIssuerLabels)] {
			v.show(to, issuer)
		}
	})}
}

func (v *Verifier) show(to chan<- prometheus.Metric, issuer *authz.Issuer) {
	gauge := func(desc *prometheus.Desc, value float64) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, issuer.ID)
	}
	status := v.Status(issuer)
	gauge(issuerFresh, truth(status.State == authz.Fresh))
	if !status.UsableUntil.IsZero() {
		gauge(issuerUsable, status.UsableUntil.Sub(v.now()).Round(time.Second).Seconds())
	}
	if status.Breaker != "" {
		gauge(issuerAsked, truth(status.Breaker == "closed"))
	}
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
