package decisionlog_test

import (
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/decisionlog"
)

func tomorrow() time.Time { return start.Add(24 * time.Hour) }

func maintain(t *testing.T, l *decisionlog.Log) {
	t.Helper()
	if err := l.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestRetentionByAge(t *testing.T) {
	now := start.Add(48 * time.Hour)
	dir := t.TempDir()
	c := decisionlog.Config{Dir: dir, MaxAge: 24 * time.Hour, Now: func() time.Time { return now }}
	l := open(t, c)
	for i := range 500 {
		e := entry(strconv.Itoa(i + 1))
		e.Question.Time = start.Add(time.Duration(i) * 10 * time.Minute)
		record(t, l, e)
	}
	maintain(t, l)
	// Those of the first 24 hours go: 144 at ten minutes each.
	check := func() {
		t.Helper()
		report := verify(t, l)
		if stats := l.Stats(); report.From != 145 || report.To != 500 || stats.Oldest != 145 || stats.Head != 500 || stats.Bytes <= 0 {
			t.Errorf("%+v, %+v; want records 145 to 500", report, stats)
		}
		_, err := l.Get(t.Context(), "144")
		code(t, err, authz.CodeNotFound, "no longer kept")
		get(t, l, "145")
		if tail, err := l.After(t.Context(), 0, 1); err != nil || len(tail) != 1 || tail[0].Seq != 145 {
			t.Error(tail, err)
		}
		_, err = l.Tail(t.Context(), authz.RecordFilter{}, 100, 1)
		code(t, err, authz.CodeGone, "44 records after number 100 are no longer kept")
		if tail, err := l.Tail(t.Context(), authz.RecordFilter{}, 144, 1); err != nil || tail.NextAfter != 145 {
			t.Errorf("after the last one removed: %+v, %v; want the one that is next", tail, err)
		}
		if n, err := l.Count(t.Context(), authz.RecordFilter{}, 0); n != 356 || err != nil {
			t.Error(n, err)
		}
	}
	check()
	closed(t, l)
	l = open(t, c)
	check()

	now = now.Add(10000 * time.Hour)
	maintain(t, l)
	if report := verify(t, l); report.Records != 0 || report.HeadHash == "" || l.Stats().Oldest != 0 || l.Stats().Bytes != 0 || l.Stats().Removed != 356 {
		t.Errorf("%+v, %+v; want no record, the hash of the last, and 356 removed", report, l.Stats())
	}
	if list, err := l.List(t.Context(), authz.RecordFilter{}, "", 0); err != nil || len(list.Items) > 0 || list.Head != 500 {
		t.Error(list, err)
	}
	e := entry("next")
	e.Question.Time = now
	record(t, l, e)
	if report := verify(t, l); report.From != 501 || report.Records != 1 {
		t.Errorf("%+v; want record 501 alone", report)
	}
}

// TestRetentionPassesDamage removes a record that cannot be read with those around
// it; the chain tells of it afterwards.
func TestRetentionPassesDamage(t *testing.T) {
	l := open(t, decisionlog.Config{InMemory: true, MaxAge: time.Hour, Now: tomorrow})
	young := entry("d-3")
	young.Question.Time = tomorrow()
	record(t, l, entry("d-1"), entry("d-2"), young)
	if err := l.Tamper(2, func([]byte, int) []byte { return []byte("x") }); err != nil {
		t.Fatal(err)
	}
	maintain(t, l)
	verify(t, l, "record 3 does not follow record 2: one of them was changed")
	if found := all(t, l); len(found) != 1 || found[0].ID != "d-3" {
		t.Error(found)
	}
}

func TestRetentionBySize(t *testing.T) {
	l := open(t, decisionlog.Config{InMemory: true, MaxBytes: 50_000, Now: func() time.Time { return start }})
	for i := range 100 {
		record(t, l, entry(strconv.Itoa(i)))
	}
	before := l.Stats().Bytes
	maintain(t, l)
	stats := l.Stats()
	if stats.Bytes > 50_000 || stats.Bytes < 40_000 || before < 100_000 || stats.Removed != stats.Oldest-1 {
		t.Errorf("%d bytes, before %d: %+v", stats.Bytes, before, stats)
	}
	verify(t, l)
	maintain(t, l)
	if again := l.Stats().Removed; again != stats.Removed {
		t.Errorf("removed %d more", again-stats.Removed)
	}
}

// TestRetentionSparesReaders: what a sink has not read is kept up to twice the size,
// and then counted as missed.
func TestRetentionSparesReaders(t *testing.T) {
	const limit = 50_000
	l := open(t, decisionlog.Config{InMemory: true, MaxBytes: limit, Now: func() time.Time { return start }})
	if at, err := l.Cursor("siem"); at != 0 || err != nil {
		t.Fatal(at, err)
	}
	if at, err := l.Cursor("otlp"); at != 0 || err != nil {
		t.Fatal(at, err)
	}
	n := 0
	fill := func(bytes int64) {
		for l.Stats().Bytes < bytes {
			n++
			record(t, l, entry(strconv.Itoa(n)))
		}
	}
	fill(limit * 3 / 2)
	maintain(t, l)
	if stats := l.Stats(); stats.Removed != 0 || stats.Missed != 0 {
		t.Errorf("%+v; want none removed and none missed", stats)
	}
	for _, name := range []string{"siem", "otlp"} {
		if err := l.SetCursor(name, 5); err != nil {
			t.Fatal(err)
		}
	}
	maintain(t, l)
	if stats := l.Stats(); stats.Removed != 5 || stats.Missed != 0 {
		t.Errorf("%+v; want 5 removed and none missed", stats)
	}
	if err := l.SetCursor("otlp", uint64(n)); err != nil {
		t.Fatal(err)
	}
	fill(limit * 3)
	maintain(t, l)
	stats := l.Stats()
	if stats.Bytes > 2*limit || stats.Bytes < limit*3/2 || stats.Missed != stats.Removed-5 {
		t.Errorf("%+v; want up to twice the limit kept, and all removed but 5 missed", stats)
	}
	verify(t, l)
	if err := l.SetCursor("", 1); authz.CodeOf(err) != authz.CodeInvalid {
		t.Error(err)
	}
	if _, err := l.Cursor(strings.Repeat("x", 999)); authz.CodeOf(err) != authz.CodeInvalid {
		t.Error(err)
	}
}

func TestRunRetains(t *testing.T) {
	l := open(t, decisionlog.Config{InMemory: true, MaxAge: time.Second, MaintainEvery: time.Millisecond, Now: tomorrow})
	record(t, l, entry("old"))
	run(t, l)
	until(t, func() bool { return l.Stats().Removed == 1 })
}

// TestEachOvertaken removes records while they are read.
func TestEachOvertaken(t *testing.T) {
	var now atomic.Int64
	now.Store(start.UnixNano())
	l := open(t, decisionlog.Config{InMemory: true, Now: func() time.Time { return time.Unix(0, now.Load()) }})
	for i := range 600 {
		record(t, l, entry(strconv.Itoa(i)))
	}
	var read []string
	err := l.Each(t.Context(), authz.RecordFilter{}, 0, func(r *authz.Record) error {
		if read = append(read, r.ID); len(read) == 1 {
			now.Add(int64(10_000 * time.Hour))
			maintain(t, l)
		}
		return nil
	})
	code(t, err, authz.CodeGone, "no longer kept")
	if diff := cmp.Diff(256, len(read)); diff != "" {
		t.Error(diff)
	}
}

func TestMaintainNeedsSpace(t *testing.T) {
	var free atomic.Uint64
	free.Store(1 << 40)
	l := open(t, decisionlog.Config{Dir: t.TempDir(), MaxAge: time.Second, Now: tomorrow, Free: func(string) (uint64, error) { return free.Load(), nil }})
	record(t, l, entry("old"))
	free.Store(decisionlog.DefaultMinFree/2 - 1)
	code(t, l.Maintain(t.Context()), authz.CodeUnavailable, "free or add space")
	free.Store(decisionlog.DefaultMinFree / 2) // less than a record needs
	maintain(t, l)
	if stats := l.Stats(); stats.Removed != 1 {
		t.Errorf("%+v; want one removed", stats)
	}
}
