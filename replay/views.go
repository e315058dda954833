package replay

import (
	"strconv"

	"github.com/verdict-pdp/verdict/authz"
)

// views holds the view of the revision that was read last: records that follow each
// other mostly saw the same. It is for one goroutine.
type views struct {
	open func(revision uint64) (View, error)

	known    bool
	revision uint64
	view     View  // nil when err is not
	err      error // why the revision cannot be seen
}

// at is the view of a revision. It is good until the next call.
func (v *views) at(revision uint64) (View, error) {
	if v.known && v.revision == revision {
		return v.view, v.err
	}
	v.close()
	v.known, v.revision = true, revision
	view, err := v.open(revision)
	if err != nil { // view may be a nil pointer that is no nil View
		v.err = err
		return nil, err
	}
	v.view = view
	return view, nil
}

// close closes the view, so that its revision is no longer held.
func (v *views) close() {
	if v.view != nil {
		v.view.Close()
	}
	v.known, v.view, v.err = false, nil, nil
}

// skipReason is the reason to skip a decision whose revision cannot be seen; "" when
// the error is a fault instead.
func skipReason(err error) string {
	switch authz.CodeOf(err) {
	case authz.CodeGone:
		return skippedGone
	case authz.CodeInvalid:
		return skippedAhead
	}
	return ""
}

// dataset is the revision that each record is judged by.
type dataset struct {
	fixed bool
	// revision is that of all records when fixed. It stays readable as long as held is open.
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
