package main

import (
	"bytes"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress shows on standard error how far something is, when that is a terminal; else
// it shows nothing. It is a courtesy: nothing it cannot show fails the work. As a writer
// it counts the bytes and lines of a transfer.
type progress struct {
	what string
	w    io.Writer // nil: nothing is shown

	mu    sync.Mutex
	bar   *progressbar.ProgressBar // nil while nothing is drawn
	total int64                    // that bar was made for
	lines int
}

// newProgress starts to show a transfer of total bytes; -1 when not known.
func (c *cli) newProgress(what string, total int64) *progress {
	p := c.newCount(what)
	if total == 0 {
		total = -1 // an empty file, or one of unknown size
	}
	if p.w != nil {
		p.bar = p.newBar(total, progressbar.OptionShowBytes(true), progressbar.OptionShowTotalBytes(total > 0))
	}
	return p
}

// newCount starts to show how many of something are done, see at.
func (c *cli) newCount(what string) *progress {
	p := &progress{what: what}
	if isTerminal(c.err) {
		p.w = c.err
	}
	return p
}

func (p *progress) newBar(total int64, options ...progressbar.Option) *progressbar.ProgressBar {
	return progressbar.NewOptions64(total, append(options,
		progressbar.OptionSetWriter(p.w),
		progressbar.OptionSetDescription(p.what),
		progressbar.OptionSetWidth(20),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionSetSpinnerChangeInterval(0), // no goroutine of its own
	)...)
}

// at shows done of total; a total of 0 is not known.
func (p *progress) at(done, total uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	most := int64(total)
	if most == 0 {
		most = -1
	}
	if p.w != nil && (p.bar == nil || p.total != most) {
		if p.clearLocked() != nil {
			p.w = nil
			return
		}
		p.bar, p.total = p.newBar(most, progressbar.OptionShowCount()), most
	}
	if p.bar != nil && p.bar.Set64(int64(done)) != nil {
		p.bar, p.w = nil, nil
	}
}

// Write counts the bytes and lines of data; it keeps nothing and does not fail.
func (p *progress) Write(data []byte) (int, error) {
	p.add(data, bytes.Count(data, []byte("\n")))
	return len(data), nil
}

// bytesOnly counts bytes, for content that has no lines.
func (p *progress) bytesOnly() io.Writer { return bytesOnly{p} }

type bytesOnly struct{ p *progress }

func (b bytesOnly) Write(data []byte) (int, error) {
	b.p.add(data, 0)
	return len(data), nil
}

// add moves the bar on. A bar that cannot go on, because the file grew while it was
// read, is shown no longer.
func (p *progress) add(data []byte, lines int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar == nil {
		return
	}
	if p.lines += lines; p.lines > 0 {
		p.bar.Describe(p.what + ", " + strconv.Itoa(p.lines) + " lines")
	}
	if _, err := p.bar.Write(data); err != nil {
		p.bar = nil
	}
}

// done removes it, so that what follows stands on a clean line.
func (p *progress) done() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.clearLocked()
}

func (p *progress) clearLocked() error {
	if p.bar == nil {
		return nil
	}
	bar := p.bar
	p.bar = nil
	return bar.Clear()
}

// newSpinner starts to show that something is going on whose end is not known, with the
// time it has taken. What it returns removes that.
func (c *cli) newSpinner(what string) (done func() error) {
	if !isTerminal(c.err) {
		return func() error { return nil }
	}
	return progressbar.NewOptions64(-1,
		progressbar.OptionSetWriter(c.err),
		progressbar.OptionSetDescription(printable(what)),
		progressbar.OptionSetElapsedTime(true),
		progressbar.OptionSetRenderBlankState(true),
		progressbar.OptionClearOnFinish(),
	).Finish
}
