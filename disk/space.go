package disk

import (
	"errors"
	"io/fs"

	"github.com/verdict-pdp/verdict/authz"
)

// CheckSpace refuses, with Options.NoSpace, while the disk has less available than
// Options.MinFree and what level 0 has, and while that cannot be read. Badger writes
// through sparse memory maps: a page that the disk has no room for is no error but a
// signal that ends the process. Level 0 is rewritten whole, and grows while writes outrun
// its compaction.
//
// A good answer holds for Options.FreeHolds. When refusing begins and ends it is logged.
func (d *DB) CheckSpace() error {
	o := &d.options
	var now int64
	if o.FreeHolds > 0 {
		now = o.Now().UnixNano()
		if age := now - d.asked.Load(); age >= 0 && age < int64(o.FreeHolds) && !d.low.Load() {
			return nil
		}
	}
	refusal := d.SpaceAbove(o.MinFree)
	d.asked.Store(now)
	switch low := refusal != nil; {
	case d.low.Swap(low) == low:
	case low:
		o.Log.Error(o.Low, "error", refusal)
	default:
		o.Log.Info(o.Enough)
	}
	return refusal
}

// SpaceAbove is CheckSpace with another floor. It asks in any case and logs nothing.
func (d *DB) SpaceAbove(floor int64) error {
	o := &d.options
	if o.InMemory || o.MinFree < 0 {
		return nil
	}
	need := uint64(floor) + uint64(d.Levels()[0].Size)
	free, err := o.Free(o.Dir)
	if err != nil || free < need {
		return o.NoSpace(free, need, err)
	}
	return nil
}

// openFree is what opening takes: less than it, and Badger ends the process.
const openFree = 16 << 20

// spaceToOpen refuses to open a database whose disk is full. Its directory may not be
// there yet.
func (o Options) spaceToOpen() error {
	if o.InMemory || o.MinFree < 0 {
		return nil
	}
	free, err := o.Free(o.Dir)
	need := min(uint64(o.MinFree), openFree)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return &authz.Error{Code: authz.CodeUnavailable, Message: o.where() + " cannot be opened: its free space cannot be read", Cause: err}
	case free < need:
		return authz.Errorf(authz.CodeUnavailable, "%s cannot be opened: its disk has %d bytes free, and opening needs %d; free or add space", o.where(), free, need)
	}
	return nil
}
