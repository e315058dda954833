package decisionlog

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/dgraph-io/badger/v4"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

// findings is a report while it is made.
type findings struct{ authz.VerifyReport }

const maxProblems = 100

func (v *findings) problem(format string, args ...any) {
	if len(v.Problems) == maxProblems {
		v.MoreProblems++
		return
	}
	v.Problems = append(v.Problems, fmt.Sprintf(format, args...))
}

// count takes a record that was read into the report.
func (v *findings) count(r *authz.Record) {
	v.Records++
	if r.Kind == authz.RecordLoss {
		v.Losses++
		v.Lost += r.Lost
	}
}

// withhold takes a withheld record, of the change with number, that stands for places.
func (v *findings) withhold(number, places uint64) {
	v.Withheld += places
	v.WithheldTo = number
	v.LeftOut += places - 1
}

func (v *findings) gap(after, seq uint64) {
	switch {
	case seq == after+2:
		v.problem("record %d is missing", after+1)
	case seq > after+1:
		v.problem("records %d to %d are missing", after+1, seq-1)
	default:
		v.problem("record %d stands after record %d", seq, after)
	}
}

// verifyChunk is how many records are verified in one go, before the context is looked at.
const verifyChunk = 1000

// Verify reads the whole log, from the oldest record kept to the newest there is
// when it starts, and then the chain of intents and changes, and says what does not
// fit. Nothing is removed meanwhile. An error means that it could not be finished.
func (l *Log) Verify(ctx context.Context) (authz.VerifyReport, error) {
	l.retention.Lock()
	defer l.retention.Unlock()
	now := l.state.Load()
	anchor, changeAnchor, head := *l.anchor.Load(), *l.changeAnchor.Load(), now.head
	v := verification{place: anchor, gone: changeAnchor.seq}
	v.report.Problems = []string{}
	if head.seq > anchor.seq {
		v.report.From, v.report.To = anchor.seq+1, head.seq
	}
	for first := anchor.seq + 1; first <= head.seq; first += verifyChunk {
		if ctx.Err() != nil {
			return authz.VerifyReport{}, errInterrupted(ctx)
		}
		last := min(first+verifyChunk-1, head.seq)
		if err := l.scan(first, last, v.next); err != nil {
			return authz.VerifyReport{}, err
		}
	}
	changes := changeVerification{report: &v.report, place: changeAnchor}
	if err := l.verifyChanges(ctx, &changes, *now.changes); err != nil {
		return authz.VerifyReport{}, err
	}
	return v.end(head), nil
}

// verification is a chain verified so far.
type verification struct {
	report findings
	place  link   // of the last record read
	gone   uint64 // number of the last change that is no longer kept
	// adrift says that there may have been changes since place that were not read.
	adrift bool
}

// next verifies one stored record.
func (v *verification) next(txn *badger.Txn, seq uint64, value []byte) (bool, error) {
	h, err := readHeader(value)
	if err != nil {
		v.report.problem("record %d cannot be read", seq)
		v.report.Records++
		v.place = link{seq: seq, changes: v.place.changes}
		v.adrift = true
		return true, nil
	}
	v.adrift = v.adrift || h.first(seq) != v.place.seq+1
	place := h.place(seq, v.place)
	if h.change {
		err = v.followStub(txn, seq, &h)
	} else {
		v.follow(seq, value, &h)
	}
	v.place = place
	return true, err
}

func (v *verification) follow(seq uint64, value []byte, h *header) {
	if sha256.Sum256(h.json) != h.hash {
		v.report.problem("record %d was changed: its content does not have its hash", seq)
	}
	var r authz.Record
	if err := json.Unmarshal(h.json, &r); err != nil {
		v.report.problem("record %d cannot be read", seq)
		v.report.Records++
		return
	}
	v.report.count(&r)
	var result authz.Decision
	if len(r.Result) > 0 && json.Unmarshal(r.Result, &result) != nil || r.Seq != seq || !h.repeats(value, &r, result) {
		v.report.problem("record %d is listed as something else than it is", seq)
	}
	switch before := v.place; {
	case seq != before.seq+1:
		v.report.gap(before.seq, seq)
	case r.Prev != before.hex():
		v.report.problem("record %d does not follow record %d: one of them was changed", seq, before.seq)
	case h.total != before.total+uint64(len(value)):
		v.report.problem("record %d has a wrong size", seq)
	}
}

// end compares where the chain ended with where it should.
func (v *verification) end(head link) authz.VerifyReport {
	switch {
	case v.place.seq < head.seq:
		v.report.gap(v.place.seq, head.seq+1)
	case v.place.hash != head.hash:
		v.report.problem("record %d is not the one that was written last", head.seq)
	}
	v.report.HeadHash = head.hex()
	v.report.OK = len(v.report.Problems) == 0
	return v.report.VerifyReport
}

// maxLine bounds one line of an export.
const maxLine = 4 << 20

// VerifyLines is Verify for an export: the JSON of a record a line, oldest first, as
// ijson.Marshal writes it, without a filter. What was before the first line and after
// the last it cannot tell. An error means that in could not be read.
//
// Of an intent or a change that is withheld there is the hash that the next record
// follows, and its number, which the changes around it must leave room for: that it was
// one, and when, is what the line claims. Decisions at the end of an export could be
// hidden so, and everywhere in one that withholds every change and was numbered anew.
// authz.VerifyReport.Withheld counts them.
func VerifyLines(in io.Reader) (authz.VerifyReport, error) {
	v := lineVerification{report: findings{authz.VerifyReport{Problems: []string{}}}}
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	number := 0
	for lines.Scan() {
		number++
		if line := bytes.TrimSpace(lines.Bytes()); len(line) > 0 {
			v.next(number, line)
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		v.report.problem("line %d is longer than a record can be; nothing after it was read", number+1)
	case err != nil:
		return authz.VerifyReport{}, &authz.Error{Code: authz.CodeInvalid, Message: "the export could not be read to its end", Cause: err}
	}
	v.report.HeadHash = v.hash
	v.report.OK = len(v.report.Problems) == 0
	return v.report.VerifyReport, nil
}

type lineVerification struct {
	report findings
	hash   string // of the last record read

	// Of the last intent or change:
	changeNumber uint64
	changeHash   string // empty when there may have been others since
	unread       uint64 // how many
}

func (v *lineVerification) next(number int, line []byte) {
	r, hash, err := readLine(line)
	if err != nil {
		v.report.problem("line %d is no record of an export", number)
		return
	}
	switch {
	case r.Withheld:
		v.withheld(&r)
	case r.Hash != hash:
		v.report.problem("record %d was changed: its content does not have its hash", r.Seq)
	}
	switch first, to := r.First(), v.report.To; {
	case v.report.Records == 0:
		v.report.From = first
		v.unread = max(first, 1) - 1
	case first > to+1:
		v.report.gap(to, first)
		v.unread, v.changeHash = v.unread+first-to-1, ""
	case first < to+1:
		v.report.gap(to, first)
		v.changeNumber, v.unread, v.changeHash = 0, max(first, 1)-1, ""
	case r.Prev != v.hash:
		v.report.problem("record %d does not follow record %d: one of them was changed", first, to)
		v.changeHash = ""
	}
	if r.Kind == authz.RecordIntent || r.Kind == authz.RecordChange {
		v.change(&r)
	}
	v.report.count(&r)
	v.report.Records += r.Seq - r.First()
	v.report.To, v.hash = r.Seq, r.Hash
}

// withheld takes a line that stands for an intent or a change.
func (v *lineVerification) withheld(r *authz.Record) {
	place := authz.Record{Seq: r.Seq, Kind: r.Kind, At: r.At, Withheld: true, ChangeNumber: r.ChangeNumber, Places: r.Places, Prev: r.Prev, Hash: r.Hash}
	is, err := ijson.Marshal(r)
	want, wantErr := ijson.Marshal(&place)
	sum, hashErr := hex.DecodeString(r.Hash)
	switch {
	case r.Kind != authz.RecordIntent && r.Kind != authz.RecordChange:
		v.report.problem("record %d is withheld, as only a change may be", r.Seq)
	case errors.Join(err, wantErr, hashErr) != nil, !bytes.Equal(is, want), len(sum) != sha256.Size,
		r.ChangeNumber == 0, r.Places == 1, r.Places > min(r.Seq, r.ChangeNumber):
		v.report.problem("record %d is withheld and has more, or less, than its place", r.Seq)
	}
	v.report.withhold(r.ChangeNumber, r.Seq-r.First()+1)
}

// change takes the line of an intent or a change: it follows the one before in the
// chain of changes, as far as that was read.
func (v *lineVerification) change(r *authz.Record) {
	number, before := r.ChangeNumber, v.changeNumber
	if !r.Withheld && r.Change != nil {
		number = r.Change.Number
	}
	first := number - min(number, r.Seq-r.First()) // of those it stands for
	switch {
	case number == 0:
		if !r.Withheld { // else it was reported
			v.report.problem("record %d is of a change and has none", r.Seq)
		}
		v.unread++
		v.changeHash = ""
		return
	case first <= before || first-before-1 > v.unread:
		v.report.problem("record %d is of change %d, %s", r.First(), first, v.expected())
	case !r.Withheld && v.changeHash != "" && r.Change.PrevChange != v.changeHash:
		v.report.problem("change %d in record %d does not follow the change before", number, r.Seq)
	}
	if !r.Withheld {
		v.report.Changes++
		v.report.ChangesTo, v.report.ChangeHash = number, r.Hash
		if v.report.ChangesFrom == 0 {
			v.report.ChangesFrom = number
		}
	}
	v.changeNumber, v.changeHash, v.unread = number, r.Hash, 0
}

// expected is which change could come next.
func (v *lineVerification) expected() string {
	if v.unread == 0 {
		return fmt.Sprintf("and change %d comes next", v.changeNumber+1)
	}
	return fmt.Sprintf("and one from %d to %d comes next", v.changeNumber+1, v.changeNumber+1+v.unread)
}

// readLine is a line's record and the hash its content has. A line that another
// reader may read differently is refused.
func readLine(line []byte) (r authz.Record, hash string, err error) {
	if err := json.Unmarshal(line, &r); err != nil {
		return r, "", err
	}
	whole, err := ijson.Marshal(&r)
	if err != nil {
		return r, "", err
	}
	if !bytes.Equal(whole, line) {
		if err := ijson.Unmarshal(line, new(authz.Record)); err != nil {
			return r, "", err
		}
	}
	claimed := r.Hash
	r.Hash = ""
	content, err := ijson.Marshal(&r)
	if err != nil {
		return r, "", err
	}
	sum := sha256.Sum256(content)
	r.Hash = claimed
	return r, hex.EncodeToString(sum[:]), nil
}
