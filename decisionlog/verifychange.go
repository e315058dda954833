package decisionlog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"math"

	"github.com/dgraph-io/badger/v4"
)

// followStub verifies the stub of an intent or a change in the chain of all records,
// and that what is kept of the change is what it stands for.
func (v *verification) followStub(txn *badger.Txn, seq uint64, h *header) error {
	v.report.Records += h.places
	before, first := v.place, h.first(seq)
	number := h.number - h.places + 1 // of the first
	var prev [sha256.Size]byte
	copy(prev[:], h.prev)
	switch {
	case first != before.seq+1:
		v.report.gap(before.seq, first)
	case prev != before.hash:
		v.report.problem("record %d does not follow record %d: one of them was changed", first, before.seq)
	case number != before.changes+1 && (!v.adrift || number <= before.changes):
		v.report.problem("record %d is of change %d, and change %d comes next", first, number, before.changes+1)
	case h.total != before.total:
		v.report.problem("record %d has a wrong size", seq)
	}
	v.adrift = false
	if h.number <= v.gone {
		v.report.withhold(h.number, h.places)
		return nil
	}
	if h.places > 1 {
		v.report.problem("record %d stands for %d records, and its change %d is kept", seq, h.places, h.number)
	}
	value, err := get(txn, changeKey(h.number))
	if err != nil || value == nil {
		return err // that it is missing the chain of changes tells
	}
	if !h.standsFor(seq, value) {
		v.report.problem("record %d is not the change %d that is kept", seq, h.number)
	}
	return nil
}

// standsFor reports whether value, a stored change, is the one that the stub h with
// seq was written with. Whether its hash is that of its content is checked elsewhere.
func (h *header) standsFor(seq uint64, value []byte) bool {
	c, err := readChange(value)
	if err != nil || c.hash != h.hash || c.seq != seq || c.intent != h.intent || c.at != h.at {
		return false
	}
	r, err := c.record()
	return err == nil && r.Prev == h.withheld(seq).Prev
}

// changeVerification is the chain of changes verified so far.
type changeVerification struct {
	report *findings
	place  link   // of the last intent or change read
	seq    uint64 // of its record
}

// verifyChanges verifies the chain of changes, from where v stands to head.
func (l *Log) verifyChanges(ctx context.Context, v *changeVerification, head link) error {
	anchor := v.place.seq
	if head.seq > anchor {
		v.report.ChangesFrom, v.report.ChangesTo = anchor+1, head.seq
	}
	err := l.view(func(txn *badger.Txn) error {
		return scanKind(txn, kindChange, 0, math.MaxUint64, func(_ *badger.Txn, number uint64, value []byte) (bool, error) {
			switch {
			case number > head.seq: // recorded since
				return false, nil
			case number%1024 == 0 && ctx.Err() != nil:
				return false, errInterrupted(ctx)
			case number <= anchor:
				v.report.problem("change %d is there and was removed", number)
				return true, nil
			}
			v.follow(number, value)
			return true, nil
		})
	})
	if err != nil {
		return err
	}
	switch {
	case v.place.seq < head.seq:
		v.report.changeGap(v.place.seq, head.seq+1)
	case v.place.hash != head.hash:
		v.report.problem("change %d is not the one that was written last", head.seq)
	}
	v.report.ChangeHash = head.hex()
	return nil
}

func (v *findings) changeGap(after, number uint64) {
	if number == after+2 {
		v.problem("change %d is missing", after+1)
		return
	}
	v.problem("changes %d to %d are missing", after+1, number-1)
}

// follow verifies one stored intent or change.
func (v *changeVerification) follow(number uint64, value []byte) {
	v.report.Changes++
	before := v.place
	v.place = link{seq: number}
	c, err := readChange(value)
	if err != nil {
		v.report.problem("change %d cannot be read", number)
		return
	}
	v.place = link{seq: number, total: c.total, hash: c.hash}
	if sha256.Sum256(c.json) != c.hash {
		v.report.problem("change %d was changed: its content does not have its hash", number)
	}
	r, err := c.record()
	if err != nil {
		v.report.problem("change %d cannot be read", number)
		return
	}
	if r.Seq != c.seq || r.Kind != kindOf(c.intent) || nanoseconds(r.At) != c.at || r.Change.Number != number {
		v.report.problem("change %d is listed as something else than it is", number)
	}
	switch {
	case number != before.seq+1:
		v.report.changeGap(before.seq, number)
	case r.Change.PrevChange != before.hex():
		v.report.problem("change %d does not follow change %d: one of them was changed", number, before.seq)
	case c.total != before.total+uint64(len(value)+stubLength):
		v.report.problem("change %d has a wrong size", number)
	case c.seq <= v.seq:
		v.report.problem("change %d stands before change %d in the log", number, before.seq)
	}
	v.seq = c.seq
}

// hex is the hash as Prev and PrevChange have it: empty before the first record.
func (l link) hex() string {
	if l.seq == 0 {
		return ""
	}
	return hex.EncodeToString(l.hash[:])
}
