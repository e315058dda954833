package store_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
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
		t.Fatalf("%+v", got)
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
