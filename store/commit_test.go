package store_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/store"
	"github.com/verdict-pdp/verdict/store/storetest"
)

// TestGroupCommit queues writes behind a commit that is held: they become one
// group, in which one fails alone and one was withdrawn.
func TestGroupCommit(t *testing.T) {
	s := open(t, store.Config{InMemory: true})
	begun, proceed := store.HoldCommits(s)
	type answer struct {
		name string
		err  error
	}
	answers := make(chan answer)
	apply := func(ctx context.Context, name string, op store.Op) {
		go func() {
			_, err := s.Apply(ctx, []store.Op{op})
			answers <- answer{name, err}
		}()
	}
	queued := func(n int) {
		for store.Queued(s) != n {
			runtime.Gosched()
		}
	}

	apply(t.Context(), "first", store.Op{Entity: storetest.User("first", "t")})
	if got := <-begun; got != 1 {
		t.Fatalf("the first commit makes revision %d", got)
	}
	apply(t.Context(), "create", store.Op{Entity: storetest.User("u", "t"), If: authz.AsNew()})
	queued(1)
	apply(t.Context(), "create again", store.Op{Entity: storetest.User("u", "t"), If: authz.AsNew()})
	queued(2)
	apply(t.Context(), "replace", store.Op{Entity: storetest.User("u", "t2"), If: authz.IfRevision(2)})
	queued(3)
	ctx, cancel := context.WithCancel(t.Context())
	apply(ctx, "withdrawn", store.Op{Entity: storetest.User("withdrawn", "t")})
	queued(4)
	cancel()
	if got := <-answers; got.name != "withdrawn" || authz.CodeOf(got.err) != authz.CodeUnavailable || !errors.Is(got.err, context.Canceled) {
		t.Fatalf("%+v; want the write that was withdrawn", got)
	}
	if got := s.Revision(); got != 0 {
		t.Errorf("revision %d was published before its commit ended", got)
	}
	proceed <- struct{}{}
	if got := <-begun; got != 3 {
		t.Fatalf("the group's commit makes revision %d", got)
	}
	proceed <- struct{}{}
	outcomes := map[string]authz.ErrorCode{}
	for range 4 {
		got := <-answers
		outcomes[got.name] = authz.CodeOf(got.err)
	}
	if diff := cmp.Diff(map[string]authz.ErrorCode{"first": "", "create": "", "create again": authz.CodeConflict, "replace": ""}, outcomes); diff != "" {
		t.Error(diff)
	}
	stats := s.Stats()
	if diff := cmp.Diff([]uint64{3, 2, 1}, []uint64{stats.Writes, stats.Commits, stats.Refused}); diff != "" {
		t.Error("writes, commits, refused:", diff)
	}
	var feed []string
	page, err := s.Changes(t.Context(), 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range page.Changes {
		feed = append(feed, fmt.Sprint(change.Revision, " ", change.ID))
	}
	if diff := cmp.Diff([]string{"1 first", "2 u", "3 u"}, feed); diff != "" {
		t.Error(diff)
	}
}

// watched is a context that tells when its error is asked for.
type watched struct {
	context.Context
	asked chan struct{}
}

func (w watched) Err() error {
	w.asked <- struct{}{}
	return w.Context.Err()
}

// TestCommitIsWaitedFor: a write that is being committed is made, though its context
// ended, and its caller hears so.
func TestCommitIsWaitedFor(t *testing.T) {
	s := open(t, store.Config{InMemory: true})
	begun, proceed := store.HoldCommits(s)
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan struct{}, 10)
	answers := make(chan error)
	apply := func(ctx context.Context, id string) {
		go func() {
			_, err := s.Apply(ctx, []store.Op{{Entity: storetest.User(id, "t")}})
			answers <- err
		}()
	}
	apply(t.Context(), "first")
	<-begun
	for _, id := range []string{"u", "v"} {
		apply(watched{ctx, asked}, id)
	}
	for store.Queued(s) != 2 {
		runtime.Gosched()
	}
	proceed <- struct{}{}
	<-begun
	cancel()
	<-asked // by the one that does not lead
	proceed <- struct{}{}
	for range 3 {
		if err := <-answers; err != nil {
			t.Errorf("a write that was committed: %v", err)
		}
	}
	if got := s.Revision(); got != 3 {
		t.Errorf("revision %d, want 3", got)
	}
}

// TestCloseWhileQueued: Close waits for the commit under way, and what is queued behind
// it is not made.
func TestCloseWhileQueued(t *testing.T) {
	s := open(t, store.Config{InMemory: true})
	begun, proceed := store.HoldCommits(s)
	put := func(id string) <-chan error {
		answer := make(chan error, 1)
		go func() {
			_, err := s.Apply(t.Context(), []store.Op{{Entity: storetest.User(id, "t")}})
			answer <- err
		}()
		return answer
	}
	first := put("first")
	<-begun
	queued := put("queued")
	for store.Queued(s) != 1 {
		runtime.Gosched()
	}
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	code(t, <-queued, authz.CodeUnavailable, "the store is closed")
	select {
	case err := <-closed:
		t.Fatalf("it was closed during a commit: %v", err)
	default:
	}
	proceed <- struct{}{}
	if err := errors.Join(<-first, <-closed); err != nil {
		t.Errorf("the commit under way, and Close: %v", err)
	}
	code(t, <-put("later"), authz.CodeUnavailable, "the store is closed")
}

// TestFailedGroup: of a group whose commit fails, a write that was refused has its own
// error, and one that changes nothing has none. Nothing is written after it.
func TestFailedGroup(t *testing.T) {
	s := open(t, store.Config{InMemory: true, ChangeRetention: 1})
	storetest.Put(t, s, storetest.User("u", "t"))
	begun, proceed := store.HoldCommits(s)
	type answer struct {
		name string
		err  error
	}
	answers := make(chan answer)
	queue := func(name string, write func() error) {
		before := store.Queued(s)
		go func() { answers <- answer{name, write()} }()
		for store.Queued(s) == before && name != "first" {
			runtime.Gosched()
		}
	}
	apply := func(op store.Op) func() error {
		return func() error {
			_, err := s.Apply(t.Context(), []store.Op{op})
			return err
		}
	}
	queue("first", apply(store.Op{Entity: storetest.User("first", "t")}))
	<-begun
	queue("made", apply(store.Op{Entity: storetest.User("made", "t")}))
	queue("refused", apply(store.Op{Entity: storetest.User("u", "t"), If: authz.AsNew()}))
	line := `{"collection":"users","entity":{"id":"u","tenant":"t"}}` + "\n"
	queue("same", func() error {
		report, err := s.Import(t.Context(), strings.NewReader(line), store.ImportOptions{})
		if err == nil && report.Unchanged != 1 {
			t.Errorf("the import reports %+v, want one line unchanged", report)
		}
		return err
	})
	store.FailCommits(s, errors.New("i/o error"))
	proceed <- struct{}{}
	want := map[string]string{"first": "", "made": "mend the disk and restart", "refused": "exists", "same": ""}
	for range want {
		got := <-answers
		if (got.err == nil) != (want[got.name] == "") || got.err != nil && !strings.Contains(got.err.Error(), want[got.name]) {
			t.Errorf("%s: %v, want %q", got.name, got.err, want[got.name])
		}
	}
	store.FailCommits(s, nil) // whether it would work now is not tried
	_, err := s.Apply(t.Context(), []store.Op{{Entity: storetest.User("later", "t")}})
	code(t, err, authz.CodeUnavailable, "mend the disk and restart")
	code(t, s.Writable(), authz.CodeUnavailable, "mend the disk and restart")
	code(t, s.Maintain(t.Context()), authz.CodeUnavailable, "mend the disk and restart")
}
