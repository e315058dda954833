package decisionlog_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/decisionlog"
	"github.com/verdict-pdp/verdict/ijson"
)

var start = time.Date(2026, 11, 22, 10, 0, 0, 123456789, time.UTC)

// input stands for the engine's input document.
func input(q authz.Question) ([]byte, error) {
	properties := func(m map[string]any) map[string]any {
		if m == nil {
			return map[string]any{}
		}
		return m
	}
	return ijson.Marshal(map[string]any{
		"subject":    map[string]any{"type": "machine_user", "id": q.Subject.ID, "properties": properties(q.Subject.Properties)},
		"action":     map[string]any{"name": q.Action.Name, "properties": properties(q.Action.Properties)},
		"resource":   map[string]any{"type": "service", "id": q.Resource.ID, "properties": properties(q.Resource.Properties)},
		"context":    properties(q.Context),
		"credential": map[string]any{"kind": "jwt", "id": "cred-81", "type": "federated", "generation": 3, "state": "active"},
		"token": map[string]any{
			"id": "tok-7f3a", "issuer": "demo", "issuer_url": "https://issuer.example", "key_id": "key-1", "subject": "mu:user-svc",
			"audiences": []string{"verdict"}, "issued_at": 1732266000, "expires_at": 1732269600, "scopes": []string{"email.send", "email.read"},
		},
		"trust": map[string]any{"level": 3, "freshness": "fresh", "age_s": 40, "usable_for_s": []int{1800, 1800, 7200, 7200}},
		"time":  q.Time.UTC().Format(time.RFC3339Nano),
	})
}

func entry(id string) authz.Entry {
	return authz.Entry{
		Question: authz.Question{
			Subject:  authz.Subject{Type: authz.SubjectMachineUser, ID: "mu:user-svc"},
			Action:   authz.Action{Name: "email.send"},
			Resource: authz.Resource{Type: authz.ResourceService, ID: "svc:email"},
			Context:  map[string]any{"source_ip": "10.4.2.19", "env": "prod"},
			Time:     start,
		},
		Judged: true,
		Decision: authz.Decision{
			ID: id, Outcome: authz.Allow, Reasons: []authz.Reason{}, Subject: "mu:user-svc", Credential: "cred-81",
			Obligations: []authz.Duty{{"id": "log_level", "level": "info"}},
			Trust:       authz.Trust{Level: 3, Required: 2, Freshness: authz.Fresh},
			Policy:      authz.PolicyRef{Generation: 4, Digest: "sha256:ab"}, DataRevision: 812, CacheableForS: 30, IfPDPUnreachable: authz.Deny,
		},
		Caller: "pep-1",
		Took:   310 * time.Microsecond,
	}
}

// denied is entry with a denial that has texts and details.
func denied(id string) authz.Entry {
	e := entry(id)
	e.Decision.Outcome = authz.Deny
	e.Decision.Reasons = []authz.Reason{{Code: "NO_EDGE", Guard: "edges", Message: `no edge to "svc:email"`, Fix: "ask", Status: 403, Details: map[string]any{"tenant": "acme", "n": 3}}}
	e.Decision.WouldDeny = []authz.Reason{{Code: "TRUST_TOO_LOW", Guard: "trust", Mode: "observe"}}
	e.Decision.Obligations = nil
	return e
}

// open opens a log that is closed with the test. Config.Input is filled in.
func open(t testing.TB, c decisionlog.Config) *decisionlog.Log {
	t.Helper()
	l := openUnclosed(t, c)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// closed closes a log before the test ends.
func closed(t testing.TB, l *decisionlog.Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func openUnclosed(t testing.TB, c decisionlog.Config) *decisionlog.Log {
	t.Helper()
	if c.Input == nil {
		c.Input = input
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	l, err := decisionlog.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// until yields until something holds.
func until(t *testing.T, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("it never came to hold")
		}
	}
}

func inMemory() decisionlog.Config { return decisionlog.Config{InMemory: true} }

func record(t testing.TB, l *decisionlog.Log, entries ...authz.Entry) {
	t.Helper()
	if err := l.Record(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
}

func get(t testing.TB, l *decisionlog.Log, id string) authz.Record {
	t.Helper()
	r, err := l.Get(t.Context(), id)
	if err != nil {
		t.Fatal(id, err)
	}
	return r
}

func all(t testing.TB, l *decisionlog.Log) []authz.Record {
	t.Helper()
	var found []authz.Record
	if err := l.Each(t.Context(), authz.RecordFilter{}, 0, func(r *authz.Record) error {
		found = append(found, *r)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return found
}

func verify(t testing.TB, l *decisionlog.Log, problems ...string) authz.VerifyReport {
	t.Helper()
	report, err := l.Verify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(append([]string{}, problems...), report.Problems); diff != "" || report.OK != (len(problems) == 0) {
		t.Errorf("ok %v, problems: %s", report.OK, diff)
	}
	return report
}

func code(t testing.TB, err error, want authz.ErrorCode, says string) {
	t.Helper()
	if got := authz.CodeOf(err); got != want || !strings.Contains(fmt.Sprint(err), says) {
		t.Fatalf("got %q %v, want %q saying %q", got, err, want, says)
	}
}

func TestRecord(t *testing.T) {
	l := open(t, inMemory())
	e := denied("d-1")
	e.Decision.Explanation = &authz.Explanation{}
	record(t, l, e)
	got := get(t, l, "d-1")

	var result authz.Decision
	if err := json.Unmarshal(got.Result, &result); err != nil {
		t.Fatal(err)
	}
	want := e.Decision
	want.Explanation, want.Subject, want.Credential = nil, "", ""
	want.Reasons = slices.Clone(want.Reasons)
	want.Reasons[0].Details = map[string]any{"tenant": "acme", "n": 3.0}
	if diff := cmp.Diff(want, result); diff != "" {
		t.Error(diff)
	}
	asked, err := input(e.Question)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(asked), string(got.Input)); diff != "" {
		t.Error(diff)
	}
	hash := got.Hash
	got.Input, got.Result, got.Hash = nil, nil, ""
	if diff := cmp.Diff(authz.Record{
		Seq: 1, Kind: authz.RecordDecision, ID: "d-1", At: start, Subject: "mu:user-svc", Credential: "cred-81", Action: "email.send", Service: "svc:email",
		Caller: "pep-1", Policy: e.Decision.Policy, DataRevision: 812, Trust: e.Decision.Trust, Judged: true, LatencyUS: 310, Durability: authz.Spool,
	}, got); diff != "" {
		t.Error(diff)
	}
	if report := verify(t, l); report.HeadHash != hash || report.Records != 1 {
		t.Errorf("%+v, hash %s", report, hash)
	}
}

func TestDurabilityIsTheStricter(t *testing.T) {
	for _, test := range []struct{ configured, decided, want authz.Durability }{
		{"", "", authz.Spool},
		{authz.Spool, authz.Async, authz.Spool},
		{authz.Spool, authz.Required, authz.Required},
		{authz.Required, authz.Async, authz.Required},
		{authz.Async, authz.Spool, authz.Spool},
	} {
		l := open(t, decisionlog.Config{InMemory: true, Durability: test.configured})
		e := entry("d")
		e.Decision.Durability = test.decided
		record(t, l, e)
		if got := get(t, l, "d").Durability; got != test.want {
			t.Errorf("%q and %q: recorded as %q", test.configured, test.decided, got)
		}
		if syncs := l.Stats().Syncs; (syncs > 0) != (test.want == authz.Required) {
			t.Errorf("%q and %q: %d syncs", test.configured, test.decided, syncs)
		}
	}
}

func TestChain(t *testing.T) {
	l := open(t, inMemory())
	record(t, l, entry("d-1"), denied("d-2"))
	record(t, l, entry("d-3"))
	records := all(t, l)
	prev := ""
	for i, r := range records {
		if r.Seq != uint64(i+1) || r.Prev != prev || len(r.Hash) != 64 {
			t.Errorf("record %d: %+v", i, r)
		}
		prev = r.Hash
	}
	if len(records) != 3 || verify(t, l).HeadHash != prev {
		t.Errorf("%d records", len(records))
	}
}

func TestReopen(t *testing.T) {
	dir := t.TempDir()
	l := open(t, decisionlog.Config{Dir: dir})
	record(t, l, entry("d-1"), entry("d-2"))
	if err := l.SetCursor("siem", 2); err != nil {
		t.Fatal(err)
	}
	before := all(t, l)
	closed(t, l)
	code(t, l.Record(t.Context(), []authz.Entry{entry("d-x")}), authz.CodeUnavailable, "closed")
	if _, err := l.Get(t.Context(), "d-1"); authz.CodeOf(err) != authz.CodeUnavailable {
		t.Error(err)
	}
	code(t, l.Ready(), authz.CodeUnavailable, "closed")

	l = open(t, decisionlog.Config{Dir: dir})
	if diff := cmp.Diff(before, all(t, l)); diff != "" {
		t.Error(diff)
	}
	if at, err := l.Cursor("siem"); at != 2 || err != nil {
		t.Error(at, err)
	}
	record(t, l, entry("d-3"))
	if report := verify(t, l); report.From != 1 || report.To != 3 {
		t.Errorf("%+v; want records 1 to 3", report)
	}
	_, err := decisionlog.Open(decisionlog.Config{Dir: dir, Input: input})
	code(t, err, authz.CodeConflict, "in use by another Verdict process")
}

func TestOpenRefuses(t *testing.T) {
	for name, change := range map[string]func(*decisionlog.Config){
		"dir":          func(c *decisionlog.Config) { c.InMemory = false },
		"durability":   func(c *decisionlog.Config) { c.Durability = "maybe" },
		"queue":        func(c *decisionlog.Config) { c.Queue = -1 },
		"queue_bytes":  func(c *decisionlog.Config) { c.QueueBytes = -1 },
		"wait":         func(c *decisionlog.Config) { c.Wait = -1 },
		"max_age":      func(c *decisionlog.Config) { c.MaxAge = -1 },
		"max_bytes":    func(c *decisionlog.Config) { c.MaxBytes = -1 },
		"min_free":     func(c *decisionlog.Config) { c.MinFree = -2 },
		"input":        func(c *decisionlog.Config) { c.Input = nil },
		"maintain_eve": func(c *decisionlog.Config) { c.MaintainEvery = -1 },
	} {
		c := decisionlog.Config{InMemory: true, Input: input}
		change(&c)
		_, err := decisionlog.Open(c)
		code(t, err, authz.CodeInvalid, name)
	}
	_, err := decisionlog.Open(decisionlog.Config{Dir: t.TempDir(), Input: input, Free: func(string) (uint64, error) { return 1 << 20, nil }})
	code(t, err, authz.CodeUnavailable, "free or add space")
}

func TestAwait(t *testing.T) {
	l := open(t, inMemory())
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	code(t, l.Await(ended, 0), authz.CodeBehind, "newest record is 0")
	done := make(chan error, 1)
	go func() { done <- l.Await(t.Context(), 0) }()
	record(t, l, entry("d-1"))
	if err := <-done; err != nil {
		t.Error(err)
	}
	go func() { done <- l.Await(t.Context(), 1) }()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	code(t, <-done, authz.CodeUnavailable, "closed")
}
