package store_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/store"
	"github.com/verdict-pdp/verdict/store/storetest"
)

// contents is everything a reader sees of s.
type contents struct {
	Revision uint64
	Counts   map[authz.Collection]uint64
	Export   string
	Feed     []string
}

func read(t *testing.T, s *store.Store) contents {
	t.Helper()
	c := contents{Revision: s.Revision(), Counts: s.Counts()}
	var out bytes.Buffer
	if _, err := s.Export(t.Context(), &out, authz.AllCollections()...); err != nil {
		t.Fatal(err)
	}
	c.Export = out.String()
	page, err := s.Changes(t.Context(), 0, store.MaxChanges)
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range page.Changes {
		c.Feed = append(c.Feed, fmt.Sprint(change.Revision, change.Op, change.Collection, change.ID, change.At))
	}
	return c
}

func fill(t *testing.T, s *store.Store) {
	t.Helper()
	storetest.Put(t, s, storetest.Samples()...)
	storetest.Put(t, s, storetest.User("u-bob", "acme"), storetest.User("u-eve", "acme"))
	storetest.Delete(t, s, authz.Users, "u-eve")
}

func code(t *testing.T, err error, want authz.ErrorCode, says string) {
	t.Helper()
	if got := authz.CodeOf(err); got != want || !strings.Contains(err.Error(), says) {
		t.Fatalf("got %q %v, want %q saying %q", got, err, want, says)
	}
}

func TestReopen(t *testing.T) {
	dir := t.TempDir()
	s := open(t, store.Config{Dir: dir})
	fill(t, s)
	want := read(t, s)
	for _, hotLimit := range []int{0, 1} {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, store.Config{Dir: dir, HotLimit: hotLimit})
		if diff := cmp.Diff(want, read(t, s)); diff != "" {
			t.Errorf("hot limit %d: %s", hotLimit, diff)
		}
		view := storetest.View(t, s)
		if _, ok, err := view.IssuerByURL("https://issuer.example"); !ok || err != nil {
			t.Error(ok, err)
		}
		if facts, _, err := view.Under(authz.Edges, "mu:user-svc", 10); len(facts) != 1 || err != nil {
			t.Error(facts, err)
		}
	}
	if got := storetest.Put(t, s, storetest.User("u-next", "t")); got != want.Revision+1 {
		t.Errorf("the write after is revision %d", got)
	}
}

func TestHotCollectionOutgrowsItsLimit(t *testing.T) {
	s := open(t, store.Config{InMemory: true, HotLimit: 3})
	plan := func(i int) *authz.Plan { return &authz.Plan{Header: authz.Header{ID: fmt.Sprintf("p%d", i)}} }
	storetest.Put(t, s, plan(0), plan(1), plan(2))
	before := storetest.View(t, s)
	if got := s.Stats().HotEntities; got != 3 {
		t.Fatalf("%d hot entities", got)
	}
	storetest.Put(t, s, plan(3))
	storetest.Delete(t, s, authz.Plans, "p0")
	if got := s.Stats().HotEntities; got != 0 {
		t.Fatalf("%d hot entities", got)
	}
	after := storetest.View(t, s)
	for id, want := range map[string][2]bool{"p0": {true, false}, "p2": {true, true}, "p3": {false, true}} {
		for i, view := range []*store.Snapshot{before, after} {
			if _, ok, err := view.Fact(authz.Plans, id); ok != want[i] || err != nil {
				t.Errorf("%s at revision %d: %v %v", id, view.Revision(), ok, err)
			}
		}
	}
	if got := s.Counts()[authz.Plans]; got != 3 {
		t.Errorf("%d plans", got)
	}
}

func TestOneProcessPerDirectory(t *testing.T) {
	dir := t.TempDir()
	open(t, store.Config{Dir: dir})
	_, err := store.Open(store.Config{Dir: dir})
	code(t, err, authz.CodeConflict, "is in use by another Verdict process")
}

func TestOpenRefuses(t *testing.T) {
	write := func(key string, value []byte) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			db, err := badger.OpenManaged(badger.DefaultOptions(dir).WithLogger(nil))
			if err != nil {
				t.Fatal(err)
			}
			txn := db.NewTransactionAt(1, true)
			if err := errors.Join(txn.Set([]byte(key), value), txn.CommitAt(1000, nil), db.Close()); err != nil {
				t.Fatal(err)
			}
		}
	}
	open(t, store.Config{Dir: t.TempDir()})
	newer := binary.BigEndian.AppendUint32(nil, store.SchemaVersion+1)
	for name, test := range map[string]struct {
		before func(*testing.T, string)
		code   authz.ErrorCode
		says   string
	}{
		"a newer schema":     {write("mschema", newer), authz.CodeConflict, fmt.Sprintf("has schema version %d and this Verdict reads up to %d", store.SchemaVersion+1, store.SchemaVersion)},
		"a damaged schema":   {write("mschema", []byte{1}), authz.CodeInternal, "damaged"},
		"a foreign database": {write("hello", []byte("world")), authz.CodeConflict, "not Verdict's"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			test.before(t, dir)
			_, err := store.Open(store.Config{Dir: dir})
			code(t, err, test.code, test.says)
		})
	}
	for name, config := range map[string]store.Config{
		"no directory":       {},
		"both":               {Dir: t.TempDir(), InMemory: true},
		"negative limit":     {InMemory: true, HotLimit: -1},
		"negative retention": {InMemory: true, ChangeRetention: -2},
	} {
		if _, err := store.Open(config); authz.CodeOf(err) != authz.CodeInvalid {
			t.Errorf("%s: %v, want code %q", name, err, authz.CodeInvalid)
		}
	}
}

func backup(t *testing.T, s *store.Store) []byte {
	t.Helper()
	var out bytes.Buffer
	revision, err := s.Backup(t.Context(), &out)
	if err != nil || revision != s.Revision() {
		t.Fatal(revision, err)
	}
	return out.Bytes()
}

func TestBackupAndRestore(t *testing.T) {
	s := open(t, store.Config{InMemory: true})
	fill(t, s)
	saved, want := backup(t, s), read(t, s)
	storetest.Put(t, s, storetest.User("u-later", "t")) // not in the backup

	empty := t.TempDir()
	for _, dir := range []string{empty, filepath.Join(t.TempDir(), "not", "there")} {
		if err := store.Restore(dir, bytes.NewReader(saved)); err != nil {
			t.Fatal(err)
		}
		restored := open(t, store.Config{Dir: dir})
		if diff := cmp.Diff(want, read(t, restored)); diff != "" {
			t.Error(diff)
		}
		if got := storetest.Put(t, restored, storetest.User("u-ana", "globex")); got != want.Revision+1 {
			t.Errorf("the write after a restore is revision %d", got)
		}
		if got := storetest.Put(t, restored, storetest.User("u-eve", "globex")); got != want.Revision+2 {
			t.Errorf("the second write after a restore is revision %d", got)
		}
	}
	code(t, store.Restore(empty, bytes.NewReader(saved)), authz.CodeConflict, "is not empty")
}

func TestBackupOfAnEmptyStore(t *testing.T) {
	saved := backup(t, open(t, store.Config{InMemory: true}))
	dir := t.TempDir()
	if err := store.Restore(dir, bytes.NewReader(saved)); err != nil {
		t.Fatal(err)
	}
	s := open(t, store.Config{Dir: dir})
	if got := storetest.Put(t, s, storetest.User("u", "t")); got != 1 {
		t.Errorf("first write is revision %d", got)
	}
}

func TestRestoreRefusesDamage(t *testing.T) {
	s := open(t, store.Config{InMemory: true})
	fill(t, s)
	saved := backup(t, s)
	parent := t.TempDir()
	refused := func(name string, damaged io.Reader, want authz.ErrorCode) {
		t.Helper()
		if err := store.Restore(filepath.Join(parent, "data"), damaged); authz.CodeOf(err) != want {
			t.Errorf("%s: %v, want code %q", name, err, want)
		}
		left, err := os.ReadDir(parent)
		if err != nil || len(left) > 0 {
			t.Fatalf("%s: left %v %v", name, left, err)
		}
	}
	for _, n := range []int{0, 1, 20, 40, len(saved) / 2, len(saved) - 40, len(saved) - 1} {
		refused(fmt.Sprintf("first %d of %d bytes", n, len(saved)), bytes.NewReader(saved[:n]), authz.CodeInvalid)
	}
	for _, n := range []int{0, 31, 60, len(saved) / 3, len(saved) / 2, len(saved) - 33, len(saved) - 1} {
		flipped := bytes.Clone(saved)
		flipped[n] ^= 0x40
		refused(fmt.Sprintf("byte %d flipped", n), bytes.NewReader(flipped), authz.CodeInvalid)
	}
	newer := bytes.Clone(saved)
	newer[len("VERDICT-BACKUP\n")+7] = store.SchemaVersion + 1
	refused("newer schema", bytes.NewReader(newer), authz.CodeConflict)
	refused("bytes after it", io.MultiReader(bytes.NewReader(saved), strings.NewReader("x")), authz.CodeInvalid)
	refused("reader that fails", io.MultiReader(bytes.NewReader(saved[:100]), failingReader{}), authz.CodeInvalid)
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

func TestChangeLogIsCompacted(t *testing.T) {
	clock := storetest.NewClock()
	s := open(t, store.Config{InMemory: true, ChangeRetention: 10, Now: clock.Now})
	storetest.Put(t, s, storetest.User("gone", "t"), storetest.User("back", "t"))
	storetest.Apply(t, s, store.Op{Collection: authz.Users, Key: "gone"}, store.Op{Collection: authz.Users, Key: "back"})
	storetest.Put(t, s, storetest.User("back", "t"))
	for i := range 5 {
		storetest.Put(t, s, storetest.User(fmt.Sprintf("a%d", i), "t"), storetest.User(fmt.Sprintf("b%d", i), "t"), storetest.User(fmt.Sprintf("c%d", i), "t"))
	}
	old := storetest.View(t, s)
	if err := s.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	// 20 changes in 8 writes; the oldest writes that leave at least 10 went.
	_, err := s.Changes(t.Context(), 0, 100)
	code(t, err, authz.CodeGone, "starts after 4")
	_, err = s.Changes(t.Context(), 3, 100)
	code(t, err, authz.CodeGone, "starts after 4")
	page, err := s.Changes(t.Context(), 4, 100)
	if err != nil || len(page.Changes) != 12 || page.NextAfter != 8 {
		t.Fatalf("%d changes, next %d, %v", len(page.Changes), page.NextAfter, err)
	}
	for _, view := range []*store.Snapshot{old, storetest.View(t, s)} {
		for id, want := range map[string]bool{"gone": false, "back": true, "a0": true} {
			if _, ok, err := view.Fact(authz.Users, id); ok != want || err != nil {
				t.Errorf("%s is there: %t, %v; want %t", id, ok, err, want)
			}
		}
	}
	if got := storetest.Put(t, s, storetest.User("gone", "t")); got != 9 {
		t.Errorf("a put after its tombstone went is revision %d", got)
	}
	if err := s.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := storetest.View(t, s).Fact(authz.Users, "gone"); !ok || err != nil {
		t.Error("it is not there", err)
	}
}

func TestChangeLogSwitchedOff(t *testing.T) {
	dir := t.TempDir()
	s := open(t, store.Config{Dir: dir})
	fill(t, s) // revisions 1 to 3, logged
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, store.Config{Dir: dir, ChangeRetention: store.NoChangeLog})
	_, err := s.Changes(t.Context(), 0, 10)
	code(t, err, authz.CodeGone, "switched off")
	storetest.Put(t, s, storetest.User("unlogged", "t"))
	storetest.Delete(t, s, authz.Users, "unlogged")
	if err := s.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, store.Config{Dir: dir})
	storetest.Put(t, s, storetest.User("logged", "t")) // revision 6
	for after, says := range map[uint64]string{0: "starts after 5", 2: "starts after 5", 4: "starts after 5"} {
		_, err := s.Changes(t.Context(), after, 10)
		code(t, err, authz.CodeGone, says)
	}
	page, err := s.Changes(t.Context(), 5, 10)
	if err != nil || len(page.Changes) != 1 || page.Changes[0].ID != "logged" {
		t.Fatal(page, err)
	}
}

// TestOldVersionsSurviveCompaction forces Badger to compact everything while a
// snapshot reads what has long been replaced and deleted.
func TestOldVersionsSurviveCompaction(t *testing.T) {
	s := open(t, store.Config{InMemory: true, HotLimit: 1})
	revoke := func(of string) *authz.Revocation {
		return &authz.Revocation{Listed: authz.Listed{By: "subject", Of: of}}
	}
	storetest.Put(t, s, revoke("mu:a"), revoke("mu:b"), storetest.User("u", "first"))
	view := storetest.View(t, s)
	for i := range 50 {
		storetest.Put(t, s, storetest.User("u", fmt.Sprintf("t%d", i)))
	}
	storetest.Delete(t, s, authz.Revocations, "subject/mu:a")
	fillMemtables(t, s)
	if err := store.Flatten(s); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := view.Fact(authz.Revocations, "subject/mu:a"); !ok || err != nil {
		t.Errorf("the revocation vanished from a snapshot that has it: %v", err)
	}
	fact, ok, err := view.Fact(authz.Users, "u")
	if !ok || err != nil || !strings.Contains(string(fact.JSON), "first") {
		t.Errorf("%s, %t, %v; want the first version", fact.JSON, ok, err)
	}
}

// fillMemtables writes enough for Badger to move what came before into tables.
func fillMemtables(t *testing.T, s *store.Store) {
	t.Helper()
	large := map[string]string{}
	for i := range 200 {
		large[fmt.Sprintf("a%d", i)] = strings.Repeat("x", 2000)
	}
	for i := range 500 {
		storetest.Put(t, s, &authz.Entitlement{Holder: "user:large", Feature: fmt.Sprintf("f%d", i), Attributes: large})
	}
}

func TestFailedCommit(t *testing.T) {
	dir := t.TempDir()
	s := open(t, store.Config{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	storetest.Put(t, s, storetest.User("u", "t"))
	store.FailCommits(s, errors.New("no space left on device"))
	_, err := s.Apply(t.Context(), []store.Op{{Entity: storetest.User("lost", "t")}})
	code(t, err, authz.CodeUnavailable, "could not be stored")
	_, err = s.Apply(t.Context(), []store.Op{{Entity: storetest.User("refused", "t")}})
	code(t, err, authz.CodeUnavailable, "restart Verdict")
	if got := s.Revision(); got != 1 {
		t.Errorf("revision %d was published", got)
	}
	if _, err := s.Get(authz.Users, "u"); err != nil {
		t.Error("reads stopped:", err)
	}
	_, err = s.Get(authz.Users, "lost")
	code(t, err, authz.CodeNotFound, "does not exist")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, store.Config{Dir: dir})
	if got := storetest.Put(t, s, storetest.User("next", "t")); got != 2 {
		t.Errorf("the write after is revision %d", got)
	}
}

func TestWriteLargerThanATransaction(t *testing.T) {
	s := open(t, store.Config{InMemory: true})
	ops := make([]store.Op, 40_000)
	for i := range ops {
		ops[i].Entity = storetest.User(fmt.Sprintf("u-%d", i), "t")
	}
	_, err := s.Apply(t.Context(), ops)
	code(t, err, authz.CodeTooLarge, "split it")
	storetest.Apply(t, s, ops[:1000]...)

	// An import splits such a chunk by itself: replacing long index entries
	// needs several times the size of its lines.
	const n = 3000
	chunks := 0
	var report authz.ImportReport
	for _, owner := range []string{strings.Repeat("o", 1900), strings.Repeat("p", 1900)} {
		var lines strings.Builder
		for i := range n {
			fmt.Fprintf(&lines, `{"collection":"edges","entity":{"from":"mu:%d","to":"svc:a","actions":["*"],"owner":%q}}`+"\n", i, owner)
		}
		var err error
		report, err = s.Import(t.Context(), strings.NewReader(lines.String()), store.ImportOptions{Progress: func(store.ImportProgress) { chunks++ }})
		if err != nil || report.Written != n {
			t.Fatalf("%+v, %v; want %d written", report, err, n)
		}
	}
	if got := s.Counts()[authz.Edges]; got != n {
		t.Errorf("%d edges", got)
	}
	if report.Revision <= uint64(chunks+1) {
		t.Errorf("revision %d after %d chunks: none was split", report.Revision, chunks)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	clock := storetest.NewClock()
	s := open(t, store.Config{InMemory: true, Now: clock.Now, MaintainEvery: time.Millisecond})
	storetest.Put(t, s, &authz.Revocation{Listed: authz.Listed{By: "subject", Of: "mu:a"}, Until: clock.Now().Add(-2 * time.Hour)})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	if err := s.WaitFor(t.Context(), 2); err != nil { // the sweep
		t.Fatal(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if got := s.Counts()[authz.Revocations]; got != 0 {
		t.Errorf("%d revocations are left", got)
	}
}
