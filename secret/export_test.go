package secret

import "context"

// OnRun calls f before each run of argon2.
func (c *Checker) OnRun(f func()) {
	c.matches = func(h phc, secret string) bool {
		f()
		return h.matches(secret)
	}
}

// Acquire waits for a turn in a lane of strangers.
func (c *Checker) Acquire(ctx context.Context) bool { return c.turns.acquire(ctx, lane{}) }

// Release gives the turn back.
func (c *Checker) Release() { c.turns.release() }
