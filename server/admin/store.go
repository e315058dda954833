package admin

import (
	"context"
	"io"

	"github.com/verdict-pdp/verdict/authz"
)

// Entities is where entities are kept. A key is an id, or for a pair collection
// two with a slash between. Entities handed out are not changed by the caller,
// those handed in have passed Normalize and Validate.
type Entities interface {
	// Get reads one; CodeNotFound when there is none.
	Get(ctx context.Context, c authz.Collection, key string) (authz.Entity, error)
	// List reads a page in key order. A cursor it did not give is CodeInvalid.
	List(ctx context.Context, q authz.Query) (authz.Page[authz.Entity], error)
	// Put writes e whole and durably. CodePrecondition when p does not hold.
	Put(ctx context.Context, e authz.Entity, p authz.Precondition) (authz.Written, error)
	// Delete removes one durably and gives the data revision that did.
	// CodePrecondition when p does not hold, CodeNotFound when there is none.
	Delete(ctx context.Context, c authz.Collection, key string, p authz.Precondition) (revision uint64, err error)
}

// Feed is the ordered change feed.
type Feed interface {
	// Changes reads up to about limit changes later than the revision after, at
	// once. It never parts the changes of one revision. CodeGone when changes
	// later than after were compacted away, CodeInvalid when after is yet to come.
	Changes(ctx context.Context, after uint64, limit int) (authz.Changes[authz.Entity], error)
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
	Import(ctx context.Context, r io.Reader, check func(authz.Entity) error) (authz.ImportReport, error)
	// Export writes the same lines, of one snapshot.
	Export(ctx context.Context, w io.Writer, collections []authz.Collection) error
	// Backup writes all data of one snapshot, in a form the restore command reads.
	Backup(ctx context.Context, w io.Writer) error
	// Counts is the number of entities by collection, and the data revision.
	Counts(ctx context.Context) (counts map[authz.Collection]uint64, revision uint64, err error)
}
