package main

import (
	"io"
	"strings"
)

// report writes lines of text and keeps the first error.
type report struct {
	w   io.Writer
	err error
}

func (r *report) line(format string, values ...any) {
	if r.err == nil {
		r.err = say(r.w, format, values...)
	}
}

// lines writes text of several lines, each behind prefix.
func (r *report) lines(prefix, text string) {
	for line := range strings.Lines(text) {
		r.line("%s%s", prefix, strings.TrimSuffix(line, "\n"))
	}
}

// quote writes text that somebody else wrote below its name. Every line of it stands
// behind a bar, so that none can be taken for a line of the report.
func (r *report) quote(name, text string) {
	r.line("  %s:", name)
	r.lines("  | ", text)
}
