package main

import (
	"bytes"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress shows on standard error how much of a transfer is done, when that is
// a terminal; else it shows nothing. It is a courtesy: nothing it cannot show
// fails the transfer.
type progress struct {
	what string

	mu    sync.Mutex
	bar   *progressbar.ProgressBar // nil: nothing is shown
	lines int
}

// newProgress starts to show a transfer of total bytes; -1 when not known.
func (c *cli) newProgress(what string, total int64) *progress {
	p := &progress{what: what}
	if !isTerminal(c.err) {
		return p
	}
	if total == 0 {
		total = -1 // an empty file, or one that does not tell its size
	}
	p.bar = progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(c.err),
		progressbar.OptionSetDescription(what),
		progressbar.OptionShowBytes(true),
		progressbar.OptionShowTotalBytes(total > 0),
		progressbar.OptionSetWidth(20),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionSetSpinnerChangeInterval(0), // no goroutine of its own
	)
	return p
}

// Write counts the bytes and lines of data; it keeps nothing and does not fail.
func (p *progress) Write(data []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		p.lines += bytes.Count(data, []byte("\n"))
		p.bar.Describe(p.what + ", " + strconv.Itoa(p.lines) + " lines")
		p.addLocked(data)
	}
	return len(data), nil
}

// bytesOnly counts bytes, for content that has no lines.
func (p *progress) bytesOnly() io.Writer { return bytesOnly{p} }

type bytesOnly struct{ p *progress }

func (b bytesOnly) Write(data []byte) (int, error) {
	b.p.mu.Lock()
	defer b.p.mu.Unlock()
	if b.p.bar != nil {
		b.p.addLocked(data)
	}
	return len(data), nil
}

// addLocked moves the bar on. A bar that cannot go on, because the file grew
// while it was read, is shown no longer.
func (p *progress) addLocked(data []byte) {
	if _, err := p.bar.Write(data); err != nil {
		p.bar = nil
	}
}

// done removes the bar, so that what follows stands on a clean line.
func (p *progress) done() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar == nil {
		return nil
	}
	bar := p.bar
	p.bar = nil
	return bar.Clear()
}

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

// wait shows on standard error, when that is a terminal, that something is going on
// whose end is not known.
type wait struct {
	spinner *progressbar.ProgressBar // nil: nothing is shown
}

// newWait starts to show what is waited for, with the time it has taken.
func (c *cli) newWait(what string) *wait {
	if !isTerminal(c.err) {
		return &wait{}
	}
	return &wait{spinner: progressbar.NewOptions64(-1,
		progressbar.OptionSetWriter(c.err),
		progressbar.OptionSetDescription(printable(what)),
		progressbar.OptionSetElapsedTime(true),
		progressbar.OptionSetRenderBlankState(true),
		progressbar.OptionClearOnFinish(),
	)}
}

// done removes it, so that what follows stands on a clean line.
func (w *wait) done() error {
	if w.spinner == nil {
		return nil
	}
	return w.spinner.Finish()
}
