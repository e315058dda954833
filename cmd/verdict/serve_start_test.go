package main_test

import (
	"errors"
	"io/fs"
	"math"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/verdict-pdp/verdict/cmd/config"
	"github.com/verdict-pdp/verdict/cmd/daemon"
	verdict "github.com/verdict-pdp/verdict/cmd/verdict"
	"github.com/verdict-pdp/verdict/server"
)

// takenCommand is `taken ADDRESS`: it sees to it that a process listens there.
func takenCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: taken ADDRESS")
	}
	listener, err := net.Listen("tcp", args[0])
	if errors.Is(err, syscall.EADDRINUSE) {
		return
	}
	ts.Check(err)
	ts.Defer(func() { listener.Close() })
}

// certificatesCommand is `certificates FOLDER`: server is good, other is of another key,
// expired and early are not good now.
func certificatesCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: certificates FOLDER")
	}
	dir, authority := ts.MkAbs(args[0]), newAuthority()
	for name, good := range map[string]time.Duration{"server": time.Hour, "other": time.Hour, "expired": -time.Minute} {
		authority.issue(filepath.Join(dir, name), good)
	}
	authority.issueFrom(filepath.Join(dir, "early"), time.Now().Add(time.Hour), 2*time.Hour)
}

// What a machine for tests does not have: privileged ports, read-only and full disks.
func TestStartErrorsOfTheMachine(t *testing.T) {
	listening := func(err error) error {
		return verdict.NotListening(&server.ListenError{
			Listener: server.Listener{Name: "decisions", Addr: "127.0.0.1:443", Setting: "listen"},
			Err:      &net.OpError{Op: "listen", Net: "tcp", Err: os.NewSyscallError("bind", err)}, Do: "run with the privilege that ports below 1024 need",
		})
	}
	data := func(err error) error {
		return verdict.NotWritable("/srv/verdict", &fs.PathError{Op: "mkdir", Path: "/srv/verdict", Err: err})
	}
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"privileged port": {listening(syscall.EACCES), `verdict: the listener decisions cannot be opened at 127.0.0.1:443: this process may not listen at port 443
  field:   listen
  fix:     Run with the privilege that ports below 1024 need, or choose another address with --listen, $VERDICT_LISTEN or listen of the configuration file.
`},
		"read-only": {data(syscall.EROFS), `verdict: the data directory /srv/verdict cannot be used: its file system is read-only
  field:   data
  fix:     Mount it writable, or choose another directory with --data, $VERDICT_DATA or data of the configuration file.
`},
		"full": {data(syscall.ENOSPC), `verdict: the data directory /srv/verdict cannot be used: its disk is full, or has less free than store.min_free
  field:   data
  fix:     Make room, or choose another directory with --data, $VERDICT_DATA or data of the configuration file.
`},
		"quota": {data(syscall.EDQUOT), `verdict: the data directory /srv/verdict cannot be used: its disk is full, or has less free than store.min_free
  field:   data
  fix:     Make room, or choose another directory with --data, $VERDICT_DATA or data of the configuration file.
`},
		"broken disk": {data(syscall.EIO), `verdict: the data directory /srv/verdict cannot be used: input/output error
  field:   data
  fix:     Let this user write there, or choose another directory with --data, $VERDICT_DATA or data of the configuration file.
`},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, verdict.Told(test.err)); diff != "" {
				t.Errorf("what it says (-want +got):\n%s", diff)
			}
		})
	}
}

// A first start needs room for its keys; a node that has been started goes on deciding
// without, and so starts again.
func TestFirstStartWithoutRoom(t *testing.T) {
	c := config.Default()
	c.Store.MinFree = math.MaxInt64
	c.Data = filepath.Join(t.TempDir(), "data")
	want := "verdict: the data directory " + c.Data + ` cannot be used: its disk is full, or has less free than store.min_free
  field:   data
  fix:     Make room, or choose another directory with --data, $VERDICT_DATA or data of the configuration file.
`
	err := verdict.CheckData(c)
	if err == nil {
		t.Fatal("a first start without room goes on, want an error")
	}
	if diff := cmp.Diff(want, verdict.Told(err)); diff != "" {
		t.Errorf("what it says (-want +got):\n%s", diff)
	}
	if _, err := os.Stat(c.Data); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the data directory is left behind: %v", err)
	}
	if err := os.MkdirAll(daemon.StoreDir(c.Data), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := verdict.CheckData(c); err != nil {
		t.Errorf("a later start without room ends with %v, want it to go on", err)
	}
}
