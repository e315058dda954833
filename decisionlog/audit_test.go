package decisionlog_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/decisionlog"
	"github.com/verdict-pdp/verdict/ijson"
)

// intent announces the change of an entity.
func intent(id string) authz.AuditedChange {
	return authz.AuditedChange{
		ID: id, Kind: authz.ChangePut, Outcome: authz.ChangePending, At: start,
		By:         authz.Author{Key: "key-1", Name: "ops", From: "10.0.0.1", RequestID: "req-" + id, Roles: []authz.Role{authz.RoleOperate}},
		Collection: "services", Key: "svc:email", Base: 7, Before: "sha256:aa",
	}
}

// outcome is what became of intent(id).
func outcome(id, as string) authz.AuditedChange {
	c := intent(id)
	c.Outcome, c.Revision, c.After = as, 8, "sha256:bb"
	return c
}

func announce(t testing.TB, l *decisionlog.Log, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := l.Announce(t.Context(), intent(id)); err != nil {
			t.Fatalf("announcing %s: %v", id, err)
		}
	}
}

func settle(t testing.TB, l *decisionlog.Log, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := l.Settle(t.Context(), outcome(id, authz.ChangeMade)); err != nil {
			t.Fatalf("settling %s: %v", id, err)
		}
	}
}

// listed is each change as "number id outcome".
func listed(changes []authz.AuditedChange) []string {
	lines := []string{}
	for _, c := range changes {
		lines = append(lines, fmt.Sprintf("%d %s %s", c.Number, c.ID, c.Outcome))
	}
	return lines
}

func pending(t testing.TB, l *decisionlog.Log) []string {
	t.Helper()
	changes, err := l.Pending(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return listed(changes)
}

// audit is every change, newest first, by pages of limit.
func audit(t testing.TB, l *decisionlog.Log, f authz.AuditFilter, limit int) []string {
	t.Helper()
	lines := []string{}
	for cursor := ""; ; {
		found, err := l.Changes(t.Context(), f, cursor, limit)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, listed(found.Items)...)
		if cursor = found.NextCursor; cursor == "" {
			return lines
		}
	}
}

// fillChanges settles changes until they take some bytes.
func fillChanges(t testing.TB, l *decisionlog.Log, bytes int64) {
	t.Helper()
	for l.Stats().ChangeBytes < bytes {
		settle(t, l, fmt.Sprint("c-", l.Head()))
	}
}

func same(t testing.TB, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: want -, got +\n%s", what, diff)
	}
}

func TestAnnounceAndSettle(t *testing.T) {
	now := start.Add(time.Hour)
	c := decisionlog.Config{Dir: t.TempDir(), Now: func() time.Time { return now }}
	l := open(t, c)
	record(t, l, entry("d-1"))
	announce(t, l, "c-1", "c-2")
	record(t, l, entry("d-2"))
	settle(t, l, "c-2")
	refused := outcome("c-3", authz.ChangeRefused)
	refused.Code, refused.Error = authz.CodeForbidden, "the key may not"
	if err := l.Settle(t.Context(), refused); err != nil {
		t.Fatal(err)
	}
	check := func() {
		t.Helper()
		same(t, "pending", []string{"1 c-1 pending"}, pending(t, l))
		same(t, "changes", []string{"4 c-3 refused", "3 c-2 made", "1 c-1 pending"}, audit(t, l, authz.AuditFilter{}, 0))
		same(t, "changes by one", []string{"4 c-3 refused", "3 c-2 made", "1 c-1 pending"}, audit(t, l, authz.AuditFilter{}, 1))
		got, r, err := l.Change(t.Context(), "c-2")
		if err != nil {
			t.Fatal(err)
		}
		_, before, err := l.Change(t.Context(), "c-1")
		if err != nil {
			t.Fatal(err)
		}
		want := outcome("c-2", authz.ChangeMade)
		want.Number, want.PrevChange, want.By.Roles = 3, got.PrevChange, nil
		same(t, "the change", want, got)
		same(t, "its record", authz.Record{
			Seq: 5, Kind: authz.RecordChange, At: now, Durability: authz.Required, Change: &want, Prev: r.Prev, Hash: r.Hash,
		}, r)
		same(t, "the intent's record", []any{uint64(2), authz.RecordIntent, authz.ChangePending}, []any{before.Seq, before.Kind, before.Change.Outcome})
		report := verify(t, l)
		same(t, "report", authz.VerifyReport{
			OK: true, From: 1, To: 6, Records: 6, HeadHash: report.HeadHash, Problems: []string{},
			Changes: 4, ChangesFrom: 1, ChangesTo: 4, ChangeHash: report.HeadHash,
		}, report)
		stats := l.Stats()
		same(t, "stats", []any{uint64(6), uint64(4), uint64(1), 1}, []any{stats.Head, stats.ChangeHead, stats.OldestChange, stats.Pending})
	}
	check()
	if syncs := l.Stats().Syncs; syncs < 4 {
		t.Errorf("4 changes were recorded with %d syncs, want one for each", syncs)
	}
	closed(t, l)
	l = open(t, c)
	check()
	settle(t, l, "c-1")
	same(t, "pending", []string{}, pending(t, l))
	same(t, "changes", []string{"5 c-1 made", "4 c-3 refused", "3 c-2 made"}, audit(t, l, authz.AuditFilter{}, 0))
	verify(t, l)
}

func TestChangeTwice(t *testing.T) {
	l := open(t, inMemory())
	announce(t, l, "c-1")
	code(t, l.Announce(t.Context(), intent("c-1")), authz.CodeConflict, "was announced before")
	settle(t, l, "c-1")
	settle(t, l, "c-1") // the same again is no news
	code(t, l.Settle(t.Context(), outcome("c-1", authz.ChangeFailed)), authz.CodeConflict, `has the outcome "made" already`)
	code(t, l.Announce(t.Context(), intent("c-1")), authz.CodeConflict, "was announced before")
	same(t, "head", uint64(2), l.Head())

	code(t, l.Announce(t.Context(), outcome("c-2", authz.ChangeMade)), authz.CodeInternal, `announced with the outcome "made"`)
	code(t, l.Settle(t.Context(), intent("c-2")), authz.CodeInternal, `settled with the outcome "pending"`)
	code(t, l.Settle(t.Context(), outcome("c-2", "")), authz.CodeInternal, `settled with the outcome ""`)
	code(t, l.Announce(t.Context(), intent("")), authz.CodeInvalid, "id")
	_, _, err := l.Change(t.Context(), "c-2")
	code(t, err, authz.CodeNotFound, "no record of this change")
	_, err = l.Get(t.Context(), "c-1") // is no decision
	code(t, err, authz.CodeNotFound, "no record of this decision")
}

// TestChangesInOneGroup has changes and decisions of several callers in one commit.
func TestChangesInOneGroup(t *testing.T) {
	l := open(t, inMemory())
	release := l.Hold()
	done := make(chan error)
	for _, do := range []func() error{
		func() error { return l.Announce(t.Context(), intent("c-1")) },
		func() error { return l.Record(t.Context(), many(3)) },
		func() error { return l.Announce(t.Context(), intent("c-2")) },
		func() error { return l.Settle(t.Context(), outcome("c-3", authz.ChangeRefused)) },
	} {
		go func() { done <- do() }()
	}
	until(t, func() bool { return l.Waiting() == 6 })
	go func() { done <- l.Settle(t.Context(), outcome("c-3", authz.ChangeFailed)) }()
	until(t, func() bool { return l.Waiting() == 7 })
	release()
	var refused []error
	for range 5 {
		if err := <-done; err != nil {
			refused = append(refused, err)
		}
	}
	if len(refused) != 1 {
		t.Fatalf("of two outcomes one is refused, got %v", refused)
	}
	code(t, refused[0], authz.CodeConflict, "is being recorded")
	same(t, "commits", uint64(1), l.Stats().Commits)
	if report := verify(t, l); report.Records != 6 || report.Changes != 3 {
		t.Errorf("want 6 records, 3 of changes: %+v", report)
	}
}

func TestTooManyPending(t *testing.T) {
	l := open(t, inMemory())
	for i := range decisionlog.MaxPending {
		announce(t, l, fmt.Sprint("c-", i))
	}
	code(t, l.Announce(t.Context(), intent("one-more")), authz.CodeUnavailable, "1000 changes have no outcome yet")
	settle(t, l, "c-7", "a-refusal")
	announce(t, l, "one-more")
	if got := pending(t, l); len(got) != decisionlog.MaxPending || got[0] != "1 c-0 pending" {
		t.Errorf("want %d pending from c-0 on, got %d", decisionlog.MaxPending, len(got))
	}
}

// TestChangeRefused holds that no change is taken for recorded that is not.
func TestChangeRefused(t *testing.T) {
	free := uint64(1 << 40)
	l := open(t, decisionlog.Config{Dir: t.TempDir(), Free: func(string) (uint64, error) { return free, nil }, Now: nextSecond()})
	announce(t, l, "c-1")
	free = decisionlog.DefaultMinFree - 1
	code(t, l.Announce(t.Context(), intent("c-2")), authz.CodeUnavailable, "free or add space")
	free = 1 << 40
	release := l.Hold()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	code(t, l.Announce(ended, intent("c-2")), authz.CodeUnavailable, "nothing was recorded: the request ended")
	release()
	l.FailSyncs(errors.New("bad disk"))
	code(t, l.Settle(t.Context(), outcome("c-1", authz.ChangeMade)), authz.CodeUnavailable, "mend the disk")
	code(t, l.Announce(t.Context(), intent("c-3")), authz.CodeUnavailable, "mend the disk")

	closed := openUnclosed(t, inMemory())
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	code(t, closed.Announce(t.Context(), intent("c-1")), authz.CodeUnavailable, "closed")
	code(t, closed.Settle(t.Context(), outcome("c-1", authz.ChangeMade)), authz.CodeUnavailable, "closed")
}

// nextSecond is a clock that goes on by a second each time.
func nextSecond() func() time.Time {
	now := start
	return func() time.Time {
		now = now.Add(time.Second)
		return now
	}
}

// TestChangesHaveRoomOfTheirOwn: decisions that wait for the log do not keep a change
// from its turn.
func TestChangesHaveRoomOfTheirOwn(t *testing.T) {
	l := open(t, decisionlog.Config{InMemory: true, Queue: 1, Wait: time.Nanosecond})
	defer l.Occupy()()
	code(t, l.Record(t.Context(), []authz.Entry{entry("d-1")}), authz.CodeUnavailable, "more records wait")
	announce(t, l, "c-1")
}

func TestChangesAreRedactedAndCut(t *testing.T) {
	const key = "vk_key-0123456789_abcdefghijABCDEFGHIJ0123456789-bcdefghijklm"
	l := open(t, inMemory())
	c := outcome("c-1", authz.ChangeRefused)
	c.By.Name, c.By.RequestID = "ops "+key, "Bearer abcdefghijklmnop1234"
	c.Key, c.Message = key, "rolled to "+key
	c.Error = strings.Repeat("x", 10<<10) + "-----BEGIN PRIVATE KEY-----"
	c.Bundle = strings.Repeat("é", 300)
	c.Import = &authz.ImportedChunk{First: 1, Last: 2, Digest: key}
	if err := l.Settle(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	got, r, err := l.Change(t.Context(), "c-1")
	if err != nil {
		t.Fatal(err)
	}
	same(t, "masked", []string{"/change/by/name", "/change/by/request_id", "/change/error", "/change/import/digest", "/change/key", "/change/message"}, r.Masked)
	same(t, "texts", []string{"[masked]", "[masked]", "[masked]", "[masked]", "[masked]", "[masked]", strings.Repeat("é", 254) + "…"},
		[]string{got.By.Name, got.By.RequestID, got.Key, got.Message, got.Error, got.Import.Digest, got.Bundle})
	if c.Import.Digest != key {
		t.Error("the caller's change was changed")
	}
	c = outcome("c-2", authz.ChangeFailed)
	c.Error = strings.Repeat("\x00\xff", 100<<10)
	if err := l.Settle(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if got, _, err = l.Change(t.Context(), "c-2"); err != nil || len(got.Error) > 2<<10 || !strings.HasSuffix(got.Error, "…") {
		t.Errorf("want an error cut at 2 KiB, got %d bytes, %v", len(got.Error), err)
	}
	verify(t, l)
}

func TestChangesFilter(t *testing.T) {
	l := open(t, inMemory())
	put := outcome("put", authz.ChangeMade)
	push := authz.AuditedChange{ID: "push", Kind: authz.ChangePush, Outcome: authz.ChangeRefused, At: start.Add(time.Hour), By: authz.Author{Key: "key-2"}, Bundle: "acme"}
	mode := authz.AuditedChange{ID: "mode", Kind: authz.ChangeMode, Outcome: authz.ChangeMade, By: authz.Offline(), Guard: "edges"}
	for _, c := range []authz.AuditedChange{put, push, mode} {
		if err := l.Settle(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	announce(t, l, "open")
	for name, test := range map[string]struct {
		filter authz.AuditFilter
		want   []string
	}{
		"who":        {authz.AuditFilter{By: "key-2"}, []string{"2 push refused"}},
		"what":       {authz.AuditFilter{Kind: authz.ChangeMode}, []string{"3 mode made"}},
		"entity":     {authz.AuditFilter{Collection: "services", Key: "svc:email"}, []string{"4 open pending", "1 put made"}},
		"bundle":     {authz.AuditFilter{Bundle: "acme"}, []string{"2 push refused"}},
		"refused":    {authz.AuditFilter{Outcome: authz.ChangeRefused}, []string{"2 push refused"}},
		"pending":    {authz.AuditFilter{Outcome: authz.ChangePending}, []string{"4 open pending"}},
		"when":       {authz.AuditFilter{From: start.Add(time.Minute), To: start.Add(2 * time.Hour)}, []string{"2 push refused"}},
		"of nothing": {authz.AuditFilter{By: "key-9"}, []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			same(t, "newest first", test.want, audit(t, l, test.filter, 1))
			tail, err := l.ChangesAfter(t.Context(), test.filter, 0, 10)
			if err != nil {
				t.Fatal(err)
			}
			if len(tail.Items) != len(test.want) || tail.NextAfter != 4 || tail.Head != 4 {
				t.Errorf("want %d up to 4, got %+v", len(test.want), tail)
			}
		})
	}
	for name, f := range map[string]authz.AuditFilter{"kind": {Kind: "maybe"}, "outcome": {Outcome: "maybe"}} {
		_, err := l.Changes(t.Context(), f, "", 0)
		code(t, err, authz.CodeInvalid, name)
		_, err = l.ChangesAfter(t.Context(), f, 0, 0)
		code(t, err, authz.CodeInvalid, name)
	}
	_, err := l.Changes(t.Context(), authz.AuditFilter{}, "x", 0)
	code(t, err, authz.CodeInvalid, "cursor")
	_, err = l.Changes(t.Context(), authz.AuditFilter{}, "", -1)
	code(t, err, authz.CodeInvalid, "limit")
}

func TestFollowChanges(t *testing.T) {
	l := open(t, inMemory())
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	code(t, l.AwaitChange(ended, 0), authz.CodeBehind, "newest change is 0")
	done := make(chan error, 1)
	go func() { done <- l.AwaitChange(t.Context(), 0) }()
	record(t, l, entry("d-1")) // is not waited for
	announce(t, l, "c-1", "c-2")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	follow := func(after uint64, limit int) (lines []string, next uint64) {
		t.Helper()
		page, err := l.ChangesAfter(t.Context(), authz.AuditFilter{}, after, limit)
		if err != nil {
			t.Fatal(err)
		}
		return listed(page.Items), page.NextAfter
	}
	lines, next := follow(0, 1)
	same(t, "first", []any{[]string{"1 c-1 pending"}, uint64(1)}, []any{lines, next})
	settle(t, l, "c-1")
	lines, next = follow(next, 0)
	same(t, "next", []any{[]string{"2 c-2 pending", "3 c-1 made"}, uint64(3)}, []any{lines, next})
	lines, next = follow(3, 0)
	same(t, "at the end", []any{[]string{}, uint64(3)}, []any{lines, next})
	closed(t, l)
	code(t, l.AwaitChange(t.Context(), 3), authz.CodeUnavailable, "closed")
}

// TestDecisionsWithoutChanges: who reads decisions meets no intents and changes.
func TestDecisionsWithoutChanges(t *testing.T) {
	l := open(t, inMemory())
	announce(t, l, "c-1")
	record(t, l, entry("d-1"), entry("d-2"))
	settle(t, l, "c-1")
	record(t, l, entry("d-3"))
	kinds := func(records []authz.Record) (lines []string) {
		for _, r := range records {
			lines = append(lines, fmt.Sprint(r.Seq, r.Kind))
		}
		return lines
	}
	want := []string{"2decision", "3decision", "5decision"}
	list, err := l.List(t.Context(), authz.RecordFilter{}, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "list", []string{"5decision", "3decision", "2decision"}, kinds(list.Items))
	tail, err := l.Tail(t.Context(), authz.RecordFilter{}, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "tail", want, kinds(tail.Items))
	same(t, "each", want, kinds(all(t, l)))
	n, err := l.Count(t.Context(), authz.RecordFilter{}, 0)
	if err != nil || n != 3 {
		t.Errorf("want a count of 3, got %d, %v", n, err)
	}
	after, err := l.After(t.Context(), 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "sinks", []string{"1intent", "2decision", "3decision", "4change", "5decision"}, kinds(after))
	if after[0].Change == nil || after[3].Change.Outcome != authz.ChangeMade {
		t.Errorf("sinks want whole changes, got %+v", after)
	}
}

// exported is an export as lines.
// TestNamesInChangesStay records changes of users who are called like the beginning of
// a key: a name is searched for, and only a whole key is none.
func TestNamesInChangesStay(t *testing.T) {
	l := open(t, inMemory())
	c := outcome("c-1", authz.ChangeMade)
	c.Collection, c.Key, c.Bundle, c.Guard = "users", "vk_bob", "vk_", "vs_relay"
	c.By.Key, c.By.Name, c.Message, c.Error = "vs_ana", "vk_"+strings.Repeat("b", 60), "vk_bob moved to vs_"+strings.Repeat("b", 42), "vs_ana may not"
	if err := l.Settle(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	got, r, err := l.Change(t.Context(), "c-1")
	if err != nil || r.Masked != nil {
		t.Errorf("want nothing masked, got %q, %v", r.Masked, err)
	}
	texts := func(c authz.AuditedChange) []string {
		return []string{c.Key, c.Bundle, c.Guard, c.By.Key, c.By.Name, c.Message, c.Error}
	}
	same(t, "texts", texts(c), texts(got))
	if found := audit(t, l, authz.AuditFilter{Key: "vk_bob"}, 0); len(found) != 1 {
		t.Errorf("want the change of vk_bob found by its key, got %q", found)
	}
}

func exported(t testing.TB, l *decisionlog.Log, f authz.RecordFilter, changes bool) []string {
	t.Helper()
	var lines []string
	err := l.Export(t.Context(), f, changes, func(r *authz.Record) error {
		line, err := ijson.Marshal(r)
		lines = append(lines, string(line))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func verifyLines(t testing.TB, lines []string) authz.VerifyReport {
	t.Helper()
	report, err := decisionlog.VerifyLines(strings.NewReader(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestExportOfChanges(t *testing.T) {
	l := open(t, inMemory())
	announce(t, l, "c-1")
	record(t, l, entry("d-1"))
	settle(t, l, "c-1")
	record(t, l, denied("d-2"))
	settle(t, l, "c-2")
	want := verify(t, l)

	lines := exported(t, l, authz.RecordFilter{}, true)
	same(t, "whole", want, verifyLines(t, lines))
	lines = exported(t, l, authz.RecordFilter{}, false)
	if text := strings.Join(lines, "\n"); strings.Contains(text, "c-1") || strings.Contains(text, `"change":`) {
		t.Errorf("a change is in the export of somebody who may not read it: %s", text)
	}
	report := verifyLines(t, lines)
	same(t, "withheld", authz.VerifyReport{
		OK: true, From: 1, To: 5, Records: 5, Withheld: 3, WithheldTo: 3, HeadHash: want.HeadHash, Problems: []string{},
	}, report)
	same(t, "filtered", 1, len(exported(t, l, authz.RecordFilter{Outcome: "deny"}, true)))
}
