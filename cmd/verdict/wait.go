package main

import "github.com/schollz/progressbar/v3"

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
