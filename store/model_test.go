package store_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/store"
)

// model is what a store should be: a map per revision.
type model struct {
	revision uint64
	entities map[string]stored // :: collection key -> entity
}

type stored struct {
	c        authz.Collection
	key      string
	mark     string // what was last put, in a field that is also a filter
	revision uint64
}

func (m model) clone() model {
	m.entities = maps.Clone(m.entities)
	return m
}

// kinds are collections of every sort: hot, cold, pair, partly hot. The mark is
// put into the filter named.
var kinds = []struct {
	c      authz.Collection
	filter string
	keys   []string
	put    func(key, mark string) authz.Entity
}{
	{authz.Users, "tenant", []string{"a", "b", "a-b"}, func(key, mark string) authz.Entity {
		return &authz.User{Header: authz.Header{ID: key}, Tenant: mark}
	}},
	{authz.Services, "owner", []string{"a", "b", "c"}, func(key, mark string) authz.Entity {
		return &authz.Service{Header: authz.Header{ID: key}, Owner: mark}
	}},
	{authz.Edges, "owner", []string{"a/x", "a/y", "a-b/x", "b/x"}, func(key, mark string) authz.Entity {
		from, to, _ := authz.SplitPairKey(key)
		return &authz.Edge{From: from, To: to, Actions: []string{"*"}, Owner: mark}
	}},
	{authz.Entitlements, "source", []string{"user:a/f", "user:a/g", "plan:a/f", "tenant:a/f", "tenant:a/g"}, func(key, mark string) authz.Entity {
		holder, feature, _ := authz.SplitPairKey(key)
		return &authz.Entitlement{Holder: holder, Feature: feature, Source: mark}
	}},
}

// TestAgainstModel applies random writes to a store and to a model, and holds
// every read, at the newest revision and at older snapshots, against the model.
func TestAgainstModel(t *testing.T) {
	for name, hotLimit := range map[string]int{"hot": 0, "turning cold": 3} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				s, err := store.Open(store.Config{InMemory: true, HotLimit: hotLimit})
				if err != nil {
					t.Fatal(err)
				}
				defer func() {
					if err := s.Close(); err != nil {
						t.Error(err)
					}
				}()
				m := &machine{s: s, now: model{entities: map[string]stored{}}}
				defer m.close()
				t.Repeat(map[string]func(*rapid.T){
					"apply":    m.apply,
					"import":   m.importLines,
					"maintain": m.maintain,
					"snapshot": m.snapshot,
					"earlier":  m.earlier,
					"release":  m.release,
					"":         m.check,
				})
			})
		})
	}
}

type machine struct {
	s     *store.Store
	now   model
	past  []model // every revision there was, oldest first
	views []view
}

type view struct {
	snapshot *store.Snapshot
	model    model
}

func (m *machine) close() {
	for _, v := range m.views {
		v.snapshot.Close()
	}
}

// apply draws a batch with preconditions and predicts what becomes of it.
func (m *machine) apply(t *rapid.T) {
	next, failed := m.now.clone(), false
	next.revision++
	var ops []store.Op
	for range rapid.IntRange(1, 4).Draw(t, "ops") {
		kind := rapid.SampledFrom(kinds).Draw(t, "kind")
		key := rapid.SampledFrom(kind.keys).Draw(t, "key")
		at := string(kind.c) + " " + key
		current, exists := next.entities[at]
		op := store.Op{Collection: kind.c, Key: key}
		if rapid.Bool().Draw(t, "put") {
			mark := rapid.SampledFrom([]string{"red", "green", "blue"}).Draw(t, "mark")
			op.Entity = kind.put(key, mark)
			switch rapid.IntRange(0, 4).Draw(t, "if") {
			case 1:
				op.If = authz.AsNew()
				failed = failed || exists
			case 2:
				op.If = authz.IfPresent()
				failed = failed || !exists
			case 3:
				revision := current.revision + uint64(rapid.IntRange(0, 1).Draw(t, "stale"))
				op.If = authz.IfRevision(revision)
				failed = failed || !exists || revision != current.revision
			}
			next.entities[at] = stored{c: kind.c, key: key, mark: mark, revision: next.revision}
		} else {
			failed = failed || !exists
			delete(next.entities, at)
		}
		ops = append(ops, op)
	}
	result, err := m.s.Apply(context.Background(), ops)
	if failed != (err != nil) {
		t.Fatalf("expected failure %v, got %v", failed, err)
	}
	if err != nil {
		return
	}
	if result.Revision != next.revision {
		t.Fatalf("revision %d, want %d", result.Revision, next.revision)
	}
	m.now = next
}

func (m *machine) importLines(t *rapid.T) {
	next := m.now.clone()
	next.revision++
	changed := false
	var lines strings.Builder
	for range rapid.IntRange(0, 4).Draw(t, "lines") {
		kind := rapid.SampledFrom(kinds).Draw(t, "kind")
		key := rapid.SampledFrom(kind.keys).Draw(t, "key")
		mark := rapid.SampledFrom([]string{"red", "green", "blue"}).Draw(t, "mark")
		entity, err := entityJSON(kind.put(key, mark))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&lines, "{\"collection\":%q,\"entity\":%s}\n", kind.c, entity)
		at := string(kind.c) + " " + key
		if next.entities[at].mark != mark {
			changed = true
			next.entities[at] = stored{c: kind.c, key: key, mark: mark, revision: next.revision}
		}
	}
	report, err := m.s.Import(context.Background(), strings.NewReader(lines.String()), store.ImportOptions{})
	if err != nil || report.Failed > 0 {
		t.Fatalf("%+v, %v; want no line to fail", report, err)
	}
	if changed {
		m.now = next
	}
}

func (m *machine) maintain(t *rapid.T) {
	if err := m.s.Maintain(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func (m *machine) snapshot(t *rapid.T) {
	snapshot, err := m.s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	m.views = append(m.views, view{snapshot, m.now})
}

// earlier opens a snapshot of a revision that has been written over.
func (m *machine) earlier(t *rapid.T) {
	if len(m.past) == 0 {
		t.Skip("nothing was written")
	}
	then := rapid.SampledFrom(m.past).Draw(t, "revision")
	snapshot, err := m.s.SnapshotAt(then.revision)
	if then.revision < store.History(m.s) {
		if authz.CodeOf(err) != authz.CodeGone {
			t.Fatalf("revision %d is not kept, but: %v", then.revision, err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	m.views = append(m.views, view{snapshot, then})
}

func (m *machine) release(t *rapid.T) {
	if len(m.views) == 0 {
		t.Skip("no snapshot is open")
	}
	i := rapid.IntRange(0, len(m.views)-1).Draw(t, "snapshot")
	m.views[i].snapshot.Close()
	m.views = slices.Delete(m.views, i, i+1)
}

func (m *machine) check(t *rapid.T) {
	if got := m.s.Revision(); got != m.now.revision {
		t.Fatalf("revision %d, want %d", got, m.now.revision)
	}
	if len(m.past) == 0 || m.past[len(m.past)-1].revision != m.now.revision {
		m.past = append(m.past, m.now.clone())
	}
	for _, v := range m.views {
		v.check(t)
	}
	m.snapshot(t)
	last := m.views[len(m.views)-1]
	last.check(t)
	last.snapshot.Close()
	m.views = m.views[:len(m.views)-1]
	m.checkLists(t)
}

func (v view) check(t *rapid.T) {
	if got := v.snapshot.Revision(); got != v.model.revision {
		t.Fatalf("snapshot of %d, want %d", got, v.model.revision)
	}
	under := map[string][]string{}
	for _, kind := range kinds {
		for _, key := range slices.Sorted(slices.Values(kind.keys)) {
			want, exists := v.model.entities[string(kind.c)+" "+key]
			fact, ok, err := v.snapshot.Fact(kind.c, key)
			if err != nil || ok != exists || ok && (fact.Revision != want.revision || !strings.Contains(string(fact.JSON), want.mark)) {
				t.Fatalf("at %d, %s %s: %s %v %v, want %+v", v.model.revision, kind.c, key, fact.JSON, ok, err, want)
			}
			if first, _, pair := authz.SplitPairKey(key); pair {
				at := string(kind.c) + " " + first
				under[at] = append(under[at], []string{key}[:btoi(exists)]...)
			}
		}
	}
	for at, want := range under {
		c, first, _ := strings.Cut(at, " ")
		facts, more, err := v.snapshot.Under(authz.Collection(c), first, 10)
		var got []string
		for _, fact := range facts {
			got = append(got, fact.Key)
		}
		if diff := cmp.Diff(want, got); diff != "" || more || err != nil {
			t.Fatalf("at %d, under %s: %s %v %v", v.model.revision, at, diff, more, err)
		}
	}
}

func (m *machine) checkLists(t *rapid.T) {
	for _, kind := range kinds {
		n := 0
		for _, mark := range []string{"red", "green", "blue"} {
			want := []string{}
			for _, key := range slices.Sorted(slices.Values(kind.keys)) {
				if e, ok := m.now.entities[string(kind.c)+" "+key]; ok && e.mark == mark {
					want = append(want, key)
				}
			}
			page, err := m.s.List(context.Background(), authz.Query{Collection: kind.c, Filters: map[string]string{kind.filter: mark}})
			if err != nil {
				t.Fatal(err)
			}
			got := []string{}
			for _, item := range page.Items {
				got = append(got, item.Head().ID)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%s by %s=%s: %s", kind.c, kind.filter, mark, diff)
			}
			n += len(got)
		}
		if got := m.s.Counts()[kind.c]; got != uint64(n) {
			t.Fatalf("%d %s are counted, %d are there", got, kind.c, n)
		}
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
