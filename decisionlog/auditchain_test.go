package decisionlog_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/decisionlog"
	"github.com/verdict-pdp/verdict/ijson"
)

// TestTamperWithChanges changes what is stored of changes the way somebody with the
// files could: while the decisions around them are kept, and when they are gone.
func TestTamperWithChanges(t *testing.T) {
	mended := rewritten(`"revision":8`, `"revision":9`)
	for name, test := range map[string]struct {
		number  uint64
		change  func(value []byte, at int) []byte
		chained []string // found in the chain of all records
		always  []string
	}{
		"a member": {2, func(value []byte, _ int) []byte {
			return bytes.Replace(value, []byte(`"outcome":"made"`), []byte(`"outcome":"fail"`), 1)
		}, nil, []string{"change 2 was changed: its content does not have its hash"}},
		"deleted at the old end": {1, deleted, nil, []string{"change 1 is missing"}},
		"deleted":                {2, deleted, nil, []string{"change 2 is missing"}},
		"deleted at the new end": {4, deleted, nil, []string{"change 4 is missing"}},
		"written anew":           {2, mended, []string{"record 4 is not the change 2 that is kept"}, []string{"change 3 does not follow change 2: one of them was changed"}},
		"the last one anew":      {4, mended, []string{"record 6 is not the change 4 that is kept"}, []string{"change 4 is not the one that was written last"}},
		"its kind":               {2, flipped(1, 8), []string{"record 4 is not the change 2 that is kept"}, []string{"change 2 is listed as something else than it is"}},
		"its time":               {2, flipped(9, 1), []string{"record 4 is not the change 2 that is kept"}, []string{"change 2 is listed as something else than it is"}},
		"its size":               {2, flipped(17, 1), nil, []string{"change 2 has a wrong size", "change 3 has a wrong size"}},
		"no header": {2, func([]byte, int) []byte { return []byte("x") }, []string{"record 4 is not the change 2 that is kept"},
			[]string{"change 2 cannot be read", "change 3 does not follow change 2: one of them was changed"}},
		"no JSON": {4, func(value []byte, at int) []byte { return value[:at] }, []string{"record 6 is not the change 4 that is kept"},
			[]string{"change 4 was changed: its content does not have its hash", "change 4 cannot be read"}},
	} {
		for _, alone := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", alone ", alone), func(t *testing.T) {
				now := start
				c := decisionlog.Config{Dir: t.TempDir(), MaxAge: time.Hour, Now: func() time.Time { return now }}
				l := open(t, c)
				announce(t, l, "c-1")
				record(t, l, many(2)...)
				settle(t, l, "c-1", "c-2", "c-3")
				record(t, l, many(2)...)
				want := append(append([]string{}, test.chained...), test.always...)
				if alone {
					now = now.Add(2 * time.Hour)
					maintain(t, l)
					want = test.always
				}
				if report := verify(t, l); report.Changes != 4 || (report.Records == 0) != alone {
					t.Fatalf("before: %+v", report)
				}
				if err := l.TamperChange(test.number, test.change); err != nil {
					t.Fatal(err)
				}
				verify(t, l, want...)
				closed(t, l)
				l = open(t, c)
				verify(t, l, want...)
				settle(t, l, "c-5") // and goes on
			})
		}
	}
}

// TestReorderedChanges swaps two changes that nothing stands around any more.
func TestReorderedChanges(t *testing.T) {
	now := start
	l := open(t, decisionlog.Config{InMemory: true, MaxAge: time.Hour, Now: func() time.Time { return now }})
	settle(t, l, "c-1", "c-2", "c-3", "c-4")
	now = now.Add(2 * time.Hour)
	maintain(t, l)
	var two, three []byte
	swap := func(number uint64, keep *[]byte, with func() []byte) {
		t.Helper()
		if err := l.TamperChange(number, func(value []byte, _ int) []byte {
			*keep = bytes.Clone(value)
			return with()
		}); err != nil {
			t.Fatal(err)
		}
	}
	swap(2, &two, func() []byte { return two })
	swap(3, &three, func() []byte { return two })
	swap(2, new([]byte), func() []byte { return three })
	verify(t, l,
		"change 2 is listed as something else than it is", "change 2 does not follow change 1: one of them was changed",
		"change 3 is listed as something else than it is", "change 3 does not follow change 2: one of them was changed",
		"change 4 does not follow change 3: one of them was changed")
}

// TestInsertedChange puts one in at either end.
func TestInsertedChange(t *testing.T) {
	now := start
	c := decisionlog.Config{Dir: t.TempDir(), AuditMaxAge: time.Hour, Now: func() time.Time { return now }, Input: input}
	l := openUnclosed(t, c)
	settle(t, l, "c-1", "c-2")
	var one []byte
	if err := l.TamperChange(1, func(value []byte, _ int) []byte { one = bytes.Clone(value); return value }); err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * time.Hour)
	maintain(t, l)
	settle(t, l, "c-3")
	verify(t, l)
	insert := func(number uint64) {
		t.Helper()
		if err := l.TamperChange(number, func([]byte, int) []byte { return one }); err != nil {
			t.Fatal(err)
		}
	}
	insert(1)
	verify(t, l, "change 1 is there and was removed")
	insert(4)
	closed(t, l)
	_, err := decisionlog.Open(c)
	code(t, err, authz.CodeInternal, "the decision log is damaged")
}

// TestChangesTakenBack cuts off the newest changes.
func TestChangesTakenBack(t *testing.T) {
	for name, test := range map[string]func(l *decisionlog.Log) error{
		"the note of the last": func(l *decisionlog.Log) error { return l.TakeBackChanges(1) },
		"and with it the last": func(l *decisionlog.Log) error {
			return errors.Join(l.TakeBackChanges(1), l.TamperChange(2, deleted))
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := decisionlog.Config{Dir: t.TempDir(), Input: input}
			l := openUnclosed(t, c)
			settle(t, l, "c-1", "c-2")
			if err := errors.Join(test(l), l.Close()); err != nil {
				t.Fatal(err)
			}
			_, err := decisionlog.Open(c)
			code(t, err, authz.CodeInternal, "the decision log is damaged")
		})
	}
}

// TestTamperWithStubs changes what stands for changes in the chain of all records.
func TestTamperWithStubs(t *testing.T) {
	for name, test := range map[string]struct {
		seq      uint64
		change   func(value []byte, at int) []byte
		problems []string
	}{
		"deleted":         {2, deleted, []string{"record 2 is missing"}},
		"its number":      {2, flipped(57, 2), []string{"record 2 is of change 3, and change 1 comes next", "record 4 is of change 2, and change 4 comes next"}},
		"its hash":        {2, flipped(18, 1), []string{"record 2 is not the change 1 that is kept", "record 3 does not follow record 2: one of them was changed"}},
		"what it follows": {2, flipped(58, 1), []string{"record 2 does not follow record 1: one of them was changed", "record 2 is not the change 1 that is kept"}},
		"its size":        {2, flipped(17, 1), []string{"record 2 has a wrong size", "record 3 has a wrong size"}},
		"its length": {2, func(value []byte, _ int) []byte { return value[:60] }, []string{
			"record 2 cannot be read", "record 3 does not follow record 2: one of them was changed",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			l := open(t, inMemory())
			record(t, l, entry("d-1"))
			announce(t, l, "c-1")
			record(t, l, entry("d-2"))
			settle(t, l, "c-1")
			if err := l.Tamper(test.seq, test.change); err != nil {
				t.Fatal(err)
			}
			verify(t, l, test.problems...)
		})
	}
}

// TestVerifyLinesOfChanges changes lines of exports with changes in them.
func TestVerifyLinesOfChanges(t *testing.T) {
	l := open(t, inMemory())
	announce(t, l, "c-1")
	record(t, l, entry("d-1"))
	settle(t, l, "c-1")
	record(t, l, denied("d-2"))
	settle(t, l, "c-2")
	whole, bare := exported(t, l, authz.RecordFilter{}, true), exported(t, l, authz.RecordFilter{}, false)
	for name, test := range map[string]struct {
		lines    []string
		problems []string
	}{
		"whole":             {whole, []string{}},
		"withheld":          {bare, []string{}},
		"some withheld":     {append([]string{bare[0]}, whole[1:]...), []string{}},
		"a part":            {whole[1:4], []string{}},
		"a changed change":  {replaced(t, whole, 2, `"outcome":"made"`, `"outcome":"failed"`), []string{"record 3 was changed: its content does not have its hash"}},
		"a withheld denial": {replaced(t, bare, 3, `"prev":`, `"withheld":true,"prev":`), []string{"record 4 is withheld, as only a change may be"}},
		"more than a place": {replaced(t, bare, 2, `"policy":`, `"service":"svc:x","policy":`), []string{"record 3 is withheld and has more, or less, than its place"}},
		"another hash": {replaced(t, bare, 2, `"hash":"`, `"hash":"00`), []string{
			"record 3 is withheld and has more, or less, than its place", "record 4 does not follow record 3: one of them was changed",
		}},
		"a missing one": {append([]string{whole[0], whole[1]}, whole[3:]...), []string{"record 3 is missing"}},
	} {
		t.Run(name, func(t *testing.T) {
			report := verifyLines(t, test.lines)
			same(t, "problems", test.problems, report.Problems)
		})
	}
}

// TestVerifyLinesOfHiddenDecisions puts the line of a withheld change, which has a place
// and no content, where a decision was.
func TestVerifyLinesOfHiddenDecisions(t *testing.T) {
	l := open(t, inMemory())
	announce(t, l, "c-1")
	record(t, l, entry("d-1"))
	settle(t, l, "c-1")
	record(t, l, denied("d-2"))
	settle(t, l, "c-2")
	record(t, l, denied("d-3"))
	whole, bare := exported(t, l, authz.RecordFilter{}, true), exported(t, l, authz.RecordFilter{}, false)
	edited := func(line string, edit func(*authz.Record)) string {
		t.Helper()
		var r authz.Record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		edit(&r)
		edits, err := ijson.Marshal(&r)
		if err != nil {
			t.Fatal(err)
		}
		return string(edits)
	}
	hidden := func(lines []string, seq int, number uint64) []string {
		lines = slices.Clone(lines)
		lines[seq-1] = edited(lines[seq-1], func(r *authz.Record) {
			*r = authz.Record{Seq: r.Seq, Kind: authz.RecordChange, At: r.At, Withheld: true, ChangeNumber: number, Prev: r.Prev, Hash: r.Hash}
		})
		return lines
	}
	renumbered := func(lines []string, from int) []string {
		lines = slices.Clone(lines)
		for i := from - 1; i < len(lines); i++ {
			if strings.Contains(lines[i], `"withheld"`) {
				lines[i] = edited(lines[i], func(r *authz.Record) { r.ChangeNumber++ })
			}
		}
		return lines
	}
	for name, test := range map[string]struct {
		lines    []string
		withheld uint64
		last     uint64 // number of the last withheld change
		problems []string
	}{
		"none":                          {bare, 3, 3, nil},
		"one with the next number":      {hidden(whole, 2, 2), 1, 2, []string{"record 3 is of change 2, and change 3 comes next"}},
		"one among withheld changes":    {hidden(bare, 2, 2), 4, 3, []string{"record 3 is of change 2, and change 3 comes next"}},
		"one with the number before":    {hidden(bare, 2, 1), 4, 3, []string{"record 2 is of change 1, and change 2 comes next"}},
		"one with a number far ahead":   {hidden(bare, 4, 9), 4, 3, []string{"record 4 is of change 9, and change 3 comes next", "record 5 is of change 3, and change 10 comes next"}},
		"one without a number":          {hidden(bare, 2, 0), 4, 3, []string{"record 2 is withheld and has more, or less, than its place"}},
		"the first one of a part":       {hidden(bare, 4, 5)[3:4], 1, 5, []string{"record 4 is of change 5, and one from 1 to 4 comes next"}},
		"after a gap":                   {append(slices.Clone(bare[:1]), hidden(bare, 4, 5)[3]), 2, 5, []string{"records 2 to 3 are missing", "record 4 is of change 5, and one from 2 to 4 comes next"}},
		"a whole change after it":       {renumbered(hidden(append(slices.Clone(bare[:4]), whole[4]), 2, 2), 3), 3, 3, []string{"record 5 is of change 3, and change 4 comes next"}},
		"all later ones numbered anew":  {renumbered(hidden(bare, 2, 2), 3), 4, 4, nil}, // of a log with 3 changes
		"the last record of the export": {hidden(bare, 6, 4), 4, 4, nil},
	} {
		t.Run(name, func(t *testing.T) {
			report := verifyLines(t, test.lines)
			same(t, "problems", append([]string{}, test.problems...), report.Problems)
			same(t, "withheld, and the number of the last", []uint64{test.withheld, test.last}, []uint64{report.Withheld, report.WithheldTo})
		})
	}
}

// TestDecisionsTakeNoChange fills the share of decisions many times over.
func TestDecisionsTakeNoChange(t *testing.T) {
	const share = 40_000
	now := start
	c := decisionlog.Config{Dir: t.TempDir(), MaxBytes: share, MaxAge: 10_000 * time.Hour, Now: func() time.Time { return now }}
	l := open(t, c)
	var want []string
	for round := range 30 {
		id := "c-" + strconv.Itoa(round)
		announce(t, l, id)
		record(t, l, many(15)...)
		settle(t, l, id)
		record(t, l, many(15)...)
		maintain(t, l)
		want = append([]string{fmt.Sprint(2*round+2, " ", id, " made")}, want...)
	}
	check := func() {
		t.Helper()
		stats := l.Stats()
		if stats.Oldest < 500 || stats.Bytes > share || stats.RemovedChanges != 0 || stats.OldestChange != 1 {
			t.Errorf("want decisions removed and no changes: %+v", stats)
		}
		same(t, "changes", want, audit(t, l, authz.AuditFilter{}, 7))
		if _, _, err := l.Change(t.Context(), "c-0"); err != nil {
			t.Error(err)
		}
		report := verify(t, l)
		if report.From < 500 || report.Changes != 60 || report.ChangesFrom != 1 || report.Withheld != 0 {
			t.Errorf("%+v; want a part of the records, and all 60 changes from 1, none withheld", report)
		}
		if lines := verifyLines(t, exported(t, l, authz.RecordFilter{}, true)); !lines.OK || lines.From != report.From || lines.Changes == 0 {
			t.Errorf("the export: %+v", lines)
		}
	}
	check()
	closed(t, l)
	l = open(t, c)
	check()
}

// TestChangesTakeNoDecision fills the share of changes many times over.
func TestChangesTakeNoDecision(t *testing.T) {
	const share = 20_000
	l := open(t, decisionlog.Config{InMemory: true, AuditMaxBytes: share, Now: func() time.Time { return start }})
	record(t, l, many(20)...)
	before := l.Stats().Bytes
	for i := range 100 {
		id := "c-" + strconv.Itoa(i)
		announce(t, l, id)
		settle(t, l, id)
	}
	same(t, "bytes of decisions", before, l.Stats().Bytes)
	maintain(t, l)
	stats := l.Stats()
	if stats.Removed != 0 || stats.ChangeBytes > share || stats.ChangeBytes < share*3/4 || stats.RemovedChanges != stats.OldestChange-1 || stats.RemovedChanges < 100 {
		t.Errorf("want changes down to their share and all decisions: %+v", stats)
	}
	report := verify(t, l)
	if report.Records != 220 || report.Withheld != stats.RemovedChanges || report.Changes != 200-stats.RemovedChanges || report.ChangesFrom != stats.OldestChange {
		t.Errorf("%+v; want 220 records, the changes that are kept, and those removed withheld", report)
	}
	lines := verifyLines(t, exported(t, l, authz.RecordFilter{}, true))
	if !lines.OK || lines.Records != 220 || lines.Withheld != stats.RemovedChanges {
		t.Errorf("the export: %+v", lines)
	}
	_, _, err := l.Change(t.Context(), "c-0")
	code(t, err, authz.CodeNotFound, "no longer kept")
	_, err = l.ChangesAfter(t.Context(), authz.AuditFilter{}, 0, 10)
	code(t, err, authz.CodeGone, "no longer kept")
	if page, err := l.ChangesAfter(t.Context(), authz.AuditFilter{}, stats.OldestChange-1, 1000); err != nil || page.NextAfter != 200 {
		t.Errorf("from the oldest on: %+v, %v", page, err)
	}
	got := audit(t, l, authz.AuditFilter{}, 0)
	if len(got) == 0 || got[0] != "200 c-99 made" {
		t.Errorf("the changes are %q; want 200 c-99 made first", got)
	}
	settle(t, l, "c-0") // is not known any more
}

func TestRetentionOfChangesByAge(t *testing.T) {
	now := start
	c := decisionlog.Config{Dir: t.TempDir(), MaxAge: 30 * 24 * time.Hour, Now: func() time.Time { return now }}
	l := open(t, c)
	announce(t, l, "old")
	settle(t, l, "old")
	announce(t, l, "open")
	now = now.Add(300 * 24 * time.Hour)
	record(t, l, entry("d-1"))
	settle(t, l, "young")
	maintain(t, l)
	same(t, "after 300 days", []string{"4 young made", "3 open pending", "2 old made"}, audit(t, l, authz.AuditFilter{}, 0))
	now = now.Add(101 * 24 * time.Hour)
	maintain(t, l)
	// What has no outcome is not removed for its age, nor what comes after it.
	same(t, "after 401 days", []string{"4 young made", "3 open pending"}, audit(t, l, authz.AuditFilter{}, 0))
	settle(t, l, "open")
	maintain(t, l)
	same(t, "settled", []string{"5 open made", "4 young made"}, audit(t, l, authz.AuditFilter{}, 0))
	if report := verify(t, l); report.ChangesFrom != 4 || report.Changes != 2 {
		t.Errorf("%+v; want changes 4 and 5", report)
	}
	closed(t, l)
	now = now.Add(10_000 * 24 * time.Hour)
	l = open(t, c)
	maintain(t, l)
	if report := verify(t, l); report.Records != 0 || report.Changes != 0 || report.ChangeHash == "" {
		t.Errorf("%+v; want no record and no change, and the hash of the last", report)
	}
	settle(t, l, "next")
	if report := verify(t, l); report.ChangesFrom != 6 || report.From != 7 {
		t.Errorf("%+v; want record 7, which is change 6", report)
	}
}

// TestPendingIsSparedTwiceTheShare: an intent that is never settled does not hold up
// retention for ever.
func TestPendingIsSparedTwiceTheShare(t *testing.T) {
	const share = 10_000
	l := open(t, decisionlog.Config{InMemory: true, AuditMaxBytes: share, Now: func() time.Time { return start }})
	announce(t, l, "open")
	fillChanges(t, l, share*3/2)
	maintain(t, l)
	same(t, "pending within twice the share", []any{1, uint64(0)}, []any{l.Stats().Pending, l.Stats().RemovedChanges})
	fillChanges(t, l, share*3)
	maintain(t, l)
	if stats := l.Stats(); stats.Pending != 0 || stats.ChangeBytes > share {
		t.Errorf("%+v; want nothing pending, and the changes within their share", stats)
	}
	same(t, "pending", []string{}, pending(t, l))
	verify(t, l)
}

// TestRetentionOfChangesSparesReaders: a sink gets changes whole while twice their
// share lasts, and after that their places.
func TestRetentionOfChangesSparesReaders(t *testing.T) {
	const share = 10_000
	l := open(t, decisionlog.Config{InMemory: true, AuditMaxBytes: share, Now: func() time.Time { return start }})
	if _, err := l.Cursor("siem"); err != nil {
		t.Fatal(err)
	}
	fillChanges(t, l, share*3/2)
	maintain(t, l)
	same(t, "removed within twice the share", uint64(0), l.Stats().RemovedChanges)
	const read = 3
	if err := l.SetCursor("siem", read); err != nil {
		t.Fatal(err)
	}
	fillChanges(t, l, share*3)
	maintain(t, l)
	gone := l.Stats().RemovedChanges
	if gone <= read {
		t.Fatalf("want more than %d changes removed, got %d", read, gone)
	}
	records, err := l.After(t.Context(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	// What was read and what was not are two runs, and then each has its own record.
	next := uint64(1)
	for i, r := range records {
		if r.First() != next || r.Withheld != (r.Seq <= gone) || (r.Change == nil) != r.Withheld {
			t.Fatalf("want record %d next, %d are gone: %+v", next, gone, r)
		}
		if i == 0 && r.Seq != read || i == 1 && r.Seq != gone || i > 1 && r.Places != 0 {
			t.Errorf("want runs up to %d and %d, and no other: %+v", read, gone, r)
		}
		next = r.Seq + 1
	}
	if next != l.Head()+1 {
		t.Errorf("want records up to %d, got them up to %d", l.Head(), next-1)
	}
	if records, err := l.After(t.Context(), read, 1); err != nil || len(records) != 1 || records[0].First() != read+1 {
		t.Errorf("want record %d next after what was read, got %+v, %v", read+1, records, err)
	}
	verify(t, l)
}

// TestFloodOfChangesTakesNoDecision records so many refused changes that their places
// alone are many times the share of changes.
func TestFloodOfChangesTakesNoDecision(t *testing.T) {
	const decisions, changes = 50, 1000
	l := open(t, decisionlog.Config{InMemory: true, AuditMaxBytes: 5_000, Now: func() time.Time { return start }})
	refuse := func(from, to int) {
		t.Helper()
		for i := from; i < to; i++ {
			if err := l.Settle(t.Context(), outcome("c-"+strconv.Itoa(i), authz.ChangeRefused)); err != nil {
				t.Fatal(err)
			}
		}
	}
	record(t, l, many(decisions/2)...)
	refuse(0, changes/2)
	record(t, l, many(decisions/2)...)
	refuse(changes/2, changes)
	maintain(t, l)
	if n, err := l.Count(t.Context(), authz.RecordFilter{}, 0); n != decisions || err != nil {
		t.Errorf("want all %d decisions kept, got %d, %v", decisions, n, err)
	}
	stats := l.Stats()
	if stats.Removed != 0 || stats.Oldest != 1 || stats.ChangeBytes > 5_000 {
		t.Errorf("want changes down to their share and no other record removed: %+v", stats)
	}
	report := verify(t, l)
	if report.From != 1 || report.Records != decisions+changes || report.Withheld != stats.RemovedChanges || report.LeftOut != stats.RemovedChanges-2 {
		t.Errorf("want %d records, %d of them withheld in two runs: %+v", decisions+changes, stats.RemovedChanges, report)
	}
	lines := exported(t, l, authz.RecordFilter{}, true)
	if want := decisions + 2 + int(changes-stats.RemovedChanges); len(lines) != want {
		t.Errorf("want the decisions, two runs of places and the changes kept, %d records; got %d", want, len(lines))
	}
	if of := verifyLines(t, lines); !of.OK || of.Records != report.Records || of.Withheld != report.Withheld || of.WithheldTo != report.WithheldTo || of.LeftOut != report.LeftOut {
		t.Errorf("want of the export what holds of the log, got %+v", of)
	}
}

// ranAway is a log of a decision, the place of five changes that are gone, a decision, and
// that of one, the newest.
func ranAway(t *testing.T, c decisionlog.Config) *decisionlog.Log {
	t.Helper()
	now := start
	c.AuditMaxAge, c.Now = time.Hour, func() time.Time { return now }
	l := openUnclosed(t, c)
	record(t, l, entry("d-1"))
	settle(t, l, "c-1", "c-2", "c-3", "c-4", "c-5")
	record(t, l, entry("d-2"))
	settle(t, l, "c-6")
	now = now.Add(2 * time.Hour)
	maintain(t, l)
	return l
}

// TestRunOfStubs: the places of removed changes that nothing stands between are one record.
func TestRunOfStubs(t *testing.T) {
	c := decisionlog.Config{Dir: t.TempDir(), Input: input}
	l := ranAway(t, c)
	closed(t, l)
	now := start.Add(2 * time.Hour)
	c.Now = func() time.Time { return now }
	l = open(t, c)
	report := verify(t, l)
	same(t, "the report", authz.VerifyReport{
		OK: true, From: 1, To: 8, Records: 8, Withheld: 6, WithheldTo: 6, LeftOut: 4, HeadHash: report.HeadHash, ChangeHash: report.HeadHash, Problems: []string{},
	}, report)
	var got []string
	for _, line := range exported(t, l, authz.RecordFilter{}, false) {
		var r authz.Record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(r.First(), "-", r.Seq, " ", r.Kind, " ", r.ChangeNumber))
	}
	same(t, "records", []string{"1-1 decision 0", "2-6 change 5", "7-7 decision 0", "8-8 change 6"}, got)
	settle(t, l, "c-7")
	record(t, l, entry("d-3"))
	verify(t, l)
	now = now.Add(10_000 * time.Hour) // and it goes whole, with what stands around it
	maintain(t, l)
	if report := verify(t, l); report.Records != 0 || l.Stats().Removed != 10 {
		t.Errorf("want all 10 records removed: %+v, %+v", report, l.Stats())
	}
}

// TestRunKeepsDamage: a place that was altered is not joined with others, which would
// hide it.
func TestRunKeepsDamage(t *testing.T) {
	for name, test := range map[string]struct {
		change   func(value []byte, at int) []byte
		problems []string
	}{
		"its hash":   {flipped(18, 1), []string{"record 4 does not follow record 3: one of them was changed"}},
		"its size":   {flipped(17, 1), []string{"record 3 has a wrong size", "record 4 has a wrong size"}},
		"its number": {flipped(57, 8), []string{"record 3 is of change 10, and change 2 comes next", "record 4 is of change 3, and change 11 comes next"}},
		"deleted":    {deleted, []string{"record 3 is missing"}},
	} {
		t.Run(name, func(t *testing.T) {
			now := start
			l := open(t, decisionlog.Config{InMemory: true, AuditMaxAge: time.Hour, Now: func() time.Time { return now }})
			record(t, l, entry("d-1"))
			settle(t, l, "c-1", "c-2", "c-3")
			record(t, l, entry("d-2"))
			if err := l.Tamper(3, test.change); err != nil {
				t.Fatal(err)
			}
			now = now.Add(2 * time.Hour)
			maintain(t, l)
			report, err := l.Verify(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			same(t, "problems", test.problems, report.Problems)
		})
	}
}

// TestTamperWithRuns changes the record that stands for several.
func TestTamperWithRuns(t *testing.T) {
	for name, test := range map[string]struct {
		change   func(value []byte, at int) []byte
		problems []string
	}{
		"deleted":         {deleted, []string{"records 2 to 6 are missing"}},
		"its hash":        {flipped(18, 1), []string{"record 7 does not follow record 6: one of them was changed"}},
		"what it follows": {flipped(58, 1), []string{"record 2 does not follow record 1: one of them was changed"}},
		"its size":        {flipped(17, 1), []string{"record 6 has a wrong size", "record 7 has a wrong size"}},
		"its number":      {flipped(57, 2), []string{"record 2 is of change 3, and change 1 comes next", "record 6 stands for 5 records, and its change 7 is kept", "record 8 is of change 6, and change 8 comes next"}},
		"a place less":    {flipped(97, 1), []string{"record 2 is missing"}},
		"places too many": {flipped(97, 2), []string{"record 6 cannot be read", "record 7 does not follow record 6: one of them was changed"}},
		"no places":       {flipped(97, 5), []string{"record 6 cannot be read", "record 7 does not follow record 6: one of them was changed"}},
		"no run":          {flipped(1, 16), []string{"record 6 cannot be read", "record 7 does not follow record 6: one of them was changed"}},
	} {
		t.Run(name, func(t *testing.T) {
			l := ranAway(t, decisionlog.Config{InMemory: true, Input: input})
			t.Cleanup(func() { l.Close() })
			verify(t, l)
			if err := l.Tamper(6, test.change); err != nil {
				t.Fatal(err)
			}
			verify(t, l, test.problems...)
		})
	}
}

// TestRunOfKeptChanges is a run that was made of changes which are there.
func TestRunOfKeptChanges(t *testing.T) {
	l := open(t, inMemory())
	settle(t, l, "c-1", "c-2")
	var first []byte
	if err := errors.Join(
		l.Tamper(1, func(value []byte, _ int) []byte { first = bytes.Clone(value); return nil }),
		l.Tamper(2, func(value []byte, _ int) []byte {
			value[1] ^= 16
			return append(append(value[:58:58], first[58:]...), 0, 0, 0, 0, 0, 0, 0, 2)
		}),
	); err != nil {
		t.Fatal(err)
	}
	verify(t, l, "record 2 stands for 2 records, and its change 2 is kept", "record 2 is not the change 2 that is kept")
}

// TestVerifyLinesOfRuns changes the line that stands for several.
func TestVerifyLinesOfRuns(t *testing.T) {
	l := ranAway(t, decisionlog.Config{InMemory: true, Input: input})
	t.Cleanup(func() { l.Close() })
	lines := exported(t, l, authz.RecordFilter{}, true)
	for name, test := range map[string]struct {
		line     int
		old, new string
		problems []string
	}{
		"as it is":        {1, `"places":5`, `"places":5`, nil},
		"a place less":    {1, `"places":5`, `"places":4`, []string{"record 2 is missing"}},
		"a place more":    {1, `"places":5`, `"places":6`, []string{"record 6 is withheld and has more, or less, than its place", "record 1 stands after record 1", "record 1 is of change 0, and change 1 comes next"}},
		"one place":       {1, `"places":5`, `"places":1`, []string{"record 6 is withheld and has more, or less, than its place", "records 2 to 5 are missing"}},
		"none":            {1, `,"places":5`, ``, []string{"records 2 to 5 are missing"}},
		"its number":      {1, `"change_number":5`, `"change_number":6`, []string{"record 2 is of change 2, and change 1 comes next", "record 8 is of change 6, and change 7 comes next"}},
		"of a decision":   {2, `"prev":`, `"places":2,"prev":`, []string{"record 7 was changed: its content does not have its hash"}},
		"over a decision": {3, `"change_number":6`, `"change_number":6,"places":2`, []string{"record 7 stands after record 7"}},
	} {
		t.Run(name, func(t *testing.T) {
			changed := replaced(t, lines, test.line, test.old, test.new)
			same(t, "problems", append([]string{}, test.problems...), verifyLines(t, changed).Problems)
		})
	}
	same(t, "a part", []string{}, verifyLines(t, lines[1:]).Problems)
}

// TestExportOvertakenByRun joins places while they are exported.
func TestExportOvertakenByRun(t *testing.T) {
	now := start
	l := open(t, decisionlog.Config{InMemory: true, AuditMaxAge: time.Hour, Now: func() time.Time { return now }})
	for i := range 400 {
		settle(t, l, "c-"+strconv.Itoa(i))
	}
	read := 0
	err := l.Export(t.Context(), authz.RecordFilter{}, true, func(*authz.Record) error {
		if read++; read == 1 {
			now = now.Add(2 * time.Hour)
			maintain(t, l)
		}
		return nil
	})
	code(t, err, authz.CodeGone, "the records from 1 to 399 are no longer kept one by one")
	verify(t, l)
}

// TestRetentionPassesDamagedChanges: what cannot be read goes with the others.
func TestRetentionPassesDamagedChanges(t *testing.T) {
	now := start
	l := open(t, decisionlog.Config{InMemory: true, AuditMaxAge: time.Hour, Now: func() time.Time { return now }})
	settle(t, l, "c-1", "c-2", "c-3")
	if err := errors.Join(
		l.TamperChange(1, func([]byte, int) []byte { return []byte("x") }),
		l.TamperChange(2, func(value []byte, at int) []byte { return value[:at] }),
	); err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * time.Hour)
	maintain(t, l)
	settle(t, l, "c-4")
	if report := verify(t, l); report.ChangesFrom != 4 || report.Changes != 1 {
		t.Errorf("%+v; want change 4 alone", report)
	}
}

// TestOpenOlder opens a log that the Verdict before changes wrote: 8 decisions, the
// oldest 3 removed, and a cursor.
func TestOpenOlder(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/schema1")); err != nil {
		t.Fatal(err)
	}
	c := decisionlog.Config{Dir: dir}
	l := open(t, c)
	if report := verify(t, l); report.From != 4 || report.To != 8 || report.Changes != 0 {
		t.Errorf("%+v; want records 4 to 8 and no change", report)
	}
	if at, err := l.Cursor("siem"); at != 5 || err != nil {
		t.Errorf("want the cursor 5, got %d, %v", at, err)
	}
	announce(t, l, "c-1")
	record(t, l, entry("d-9"))
	settle(t, l, "c-1")
	closed(t, l)
	l = open(t, c)
	if report := verify(t, l); report.From != 4 || report.To != 11 || report.Changes != 2 {
		t.Errorf("%+v; want records 4 to 11 and two changes", report)
	}
	same(t, "changes", []string{"2 c-1 made"}, audit(t, l, authz.AuditFilter{}, 0))
	if err := errors.Join(l.SetSchema(3), l.Close()); err != nil {
		t.Fatal(err)
	}
	c.Input = input
	_, err := decisionlog.Open(c)
	code(t, err, authz.CodeConflict, "schema version 3 and this Verdict reads up to 2")
}
