package secret

import "context"

// OnRun calls f before each run of argon2.
func (c *Checker) OnRun(f func()) {
	c.matches = func(h phc, secret string) bool {
		f()
		return h.matches(secret)
	}
}

// Acquire waits for a slot as an unknown source does.
func (c *Checker) Acquire(ctx context.Context) bool { return c.slots.acquire(ctx, queue{}) }

// Release gives the slot back.
func (c *Checker) Release() { c.slots.release() }
