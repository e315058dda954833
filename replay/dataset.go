package replay

import (
	"strconv"

	"github.com/verdict-pdp/verdict/authz"
)

// dataset says which revision each record is judged by.
type dataset struct {
	fixed bool
	// revision is that of all records when fixed. It is kept as long as held is open.
	revision uint64
	held     View
}

// openDataset reads the name of data. What is newest is decided here, once, so that
// all records are judged by the same.
func openDataset(open func(uint64) (View, error), name string) (dataset, error) {
	var revision uint64
	switch name {
	case "", authz.DataRecorded:
		return dataset{}, nil
	case authz.DataNow:
	default:
		var err error
		if revision, err = strconv.ParseUint(name, 10, 64); err != nil || revision == 0 {
			return dataset{}, authz.Invalid("data", "is "+strconv.Quote(name)+"; it must be recorded, now or the number of a data revision")
		}
	}
	view, err := open(revision)
	if err != nil {
		return dataset{}, err
	}
	return dataset{fixed: true, revision: view.Revision(), held: view}, nil
}

func (d dataset) close() {
	if d.held != nil {
		d.held.Close()
	}
}

// revisionOf is what to judge r by; ok is false when the record does not say.
func (d dataset) revisionOf(r *authz.Record) (revision uint64, ok bool) {
	if d.fixed {
		return d.revision, true
	}
	return r.DataRevision, r.DataRevision > 0
}
