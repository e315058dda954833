package disk

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"github.com/verdict-pdp/verdict/authz"
)

// Options are what differs between the databases of a node.
type Options struct {
	// Name is what messages call the database, before its directory; Engine is what
	// they call Badger.
	Name, Engine string
	// Dir is made when missing. InMemory keeps nothing after Close, and has no Dir.
	Dir      string
	InMemory bool
	// Managed lets the caller choose the version of each commit.
	Managed bool
	// SyncWrites has each commit wait for the disk.
	SyncWrites bool
	// MemTableSize also bounds a transaction: 15 % of it.
	MemTableSize, BlockCache, IndexCache int64

	// MinFree is the free space below which CheckSpace refuses; it is not asked for
	// when it is negative. See CheckSpace.
	MinFree int64
	// Free is how much space the disk of dir has; see the function of this name.
	Free func(dir string) (bytes uint64, err error)
	// FreeHolds is for how long a good answer of Free is relied on, by Now.
	FreeHolds time.Duration
	Now       func() time.Time
	// NoSpace makes the error for a disk that has free bytes and not need, or whose free
	// space could not be read, for cause.
	NoSpace func(free, need uint64, cause error) error
	// Low and Enough are logged when CheckSpace begins to refuse, and when it ends.
	Low, Enough string

	// Closed is the error of Enter after Close.
	Closed func() error
	Log    *slog.Logger
}

// DB is an open Badger with its life: until it fails, it can be written to, and until
// it is closed, it can be read.
type DB struct {
	*badger.DB
	options Options

	asked  atomic.Int64 // when Free was asked, in Unix nanoseconds
	low    atomic.Bool  // the last answer that CheckSpace got was too little
	failed atomic.Pointer[error]

	closing   chan struct{}
	closeOnce sync.Once
	closeErr  error
	// life is held for reading by those who use DB, for writing to close it.
	life   sync.RWMutex
	closed bool // guarded by life
}

// Open opens the database in o.Dir. It refuses a directory that another process has
// open and one on a full disk. Errors are *authz.Error and say what an operator can do.
func Open(o Options) (*DB, error) {
	if err := o.spaceToOpen(); err != nil {
		return nil, err
	}
	open := badger.Open
	if o.Managed {
		open = badger.OpenManaged
	}
	db, err := open(o.badger())
	if err != nil {
		return nil, o.explain(err)
	}
	return &DB{DB: db, options: o, closing: make(chan struct{})}, nil
}

// badger bounds memory: two memtables being flushed, one being filled, and the two
// caches.
func (o Options) badger() badger.Options {
	return badger.DefaultOptions(o.Dir).
		WithInMemory(o.InMemory).
		WithSyncWrites(o.SyncWrites).
		WithDetectConflicts(false). // a Committer orders writes
		WithMetricsEnabled(false).
		WithMemTableSize(o.MemTableSize).
		WithNumMemtables(2).
		WithNumCompactors(2).
		WithBaseTableSize(8 << 20).
		WithBaseLevelSize(64 << 20).
		WithCompression(options.Snappy).
		WithBlockCacheSize(o.BlockCache).
		WithIndexCacheSize(o.IndexCache).
		WithLogger(engineLog{o.Log, o.Engine})
}

// explain says of an error of opening what an operator can mend.
func (o Options) explain(err error) error {
	where := o.where()
	switch {
	case is(err, syscall.EWOULDBLOCK, "Cannot acquire directory lock"):
		return &authz.Error{Code: authz.CodeConflict, Message: where + " is in use by another Verdict process; stop it or choose another directory", Cause: err}
	case is(err, syscall.EACCES, syscall.EACCES.Error()):
		return &authz.Error{Code: authz.CodeUnavailable, Message: where + " cannot be opened: permission denied", Cause: err}
	}
	return &authz.Error{Code: authz.CodeInternal, Message: fmt.Sprintf("%s cannot be opened: %v", where, err), Cause: err}
}

// where is what messages call the database.
func (o Options) where() string { return o.Name + " " + filepath.Clean(o.Dir) }

// is reports whether err is that of the operating system. Its text is matched too, as
// Badger keeps little else of most errors.
func is(err error, errno syscall.Errno, text string) bool {
	return errors.Is(err, errno) || strings.Contains(err.Error(), text)
}

// engineLog passes on Badger's warnings and errors and drops its chatter.
type engineLog struct {
	log  *slog.Logger
	name string
}

func (l engineLog) Errorf(format string, args ...any) {
	l.log.Error(l.name, "says", strings.TrimSpace(fmt.Sprintf(format, args...)))
}

func (l engineLog) Warningf(format string, args ...any) {
	l.log.Warn(l.name, "says", strings.TrimSpace(fmt.Sprintf(format, args...)))
}

func (engineLog) Infof(string, ...any)  {}
func (engineLog) Debugf(string, ...any) {}

// Enter is called before using d and Leave after it, unless Enter failed: Shut waits
// for it.
func (d *DB) Enter() error {
	d.life.RLock()
	if d.closed {
		d.life.RUnlock()
		return d.options.Closed()
	}
	return nil
}

// Leave undoes Enter.
func (d *DB) Leave() { d.life.RUnlock() }

// Fail notes why nothing more is to be written: what of a failed commit reached the
// disk is known only after a restart.
func (d *DB) Fail(err error) { d.failed.Store(&err) }

// Failure is the last error given to Fail, nil when there is none.
func (d *DB) Failure() error {
	if err := d.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// Closing is closed when Close begins.
func (d *DB) Closing() <-chan struct{} { return d.closing }

// Close closes Closing and returns what last does, which ends what is under way and
// calls Shut. Closing again waits for the first to end and returns the same.
func (d *DB) Close(last func() error) error {
	d.closeOnce.Do(func() {
		close(d.closing)
		d.closeErr = last()
	})
	return d.closeErr
}

// Shut waits until all who entered have left and closes the Badger.
func (d *DB) Shut() error {
	d.life.Lock()
	defer d.life.Unlock()
	d.closed = true
	return d.DB.Close()
}
