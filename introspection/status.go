package introspection

import (
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// Status is how an issuer's authority does, for operators.
type Status struct {
	Breaker string // closed, open or half_open
	// LastSuccess and LastFailure are when an exchange last ended so; zero is never.
	// LastError belongs to LastFailure.
	LastSuccess, LastFailure time.Time
	LastError                string
	// Positive and Negative count the answers remembered, those too old to be
	// repeated included.
	Positive, Negative int
	InFlight           int // questions under way
}

// Status says how the issuer's authority does. One not asked since it was forgotten
// has a closed breaker and zeros.
func (c *Client) Status(issuer string) Status {
	c.mu.RLock()
	l := c.lines[issuer]
	c.mu.RUnlock()
	if l == nil {
		return Status{Breaker: "closed"}
	}
	h := l.read()
	status := Status{
		Breaker:     stateName(l.breaker.State()),
		LastSuccess: h.lastSuccess, LastFailure: h.lastFailure, LastError: h.lastError,
		InFlight: len(l.slots),
	}
	status.Positive, status.Negative = l.answers.size()
	return status
}

// Report adds to the status of an issuer whether it is asked. Of one that does not answer,
// what it said last holds as long as its keys would, had they been fetched then: status
// tells when that ends, as it does of keys. It is made for token.Introspector.
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
