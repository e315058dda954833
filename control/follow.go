package control

import (
	"context"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/store"
)

// followAgain is the pause after the feed could not be read. The node goes on meanwhile.
const followAgain = time.Second

// Follow calls written for every entity that was written or deleted after the revision
// from, in the order of the change feed, however it was written, until ctx ends. It is for
// work that may be late. When the feed no longer reaches back, it calls lost and continues
// from the newest revision; without a feed it returns at once. RunRotations is woken too.
func (s *Service) Follow(ctx context.Context, from uint64, written func(c authz.Collection, key string), lost func()) {
	for ctx.Err() == nil {
		next, err := s.follow(ctx, from, written)
		switch {
		case authz.CodeOf(err) == authz.CodeGone && !s.config.Store.LogsChanges():
			return
		case authz.CodeOf(err) == authz.CodeGone:
			next = s.config.Store.Revision()
			s.rotations.lost()
			lost()
		case err != nil && ctx.Err() == nil:
			s.config.Log.ErrorContext(ctx, "the change feed cannot be followed; it is tried again", "error", err)
			pause(ctx, followAgain)
		}
		from = next
	}
}

// follow handles one page of the feed, and waits for more when that was the last. next is
// the revision to continue from, even with an error.
func (s *Service) follow(ctx context.Context, from uint64, written func(c authz.Collection, key string)) (next uint64, err error) {
	page, err := s.config.Store.Changes(ctx, from, store.MaxChanges)
	if err != nil {
		return from, err
	}
	for _, change := range page.Changes {
		s.rotations.written(change.Collection, change.ID)
		written(change.Collection, change.ID)
	}
	if page.NextAfter < page.Revision {
		return page.NextAfter, nil
	}
	return page.NextAfter, s.config.Store.WaitFor(ctx, page.NextAfter+1)
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
