package decisionlog

import (
	"context"

	"github.com/verdict-pdp/verdict/authz"
)

// Status is the state of the log. What of it cannot be read is why Error is not empty.
func (l *Log) Status(ctx context.Context) authz.LogStatus {
	stats := l.Stats()
	s := authz.LogStatus{
		Waiting: stats.Waiting, Queue: l.config.Queue, Lost: stats.Lost, Refused: stats.Refused, Bytes: stats.Bytes + stats.ChangeBytes,
	}
	if stats.Oldest > 0 {
		s.Records = stats.Head - stats.Oldest + 1
	}
	err := l.Ready()
	if !l.config.InMemory {
		free, failed := l.config.Free(l.config.Dir)
		if s.FreeBytes = free; err == nil {
			err = failed
		}
	}
	if s.Records > 0 {
		page, failed := l.Tail(ctx, authz.RecordFilter{}, stats.Oldest-1, 1)
		switch {
		case failed == nil && len(page.Items) > 0:
			s.Oldest = page.Items[0].At
		case err == nil && authz.CodeOf(failed) != authz.CodeGone: // retention was faster
			err = failed
		}
	}
	if err != nil {
		s.Error = err.Error()
	}
	return s
}
