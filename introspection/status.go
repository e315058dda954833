package introspection

import "time"

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
