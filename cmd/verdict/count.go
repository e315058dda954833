package main

import (
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// count shows on standard error how many of something are done, when that is a
// terminal; else it shows nothing. Like progress it is a courtesy: nothing it cannot
// show fails the work.
type count struct {
	what  string
	w     io.Writer                // nil: nothing is shown, any more
	bar   *progressbar.ProgressBar // nil before the first of at
	total uint64                   // that bar was made for
}

// newCount starts to show how far something is.
func (c *cli) newCount(what string) *count {
	if !isTerminal(c.err) {
		return &count{}
	}
	return &count{what: what, w: c.err}
}

// at shows done of total; a total of 0 is not known.
func (c *count) at(done, total uint64) {
	if c.w == nil {
		return
	}
	if c.bar == nil || total != c.total {
		if c.done() != nil {
			c.w = nil
			return
		}
		c.bar, c.total = c.newBar(total), total
	}
	if c.bar.Set64(int64(done)) != nil {
		c.w = nil
	}
}

func (c *count) newBar(total uint64) *progressbar.ProgressBar {
	most := int64(total)
	if most == 0 {
		most = -1
	}
	return progressbar.NewOptions64(most,
		progressbar.OptionSetWriter(c.w),
		progressbar.OptionSetDescription(c.what),
		progressbar.OptionShowCount(),
		progressbar.OptionSetWidth(20),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionSetSpinnerChangeInterval(0), // no goroutine of its own
	)
}

// done removes it, so that what follows stands on a clean line.
func (c *count) done() error {
	if c.bar == nil {
		return nil
	}
	return c.bar.Clear()
}
