package token

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/verdict-pdp/verdict/authz"
)

// Status returns the freshness of what an issuer publishes: its keys and each of its
// status lists. For one that is introspected, the Introspector reports its health.
func (v *Verifier) Status(issuer *authz.Issuer) authz.IssuerStatus {
	status := v.keyStatus(issuer)
	for _, url := range issuer.StatusLists {
		list := v.documentStatus(sourceID{issuer: issuer.ID, kind: listDocument, url: url}, issuer)
		if status.StatusLists == nil {
			status.StatusLists = map[string]authz.IssuerStatus{}
		}
		status.StatusLists[url] = list
		status.ChangesInS = sooner(status.ChangesInS, list.ChangesInS)
	}
	if issuer.Kind == authz.IssuerIntrospection && v.introspector != nil {
		v.introspector.Report(issuer, &status)
	}
	return status
}

func (v *Verifier) keyStatus(issuer *authz.Issuer) authz.IssuerStatus {
	if issuer.JWKSURL == "" {
		status := authz.IssuerStatus{State: authz.Fresh}
		v.countKeys(&status, issuer, 0, issuer.Keys)
		return status
	}
	status := v.documentStatus(keySource(issuer), issuer)
	if document := v.source(keySource(issuer)).current.Load(); document != nil {
		v.countKeys(&status, issuer, document.number, document.body)
	}
	return status
}

// documentStatus returns the status of one fetched document.
func (v *Verifier) documentStatus(id sourceID, issuer *authz.Issuer) authz.IssuerStatus {
	s, now := v.source(id), v.now()
	status := s.status(issuer)
	document := s.current.Load()
	if document == nil {
		status.ChangesInS = new(int) // decisions have changed already
		return status
	}
	status.State = authz.TooStale
	if fresh, usable := document.freshness(issuer, now); usable {
		status.State = fresh.grade
	}
	status.FetchedAt = document.at
	left := status.Until(issuer, document.freshFor(issuer), document.until, now)
	if status.State != authz.Fresh || status.LastError != "" {
		status.ChangesInS = &left
	}
	return status
}

// status returns what the refresh knows: the last error and the next fetch.
func (s *source) status(issuer *authz.Issuer) authz.IssuerStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := authz.IssuerStatus{State: authz.Missing, LastError: s.lastError, LastErrorAt: s.lastErrorAt}
	if !s.running {
		status.NextRefresh = s.dueLocked(issuer)
	}
	return status
}

func sooner(a, b *int) *int {
	if a == nil || b != nil && *b < *a {
		return b
	}
	return a
}

// countKeys counts the keys that verify tokens and certificates; a document that cannot
// be read has none.
func (v *Verifier) countKeys(status *authz.IssuerStatus, issuer *authz.Issuer, number uint64, document []byte) {
	if keys, fault := v.parseKeys(issuer, number, document, alwaysFresh); fault == nil {
		status.Keys, status.Ignored = len(keys.set.keys)+len(keys.set.authorities), keys.set.ignored
	}
}

// maxIssuerLabels limits the issuers in metrics.
const maxIssuerLabels = 200

var (
	issuerFresh  = describeIssuer("verdict_issuer_fresh", "1 while what the issuer published is fresh, 0 while it is stale, too old or missing.")
	issuerUsable = describeIssuer("verdict_issuer_usable_seconds", "Seconds until what the issuer published is of no use to any service, if it stays out of reach; negative when it is.")
	issuerAsked  = describeIssuer("verdict_issuer_asked", "1 while the issuer's introspection endpoint is asked, 0 while its breaker is open or trying it again.")
)

func describeIssuer(name, help string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, []string{"issuer"}, nil)
}

// Collectors returns metrics about the freshness of each issuer's data at the time they
// are collected: they change before decisions do. issuers is as for Run.
func (v *Verifier) Collectors(issuers func() []*authz.Issuer) []prometheus.Collector {
	return []prometheus.Collector{prometheus.CollectorFunc(func(to chan<- prometheus.Metric) {
		registered := issuers()
		for _, issuer := range registered[:min(len(registered), maxIssuerLabels)] {
			v.collect(to, issuer)
		}
	})}
}

func (v *Verifier) collect(to chan<- prometheus.Metric, issuer *authz.Issuer) {
	gauge := func(desc *prometheus.Desc, value float64) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, issuer.ID)
	}
	status := v.Status(issuer)
	gauge(issuerFresh, boolValue(status.State == authz.Fresh))
	if !status.UsableUntil.IsZero() {
		gauge(issuerUsable, status.UsableUntil.Sub(v.now()).Round(time.Second).Seconds())
	}
	if status.Breaker != "" {
		gauge(issuerAsked, boolValue(status.Breaker == "closed"))
	}
}

func boolValue(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
