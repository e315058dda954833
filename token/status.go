package token

import (
	"strconv"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// States of what an issuer publishes in which nothing is verified with it, beside
// authz.Fresh and authz.Stale.
const (
	TooStale = "too_stale" // older than usable_for_s, or past its own end
	Missing  = "missing"   // never fetched
)

// Status says how what an issuer publishes stands now: its keys and each of its
// status lists. Of one that is introspected it knows nothing else.
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

// documentStatus says how one fetched document stands.
func (v *Verifier) documentStatus(id sourceID, issuer *authz.Issuer) authz.IssuerStatus {
	s, now := v.source(id), v.now()
	status := s.status(issuer)
	document := s.current.Load()
	if document == nil {
		status.ChangesInS = new(int) // they have changed
		return status
	}
	status.State = TooStale
	if stands, usable := document.stands(issuer, now); usable {
		status.State = stands.freshness
	}
	status.FetchedAt = document.at
	status.FreshUntil = document.until(document.freshFor(issuer))
	status.UsableUntil = document.until(time.Duration(issuer.UsableForS) * time.Second)
	status.UsableUntilByTier = map[string]time.Time{}
	first := status.UsableUntil
	for tier := range authz.Tiers {
		until := document.until(issuer.UsableFor(tier))
		status.UsableUntilByTier[strconv.Itoa(tier)] = until
		if until.Before(first) {
			first = until
		}
	}
	if status.State != authz.Fresh || status.LastError != "" {
		left := int(max(0, first.Sub(now)) / time.Second)
		status.ChangesInS = &left
	}
	return status
}

// status is the part the plan knows.
func (s *source) status(issuer *authz.Issuer) authz.IssuerStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := authz.IssuerStatus{State: Missing, LastError: s.failed, LastErrorAt: s.failedAt}
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

// countKeys counts what verifies tokens and certificates; a document that cannot
// be read has none.
func (v *Verifier) countKeys(status *authz.IssuerStatus, issuer *authz.Issuer, number uint64, document []byte) {
	if keys, fault := v.parsed(issuer, number, document, unfetched); fault == nil {
		status.Keys, status.Ignored = len(keys.set.keys)+len(keys.set.authorities), keys.set.ignored
	}
}
