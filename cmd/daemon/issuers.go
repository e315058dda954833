package daemon

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/introspection"
	"github.com/verdict-pdp/verdict/token"
)

// issuerStatus is how an issuer stands: what it publishes, and its introspection
// endpoint.
func (d *Daemon) issuerStatus(issuer *authz.Issuer) *authz.IssuerStatus {
	status := d.verifier.Status(issuer)
	if issuer.Kind == authz.IssuerIntrospection {
		asked := d.asker.Status(issuer.ID)
		status.Breaker = asked.Breaker
		if asked.LastFailure.After(asked.LastSuccess) {
			failing(&status, issuer, asked, d.config.Now())
		}
	}
	return &status
}

// failing says how an issuer stands whose introspection endpoint does not answer:
// what it said last holds as long as its keys would, had they been fetched then.
func failing(status *authz.IssuerStatus, issuer *authz.Issuer, asked introspection.Status, now time.Time) {
	status.LastError, status.LastErrorAt = asked.LastError, asked.LastFailure
	status.ChangesInS = new(int)
	if asked.LastSuccess.IsZero() {
		status.State = token.Missing
		return
	}
	until := func(usable time.Duration) time.Time { return asked.LastSuccess.Add(usable) }
	status.FetchedAt = asked.LastSuccess
	status.FreshUntil = until(time.Duration(issuer.FreshForS) * time.Second)
	status.UsableUntil = until(time.Duration(issuer.UsableForS) * time.Second)
	status.UsableUntilByTier = map[string]time.Time{}
	first := status.UsableUntil
	for tier := range authz.Tiers {
		end := until(issuer.UsableFor(tier))
		status.UsableUntilByTier[strconv.Itoa(tier)] = end
		if end.Before(first) {
			first = end
		}
	}
	*status.ChangesInS = int(max(0, first.Sub(now)) / time.Second)
	switch {
	case now.Before(status.FreshUntil):
		status.State = authz.Fresh
	case now.Before(status.UsableUntil):
		status.State = authz.Stale
	default:
		status.State = token.TooStale
	}
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
		asked:  describe("verdict_issuer_asked", "1 while the issuer's introspection endpoint is asked, 0 while its breaker is open or trying it again."),
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
			show(m.asked, truth(status.Breaker == "closed"))
		}
	}
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
