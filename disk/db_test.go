package disk_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/disk"
)

var errClosed, errNoSpace = errors.New("closed"), errors.New("no space")

// options are for a database in dir, on a disk of which free tells. What is logged is in
// log.
func options(dir string, free func(string) (uint64, error), log *bytes.Buffer) disk.Options {
	return disk.Options{
		Name: "the shelf", Engine: "engine of the shelf", Dir: dir,
		MemTableSize: 8 << 20, BlockCache: 1 << 20, IndexCache: 1 << 20,
		MinFree: 1000, Free: free, Now: time.Now,
		NoSpace: func(free, need uint64, cause error) error {
			return fmt.Errorf("%w: %d of %d, %w", errNoSpace, free, need, cause)
		},
		Low: "no space", Enough: "space again",
		Closed: func() error { return errClosed },
		Log:    slog.New(slog.NewTextHandler(log, nil)),
	}
}

func lots(string) (uint64, error) { return 1 << 40, nil }

func open(t *testing.T, o disk.Options) *disk.DB {
	t.Helper()
	db, err := disk.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(db.Shut); err != nil {
			t.Error(err)
		}
	})
	return db
}

// TestOpen says what an operator can do when it fails.
func TestOpen(t *testing.T) {
	dir := t.TempDir()
	var log bytes.Buffer
	used, damaged, locked := filepath.Join(dir, "used"), filepath.Join(dir, "damaged"), filepath.Join(dir, "locked")
	open(t, options(used, lots, &log))
	if err := os.MkdirAll(filepath.Join(damaged, "MANIFEST"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(locked, 0o500); err != nil {
		t.Fatal(err)
	}
	full := func(string) (uint64, error) { return 15 << 20, nil }
	unreadable := func(string) (uint64, error) { return 0, errBroken }
	notThere := func(string) (uint64, error) { return 0, fs.ErrNotExist }
	for name, test := range map[string]struct {
		dir  string
		free func(string) (uint64, error)
		min  int64
		code authz.ErrorCode
		says string
	}{
		"in use":                {used, lots, 1000, authz.CodeConflict, "the shelf " + used + " is in use by another Verdict process; stop it or choose another directory"},
		"damaged":               {damaged, lots, 1000, authz.CodeInternal, "the shelf " + damaged + " cannot be opened: "},
		"no permission":         {locked, lots, 1000, authz.CodeUnavailable, "the shelf " + locked + " cannot be opened: permission denied"},
		"full disk":             {filepath.Join(dir, "a"), full, 1 << 30, authz.CodeUnavailable, "a cannot be opened: its disk has 15728640 bytes free, and opening needs 16777216; free or add space"},
		"less is asked for":     {filepath.Join(dir, "b"), full, 15 << 20, "", ""},
		"space cannot be read":  {filepath.Join(dir, "c"), unreadable, 1000, authz.CodeUnavailable, "c cannot be opened: its free space cannot be read"},
		"not there yet":         {filepath.Join(dir, "d"), notThere, 1 << 30, "", ""},
		"space does not matter": {filepath.Join(dir, "e"), unreadable, -1, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(test.dir, test.free, &log)
			o.MinFree = test.min
			var db *disk.DB
			var err error
			open := func() { db, err = disk.Open(o) }
			if name == "no permission" {
				unprivileged(t, open)
			} else {
				open()
			}
			if authz.CodeOf(err) != test.code || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("code %q of %v; want %q, saying %q", authz.CodeOf(err), err, test.code, test.says)
			}
			if err == nil {
				if err := db.Close(db.Shut); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestManaged opens databases whose commits have the versions that the caller chooses,
// and others.
func TestManaged(t *testing.T) {
	for _, managed := range []bool{false, true} {
		o := options("", lots, new(bytes.Buffer))
		o.InMemory, o.Managed = true, managed
		db := open(t, o)
		var err error
		if managed {
			txn := db.NewTransactionAt(7, true)
			defer txn.Discard()
			err = errors.Join(txn.Set([]byte("k"), []byte("v")), txn.CommitAt(7, nil))
		} else {
			err = db.Update(func(txn *badger.Txn) error { return txn.Set([]byte("k"), []byte("v")) })
		}
		if err != nil {
			t.Errorf("managed %t: %v", managed, err)
		}
	}
}

// TestEngineLog: Badger's errors and warnings are passed on, its chatter is not.
func TestEngineLog(t *testing.T) {
	var log bytes.Buffer
	o := options("", lots, &log)
	o.InMemory = true
	l := open(t, o).Opts().Logger
	log.Reset()
	l.Errorf("no %s\n", "luck")
	l.Warningf("little %s", "luck")
	l.Infof("fine")
	l.Debugf("fine")
	got := log.String()
	for _, want := range []string{`level=ERROR msg="engine of the shelf" says="no luck"`, `level=WARN msg="engine of the shelf" says="little luck"`} {
		if !strings.Contains(got, want) {
			t.Errorf("logged %q; want %q in it", got, want)
		}
	}
	if strings.Contains(got, "fine") {
		t.Errorf("logged %q; want no chatter", got)
	}
}

// space is a disk whose free space a test sets.
type space struct {
	free  uint64
	err   error
	asked int
}

func (s *space) of(string) (uint64, error) { s.asked++; return s.free, s.err }

// TestSpace: below the floor writes are refused, and that is logged when it begins and
// when it ends.
func TestSpace(t *testing.T) {
	var log bytes.Buffer
	s := &space{free: 1 << 30}
	db := open(t, options(t.TempDir(), s.of, &log))
	log.Reset()
	for i, at := range []struct {
		free    uint64
		err     error
		refused bool
		logged  string
	}{
		{1000, nil, false, ""},
		{999, nil, true, `level=ERROR msg="no space"`},
		{998, nil, true, ""},
		{1 << 40, errBroken, true, ""},
		{1000, nil, false, `level=INFO msg="space again"`},
		{1001, nil, false, ""},
		{0, errBroken, true, `level=ERROR msg="no space"`},
	} {
		s.free, s.err = at.free, at.err
		err := db.CheckSpace()
		if errors.Is(err, errNoSpace) != at.refused || (err != nil) != at.refused || !errors.Is(err, at.err) && at.err != nil {
			t.Errorf("%d: with %d bytes, error %v: %v; want a refusal %t", i, at.free, at.err, err, at.refused)
		}
		if got := log.String(); !strings.Contains(got, at.logged) || (got == "") != (at.logged == "") {
			t.Errorf("%d: logged %q, want %q", i, got, at.logged)
		}
		log.Reset()
	}
	s.free, s.err = 500, nil
	if err := db.SpaceAbove(500); err != nil {
		t.Errorf("above a floor of its own: %v", err)
	}
	if err := db.SpaceAbove(501); !errors.Is(err, errNoSpace) {
		t.Errorf("below a floor of its own: %v, want a refusal", err)
	}
	if log.Len() > 0 {
		t.Errorf("SpaceAbove logged %q, want nothing", &log)
	}
}

// TestSpaceOfLevelZero is asked for on top of the floor.
func TestSpaceOfLevelZero(t *testing.T) {
	dir := t.TempDir()
	s := &space{free: 1 << 30}
	o := options(dir, s.of, new(bytes.Buffer))
	db, err := disk.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(func(txn *badger.Txn) error { return txn.Set([]byte("k"), make([]byte, 10_000)) }); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(db.Shut); err != nil { // what is in memory becomes a table of level 0
		t.Fatal(err)
	}
	db = open(t, o)
	level0 := uint64(db.Levels()[0].Size)
	if level0 == 0 {
		t.Fatal("level 0 is empty, want a table there")
	}
	s.free = 1000 + level0
	if err := db.CheckSpace(); err != nil {
		t.Errorf("with the floor and what level 0 has: %v", err)
	}
	if s.free--; !errors.Is(db.CheckSpace(), errNoSpace) {
		t.Error("with a byte less: no refusal, want one")
	}
}

// TestSpaceIsNotAskedForAlways: a good answer holds for a while, a bad one does not, and
// a clock that was set back ends it.
func TestSpaceIsNotAskedForAlways(t *testing.T) {
	now := time.Unix(1000, 0)
	s := &space{free: 1 << 30}
	o := options(t.TempDir(), s.of, new(bytes.Buffer))
	o.FreeHolds, o.Now = time.Second, func() time.Time { return now }
	db := open(t, o)
	s.asked = 0
	for i, at := range []struct {
		after time.Duration
		free  uint64
		asked int
		fails bool
	}{
		{0, 1000, 1, false},
		{999 * time.Millisecond, 0, 1, false},
		{time.Millisecond, 0, 2, true},
		{0, 0, 3, true},
		{0, 1000, 4, false},
		{0, 0, 4, false},
		{-time.Minute, 1000, 5, false},
	} {
		now, s.free = now.Add(at.after), at.free
		if err := db.CheckSpace(); (err != nil) != at.fails || s.asked != at.asked {
			t.Errorf("%d: %v, asked %d times; want an error %t, asked %d times", i, err, s.asked, at.fails, at.asked)
		}
	}
}

// TestSpaceThatDoesNotMatter is not asked for.
func TestSpaceThatDoesNotMatter(t *testing.T) {
	s := &space{err: errBroken}
	inMemory, any := options("", s.of, new(bytes.Buffer)), options(t.TempDir(), s.of, new(bytes.Buffer))
	inMemory.InMemory, any.MinFree = true, -1
	for name, o := range map[string]disk.Options{"in memory": inMemory, "any space will do": any} {
		if err := open(t, o).CheckSpace(); err != nil || s.asked > 0 {
			t.Errorf("%s: %v, asked %d times; want neither", name, err, s.asked)
		}
	}
}

func TestFailure(t *testing.T) {
	o := options("", lots, new(bytes.Buffer))
	o.InMemory = true
	db := open(t, o)
	if err := db.Failure(); err != nil {
		t.Errorf("of one that is well: %v", err)
	}
	db.Fail(errBroken)
	if err := db.Failure(); !errors.Is(err, errBroken) {
		t.Errorf("Failure: %v, want %v", err, errBroken)
	}
	if err := db.Enter(); err != nil {
		t.Errorf("it cannot be read any more: %v", err)
	}
	db.Leave()
}

// TestClose: closing waits for those that entered, lets none in after that, and is done once.
func TestClose(t *testing.T) {
	o := options("", lots, new(bytes.Buffer))
	o.InMemory = true
	db, err := disk.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		if err := db.Enter(); err != nil {
			t.Fatal(err)
		}
		began, ended := make(chan struct{}), make(chan error, 2)
		last := func() error {
			close(began)
			return errors.Join(db.Shut(), errBroken)
		}
		go func() { ended <- db.Close(last) }()
		<-began
		select {
		case <-db.Closing():
		default:
			t.Error("Closing is open while it is closed")
		}
		go func() { ended <- db.Close(func() error { t.Error("it was closed twice"); return nil }) }()
		if db.IsClosed() {
			t.Error("closed before Leave")
		}
		db.Leave()
		for range 2 {
			if err := <-ended; !errors.Is(err, errBroken) {
				t.Errorf("Close: %v, want what the first one returned", err)
			}
		}
		if !db.IsClosed() {
			t.Error("the Badger is open, want it closed")
		}
		if err := db.Enter(); !errors.Is(err, errClosed) {
			t.Errorf("Enter: %v, want %v", err, errClosed)
		}
	})
}
