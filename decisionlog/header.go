package decisionlog

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/verdict-pdp/verdict/authz"
)

// A stored value is, numbers big-endian:
//
//	format(1) flags(1) at(8, ns) total(8) hash(32)
//	generation(uvarint)
//	id subject service action caller      each length(uvarint) bytes
//	count(uvarint) and as many: code guard
//	JSON of the record without hash
//
// What stands before the JSON repeats it, so that a record can be passed over
// without being read. total is the sum of the lengths of this value and all before,
// but for those of intents and changes. In their place is a stub, see change.go.
const (
	valueFormat = 1

	flagAllow  = 1 << 0
	flagLoss   = 1 << 1
	flagChange = 1 << 2 // an intent or a change: a stub
	flagIntent = 1 << 3
	flagRun    = 1 << 4 // a stub that stands for several

	totalOffset = 10
	hashOffset  = totalOffset + 8
	fixedLength = hashOffset + sha256.Size
)

// header is what stands before the JSON of a stored value. Its slices are parts of
// the value.
type header struct {
	allow, loss  bool
	at           int64 // Unix nanoseconds
	total        uint64
	hash         [sha256.Size]byte
	generation   uint64
	id           []byte
	subject      []byte
	service      []byte
	action       []byte
	caller       []byte
	reasons      []byte // code and guard of each, undecoded
	countReasons int
	json         []byte

	// Of a stub:
	change, intent bool
	number         uint64 // of a run that of its last
	places         uint64 // how many records it stands for
	prev           []byte // of a run that of its first
}

// appendHeader starts a stored value; total and hash are filled in by seal.
// reasons are those of the record's result.
func appendHeader(v []byte, r *authz.Record, reasons ...[]authz.Reason) []byte {
	var flags byte
	if r.Decision == authz.Allow {
		flags |= flagAllow
	}
	if r.Kind == authz.RecordLoss {
		flags |= flagLoss
	}
	v = append(v, valueFormat, flags)
	v = binary.BigEndian.AppendUint64(v, uint64(nanoseconds(r.At)))
	v = append(v, make([]byte, fixedLength-totalOffset)...)
	v = binary.AppendUvarint(v, r.Policy.Generation)
	for _, s := range [...]string{r.ID, r.Subject, r.Service, r.Action, r.Caller} {
		v = appendString(v, s)
	}
	count := 0
	for _, list := range reasons {
		count += len(list)
	}
	v = binary.AppendUvarint(v, uint64(count))
	for _, list := range reasons {
		for i := range list {
			v = appendString(v, string(list[i].Code))
			v = appendString(v, list[i].Guard)
		}
	}
	return v
}

func appendString(v []byte, s string) []byte {
	return append(binary.AppendUvarint(v, uint64(len(s))), s...)
}

// seal fills in what the place in the chain decides, and returns that place.
func seal(value []byte, jsonAt int, previous link) link {
	next := link{
		seq: previous.seq + 1, total: previous.total + uint64(len(value)),
		hash: sha256.Sum256(value[jsonAt:]), changes: previous.changes,
	}
	binary.BigEndian.PutUint64(value[totalOffset:], next.total)
	copy(value[hashOffset:], next.hash[:])
	return next
}

// place is where a stored record with seq, which follows before, stands in the chain.
func (h *header) place(seq uint64, before link) link {
	at := link{seq: seq, total: h.total, hash: h.hash, changes: before.changes}
	if h.change {
		at.changes = h.number
	}
	return at
}

// readHeader undoes appendHeader and seal.
func readHeader(v []byte) (h header, err error) {
	if len(v) < fixedLength || v[0] != valueFormat {
		return header{}, corrupt(fmt.Errorf("a record of %d bytes has no header", len(v)))
	}
	h.allow, h.loss = v[1]&flagAllow != 0, v[1]&flagLoss != 0
	h.at = int64(binary.BigEndian.Uint64(v[2:]))
	h.total = binary.BigEndian.Uint64(v[totalOffset:])
	copy(h.hash[:], v[hashOffset:])
	h.places = 1
	if h.change, h.intent = v[1]&flagChange != 0, v[1]&flagIntent != 0; h.change {
		return h, h.readStub(v)
	}
	rest := fields{rest: v[fixedLength:]}
	h.generation = rest.number()
	h.id = rest.bytes()
	h.subject = rest.bytes()
	h.service = rest.bytes()
	h.action = rest.bytes()
	h.caller = rest.bytes()
	count := rest.number()
	h.countReasons = int(min(count, uint64(len(rest.rest))))
	reasons := rest.rest
	for range h.countReasons {
		rest.bytes()
		rest.bytes()
	}
	if rest.broken || uint64(h.countReasons) != count {
		return header{}, corrupt(errors.New("the header of a record ends too early"))
	}
	h.reasons = reasons[:len(reasons)-len(rest.rest)]
	h.json = rest.rest
	return h, nil
}

// fields reads length-prefixed fields; broken once one does not fit.
type fields struct {
	rest   []byte
	broken bool
}

func (f *fields) number() uint64 {
	n, used := binary.Uvarint(f.rest)
	if used <= 0 {
		f.broken, f.rest = true, nil
		return 0
	}
	f.rest = f.rest[used:]
	return n
}

func (f *fields) bytes() []byte {
	n := f.number()
	if n > uint64(len(f.rest)) {
		f.broken, f.rest = true, nil
		return nil
	}
	field := f.rest[:n]
	f.rest = f.rest[n:]
	return field
}

// hasReason reports whether some reason has want as its code, or as its guard.
func (h *header) hasReason(want string, asGuard bool) bool {
	reasons := fields{rest: h.reasons}
	for range h.countReasons {
		code, guard := reasons.bytes(), reasons.bytes()
		if asGuard && string(guard) == want || !asGuard && string(code) == want {
			return true
		}
	}
	return false
}

// repeats reports whether the header of value is that of r, which is its JSON.
func (h *header) repeats(value []byte, r *authz.Record, result authz.Decision) bool {
	want := appendHeader(nil, r, result.Reasons, result.WouldDeny)
	head := value[:len(value)-len(h.json)]
	return len(head) == len(want) &&
		bytes.Equal(head[:totalOffset], want[:totalOffset]) &&
		bytes.Equal(head[fixedLength:], want[fixedLength:])
}
