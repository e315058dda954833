package store_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/store"
	"github.com/verdict-pdp/verdict/store/storetest"
)

// tenantAt is the tenant of a user at a revision, "" when there was no such user.
func tenantAt(t *testing.T, s *store.Store, revision uint64, user string) string {
	t.Helper()
	view, err := s.SnapshotAt(revision)
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	if view.Revision() != revision {
		t.Fatalf("a view of %d says it is of %d", revision, view.Revision())
	}
	entity, err := view.Entity(authz.Users, user)
	if authz.CodeOf(err) == authz.CodeNotFound {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	return entity.(*authz.User).Tenant
}

func notKept(t *testing.T, s *store.Store, revision uint64, want authz.ErrorCode, says string) {
	t.Helper()
	view, err := s.SnapshotAt(revision)
	if err == nil {
		view.Close()
	}
	code(t, err, want, says)
}

// TestHistory reads every revision again: after Badger was made to compact, and
// after the store was opened anew.
func TestHistory(t *testing.T) {
	dir := t.TempDir()
	s := open(t, store.Config{Dir: dir})
	for i := range 20 {
		storetest.Put(t, s, storetest.User("u", fmt.Sprintf("t%d", i+1)))
	}
	storetest.Delete(t, s, authz.Users, "u") // revision 21
	storetest.Put(t, s, storetest.User("u", "back"))
	check := func(s *store.Store) {
		t.Helper()
		for i := range 20 {
			if got, want := tenantAt(t, s, uint64(i+1), "u"), fmt.Sprintf("t%d", i+1); got != want {
				t.Errorf("revision %d has %q, want %q", i+1, got, want)
			}
		}
		for revision, want := range map[uint64]string{0: "", 21: "", 22: "back"} {
			if got := tenantAt(t, s, revision, "u"); got != want {
				t.Errorf("revision %d has %q, want %q", revision, got, want)
			}
		}
	}
	check(s)
	fillMemtables(t, s)
	if err := s.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := store.Flatten(s); err != nil {
		t.Fatal(err)
	}
	check(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, store.Config{Dir: dir})
	check(s)
	notKept(t, s, s.Revision()+1, authz.CodeInvalid, "the data revision is")
}

func TestHistoryGoesWithTheFeed(t *testing.T) {
	dir := t.TempDir()
	s := open(t, store.Config{Dir: dir, ChangeRetention: 3})
	for i := range 10 {
		storetest.Put(t, s, storetest.User("u", fmt.Sprintf("t%d", i+1)))
	}
	if err := s.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	check := func(s *store.Store) {
		t.Helper()
		if got := store.History(s); got != 7 {
			t.Errorf("history begins at %d, want 7", got)
		}
		notKept(t, s, 6, authz.CodeGone, "the oldest kept is that of 7")
		for revision := uint64(7); revision <= 10; revision++ {
			if got, want := tenantAt(t, s, revision, "u"), fmt.Sprintf("t%d", revision); got != want {
				t.Errorf("revision %d has %q, want %q", revision, got, want)
			}
		}
	}
	check(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	check(open(t, store.Config{Dir: dir, ChangeRetention: 3}))
}

// TestHistoryBeginsWithARestore has no versions from before the backup, though its
// change feed tells of them.
func TestHistoryBeginsWithARestore(t *testing.T) {
	s := open(t, store.Config{InMemory: true})
	for i := range 5 {
		storetest.Put(t, s, storetest.User("u", fmt.Sprintf("t%d", i+1)))
	}
	dir := filepath.Join(t.TempDir(), "restored")
	if err := store.Restore(dir, bytes.NewReader(backup(t, s))); err != nil {
		t.Fatal(err)
	}
	restored := open(t, store.Config{Dir: dir})
	notKept(t, restored, 4, authz.CodeGone, "the oldest kept is that of 5")
	if got := tenantAt(t, restored, 5, "u"); got != "t5" {
		t.Errorf("the backup's revision has %q", got)
	}
	storetest.Put(t, restored, storetest.User("u", "t6"))
	if got := tenantAt(t, restored, 5, "u"); got != "t5" {
		t.Errorf("the backup's revision, written over, has %q", got)
	}
}

// TestEarlierViewHoldsItsVersions keeps a view of a revision open while the feed
// moves past it.
func TestEarlierViewHoldsItsVersions(t *testing.T) {
	s := open(t, store.Config{InMemory: true, ChangeRetention: 1})
	storetest.Put(t, s, storetest.User("u", "first"))
	storetest.Put(t, s, storetest.User("u", "second"))
	view, err := s.SnapshotAt(1)
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	fillMemtables(t, s)
	if err := s.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := store.Flatten(s); err != nil {
		t.Fatal(err)
	}
	fact, ok, err := view.Fact(authz.Users, "u")
	if !ok || err != nil || !strings.Contains(string(fact.JSON), "first") {
		t.Errorf("%s, %t, %v; want the first version", fact.JSON, ok, err)
	}
	notKept(t, s, 1, authz.CodeGone, "no longer kept")
}
