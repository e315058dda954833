package admin

import (
	"context"
	"io"
	"time"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
)

// Entities is where entities are kept. A key is an id, or for a pair collection
// two with a slash between. Entities handed out are not changed by the caller,
// those handed in have passed Normalize and Validate.
type Entities interface {
	// Get reads one; CodeNotFound when there is none.
	Get(ctx context.Context, c authz.Collection, key string) (authz.Entity, error)
	// List reads a page in key order. A cursor it did not give is CodeInvalid.
	List(ctx context.Context, c authz.Collection, q Query) (Page, error)
	// Put writes e whole and durably. CodePrecondition when p does not hold.
	Put(ctx context.Context, e authz.Entity, p Precondition) (Written, error)
	// Delete removes one durably and gives the data revision that did.
	// CodePrecondition when p does not hold, CodeNotFound when there is none.
	Delete(ctx context.Context, c authz.Collection, key string, p Precondition) (revision uint64, err error)
}

// Feed is the ordered change feed.
type Feed interface {
	// Changes reads up to about limit changes later than the revision after, at
	// once. It never parts the changes of one revision. CodeGone when changes
	// later than after were compacted away, CodeInvalid when after is yet to come.
	Changes(ctx context.Context, after uint64, limit int) (Changes, error)
	// Await returns nil when the data revision is above after, and the
	// context's error when that ends first.
	Await(ctx context.Context, after uint64) error
}

// Bulk moves many entities at once.
type Bulk interface {
	// Import reads NDJSON lines {"collection","entity"} until r ends, writes
	// them in chunks, each atomic, and reports bad lines without stopping. An
	// entity that check refuses is a bad line. An error means that reading or
	// writing itself failed; chunks before it are written.
	Import(ctx context.Context, r io.Reader, check func(authz.Entity) error) (api.ImportReport, error)
	// Export writes the same lines, of one snapshot.
	Export(ctx context.Context, w io.Writer, collections []authz.Collection) error
	// Backup writes all data of one snapshot, in a form the restore command reads.
	Backup(ctx context.Context, w io.Writer) error
	// Counts is the number of entities by collection, and the data revision.
	Counts(ctx context.Context) (counts map[authz.Collection]uint64, revision uint64, err error)
}

// Query selects a page of a collection.
type Query struct {
	Filters map[string]string // name, one of the collection's Filters() -> value it must have
	Limit   int               // 1 to 1000
	Cursor  string            // empty for the first page
}

// Page is one page of a list.
type Page struct {
	Items      []authz.Entity
	NextCursor string // empty on the last page
	Revision   uint64 // data revision of the snapshot read
}

// Precondition is what must hold of the stored entity for a write to happen.
// The zero one always holds; at most one member is set.
type Precondition struct {
	Revision uint64 // it is there, last written by this data revision
	Exists   bool   // it is there
	Absent   bool   // it is not there
}

// Written says what a Put did.
type Written struct {
	Entity   authz.Entity // as stored, with its header
	Created  bool         // there was none before
	Revision uint64       // data revision of the store after the write
}

// Change is one entry of the feed.
type Change struct {
	Revision   uint64
	Collection authz.Collection
	Key        string
	At         time.Time
	Deleted    bool
	// Entity is as it was written; nil when deleted, and when a later change
	// has replaced it, which follows.
	Entity authz.Entity
}

// Changes is a stretch of the feed.
type Changes struct {
	Changes   []Change
	NextAfter uint64 // the after to ask with next
	Revision  uint64 // data revision of the store
}
