package control

import (
	"context"
	"errors"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/store"
)

// Follow tells written of every entity that was written or deleted after the
// revision from, in the order of the change feed, whatever way it came in, until ctx
// ends. It is for work that may be late. When the feed no longer reaches back it goes
// on from now, and says so by calling lost; it returns at once where there is no feed.
func (s *Service) Follow(ctx context.Context, from uint64, written func(c authz.Collection, key string), lost func()) error {
	for {
		page, err := s.config.Store.Changes(ctx, from, store.MaxChanges)
		switch {
		case ctx.Err() != nil:
			return nil
		case authz.CodeOf(err) == authz.CodeGone && !s.config.Store.LogsChanges():
			return nil
		case authz.CodeOf(err) == authz.CodeGone:
			lost()
			from = s.config.Store.Revision()
			continue
		case err != nil:
			return err
		}
		for _, change := range page.Changes {
			written(change.Collection, change.ID)
		}
		if from = page.NextAfter; from < page.Revision {
			continue
		}
		if err := s.config.Store.WaitFor(ctx, from+1); err != nil {
			if ctx.Err() != nil || errors.Is(err, context.Canceled) {
				return nil
			}
			return err
		}
	}
}
