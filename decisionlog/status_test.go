package decisionlog_test

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/decisionlog"
)

// TestStatus: numbers of an empty log and of one with records, and why it might not record.
func TestStatus(t *testing.T) {
	var free atomic.Uint64
	free.Store(1 << 40)
	l := openUnclosed(t, decisionlog.Config{Dir: t.TempDir(), Queue: 7, Free: func(string) (uint64, error) { return free.Load(), nil }})
	if diff := cmp.Diff(authz.LogStatus{Queue: 7, FreeBytes: 1 << 40}, l.Status(t.Context())); diff != "" {
		t.Errorf("an empty log (-want +got):\n%s", diff)
	}
	record(t, l, entry("a"))
	record(t, l, entry("b"))
	got := l.Status(t.Context())
	if got.Bytes == 0 {
		t.Error("a log with records has no bytes")
	}
	got.Bytes = 0
	if diff := cmp.Diff(authz.LogStatus{Records: 2, Oldest: start, Queue: 7, FreeBytes: 1 << 40}, got); diff != "" {
		t.Errorf("a log with records (-want +got):\n%s", diff)
	}
	free.Store(1 << 10)
	if got := l.Status(t.Context()); !strings.Contains(got.Error, "1024 bytes free") || got.FreeBytes != 1<<10 {
		t.Errorf("a log without room is %+v, want an error that names what is free", got)
	}
	closed(t, l)
	if got := l.Status(t.Context()); !strings.Contains(got.Error, "closed") {
		t.Errorf("a closed log is %+v, want an error that says so", got)
	}
}
