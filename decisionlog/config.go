package decisionlog

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/disk"
)

// Defaults of Config.
const (
	DefaultQueue         = 10_000
	DefaultWait          = 2 * time.Second
	DefaultMaxAge        = 30 * 24 * time.Hour
	DefaultMaxBytes      = 1 << 30
	DefaultAuditMaxAge   = 400 * 24 * time.Hour
	DefaultAuditMaxBytes = 256 << 20
	// DefaultMinFree leaves room for what Badger writes without being asked: the
	// mapped write-ahead log, three memtables on their way to level 0, and a
	// compaction. See Config.MinFree.
	DefaultMinFree = 256 << 20
)

// memTableSize also bounds a transaction: 15 % of it. A transaction takes the
// largest record that there is.
const memTableSize = 24 << 20

// freeHolds is how long a good answer about the free space holds. What is
// written in the meantime is far below what DefaultMinFree leaves.
const freeHolds = 100 * time.Millisecond

// AnyFree as Config.MinFree takes records however little space is left.
const AnyFree = -1

// Config says where and how a Log keeps records. Zero fields take defaults.
type Config struct {
	// Dir is the directory of the log, made when missing. One process at a time.
	Dir string
	// InMemory keeps everything in memory and nothing after Close; Dir is empty.
	InMemory bool
	// Durability is the least durability of a record; empty means authz.Spool. A
	// decision may ask for more, never for less.
	Durability authz.Durability
	// Queue and QueueBytes bound the records that wait to be written, those of
	// async and those that callers wait for each. Bytes are approximate; 0 means 64 MiB.
	Queue      int
	QueueBytes int64
	// Wait bounds how long Record waits for a record to be written.
	Wait time.Duration
	// MaxAge and MaxBytes bound what is kept of decisions; the oldest goes first. Bytes
	// are those of the records before Badger compresses them.
	MaxAge   time.Duration
	MaxBytes int64
	// AuditMaxAge and AuditMaxBytes bound what is kept of intents and changes in the
	// same way. Neither takes from the other.
	AuditMaxAge   time.Duration
	AuditMaxBytes int64
	// MaintainEvery is the pause between two passes of retention; 0 means a minute.
	MaintainEvery time.Duration
	// Input is the policy's input document of a question, as JSON. Required. It is
	// called by several goroutines.
	Input func(authz.Question) ([]byte, error)
	// Mask says what is to be removed from or replaced in a record before it is
	// stored; it gets a copy with Input and Result. nil asks for nothing. It is called
	// by several goroutines and must end when its context does. An error, and a
	// panic, store the record without its input.
	Mask func(context.Context, *authz.Record) ([]authz.Mask, error)
	// MinFree is how many bytes the disk of Dir must have available for a record to
	// be written, beside what Badger has yet to rewrite, or AnyFree. Retention works
	// down to half of it.
	MinFree int64
	// Free says how many bytes the disk of dir has available; nil asks the
	// operating system, where it can be asked. An error refuses the record.
	Free func(dir string) (bytes uint64, err error)
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Log takes warnings and errors; nil means slog.Default.
	Log *slog.Logger
}

// Validate names the first field that cannot be.
func (c Config) Validate() error {
	switch {
	case c.InMemory && c.Dir != "":
		return authz.Invalid("dir", "is set, but the log is to live in memory; choose one")
	case !c.InMemory && c.Dir == "":
		return authz.Invalid("dir", "is required")
	case c.Durability != "" && c.Durability.Rank() == 0:
		return authz.Invalid("durability", `must be "async", "spool" or "required"`)
	case c.Queue < 0:
		return authz.Invalid("queue", "must not be negative")
	case c.QueueBytes < 0:
		return authz.Invalid("queue_bytes", "must not be negative")
	case c.Wait < 0:
		return authz.Invalid("wait", "must not be negative")
	case c.MaxAge < 0:
		return authz.Invalid("max_age", "must not be negative")
	case c.MaxBytes < 0:
		return authz.Invalid("max_bytes", "must not be negative")
	case c.AuditMaxAge < 0:
		return authz.Invalid("audit_max_age", "must not be negative")
	case c.AuditMaxBytes < 0:
		return authz.Invalid("audit_max_bytes", "must not be negative")
	case c.MaintainEvery < 0:
		return authz.Invalid("maintain_every", "must not be negative")
	case c.MinFree < AnyFree:
		return authz.Invalid("min_free", "must be a number of bytes, or -1 to take records however little space is left")
	case c.Input == nil:
		return authz.Invalid("input", "is required")
	}
	return nil
}

func (c Config) withDefaults() Config {
	defaultTo(&c.Durability, authz.Spool)
	defaultTo(&c.Queue, DefaultQueue)
	defaultTo(&c.QueueBytes, 64<<20)
	defaultTo(&c.Wait, DefaultWait)
	defaultTo(&c.MaxAge, DefaultMaxAge)
	defaultTo(&c.MaxBytes, DefaultMaxBytes)
	defaultTo(&c.AuditMaxAge, DefaultAuditMaxAge)
	defaultTo(&c.AuditMaxBytes, DefaultAuditMaxBytes)
	defaultTo(&c.MaintainEvery, time.Minute)
	defaultTo(&c.MinFree, DefaultMinFree)
	if c.Free == nil {
		c.Free = disk.Free
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return c
}

func defaultTo[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// badger is how the log is opened. Writes are not synced one by one; see the package
// comment.
func (c Config) badger() disk.Options {
	return disk.Options{
		Name: "the decision log", Engine: "storage engine of the decision log",
		Dir: c.Dir, InMemory: c.InMemory,
		MemTableSize: memTableSize, BlockCache: 16 << 20, IndexCache: 16 << 20,
		MinFree: c.MinFree, Free: c.Free, FreeHolds: freeHolds, Now: c.Now, NoSpace: c.noSpace,
		Low:    "no decision is recorded until the disk has space",
		Enough: "the disk has space; decisions are recorded again",
		Closed: errClosed, Log: c.Log,
	}
}

// noSpace is the refusal of a record for want of space.
func (c Config) noSpace(free, need uint64, cause error) error {
	if cause != nil {
		return &authz.Error{Code: authz.CodeUnavailable, Message: fmt.Sprintf("nothing was recorded: the free space of the decision log %s cannot be read; mend the disk", c.Dir), Cause: cause}
	}
	return authz.Errorf(authz.CodeUnavailable, "nothing was recorded: the disk of the decision log %s has %d bytes free, and below %d nothing is recorded; free or add space, no restart is needed", c.Dir, free, need)
}
