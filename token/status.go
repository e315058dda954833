package token

import (
	"github.com/verdict-pdp/verdict/authz"
)

// Status says how what an issuer publishes stands now: its keys and each of its
// status lists; and of one that is introspected what the Introspector says.
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

// documentStatus says how one fetched document stands.
func (v *Verifier) documentStatus(id sourceID, issuer *authz.Issuer) authz.IssuerStatus {
	s, now := v.source(id), v.now()
	status := s.status(issuer)
	document := s.current.Load()
	if document == nil {
		status.ChangesInS = new(int) // they have changed
		return status
	}
	status.State = authz.TooStale
	if stands, usable := document.stands(issuer, now); usable {
		status.State = stands.freshness
	}
	status.FetchedAt = document.at
	left := status.Until(issuer, document.freshFor(issuer), document.until, now)
	if status.State != authz.Fresh || status.LastError != "" {
		status.ChangesInS = &left
	}
	return status
}

// status is the part the plan knows.
func (s *source) status(issuer *authz.Issuer) authz.IssuerStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := authz.IssuerStatus{State: authz.Missing, LastError: s.failed, LastErrorAt: s.failedAt}
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
