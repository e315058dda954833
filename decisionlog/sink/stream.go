package sink

import (
	"context"
	"fmt"
	"io"

	"github.com/verdict-pdp/verdict/authz"
)

// Stream writes records as lines of JSON to a writer, such as standard output. A
// batch is one Write. A write that broke off leaves a broken line; the next one
// begins on a line of its own, and repeats what was broken off.
//
// Nothing can end a Write that hangs: it holds up this sink alone, and the end of
// its Runner.
type Stream struct {
	w    io.Writer
	torn bool // the last write ended within a line
}

// NewStream makes a Stream. The writer stays the caller's to close.
func NewStream(w io.Writer) *Stream { return &Stream{w: w} }

// Send implements Sink.
func (s *Stream) Send(_ context.Context, records []authz.Record) error {
	lines, err := linesOf(records)
	if err != nil {
		return err
	}
	text := lines.Bytes()
	if s.torn {
		text = append([]byte{'\n'}, text...)
	}
	n, err := s.w.Write(text)
	if n > 0 {
		s.torn = text[n-1] != '\n'
	}
	if err == nil && n < len(text) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return fmt.Errorf("writing records: %w", err)
	}
	return nil
}
