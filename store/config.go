package store

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/disk"
)

// Defaults of Config.
const (
	DefaultHotLimit         = 100_000
	DefaultChangeRetention  = 1_000_000
	DefaultExpiredRetention = 30 * 24 * time.Hour
)

// DefaultMinFree is the free space below which no write is taken. Badger writes
// through sparse memory maps: a page the disk has no room for is not an error
// but a signal that ends the process, decisions included. So there must always
// be room for what Badger writes without being asked, after the last write it
// was given:
//
//   - 64 MiB, the write-ahead log of a memtable: twice memTableSize is mapped,
//     a memtable is full at the first half, one group more may follow;
//   - 96 MiB, the level-0 tables of three memtables, two being flushed and the
//     one being filled; their logs are deleted after that;
//   - 96 MiB, the new tables of a compaction, which stand beside the old ones
//     until it is done: the base level, or some tables of the levels below.
//
// Level 0 is rewritten too, whole, and grows while an import outruns its
// compaction; what it has is asked for on top of the floor.
const DefaultMinFree = 256 << 20

// AnyFree as Config.MinFree takes writes however little space is left.
const AnyFree = -1

// memTableSize also bounds a transaction: 15 % of it.
const memTableSize = 32 << 20

// NoChangeLog as Config.ChangeRetention switches the change log off. Tombstones
// live as long as the log explains them, so it switches them off as well.
const NoChangeLog = -1

// Config says where and how a Store keeps its data. Zero fields take defaults.
type Config struct {
	// Dir is the data directory, made when missing. One process at a time.
	Dir string
	// InMemory keeps everything in memory and nothing after Close; Dir is empty.
	InMemory bool
	// HotLimit bounds each hot collection, in entities.
	HotLimit int
	// ChangeRetention is how many changes the feed keeps, or NoChangeLog.
	ChangeRetention int
	// ExpiredRetention is how long an expired entity is kept before it is
	// deleted, so that a denial can still say that it expired.
	ExpiredRetention time.Duration
	// MaintainEvery is the pause between two passes of Run; 0 means a minute.
	MaintainEvery time.Duration
	// BlockCache and IndexCache bound Badger's caches, in bytes; 0 means 64 MiB.
	BlockCache, IndexCache int64
	// MinFree is how many bytes the disk of Dir must have available for a write
	// to be taken, beside what Badger has yet to rewrite, or AnyFree.
	MinFree int64
	// Free says how many bytes the disk of dir has available; nil asks the
	// operating system, where it can be asked. An error refuses the write.
	Free func(dir string) (bytes uint64, err error)
	// Written, when set, is called for every entity that was written or deleted, once
	// readers see it and before its write returns, however the write was made. It
	// holds up all writes, so it must not wait.
	Written func(c authz.Collection, key string)
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Logger takes Badger's warnings and errors; nil means slog.Default.
	Logger *slog.Logger
}

// Validate names the first field that cannot be.
func (c Config) Validate() error {
	switch {
	case c.InMemory && c.Dir != "":
		return authz.Invalid("dir", "is set, but the store is to live in memory; choose one")
	case !c.InMemory && c.Dir == "":
		return authz.Invalid("dir", "is required")
	case c.HotLimit < 0:
		return authz.Invalid("hot_limit", "must not be negative")
	case c.ChangeRetention < NoChangeLog:
		return authz.Invalid("change_retention", "must be a number of changes, or -1 for no change log")
	case c.ExpiredRetention < 0:
		return authz.Invalid("expired_retention", "must not be negative")
	case c.MaintainEvery < 0:
		return authz.Invalid("maintain_every", "must not be negative")
	case c.BlockCache < 0:
		return authz.Invalid("block_cache", "must not be negative")
	case c.IndexCache < 0:
		return authz.Invalid("index_cache", "must not be negative")
	case c.MinFree < AnyFree:
		return authz.Invalid("min_free", "must be a number of bytes, or -1 to take writes however little space is left")
	}
	return nil
}

func (c Config) withDefaults() Config {
	defaultTo(&c.HotLimit, DefaultHotLimit)
	defaultTo(&c.ChangeRetention, DefaultChangeRetention)
	defaultTo(&c.ExpiredRetention, DefaultExpiredRetention)
	defaultTo(&c.MaintainEvery, time.Minute)
	defaultTo(&c.BlockCache, 64<<20)
	defaultTo(&c.IndexCache, 64<<20)
	defaultTo(&c.MinFree, DefaultMinFree)
	if c.Free == nil {
		c.Free = disk.Free
	}
	if c.Written == nil {
		c.Written = func(authz.Collection, string) {}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

func defaultTo[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// logsChanges reports whether the change log is on.
func (c Config) logsChanges() bool { return c.ChangeRetention != NoChangeLog }

// badger is how the data directory is opened.
func (c Config) badger() disk.Options {
	return disk.Options{
		Name: "data directory", Engine: "storage engine",
		Dir: c.Dir, InMemory: c.InMemory, Managed: true, SyncWrites: true,
		MemTableSize: memTableSize, BlockCache: c.BlockCache, IndexCache: c.IndexCache,
		MinFree: c.MinFree, Free: c.Free, NoSpace: c.noSpace,
		Low:    "no write is taken until the disk has space",
		Enough: "the disk has space; writes are taken again",
		Closed: errClosed, Log: c.Logger,
	}
}

// noSpace is the refusal of a write for want of space. Nothing of it was written, so
// that writes are taken again once there is space.
func (c Config) noSpace(free, need uint64, cause error) error {
	dir := filepath.Clean(c.Dir)
	if cause != nil {
		return &authz.Error{Code: authz.CodeUnavailable, Message: fmt.Sprintf("the write was not made: the free space of data directory %s cannot be read; mend the disk", dir), Cause: cause}
	}
	return authz.Errorf(authz.CodeUnavailable, "the write was not made: the disk of data directory %s has %d bytes free, and below %d no write is taken; free or add space and write again, no restart is needed", dir, free, need)
}
