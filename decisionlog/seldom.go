package decisionlog

import (
	"sync/atomic"
	"time"
)

// seldom keeps what happens with every decision from filling the operator's log.
type seldom struct {
	last atomic.Int64 // Unix nanoseconds
}

// seldomEvery is the pause between two messages of a kind.
const seldomEvery = 10 * time.Second

// due says whether it is time to tell again, to one of those who ask. A clock that was
// set back does not keep it quiet.
func (s *seldom) due(now time.Time) bool {
	last, at := s.last.Load(), now.UnixNano()
	return (at-last >= int64(seldomEvery) || at < last) && s.last.CompareAndSwap(last, at)
}
