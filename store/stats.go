package store

import "sync/atomic"

// Stats are running totals since Open, and the present size of the hot state.
type Stats struct {
	Writes        uint64 // committed, each one revision
	Commits       uint64 // groups the writes were committed in, each one fsync
	Refused       uint64 // writes whose precondition or existence check failed
	NoSpace       uint64 // writes refused because the disk was nearly full
	ColdReads     uint64 // point reads that went to Badger
	Swept         uint64 // expired entities deleted
	HotEntities   uint64 // entities kept in memory now
	OpenSnapshots int
}

type counters struct {
	writes, groups, refused, noSpace, coldReads, swept atomic.Uint64
}

// Stats are the numbers a metrics surface shows.
func (s *Store) Stats() Stats {
	stats := Stats{
		Writes:    s.stats.writes.Load(),
		Commits:   s.stats.groups.Load(),
		Refused:   s.stats.refused.Load(),
		NoSpace:   s.stats.noSpace.Load(),
		ColdReads: s.stats.coldReads.Load(),
		Swept:     s.stats.swept.Load(),
	}
	for _, hot := range s.state.Load().hot {
		if hot != nil {
			stats.HotEntities += uint64(hot.count)
		}
	}
	s.viewsMu.Lock()
	defer s.viewsMu.Unlock()
	for _, n := range s.views {
		stats.OpenSnapshots += n
	}
	return stats
}
