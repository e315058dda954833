package sources

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// maxReads is how often a folder that changes is read within one attempt.
	maxReads = 20
	// maxWatched bounds the folders watched below one; the others are only looked at
	// from time to time.
	maxWatched = 4096
)

// folder gets a bundle from a folder and notices changes.
type folder struct {
	source   Source
	pack     func(io.Writer, fs.FS) error
	debounce time.Duration
	log      *slog.Logger
	// watcher tells of changes since the last fetch began; nil when nothing can be
	// watched.
	watcher *fsnotify.Watcher
}

func newFolder(s Source, config Config) *folder {
	return &folder{source: s, pack: config.Pack, debounce: config.Debounce, log: config.Log}
}

// fetch implements origin. The bundle was the same at two reads, debounce apart.
func (f *folder) fetch(ctx context.Context, have version) (bundle, error) {
	f.watch(ctx)
	last, err := f.read()
	if err == nil && last.digest == have.digest {
		return bundle{version: have, unchanged: true}, nil
	}
	for range maxReads {
		pause(ctx, f.debounce)
		if ctx.Err() != nil {
			return bundle{}, ctx.Err()
		}
		next, nextErr := f.read()
		switch {
		case err != nil && nextErr != nil:
			return bundle{}, nextErr
		case err == nil && nextErr == nil && last.digest == next.digest:
			return next, nil
		}
		last, err = next, nextErr
	}
	return bundle{}, errors.New("the folder does not stay the same for long enough to be read")
}

// read packs the folder as it is.
func (f *folder) read() (b bundle, err error) {
	root, err := os.OpenRoot(f.source.Folder)
	if err != nil {
		return bundle{}, fmt.Errorf("opening the folder: %w", err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	packed := &bounded{left: f.source.MaxBytes}
	if err := f.pack(packed, root.FS()); err != nil {
		if packed.left < 0 {
			return bundle{}, fmt.Errorf("the bundle is larger than %d bytes", f.source.MaxBytes)
		}
		return bundle{}, err
	}
	return bundle{version: version{digest: digestOf(packed.Bytes())}, body: packed.Bytes()}, nil
}

// bounded is a buffer that takes so many bytes; left is negative once it was full.
type bounded struct {
	bytes.Buffer
	left int64
}

var errFull = errors.New("the buffer is full")

// Write takes all of p or fails.
func (b *bounded) Write(p []byte) (int, error) {
	if b.left -= int64(len(p)); b.left < 0 {
		b.left = -1
		return 0, errFull
	}
	return b.Buffer.Write(p)
}

// watch begins to watch the folder as it is now, anew each time: what a name leads to
// may have been swapped. Where nothing can be watched, waits take their full time.
func (f *folder) watch(ctx context.Context) {
	if err := errors.Join(f.close(), f.begin()); err != nil {
		f.log.WarnContext(ctx, "folder cannot be watched, only looked at from time to time", "bundle", f.source.Name, "folder", f.source.Folder, "error", err)
	}
}

// begin watches the folder, those below it, and where it would come back.
func (f *folder) begin() error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	f.watcher = watcher
	err = watcher.Add(filepath.Dir(f.source.Folder))
	watched := 0
	return errors.Join(err, filepath.WalkDir(f.source.Folder+string(filepath.Separator), func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // gone, or not there yet: read says so
			return nil
		case err != nil:
			return err
		case !entry.IsDir():
			return nil
		case watched == maxWatched:
			return fs.SkipAll
		}
		watched++
		if err := watcher.Add(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}))
}

// wait implements origin. A change ends it after debounce, so that a folder that is
// always changing is not read all the time.
func (f *folder) wait(ctx context.Context, d time.Duration) {
	var events <-chan fsnotify.Event
	var faults <-chan error
	if f.watcher != nil {
		events, faults = f.watcher.Events, f.watcher.Errors
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	for changed := false; ; {
		var hurry bool
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		case event, open := <-events:
			if !open {
				events = nil
			}
			hurry = open && f.concerns(event)
		case _, open := <-faults: // events were lost
			if !open {
				faults = nil
			}
			hurry = open
		}
		if hurry && !changed {
			changed = true
			timer.Reset(min(d, f.debounce))
		}
	}
}

// concerns reports whether an event is about the folder or in it.
func (f *folder) concerns(event fsnotify.Event) bool {
	if event.Op == fsnotify.Chmod {
		return false
	}
	name := filepath.Clean(event.Name)
	return name == f.source.Folder || filepath.Dir(name) != filepath.Dir(f.source.Folder)
}

// close implements origin.
func (f *folder) close() error {
	if f.watcher == nil {
		return nil
	}
	watcher := f.watcher
	f.watcher = nil
	return watcher.Close()
}
