package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/disk"
	"github.com/verdict-pdp/verdict/ijson"
)

// write is a list of operations that happen together, with what became of it.
type write struct {
	ops []operation
	// lenient skips operations that fail instead of failing the write.
	lenient bool
	by      string // id of the change that makes it, see authz.WithChange; may be empty

	disk.Item           // in the group commit; the fields below may be read once it is answered
	refused   error     // why it is not committed, whatever becomes of its group
	revision  uint64    // 0: nothing changed
	outcomes  []outcome // of the operations, in order
}

// outcome is what became of one operation.
type outcome struct {
	err              error // lenient only
	changed          bool
	isNew            bool // there was no such entity before
	created, updated int64
	was, is          []byte       // JSON of the entity before and after, nil without one
	succeeded        authz.Entity // what Succeed made of the operation's entity; nil when it was not asked
}

// entry is one Badger key a write sets or, with a nil value, deletes.
type entry struct {
	key, value []byte
	meta       byte
	deleted    bool
}

// draft is a write evaluated but not yet part of its group.
type draft struct {
	group    *group
	revision uint64
	now      int64
	records  map[ref]*record // nil record: deleted
	entries  []entry
	changes  []change
	by       string // of the write
	counts   [codeLimit]int64
	outcomes []outcome
}

// change is one entry of a change record.
type change struct {
	op  byte
	ref ref
}

// Codes of changes, on disk.
const (
	changePut    = 'p'
	changeDelete = 'd'
	changeBy     = 'b' // no change: its key is the id of the audited change that made them
)

// evaluate runs w against everything accepted before it.
func (g *group) evaluate(w *write) (*draft, error) {
	d := &draft{
		group:    g,
		revision: g.state.revision + 1,
		now:      g.now,
		records:  make(map[ref]*record, len(w.ops)),
		entries:  make([]entry, 0, expectedEntries(w.ops)),
		changes:  make([]change, 0, len(w.ops)),
		by:       w.by,
		outcomes: make([]outcome, len(w.ops)),
	}
	for i := range w.ops {
		err := d.apply(&w.ops[i], &d.outcomes[i])
		switch {
		case err == nil:
		case w.lenient && authz.CodeOf(err) != authz.CodeInternal:
			d.outcomes[i].err = err
		default:
			return nil, atOperation(err, i, len(w.ops))
		}
	}
	return d, nil
}

// expectedEntries is how many entries ops make when all are creates.
func expectedEntries(ops []operation) int {
	n := len(ops)/maxChangesInRecord + 1
	for i := range ops {
		n += 1 + len(ops[i].sideKeys)
	}
	return n
}

// atOperation names the operation of a batch that failed.
func atOperation(err error, i, of int) error {
	ours, ok := err.(*authz.Error)
	if !ok || of == 1 {
		return err
	}
	field := "ops[" + strconv.Itoa(i) + "]"
	if ours.Field != "" {
		field += "." + ours.Field
	}
	return &authz.Error{Code: ours.Code, Field: field, Message: ours.Message, Cause: ours.Cause}
}

// apply changes the draft, or returns an error and leaves it as it was.
func (d *draft) apply(op *operation, out *outcome) error {
	current, err := d.record(op.ref)
	if err != nil {
		return err
	}
	if err := checkCondition(op.pre, op.ref, current); err != nil {
		return err
	}
	if op.entity == nil {
		return d.delete(op, current, out)
	}
	return d.put(op, current, out)
}

func (d *draft) put(op *operation, current *record, out *outcome) error {
	if op.unchanged(op.content, current) {
		return nil
	}
	was, err := current.was(op.code)
	if err != nil {
		return err
	}
	made, succeeded := op.form, authz.Entity(nil)
	if _, is := op.entity.(authz.Successor); is && was != nil {
		if succeeded, made, err = d.succeed(op, was); err != nil {
			return err
		}
		if op.unchanged(made.content, current) {
			return nil
		}
	}
	created := d.now
	if current != nil {
		created = current.created
	}
	next := &record{
		key: op.key, revision: d.revision, created: created, updated: d.now,
		json: made.content.withHeader(created, d.now, d.revision),
	}
	if err := decodeHot(op.code, next); err != nil {
		return err
	}
	if err := d.checkIssuer(next); err != nil {
		return err
	}
	d.reindex(op.ref, was, made.sideKeys)
	d.entries = append(d.entries, entry{key: op.dataKey(), value: next.value()})
	d.records[op.ref] = next
	if current == nil {
		d.counts[op.code]++
	}
	d.changes = append(d.changes, change{op: changePut, ref: op.ref})
	*out = outcome{changed: true, isNew: current == nil, created: created, updated: d.now, was: current.content(), is: next.json, succeeded: succeeded}
	return nil
}

// unchanged reports whether an import would store what is there already.
func (op *operation) unchanged(made content, current *record) bool {
	return current != nil && op.intent == unlessSame && bytes.Equal(current.json, made.withHeader(current.created, current.updated, current.revision))
}

// succeed lets the entity of op succeed the one it replaces. It works on a copy:
// the entity is the caller's, and op may be evaluated again after other writes.
func (d *draft) succeed(op *operation, was authz.Entity) (authz.Entity, form, error) {
	next := op.code.collection().New()
	if err := ijson.UnmarshalOpen(op.content.json, next); err != nil {
		return nil, form{}, internal("reading the entity again", err)
	}
	successor, ok := next.(authz.Successor)
	if !ok {
		return nil, form{}, internal("replacing the entity", fmt.Errorf("%T succeeds nothing", next))
	}
	if err := successor.Succeed(was, fromMillis(d.now)); err != nil {
		return nil, form{}, err
	}
	if err := next.Validate(); err != nil {
		return nil, form{}, err
	}
	made, err := newForm(op.ref, next)
	return next, made, err
}

func (d *draft) delete(op *operation, current *record, out *outcome) error {
	if op.intent == unlessNotDue {
		if is, err := due(op, current); err != nil || !is {
			return err
		}
	}
	if current == nil {
		return notFound(op.ref)
	}
	was, err := current.was(op.code)
	if err != nil {
		return err
	}
	d.reindex(op.ref, was, nil)
	d.entries = append(d.entries, d.group.tombstoneEntry(op.ref, d.revision, d.now))
	d.records[op.ref] = nil
	d.counts[op.code]--
	d.changes = append(d.changes, change{op: changeDelete, ref: op.ref})
	*out = outcome{changed: true, was: current.content()}
	return nil
}

// due reports whether the entity, as it is now, expired in time for the sweeper.
func due(op *operation, current *record) (bool, error) {
	if current == nil {
		return false, nil
	}
	entity, err := current.decode(op.code.collection())
	if err != nil {
		return false, err
	}
	expires := entity.Expires()
	return !expires.IsZero() && expires.UnixMilli() <= op.due, nil
}

// reindex deletes the index and expiry entries that an entity had and does not
// keep, and adds those it lacked. was is nil when there was none.
func (d *draft) reindex(r ref, was authz.Entity, keep [][]byte) {
	var old [][]byte
	if was != nil {
		old = sideKeysOf(r.code, r.key, was)
	}
	for _, k := range old {
		if !holds(keep, k) {
			d.entries = append(d.entries, entry{key: k, deleted: true})
		}
	}
	for _, k := range keep {
		if !holds(old, k) {
			d.entries = append(d.entries, entry{key: k})
		}
	}
}

// was is the entity that a write is about to replace or delete, nil when there
// is none.
func (r *record) was(code collCode) (authz.Entity, error) {
	if r == nil {
		return nil, nil
	}
	return r.decode(code.collection())
}

func holds(keys [][]byte, key []byte) bool {
	return slices.ContainsFunc(keys, func(k []byte) bool { return bytes.Equal(k, key) })
}

// record is the entity as the writes before see it, nil when there is none.
func (d *draft) record(r ref) (*record, error) {
	if rec, ok := d.records[r]; ok {
		return rec, nil
	}
	return d.group.record(r)
}

// checkIssuer refuses a second issuer of the same URL: a token's iss must lead
// to one issuer only.
func (d *draft) checkIssuer(next *record) error {
	issuer, ok := next.entity.(*authz.Issuer)
	if !ok {
		return nil
	}
	rivals, err := d.group.issuersOf(issuer.URL)
	if err != nil {
		return err
	}
	for _, overlay := range []map[ref]*record{d.group.records, d.records} {
		for r, rec := range overlay {
			if r.code != issuersCode {
				continue
			}
			delete(rivals, r.key)
			if rec != nil && rec.entity.Field("url") == issuer.URL {
				rivals[r.key] = true
			}
		}
	}
	delete(rivals, next.key)
	for rival := range rivals {
		return &authz.Error{Code: authz.CodeConflict, Field: "url", Message: "belongs to issuer " + strconv.Quote(rival) + " already"}
	}
	return nil
}

// maxChangesInRecord keeps a change record well under the size of a value.
const maxChangesInRecord = 512

// changeEntries are the change records of the write.
func (d *draft) changeEntries() []entry {
	var entries []entry
	number := d.group.state.nextChange
	for part, rest := 0, d.changes; len(rest) > 0; part++ {
		n := min(len(rest), maxChangesInRecord)
		entries = append(entries, entry{
			key:   changeKey(d.revision, part),
			value: changeValue(d.now, number, d.by, rest[:n]),
		})
		number += uint64(n)
		rest = rest[n:]
	}
	return entries
}

// changeValue is when, the number of the first change, and for each change its
// op, collection, key length and key. Before them stands by in the form of a change,
// when it is not empty.
func changeValue(at int64, number uint64, by string, changes []change) []byte {
	v := binary.BigEndian.AppendUint64(nil, uint64(at))
	v = binary.BigEndian.AppendUint64(v, number)
	if by != "" {
		v = append(v, changeBy, 0)
		v = binary.AppendUvarint(v, uint64(len(by)))
		v = append(v, by...)
	}
	for _, c := range changes {
		v = append(v, c.op, byte(c.ref.code))
		v = binary.AppendUvarint(v, uint64(len(c.ref.key)))
		v = append(v, c.ref.key...)
	}
	return v
}

func notFound(r ref) error {
	return authz.Errorf(authz.CodeNotFound, "%s %s does not exist", r.code.collection(), strconv.Quote(r.key))
}
