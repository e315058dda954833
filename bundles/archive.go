package bundles

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/verdict-pdp/verdict/authz"
)

// Bounds of a policy set, by bytes actually read.
const (
	MaxFiles     = 2000     // files of the kinds that are read
	MaxFileBytes = 4 << 20  // one file
	MaxBytes     = 64 << 20 // all of them
)

// File is one file of a policy set.
type File struct {
	Path  string // slash-separated, from the root of the set
	Bytes []byte
}

// Archive is a policy set as it was read: complete and within bounds, but not
// yet checked or compiled. Files are in path order.
type Archive struct {
	Manifest Manifest
	Policies []File
	Tests    []File // *_test.rego
	Data     []File
}

// Read reads the policy set whose root is the root of files. Folders whose name
// starts with a dot are skipped. Links to files are followed as files does;
// links to folders, pipes, sockets and devices are refused. The error is an
// *authz.Error, CodeTooLarge when a bound was passed and CodeInvalid when the
// set is not a policy set.
func Read(files fs.FS) (Archive, error) {
	r := reader{files: files}
	if err := fs.WalkDir(files, ".", r.visit); err != nil {
		return Archive{}, err
	}
	if !r.hasManifest {
		r.problems = append(r.problems, Problem{
			File: manifestName, Message: "is missing",
			Fix: `add one such as {"roots": ["guards/acme"], "rego_version": 1}`,
		})
	}
	return r.archive, r.problems.err()
}

// reader collects the files of one policy set.
type reader struct {
	files       fs.FS
	archive     Archive
	hasManifest bool
	count       int
	bytes       int
	problems    Problems
}

func (r *reader) visit(name string, entry fs.DirEntry, err error) error {
	if err != nil {
		return fmt.Errorf("reading the policy set: %w", err)
	}
	if entry.IsDir() {
		if name != "." && strings.HasPrefix(entry.Name(), ".") {
			return fs.SkipDir
		}
		return nil
	}
	if !r.regular(name, entry) {
		return nil
	}
	switch base := entry.Name(); {
	case name == manifestName:
		return r.take(name, r.manifest)
	case base == "policy.wasm" || base == "patch.json":
		r.problems = append(r.problems, Problem{File: name, Message: "is a kind of bundle file that is not supported", Fix: "build the bundle from Rego sources, as a whole"})
	case strings.HasSuffix(base, "_test.rego"):
		return r.take(name, appendTo(&r.archive.Tests))
	case path.Ext(base) == ".rego":
		return r.take(name, appendTo(&r.archive.Policies))
	case base == "data.json", base == "data.yaml", base == "data.yml":
		return r.take(name, appendTo(&r.archive.Data))
	}
	return nil
}

// regular says whether an entry, which is not a folder, is a file or a link to
// one. Anything else is refused before it is opened: opening a pipe would wait
// for a writer.
func (r *reader) regular(name string, entry fs.DirEntry) bool {
	mode := entry.Type()
	if mode&fs.ModeSymlink != 0 {
		target, err := fs.Stat(r.files, name)
		if err != nil {
			r.problems = append(r.problems, Problem{File: name, Message: "is a link that cannot be followed: " + reason(err), Fix: "remove it, or put a file where it points"})
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
		r.problems = append(r.problems, Problem{File: name, Message: "is a link to a folder, which is not followed", Fix: "put the folder itself here"})
	default:
		r.problems = append(r.problems, Problem{File: name, Message: "is neither a file nor a folder", Fix: "remove it; a policy set has files and folders only"})
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

func appendTo(list *[]File) func(File) {
	return func(f File) { *list = append(*list, f) }
}

func (r *reader) manifest(f File) {
	r.hasManifest = true
	m, problems := parseManifest(f)
	r.archive.Manifest, r.problems = m, append(r.problems, problems...)
}

// take reads one file within the bounds and hands it to keep.
func (r *reader) take(name string, keep func(File)) error {
	r.count++
	if r.count > MaxFiles {
		return tooLarge(name, "is file number %d; a policy set has at most %d", r.count, MaxFiles)
	}
	content, err := r.content(name)
	if err != nil {
		return err
	}
	r.bytes += len(content)
	if r.bytes > MaxBytes {
		return tooLarge(name, "takes the policy set over %d bytes", MaxBytes)
	}
	keep(File{Path: name, Bytes: content})
	return nil
}

func (r *reader) content(name string) (content []byte, err error) {
	f, err := r.files.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading the policy set: %w", err)
	}
	defer func() {
		if closeErr := f.Close(); err == nil && closeErr != nil {
			err = fmt.Errorf("reading the policy set: %w", closeErr)
		}
	}()
	content, err = io.ReadAll(io.LimitReader(f, MaxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading the policy set: %w", err)
	}
	if len(content) > MaxFileBytes {
		return nil, tooLarge(name, "is larger than %d bytes", MaxFileBytes)
	}
	return content, nil
}

func tooLarge(field, format string, args ...any) error {
	return &authz.Error{Code: authz.CodeTooLarge, Field: field, Message: fmt.Sprintf(format, args...)}
}
