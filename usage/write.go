package usage

import (
	"container/heap"
	"context"
	"fmt"
	"slices"
)

// maxBatch bounds the uses of one call of Config.Write, and how many records are
// handled while holding mu.
const maxBatch = 256

// claim is a use being written, and its record.
type claim struct {
	record *record
	use    Use
}

// Flush writes every pending use now, due or not. When it returns nil, every use
// seen before it was called is stored, or a later one of its credential, those
// aside that Stats counts as dropped.
func (u *Uses) Flush(ctx context.Context) error {
	return u.write(ctx, func(*record) bool { return true })
}

func (u *Uses) writeDue(ctx context.Context) error {
	now := u.config.Now()
	return u.write(ctx, func(r *record) bool { return !r.due.After(now) })
}

// write writes the pending uses from the front of the queue for as long as due
// says so. One that fails ends it, with its batch pending again. No credential is
// written twice.
func (u *Uses) write(ctx context.Context, due func(*record) bool) error {
	select {
	case u.writeLock <- struct{}{}:
		defer func() { <-u.writeLock }()
	case <-ctx.Done():
		return fmt.Errorf("waiting to write last uses: %w", context.Cause(ctx))
	}
	var written []claim
	defer func() { u.markStored(written) }()
	for {
		claims := u.claim(due)
		if len(claims) == 0 {
			return nil
		}
		uses := make([]Use, len(claims))
		for i, c := range claims {
			uses[i] = c.use
		}
		if err := u.config.Write(ctx, uses); err != nil {
			u.requeue(claims)
			return fmt.Errorf("writing the last uses of %d credentials: %w", len(uses), err)
		}
		written = append(written, claims...)
	}
}

// claim takes a batch off the queue.
func (u *Uses) claim(due func(*record) bool) []claim {
	u.mu.Lock()
	defer u.mu.Unlock()
	var claims []claim
	for len(claims) < maxBatch && len(u.pending) > 0 && due(u.pending[0]) {
		r := heap.Pop(&u.pending).(*record)
		r.phase = writing
		claims = append(claims, claim{r, r.use})
	}
	return claims
}

// markStored ends the writing of claims that are stored. It comes after all batches,
// so that a credential in steady use is not claimed over and over.
func (u *Uses) markStored(claims []claim) {
	for batch := range slices.Chunk(claims, maxBatch) {
		u.markStoredBatch(batch)
	}
}

func (u *Uses) markStoredBatch(claims []claim) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, c := range claims {
		u.stats.Written++
		r := c.record
		if c.use.At.After(r.stored) {
			r.stored = c.use.At
		}
		u.releaseLocked(r)
	}
}

// requeue makes claims that could not be stored pending again.
func (u *Uses) requeue(claims []claim) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.stats.Failures++
	for _, c := range claims {
		u.releaseLocked(c.record)
	}
}

// releaseLocked ends the writing of r: its latest use is stored, pending, or lost
// with r itself.
func (u *Uses) releaseLocked(r *record) {
	switch {
	case !r.use.At.After(r.stored):
		r.phase = idle
	case r.gone:
		u.stats.Dropped++
	default:
		u.queueLocked(r)
	}
}
