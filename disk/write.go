package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// beginning is how the names of files begin that are being written.
const beginning = ".new-"

// WriteFile replaces the file at path by one with content, atomically: a reader sees the
// old file or the new one, also after a crash.
// When it returns nil the file is on disk under its name. Its folder must be there.
//
// A process that is killed meanwhile may leave a file beside it: see Unfinished.
func WriteFile(path string, content []byte, mode fs.FileMode) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), beginning+"*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			if left := os.Remove(file.Name()); !errors.Is(left, fs.ErrNotExist) {
				err = errors.Join(err, left)
			}
		}
	}()
	_, err = file.Write(content)
	if err = errors.Join(err, file.Chmod(mode), file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// Unfinished reports whether name, that of a file without its folder, is one of a
// WriteFile that did not finish. A process that starts to use a folder, and is the only
// one to do so, may remove such files.
func Unfinished(name string) bool { return strings.HasPrefix(name, beginning) }

// SyncDir makes the names in a folder outlive a power cut: that files are there, are
// called so, or are gone.
func SyncDir(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
