package admin

import (
	"context"

	"github.com/verdict-pdp/verdict/authz"
)

// Decisions is the decision log. Records handed out are not changed by the caller.
type Decisions interface {
	// Get reads the record of one decision; CodeNotFound when there is none.
	Get(ctx context.Context, id string) (authz.Record, error)
	// List reads a page, newest first. A page may have fewer records than limit, even
	// none, and a NextCursor. A cursor it did not give is CodeInvalid.
	List(ctx context.Context, f authz.RecordFilter, cursor string, limit int) (RecordPage, error)
	// After reads records later than the sequence number after, oldest first. A page
	// may have fewer than limit, even none, before the head is reached: NextAfter says
	// how far it looked. CodeGone when records later than after are no longer kept.
	After(ctx context.Context, f authz.RecordFilter, after uint64, limit int) (RecordPage, error)
	// Await returns nil when the head is above after, and the context's error when
	// that ends first.
	Await(ctx context.Context, after uint64) error
	// Export gives every record the filter selects to fn, oldest first, and ends with
	// fn's first error.
	Export(ctx context.Context, f authz.RecordFilter, fn func(*authz.Record) error) error
	// Verify recomputes the chain. The report is JSON as the schema VerifyReport has
	// it; a chain that does not hold is a report, not an error.
	Verify(ctx context.Context) (report any, err error)
	// Explain judges a recorded decision again, by the generation and the data it was
	// made by, and says how it came about. When it cannot be, or only by others, note
	// says so; e is nil when there is nothing to explain. CodeNotFound when there is
	// no such decision.
	Explain(ctx context.Context, id string) (e *authz.Explanation, note string, err error)
}

// RecordPage is some records.
type RecordPage struct {
	Records    []authz.Record
	NextCursor string // of List; empty on the last page
	NextAfter  uint64 // of After: the after to ask with next; at most the head, at least the after asked with
	Head       uint64 // newest sequence number; 0 when there is none
}
