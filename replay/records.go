package replay

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"strconv"

	"github.com/verdict-pdp/verdict/authz"
)

// errEnough ends reading the log early.
var errEnough = errors.New("enough")

// recorded are the newest records a filter selects, oldest first.
func (h History) recorded(ctx context.Context, filter authz.RecordFilter, last int) iter.Seq2[*authz.Record, error] {
	return func(yield func(*authz.Record, error) bool) {
		err := h.Log.Each(ctx, filter, last, func(r *authz.Record) error {
			if !yield(r, nil) {
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(nil, err)
		}
	}
}

// maxRecordLine bounds one line of records that were exported.
const maxRecordLine = 2 << 20

// Exported are records as they were exported, one a line; empty lines are left out. The
// error, for the first line that is no record or when lines cannot be read, is CodeInvalid
// and ends it.
func Exported(lines io.Reader) iter.Seq2[*authz.Record, error] {
	return func(yield func(*authz.Record, error) bool) {
		scanner := bufio.NewScanner(lines)
		scanner.Buffer(nil, maxRecordLine)
		for n := 1; scanner.Scan(); n++ {
			if len(scanner.Bytes()) == 0 {
				continue
			}
			var r authz.Record
			if err := json.Unmarshal(scanner.Bytes(), &r); err != nil {
				yield(nil, authz.Invalid("records line "+strconv.Itoa(n), "is not a record as `verdict decisions export` writes them"))
				return
			}
			if !yield(&r, nil) {
				return
			}
		}
		if err := scanner.Err(); err != nil {
			yield(nil, &authz.Error{Code: authz.CodeInvalid, Field: "records", Message: "could not be read to their end", Cause: err})
		}
	}
}

// sizeOf is how many bytes of a record are of no fixed size.
func sizeOf(r *authz.Record) int {
	n := len(r.Input) + len(r.Result) + len(r.ID) + len(r.Kind) + len(r.Subject) + len(r.Service) + len(r.Action)
	for _, pointer := range r.Masked {
		n += len(pointer)
	}
	return n
}
