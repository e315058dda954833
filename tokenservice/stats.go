package tokenservice

import (
	"sync/atomic"
	"time"
)

// Stats is what a Service did since New. The counts are of calls and never go down.
type Stats struct {
	Issued  uint64 // tokens
	Revoked uint64 // tokens, by their own clients
	Refused uint64 // requests for a token or a revocation, by what was sent or decided
	Failed  uint64 // requests of any kind that could not be decided
	// KeysPublished is when Publish last took the keys: about a minute ago at most
	// while Run does its work.
	KeysPublished time.Time
}

// Stats may be called at any time. Its numbers are read one after the other.
func (s *Service) Stats() Stats {
	c := &s.counters
	return Stats{
		Issued:        c.issued.Load(),
		Revoked:       c.revoked.Load(),
		Refused:       c.refused.Load(),
		Failed:        c.failed.Load(),
		KeysPublished: time.Unix(0, c.published.Load()).UTC(),
	}
}

type counters struct {
	issued, revoked, refused, failed atomic.Uint64
	published                        atomic.Int64 // nanoseconds since 1970
}

func (c *counters) publishedAt(now time.Time) { c.published.Store(now.UnixNano()) }
