package sink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

// linesOf writes each record as one line of JSON, in the form its hash is made over.
func linesOf(records []authz.Record) (*bytes.Buffer, error) {
	lines := &bytes.Buffer{}
	for i := range records {
		line, err := ijson.Marshal(&records[i])
		if err != nil {
			return nil, unwritable(records[i].Seq, err)
		}
		lines.Write(line)
		lines.WriteByte('\n')
	}
	return lines, nil
}

func unwritable(seq uint64, err error) error {
	return fmt.Errorf("%w: record %d cannot be written: %w", ErrRefused, seq, err)
}

// Stream writes records as lines of JSON to a writer, such as standard output. A
// batch is one Write. A write that broke off leaves a broken line; the next one
// begins on a line of its own, and repeats what was broken off.
//
// Nothing can end a Write that hangs: it delays this sink alone, and the end of its
// Runner.
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

// filePerm lets only the owner read who may call what.
const filePerm = 0o600

// File appends records as lines of JSON to a file, which it makes when there is none.
// What Send took is on disk. The file is opened anew for each batch, so it may be
// moved away or removed at any time; it is never truncated. A line that broke off,
// by a full disk or a crash, stays and the next begins on a line of its own.
type File struct {
	path string
}

// NewFile makes a File at path. It does not touch the path; Send says when it cannot
// be written.
func NewFile(path string) (*File, error) {
	if path == "" {
		return nil, authz.Invalid("path", "is required: the file that records are appended to")
	}
	return &File{path: path}, nil
}

// Send implements Sink.
func (s *File) Send(_ context.Context, records []authz.Record) (err error) {
	lines, err := linesOf(records)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(s.path, os.O_RDWR|os.O_APPEND|os.O_CREATE, filePerm)
	if err != nil {
		return fmt.Errorf("opening the file of records: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return appendLines(f, lines.Bytes())
}

func appendLines(f *os.File, text []byte) error {
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("looking at the file of records: %w", err)
	}
	regular := info.Mode().IsRegular() // and no pipe or terminal
	if regular {
		torn, err := endsWithinLine(f, info.Size())
		if err != nil {
			return fmt.Errorf("reading the file of records: %w", err)
		}
		if torn {
			text = append([]byte{'\n'}, text...)
		}
	}
	if _, err := f.Write(text); err != nil {
		return fmt.Errorf("writing records: %w", err)
	}
	if !regular {
		return nil
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("writing records to disk: %w", err)
	}
	return nil
}

func endsWithinLine(f io.ReaderAt, size int64) (bool, error) {
	if size == 0 {
		return false, nil
	}
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, size-1); err != nil {
		return false, err
	}
	return last[0] != '\n', nil
}
