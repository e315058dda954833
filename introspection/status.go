package introspection

import (
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// Status is the health of an issuer's authority, for operators.
type Status struct {
	Breaker string // closed, open or half_open
	// LastSuccess and LastFailure are when a request last succeeded and failed; zero
	// means never. LastError is the error of LastFailure.
	LastSuccess, LastFailure time.Time
	LastError                string
	// Positive and Negative count the cached answers, also those too old to be used.
	Positive, Negative int
	InFlight           int // requests in flight
}

// Status returns the health of the issuer's authority. One that was not asked since
// Forget has a closed breaker and zeros.
func (c *Client) Status(issuer string) Status {
	c.mu.RLock()
	e := c.endpoints[issuer]
	c.mu.RUnlock()
	if e == nil {
		return Status{Breaker: "closed"}
	}
	h := e.currentHealth()
	status := Status{
		Breaker:     stateName(e.breaker.State()),
		LastSuccess: h.lastSuccess, LastFailure: h.lastFailure, LastError: h.lastError,
		InFlight: len(e.slots),
	}
	status.Positive, status.Negative = e.cache.size()
	return status
}

// Report adds the health of an issuer's authority to the issuer's status. While the
// authority fails, the status is that of keys last fetched at the last success: fresh,
// stale or too stale, and when that changes. It implements part of token.Introspector.
func (c *Client) Report(issuer *authz.Issuer, status *authz.IssuerStatus) {
	asked := c.Status(issuer.ID)
	status.Breaker = asked.Breaker
	if !asked.LastFailure.After(asked.LastSuccess) {
		return
	}
	status.LastError, status.LastErrorAt = asked.LastError, asked.LastFailure
	status.ChangesInS = new(int)
	if asked.LastSuccess.IsZero() {
		status.State = authz.Missing
		return
	}
	now := c.config.Now()
	status.FetchedAt = asked.LastSuccess
	*status.ChangesInS = status.Until(issuer, time.Duration(issuer.FreshForS)*time.Second, asked.LastSuccess.Add, now)
	switch {
	case now.Before(status.FreshUntil):
		status.State = authz.Fresh
	case now.Before(status.UsableUntil):
		status.State = authz.Stale
	default:
		status.State = authz.TooStale
	}
}
