package replay

import "github.com/verdict-pdp/verdict/authz"

// views keeps the view of the revision asked for last: records that follow each
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

// close lets go of the view, so that its revision need not be kept for it.
func (v *views) close() {
	if v.view != nil {
		v.view.Close()
	}
	v.known, v.view, v.err = false, nil, nil
}

// unseen is the reason to skip a decision whose revision cannot be seen; "" when
// the error is a fault instead.
func unseen(err error) string {
	switch authz.CodeOf(err) {
	case authz.CodeGone:
		return skippedGone
	case authz.CodeInvalid:
		return skippedAhead
	}
	return ""
}
