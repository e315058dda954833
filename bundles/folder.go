package bundles

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// folder reads files of a policy set that is a folder.
type folder struct {
	files    fs.FS
	limits   Limits
	count    int
	bytes    int64
	problems Problems
}

// read returns the files whose names are wanted. What makes the folder no policy
// set is added to problems; the error is that of reading or of a bound.
func (f *folder) read(wanted func(name string) bool) ([]File, error) {
	var all []File
	err := fs.WalkDir(f.files, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return fmt.Errorf("reading the policy set: %w", err)
		case entry.IsDir() && name != "." && strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir
		case entry.IsDir() || !f.regular(name, entry):
			return nil
		case kindOf(name) == kindRefused:
			f.problems = append(f.problems, unsupported(name))
			return nil
		case !wanted(name):
			return nil
		}
		file, err := f.take(name)
		all = append(all, file)
		return err
	})
	return all, err
}

// regular reports whether an entry, which is not a folder, is a file or a link to
// one. Anything else is refused before it is opened: opening a pipe would wait
// for a writer.
func (f *folder) regular(name string, entry fs.DirEntry) bool {
	mode := entry.Type()
	if mode&fs.ModeSymlink != 0 {
		target, err := fs.Stat(f.files, name)
		if err != nil {
			f.problems = append(f.problems, Problem{File: name, Message: "is a link that cannot be followed: " + reason(err), Fix: "remove it, or put a file where it points"})
			return false
		}
		mode = target.Mode().Type()
	}
	switch {
	case mode.IsRegular():
		return true
	case mode.IsDir() && strings.HasPrefix(entry.Name(), "."):
		return false
	case mode.IsDir():
		f.problems = append(f.problems, Problem{File: name, Message: "is a link to a folder, which is not followed", Fix: "put the folder itself here"})
	default:
		f.problems = append(f.problems, Problem{File: name, Message: "is neither a file nor a folder", Fix: "remove it; a policy set has files and folders only"})
	}
	return false
}

// reason is err without the path, which may lie outside the policy set.
func reason(err error) string {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err.Error()
	}
	return err.Error()
}

// take reads one file within the bounds.
func (f *folder) take(name string) (File, error) {
	f.count++
	if f.count > f.limits.Files {
		return File{}, tooLarge(name, "is file number %d; a policy set has at most %d", f.count, f.limits.Files)
	}
	content, err := f.content(name)
	if err != nil {
		return File{}, err
	}
	f.bytes += int64(len(content))
	if f.bytes > f.limits.Bytes {
		return File{}, tooLarge(name, "takes the policy set over %d bytes", f.limits.Bytes)
	}
	return File{Path: name, Bytes: content}, nil
}

func (f *folder) content(name string) (content []byte, err error) {
	file, err := f.files.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading the policy set: %w", err)
	}
	defer func() {
		if closeErr := file.Close(); err == nil && closeErr != nil {
			err = fmt.Errorf("reading the policy set: %w", closeErr)
		}
	}()
	content, err = io.ReadAll(io.LimitReader(file, f.limits.FileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading the policy set: %w", err)
	}
	if int64(len(content)) > f.limits.FileBytes {
		return nil, tooLarge(name, "is larger than %d bytes", f.limits.FileBytes)
	}
	return content, nil
}
