package decisionlog

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/verdict-pdp/verdict/authz"
)

// An intent or a change is stored in two places, so that each can be removed without
// the other. Numbers are big-endian. Among the changes, the whole of it:
//
//	format(1) flags(1) at(8, ns) total(8) hash(32)   as in header.go; total is of changes
//	seq(8)
//	JSON of the record without hash
//
// In the chain of all records, a stub, which is enough to go on from:
//
//	format(1) flags(1) at(8, ns) total(8) hash(32)   total is that of the record before
//	number(8) prev(32)
//
// A run of stubs with nothing between them, whose changes are all removed, is one stub in
// the place of the last, with prev of the first, and behind it
//
//	places(8)                                        how many stubs it was
const (
	seqOffset    = fixedLength
	changeLength = seqOffset + 8
	prevOffset   = fixedLength + 8
	stubLength   = prevOffset + sha256.Size
	runLength    = stubLength + 8
)

// changeDraft is what the draft of an intent or a change has beside others.
type changeDraft struct {
	intent  bool
	outcome string
	at      int64  // when it was recorded, Unix nanoseconds
	settles uint64 // number of the intent that this is the outcome of; 0: there is none
}

// changeEnd is bodyEnd of an intent or a change, with the end of its Change.
const changeEnd = `}` + bodyEnd

// encodeChange is the draft of r, which has a Change.
func encodeChange(r *authz.Record) (*draft, error) {
	body, err := bodyOf(r, changeEnd)
	if err != nil {
		return nil, err
	}
	d := &draft{id: r.Change.ID, durability: r.Durability, body: body}
	d.change = &changeDraft{intent: r.Kind == authz.RecordIntent, outcome: r.Change.Outcome, at: nanoseconds(r.At)}
	if d.size() > maxStored {
		return nil, fmt.Errorf("the record is larger than %d bytes", maxStored)
	}
	return d, nil
}

// sealedChange is what is stored of the draft as the record after at, and the new
// heads.
func (d *draft) sealedChange(at heads) (value, stub []byte, next heads) {
	value = make([]byte, changeLength, changeLength+len(d.body)+100+4*sha256.Size)
	value = append(value, `{"seq":`...)
	value = strconv.AppendUint(value, at.head.seq+1, 10)
	value = append(value, d.body...)
	if at.changes.seq > 0 {
		value = append(value, `,"prev_change":"`...)
		value = hex.AppendEncode(value, at.changes.hash[:])
		value = append(value, '"')
	}
	value = append(value, `,"number":`...)
	value = strconv.AppendUint(value, at.changes.seq+1, 10)
	value = append(value, `},"prev":"`...)
	if at.head.seq > 0 {
		value = hex.AppendEncode(value, at.head.hash[:])
	}
	value = append(value, `"}`...)
	hash := sha256.Sum256(value[changeLength:])

	next.head = link{seq: at.head.seq + 1, total: at.head.total, hash: hash, changes: at.changes.seq + 1}
	next.changes = &link{seq: at.changes.seq + 1, total: at.changes.total + uint64(len(value)+stubLength), hash: hash}
	fixed := d.change.fixed(next.changes.total, hash)
	copy(value, binary.BigEndian.AppendUint64(fixed, next.head.seq))

	stub = d.change.fixed(next.head.total, hash)
	stub = binary.BigEndian.AppendUint64(stub, next.changes.seq)
	return value, append(stub, at.head.hash[:]...), next
}

// fixed is what both stored values begin with.
func (c *changeDraft) fixed(total uint64, hash [sha256.Size]byte) []byte {
	flags := byte(flagChange)
	if c.intent {
		flags |= flagIntent
	}
	v := make([]byte, 0, stubLength)
	v = append(v, valueFormat, flags)
	v = binary.BigEndian.AppendUint64(v, uint64(c.at))
	v = binary.BigEndian.AppendUint64(v, total)
	return append(v, hash[:]...)
}

// readStub reads what a stub, or a run of them, has behind the fixed part of v.
func (h *header) readStub(v []byte) error {
	length := stubLength
	if v[1]&flagRun != 0 {
		length = runLength
	}
	if len(v) != length {
		return corrupt(fmt.Errorf("the stub of a change is %d bytes", len(v)))
	}
	h.number = binary.BigEndian.Uint64(v[fixedLength:])
	h.prev = v[prevOffset:stubLength]
	if length == runLength {
		h.places = binary.BigEndian.Uint64(v[stubLength:])
	}
	if h.places == 0 || h.places > h.number {
		return corrupt(fmt.Errorf("the stub of change %d stands for %d", h.number, h.places))
	}
	return nil
}

// first is the number of the first record that h, which is at seq, stands for.
func (h *header) first(seq uint64) uint64 { return seq - min(h.places, seq) + 1 }

// joined is the stub stub made one that stands for places records, of which the first
// has prev.
func joined(stub, prev []byte, places uint64) []byte {
	v := append(make([]byte, 0, runLength), stub[:stubLength]...)
	v[1] |= flagRun
	copy(v[prevOffset:], prev)
	return binary.BigEndian.AppendUint64(v, places)
}

// kindOf is the kind of the record that a stub or a stored change is of.
func kindOf(intent bool) string {
	if intent {
		return authz.RecordIntent
	}
	return authz.RecordChange
}

// withheld is the record of a stub, with its place in the chain alone.
func (h *header) withheld(seq uint64) authz.Record {
	r := authz.Record{
		Seq: seq, Kind: kindOf(h.intent), At: time.Unix(0, h.at).UTC(), Withheld: true, ChangeNumber: h.number,
		Hash: hex.EncodeToString(h.hash[:]),
	}
	if h.first(seq) > 1 {
		r.Prev = hex.EncodeToString(h.prev)
	}
	if h.places > 1 {
		r.Places = h.places
	}
	return r
}

// storedChange is a stored intent or change.
type storedChange struct {
	intent bool
	at     int64 // Unix nanoseconds
	total  uint64
	hash   [sha256.Size]byte
	seq    uint64
	json   []byte
}

// readChange undoes sealedChange's value; json is a part of it.
func readChange(v []byte) (c storedChange, err error) {
	if len(v) < changeLength || v[0] != valueFormat || v[1]&flagChange == 0 {
		return storedChange{}, corrupt(fmt.Errorf("a change of %d bytes has no header", len(v)))
	}
	c.intent = v[1]&flagIntent != 0
	c.at = int64(binary.BigEndian.Uint64(v[2:]))
	c.total = binary.BigEndian.Uint64(v[totalOffset:])
	copy(c.hash[:], v[hashOffset:])
	c.seq = binary.BigEndian.Uint64(v[seqOffset:])
	c.json = v[changeLength:]
	return c, nil
}

// record is the stored record, which has a Change.
func (c *storedChange) record() (r authz.Record, err error) {
	if err := json.Unmarshal(c.json, &r); err != nil {
		return authz.Record{}, corrupt(err)
	}
	if r.Change == nil {
		return authz.Record{}, corrupt(errors.New("the record of a change is of none"))
	}
	r.Hash = hex.EncodeToString(c.hash[:])
	return r, nil
}

// changeAt is the stored change with number; ok is false when it is not kept.
func changeAt(txn *badger.Txn, number uint64) (c storedChange, ok bool, err error) {
	v, err := get(txn, changeKey(number))
	if err != nil || v == nil {
		return storedChange{}, false, err
	}
	c, err = readChange(v)
	return c, err == nil, err
}

// changeByID is the newest record of the change id, which its outcome is when there
// is one; ok is false when none is kept.
func changeByID(txn *badger.Txn, id string) (number uint64, c storedChange, ok bool, err error) {
	v, err := get(txn, changeIDKey(id))
	switch {
	case err != nil || v == nil:
		return 0, storedChange{}, false, err
	case len(v) != 8:
		return 0, storedChange{}, false, corrupt(fmt.Errorf("the number of a change is %d bytes", len(v)))
	}
	number = binary.BigEndian.Uint64(v)
	c, ok, err = changeAt(txn, number)
	return number, c, ok, err
}
