package decisionlog_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/decisionlog"
)

// ids are the decisions of records; a loss is "".
func ids(records []authz.Record) []string {
	found := []string{}
	for _, r := range records {
		found = append(found, r.ID)
	}
	return found
}

// fillVaried records five decisions that differ, a minute apart.
func fillVaried(t *testing.T, l *decisionlog.Log) {
	t.Helper()
	entries := []authz.Entry{entry("a"), denied("b"), entry("c"), denied("d"), entry("e")}
	for i := range entries {
		entries[i].Question.Time = start.Add(time.Duration(i) * time.Minute)
	}
	entries[2].Decision.Policy.Generation, entries[2].Caller = 5, "pep-2"
	entries[3].Decision.Subject, entries[3].Question.Resource.ID = "", "svc:other"
	entries[4].Decision.Subject, entries[4].Question.Action.Name = "mu:billing", "email.read"
	record(t, l, entries...)
}

// TestFarTimes has records of a clock that is far off: what no nanoseconds can tell
// is listed, sent and verified all the same.
func TestFarTimes(t *testing.T) {
	for _, at := range []time.Time{time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC)} {
		c := inMemory()
		c.Now = func() time.Time { return at }
		l := open(t, c)
		e := entry("d-1")
		e.Question.Time = at
		record(t, l, e)
		maintain(t, l)
		verify(t, l)
		if found := ids(all(t, l)); !cmp.Equal(found, []string{"d-1"}) {
			t.Errorf("at %v: %q", at, found)
		}
		if sent, err := l.After(t.Context(), 0, 10); err != nil || len(sent) != 1 {
			t.Errorf("at %v: %v %v", at, sent, err)
		}
	}
}

func TestFilter(t *testing.T) {
	l := open(t, inMemory())
	fillVaried(t, l)
	for name, test := range map[string]struct {
		filter authz.RecordFilter
		want   []string
	}{
		"all":             {authz.RecordFilter{}, []string{"a", "b", "c", "d", "e"}},
		"allowed":         {authz.RecordFilter{Outcome: "allow"}, []string{"a", "c", "e"}},
		"denied":          {authz.RecordFilter{Outcome: "deny"}, []string{"b", "d"}},
		"a code":          {authz.RecordFilter{Code: "NO_EDGE"}, []string{"b", "d"}},
		"a code observed": {authz.RecordFilter{Code: "TRUST_TOO_LOW"}, []string{"b", "d"}},
		"no such code":    {authz.RecordFilter{Code: "edges"}, []string{}},
		"a guard":         {authz.RecordFilter{Guard: "trust"}, []string{"b", "d"}},
		"no such guard":   {authz.RecordFilter{Guard: "NO_EDGE"}, []string{}},
		"a subject":       {authz.RecordFilter{Subject: "mu:user-svc"}, []string{"a", "b", "c"}},
		"a service":       {authz.RecordFilter{Service: "svc:other"}, []string{"d"}},
		"an action":       {authz.RecordFilter{Action: "email.read"}, []string{"e"}},
		"a caller":        {authz.RecordFilter{Caller: "pep-2"}, []string{"c"}},
		"an edge":         {authz.RecordFilter{Edge: "mu:billing>svc:email"}, []string{"e"}},
		"a generation":    {authz.RecordFilter{Generation: 5}, []string{"c"}},
		"from":            {authz.RecordFilter{From: start.Add(3 * time.Minute)}, []string{"d", "e"}},
		"to":              {authz.RecordFilter{To: start.Add(time.Minute)}, []string{"a"}},
		"between":         {authz.RecordFilter{From: start.Add(time.Minute), To: start.Add(3 * time.Minute)}, []string{"b", "c"}},
		"both":            {authz.RecordFilter{Outcome: "deny", Service: "svc:email"}, []string{"b"}},
		"far away":        {authz.RecordFilter{From: time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC)}, []string{}},
		"from long ago":   {authz.RecordFilter{From: time.Date(1000, 1, 1, 0, 0, 0, 0, time.UTC), Subject: "mu:billing"}, []string{"e"}},
	} {
		t.Run(name, func(t *testing.T) {
			tail, err := l.Tail(t.Context(), test.filter, 0, 0)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, ids(tail.Items)); diff != "" || tail.NextAfter != 5 || tail.Head != 5 {
				t.Errorf("%s next %d head %d", diff, tail.NextAfter, tail.Head)
			}
			list, err := l.List(t.Context(), test.filter, "", 0)
			if err != nil || list.NextCursor != "" || list.Head != 5 {
				t.Fatal(list, err)
			}
			newest := ids(list.Items)
			for i, id := range test.want {
				if newest[len(newest)-1-i] != id {
					t.Errorf("newest first: %v", newest)
				}
			}
			if n, err := l.Count(t.Context(), test.filter, 0); n != uint64(len(test.want)) || err != nil {
				t.Error(n, err)
			}
		})
	}
	for _, bad := range []authz.RecordFilter{{Outcome: "maybe"}, {Edge: "mu:a"}} {
		_, err := l.List(t.Context(), bad, "", 0)
		code(t, err, authz.CodeInvalid, "must be")
		_, err = l.Tail(t.Context(), bad, 0, 0)
		code(t, err, authz.CodeInvalid, "must be")
		_, err = l.Count(t.Context(), bad, 0)
		code(t, err, authz.CodeInvalid, "must be")
		code(t, l.Each(t.Context(), bad, 0, nil), authz.CodeInvalid, "must be")
	}
}

func TestLossIsNoDecision(t *testing.T) {
	l := open(t, decisionlog.Config{InMemory: true, Durability: authz.Async, Queue: 1, Now: func() time.Time { return start }})
	record(t, l, denied("d-1"), denied("d-2"))
	run(t, l)
	if err := l.Await(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	for filter, want := range map[authz.RecordFilter]int{
		{}: 2, {From: start}: 2, {Outcome: "deny"}: 1, {Generation: 4}: 1, {Code: "NO_EDGE"}: 1, {From: start, Guard: "edges"}: 1,
	} {
		if n, err := l.Count(t.Context(), filter, 0); n != uint64(want) || err != nil {
			t.Errorf("%+v counts %d, %v; want %d", filter, n, err, want)
		}
	}
}

func TestPages(t *testing.T) {
	l := open(t, inMemory())
	if list, err := l.List(t.Context(), authz.RecordFilter{}, "", 0); err != nil || len(list.Items) > 0 || list.NextCursor != "" {
		t.Fatal(list, err)
	}
	for i := range 7 {
		record(t, l, entry(strconv.Itoa(i+1)))
	}
	var pages [][]string
	for cursor := ""; ; {
		list, err := l.List(t.Context(), authz.RecordFilter{}, cursor, 3)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, ids(list.Items))
		record(t, l, entry("later-"+strconv.Itoa(len(pages))))
		if cursor = list.NextCursor; cursor == "" {
			break
		}
	}
	if diff := cmp.Diff([][]string{{"7", "6", "5"}, {"4", "3", "2"}, {"1"}}, pages); diff != "" {
		t.Error(diff)
	}
	var tails [][]string
	for after := uint64(0); ; {
		tail, err := l.Tail(t.Context(), authz.RecordFilter{}, after, 4)
		if err != nil {
			t.Fatal(err)
		}
		if len(tail.Items) == 0 {
			if after != 10 || tail.Head != 10 {
				t.Errorf("ends after %d of %d", after, tail.Head)
			}
			break
		}
		tails, after = append(tails, ids(tail.Items)), tail.NextAfter
	}
	if diff := cmp.Diff([][]string{{"1", "2", "3", "4"}, {"5", "6", "7", "later-1"}, {"later-2", "later-3"}}, tails); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []struct {
		cursor string
		limit  int
	}{{"x", 0}, {"-1", 0}, {"01", 0}, {"", -1}, {"", authz.MaxPageSize + 1}} {
		_, err := l.List(t.Context(), authz.RecordFilter{}, bad.cursor, bad.limit)
		code(t, err, authz.CodeInvalid, "")
	}
	if _, err := l.Tail(t.Context(), authz.RecordFilter{}, 0, -1); authz.CodeOf(err) != authz.CodeInvalid {
		t.Error(err)
	}
	if tail, err := l.Tail(t.Context(), authz.RecordFilter{}, 99, 1); err != nil || tail.NextAfter != 99 || len(tail.Items) > 0 {
		t.Error(tail, err)
	}
}

func TestGet(t *testing.T) {
	l := open(t, inMemory())
	record(t, l, entry("d-1"))
	_, err := l.Get(t.Context(), "d-2")
	code(t, err, authz.CodeNotFound, "no record of this decision")
	_, err = l.Get(t.Context(), "")
	code(t, err, authz.CodeNotFound, "no record of this decision")
	long := make([]byte, authz.MaxIDLength+1)
	code(t, l.Record(t.Context(), []authz.Entry{entry(string(long))}), authz.CodeInternal, "its id is longer")
}

func TestEach(t *testing.T) {
	l := open(t, inMemory())
	var entries []authz.Entry
	for i := range 1000 {
		e := entry(strconv.Itoa(i))
		if i%2 == 1 {
			e = denied(strconv.Itoa(i))
		}
		entries = append(entries, e)
	}
	record(t, l, entries...)
	for _, test := range []struct {
		filter       authz.RecordFilter
		last         int
		count, first int
	}{
		{authz.RecordFilter{}, 0, 1000, 0},
		{authz.RecordFilter{}, 1, 1, 999},
		{authz.RecordFilter{}, 5000, 1000, 0},
		{authz.RecordFilter{Outcome: "deny"}, 0, 500, 1},
		{authz.RecordFilter{Outcome: "deny"}, 300, 300, 401},
		{authz.RecordFilter{Subject: "mu:nobody"}, 3, 0, 0},
	} {
		var got []string
		err := l.Each(t.Context(), test.filter, test.last, func(r *authz.Record) error {
			got = append(got, r.ID)
			return nil
		})
		if err != nil || len(got) != test.count || test.count > 0 && got[0] != strconv.Itoa(test.first) {
			t.Errorf("%+v: %d records from %.5v, %v", test, len(got), got, err)
		}
		if n, err := l.Count(t.Context(), test.filter, test.last); n != uint64(test.count) || err != nil {
			t.Errorf("%+v counts %d, %v; want %d", test.filter, n, err, test.count)
		}
	}
	stop := errors.New("enough")
	if err := l.Each(t.Context(), authz.RecordFilter{}, 0, func(*authz.Record) error { return stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Get(ended, "1"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	code(t, l.Each(t.Context(), authz.RecordFilter{}, -1, nil), authz.CodeInvalid, "last")
	for range 10 { // enough for the end of the context to be seen
		record(t, l, entries[:200]...)
	}
	if _, err := l.Count(ended, authz.RecordFilter{}, 0); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := l.List(ended, authz.RecordFilter{Subject: "mu:nobody"}, "", 0); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// BenchmarkList shows what a page costs, and a record that is passed over.
func BenchmarkList(b *testing.B) {
	l := open(b, decisionlog.Config{Dir: b.TempDir()})
	const records = 100_000
	for batch := range records / 100 {
		var entries []authz.Entry
		for i := range 100 {
			entries = append(entries, denied(fmt.Sprintf("d-%d-%d", batch, i)))
		}
		record(b, l, entries...)
	}
	b.Run("page of 100", func(b *testing.B) {
		for b.Loop() {
			if list, err := l.List(b.Context(), authz.RecordFilter{}, "", 0); err != nil || len(list.Items) != 100 {
				b.Fatal(err)
			}
		}
	})
	b.Run("pass over 100,000", func(b *testing.B) {
		for b.Loop() {
			if list, err := l.List(b.Context(), authz.RecordFilter{Code: "NONE", Outcome: "deny"}, "", 0); err != nil || len(list.Items) != 0 {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/records, "ns/record")
	})
	b.Run("each of 100,000", func(b *testing.B) {
		for b.Loop() {
			if err := l.Each(b.Context(), authz.RecordFilter{}, 0, func(*authz.Record) error { return nil }); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/records, "ns/record")
	})
	b.Run("verify 100,000", func(b *testing.B) {
		for b.Loop() {
			if report, err := l.Verify(b.Context()); err != nil || !report.OK {
				b.Fatal(report, err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/records, "ns/record")
	})
}
