package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/store"
	"github.com/verdict-pdp/verdict/store/storetest"
)

// disk is a disk whose free space a test sets.
type disk struct {
	free   atomic.Uint64
	broken atomic.Bool
}

var errDisk = errors.New("input/output error")

func (d *disk) space(string) (uint64, error) {
	if d.broken.Load() {
		return 0, errDisk
	}
	return d.free.Load(), nil
}

// TestFullDisk fills the disk under every kind of write: each is refused without
// a trace, reads go on, and with space there all of them are made.
func TestFullDisk(t *testing.T) {
	const floor = 1000
	clock := storetest.NewClock()
	var disk disk
	disk.free.Store(floor)
	var log bytes.Buffer
	s := open(t, store.Config{
		Dir: t.TempDir(), MinFree: floor, Free: disk.space, ChangeRetention: 1, Now: clock.Now,
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	storetest.Put(t, s, storetest.User("u", "t"))
	storetest.Put(t, s, storetest.User("v", "t"))
	storetest.Put(t, s, &authz.Revocation{Listed: authz.Listed{By: "subject", Of: "mu:a"}, Until: clock.Now()})
	clock.Advance(2 * time.Hour)

	imported := `{"collection":"users","entity":{"id":"w","tenant":"t"}}` + "\n"
	writes := map[string]func() error{
		"put": func() error {
			_, err := s.Apply(t.Context(), []store.Op{{Entity: storetest.User("w", "t")}})
			return err
		},
		"import": func() error {
			report, err := s.Import(t.Context(), strings.NewReader(imported), store.ImportOptions{})
			if report.Written != 0 || report.Revision != 3 {
				t.Errorf("the import reports %+v", report)
			}
			return err
		},
		"maintenance": func() error { return s.Maintain(t.Context()) },
		"readiness":   s.Writable,
	}
	refused := func(want string) {
		t.Helper()
		for name, write := range writes {
			err := write()
			if authz.CodeOf(err) != authz.CodeUnavailable && name != "maintenance" || err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error is %v, want %q", name, err, want)
			}
		}
		if got := s.Revision(); got != 3 {
			t.Errorf("revision %d was published", got)
		}
		if _, err := s.Get(authz.Users, "u"); err != nil {
			t.Error("reads stopped:", err)
		}
		_, err := s.Get(authz.Users, "w")
		code(t, err, authz.CodeNotFound, "does not exist")
	}
	disk.free.Store(floor - 1)
	refused("has 999 bytes free, and below 1000 no write is taken; free or add space")
	disk.broken.Store(true)
	refused("cannot be read; mend the disk")
	if err := s.Writable(); !errors.Is(err, errDisk) {
		t.Errorf("the cause of %v is hidden", err)
	}
	// A write that changes nothing needs no space, and one that fails says why.
	same, err := s.Apply(t.Context(), []store.Op{{Entity: storetest.User("u", "t"), If: authz.AsNew()}})
	code(t, err, authz.CodeConflict, "")
	if same.Revision != 0 {
		t.Errorf("a refused write has revision %d", same.Revision)
	}

	disk.broken.Store(false)
	disk.free.Store(floor)
	if err := s.Writable(); err != nil {
		t.Error(err)
	}
	if got := storetest.Put(t, s, storetest.User("w", "t")); got != 4 {
		t.Errorf("the write after is revision %d", got)
	}
	if err := s.Maintain(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := s.Changes(t.Context(), 0, 10); authz.CodeOf(err) != authz.CodeGone {
		t.Errorf("the change log was not compacted: %v", err)
	}
	stats := s.Stats()
	// Put, import and sweep were refused twice.
	if diff := cmp.Diff([]uint64{6, 5, 1, 1}, []uint64{stats.NoSpace, stats.Writes, stats.Swept, stats.Refused}); diff != "" {
		t.Error("no space, writes, swept, refused:", diff)
	}
	if full, again := strings.Count(log.String(), "no write is taken"), strings.Count(log.String(), "writes are taken again"); full < 1 || again != 1 {
		t.Errorf("logged %d and %d times:\n%s", full, again, &log)
	}
}

// TestFreeSpaceIsNotAsked where it does not matter.
func TestFreeSpaceIsNotAsked(t *testing.T) {
	var disk disk // full
	for name, config := range map[string]store.Config{
		"in memory": {InMemory: true, Free: disk.space},
		"any free":  {Dir: t.TempDir(), MinFree: store.AnyFree, Free: disk.space},
	} {
		s := open(t, config)
		if _, err := s.Apply(t.Context(), []store.Op{{Entity: storetest.User("u", "t")}}); err != nil {
			t.Errorf("%s: a write that needs no space was refused: %v", name, err)
		}
	}
}

// TestOpenOnAFullDisk is refused; a directory that is still to be made is not asked for.
func TestOpenOnAFullDisk(t *testing.T) {
	var full disk
	dir := t.TempDir()
	_, err := store.Open(store.Config{Dir: dir, Free: full.space})
	code(t, err, authz.CodeUnavailable, "has 0 bytes free, and opening needs 16777216; free or add space")
	full.broken.Store(true)
	_, err = store.Open(store.Config{Dir: dir, Free: full.space})
	code(t, err, authz.CodeUnavailable, "free space cannot be read")
	s := open(t, store.Config{Dir: filepath.Join(dir, "new")})
	storetest.Put(t, s, storetest.User("u", "t"))
}

// TestFreeSpaceOfThisDisk asks the operating system.
func TestFreeSpaceOfThisDisk(t *testing.T) {
	s := open(t, store.Config{Dir: t.TempDir(), MinFree: 1})
	storetest.Put(t, s, storetest.User("u", "t"))
	s = open(t, store.Config{Dir: t.TempDir(), MinFree: 1 << 62})
	_, err := s.Apply(t.Context(), []store.Op{{Entity: storetest.User("u", "t")}})
	code(t, err, authz.CodeUnavailable, fmt.Sprintf("below %d no write is taken", 1<<62))
}
