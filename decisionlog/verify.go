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

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

// VerifyReport says whether a chain is whole: every record from From to To is there,
// as it was written, and follows the one before it.
//
// A chain cannot tell that someone wrote all of it anew from some record on. Who must
// know keeps HeadHash, and To with it, elsewhere, and compares.
type VerifyReport struct {
	OK       bool     `json:"ok"` // there are no problems
	From     uint64   `json:"from,omitzero"`
	To       uint64   `json:"to,omitzero"`
	Records  uint64   `json:"records"` // read
	Losses   uint64   `json:"losses"`  // of the records, those that stand for lost ones
	Lost     uint64   `json:"lost"`    // records that losses stand for
	HeadHash string   `json:"head_hash,omitempty"`
	Problems []string `json:"problems"` // with the numbers of the records; the first 100
	// MoreProblems is how many are not in the list.
	MoreProblems uint64 `json:"more_problems,omitzero"`
}

const maxProblems = 100

func (v *VerifyReport) problem(format string, args ...any) {
	if len(v.Problems) == maxProblems {
		v.MoreProblems++
		return
	}
	v.Problems = append(v.Problems, fmt.Sprintf(format, args...))
}

// count takes a record that was read into the report.
func (v *VerifyReport) count(r *authz.Record) {
	v.Records++
	if r.Kind == authz.RecordLoss {
		v.Losses++
		v.Lost += r.Lost
	}
}

func (v *VerifyReport) gap(after, seq uint64) {
	switch {
	case seq == after+2:
		v.problem("record %d is missing", after+1)
	case seq > after+1:
		v.problem("records %d to %d are missing", after+1, seq-1)
	default:
		v.problem("record %d stands after record %d", seq, after)
	}
}

// verifyChunk is how many records are verified between two calls of progress.
const verifyChunk = 1000

// Verify reads the whole log, from the oldest record kept to the newest there is
// when it starts, and says what does not fit. Nothing is removed meanwhile. progress,
// unless nil, is told how far it is. An error means that it could not be finished.
func (l *Log) Verify(ctx context.Context, progress func(done, total uint64)) (VerifyReport, error) {
	l.retention.Lock()
	defer l.retention.Unlock()
	anchor, head := *l.anchor.Load(), l.state.Load().head
	v := verification{place: anchor}
	v.report.Problems = []string{}
	if head.seq > anchor.seq {
		v.report.From, v.report.To = anchor.seq+1, head.seq
	}
	for first := anchor.seq + 1; first <= head.seq; first += verifyChunk {
		if ctx.Err() != nil {
			return VerifyReport{}, errInterrupted(ctx)
		}
		last := min(first+verifyChunk-1, head.seq)
		if err := l.scan(first, last, v.next); err != nil {
			return VerifyReport{}, err
		}
		if progress != nil {
			progress(last-anchor.seq, head.seq-anchor.seq)
		}
	}
	return v.end(head), nil
}

// verification is a chain verified so far.
type verification struct {
	report VerifyReport
	place  link // of the last record read
}

// next verifies one stored record.
func (v *verification) next(seq uint64, value []byte) (bool, error) {
	h, err := readHeader(value)
	if err != nil {
		v.report.problem("record %d cannot be read", seq)
		v.report.Records++
		v.place = link{seq: seq}
		return true, nil
	}
	v.place = v.follow(seq, value, &h)
	return true, nil
}

func (v *verification) follow(seq uint64, value []byte, h *header) link {
	place := link{seq: seq, total: h.total, hash: h.hash}
	if sha256.Sum256(h.json) != h.hash {
		v.report.problem("record %d was changed: its content does not have its hash", seq)
	}
	var r authz.Record
	if err := json.Unmarshal(h.json, &r); err != nil {
		v.report.problem("record %d cannot be read", seq)
		v.report.Records++
		return place
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
	return place
}

// hex is the hash as a record's Prev has it: empty before the first record.
func (l link) hex() string {
	if l.seq == 0 {
		return ""
	}
	return hex.EncodeToString(l.hash[:])
}

// end compares where the chain ended with where it should.
func (v *verification) end(head link) VerifyReport {
	switch {
	case v.place.seq < head.seq:
		v.report.gap(v.place.seq, head.seq+1)
	case v.place.hash != head.hash:
		v.report.problem("record %d is not the one that was written last", head.seq)
	}
	v.report.HeadHash = head.hex()
	v.report.OK = len(v.report.Problems) == 0
	return v.report
}

// maxLine bounds one line of an export.
const maxLine = 4 << 20

// VerifyLines is Verify for an export: the JSON of a record a line, oldest first, as
// ijson.Marshal writes it, without a filter. What was before the first line and after
// the last it cannot tell. An error means that in could not be read.
func VerifyLines(in io.Reader) (VerifyReport, error) {
	v := lineVerification{report: VerifyReport{Problems: []string{}}}
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
		return VerifyReport{}, &authz.Error{Code: authz.CodeInvalid, Message: "the export could not be read to its end", Cause: err}
	}
	v.report.HeadHash = v.hash
	v.report.OK = len(v.report.Problems) == 0
	return v.report, nil
}

type lineVerification struct {
	report VerifyReport
	hash   string // of the last record read
}

func (v *lineVerification) next(number int, line []byte) {
	r, hash, err := readLine(line)
	if err != nil {
		v.report.problem("line %d is no record of an export", number)
		return
	}
	if r.Hash != hash {
		v.report.problem("record %d was changed: its content does not have its hash", r.Seq)
	}
	switch {
	case v.report.Records == 0:
		v.report.From = r.Seq
	case r.Seq != v.report.To+1:
		v.report.gap(v.report.To, r.Seq)
	case r.Prev != v.hash:
		v.report.problem("record %d does not follow record %d: one of them was changed", r.Seq, v.report.To)
	}
	v.report.count(&r)
	v.report.To, v.hash = r.Seq, r.Hash
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
