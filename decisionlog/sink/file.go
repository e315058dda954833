package sink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/verdict-pdp/verdict/authz"
)

// filePerm lets nobody but the owner read who may call what.
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
