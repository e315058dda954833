package sink

import (
	"context"
	"errors"
	"fmt"

	"github.com/verdict-pdp/verdict/authz"
)

// Sink takes records of the decision log.
type Sink interface {
	// Send hands over records, in the order of their numbers, and returns when they
	// are taken. An error is ErrRefused when the same records would be refused again
	// however often they are sent, *Partial when all but some are taken; after any
	// other none may be, or all, and they are sent again. It is called by one
	// goroutine at a time, must end when ctx does, and must not change or keep the
	// records.
	Send(ctx context.Context, records []authz.Record) error
}

// Chooser is a Sink that has no use for some records. It is given those it takes, and
// is done with the others.
type Chooser interface {
	// Takes reports whether the sink takes a record.
	Takes(*authz.Record) bool
}

// ErrRefused means that a sink does not take these records as they are: it may take fewer
// of them.
var ErrRefused = errors.New("the records are refused as they are")

// Partial means that a sink is done with a batch and took all records but Rejected of
// them, which must not be sent again.
type Partial struct {
	Rejected int
}

// Error says how many were rejected.
func (p *Partial) Error() string {
	return fmt.Sprintf("the sink took the batch but for %d of its records", p.Rejected)
}
