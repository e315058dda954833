package daemon_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/config"
	"github.com/verdict-pdp/verdict/cmd/daemon"
	"github.com/verdict-pdp/verdict/store"
)

func settings(t *testing.T, dir string) daemon.Config {
	c := config.Default()
	c.Data, c.Listen, c.AdminListen = dir, "127.0.0.1:0", "127.0.0.1:0"
	c.Engine.Timeout = 5 * time.Second // the race detector and a busy machine are slow
	return daemon.Config{Config: c, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
}

// open opens a daemon and closes it when the test ends, unless the test did.
func open(t *testing.T, c daemon.Config) *daemon.Daemon {
	t.Helper()
	d, err := daemon.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func TestFirstKeysAreMadeOnce(t *testing.T) {
	dir := t.TempDir()
	d := open(t, settings(t, dir))
	want := []string{filepath.Join(dir, "keys", "operator.key"), filepath.Join(dir, "keys", "pep.key")}
	if diff := cmp.Diff(want, d.Written); diff != "" {
		t.Fatal(diff)
	}
	before := map[string]string{}
	for _, file := range want {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != 0o600 {
			t.Errorf("%s has mode %v", file, info.Mode())
		}
		before[file] = read(t, file)
		if !strings.HasPrefix(before[file], "vk_") {
			t.Errorf("%s holds no key", file)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}

	again := open(t, settings(t, dir))
	if len(again.Written) != 0 {
		t.Errorf("made keys again: %v", again.Written)
	}
	for file, text := range before {
		if read(t, file) != text {
			t.Errorf("%s changed", file)
		}
	}
}

func TestDemoIsSetUpOnce(t *testing.T) {
	dir := t.TempDir()
	c := settings(t, dir)
	c.Demo = true
	d := open(t, c)
	const grant = "plan:business/email.invoice.issued"
	if _, err := d.Apply(t.Context(), []store.Op{{Collection: authz.Entitlements, Key: grant}}); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}

	again := open(t, c)
	_, err := again.Apply(t.Context(), []store.Op{{Collection: authz.Entitlements, Key: grant}})
	if got := authz.CodeOf(err); got != authz.CodeNotFound {
		t.Errorf("a grant that was removed came back at the next start: %v", err)
	}
}

// TestDemoIsOfTheDayOfItsFirstStart: years after its data was written nothing in it has
// ended, and a later start leaves the dates as the first one stored them.
func TestDemoIsOfTheDayOfItsFirstStart(t *testing.T) {
	c := settings(t, t.TempDir())
	c.Demo = true
	gesture := func(now time.Time) time.Time {
		t.Helper()
		c.Now = func() time.Time { return now }
		d := open(t, c)
		e, err := d.Entity(authz.Entitlements, "user:u-fay/email.invoice.issued")
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		return e.(*authz.Entitlement).ExpiresAt
	}
	first := time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC)
	want := time.Date(2031, 5, 14, 23, 59, 59, 0, time.UTC)
	if got := gesture(first); !got.Equal(want) {
		t.Errorf("a grant of eight days ends at %s, want %s", got, want)
	}
	if got := gesture(first.AddDate(0, 0, 3)); !got.Equal(want) {
		t.Errorf("after a later start it ends at %s, want %s as stored", got, want)
	}
}

// TestFailedOpenLeavesNothingOpen: the directory can be used again at once.
func TestFailedOpenLeavesNothingOpen(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	tests := map[string]struct {
		change func(*daemon.Config)
		says   string
	}{
		"broken policy": {func(c *daemon.Config) {
			c.PolicyFiles = fstest.MapFS{"a.rego": {Data: []byte("package a\nallow if {")}}
		}, "loading the policies"},
		"no policies": {func(c *daemon.Config) { c.PolicyFiles = fstest.MapFS{} }, "loading the policies"},
		"port taken":  {func(c *daemon.Config) { c.Listen = taken.Addr().String() }, "listening"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c := settings(t, dir)
			test.change(&c)
			d, err := daemon.Open(t.Context(), c)
			if err == nil {
				d.Close()
				t.Fatal("opened")
			}
			if !strings.Contains(err.Error(), test.says) {
				t.Errorf("%q does not say %q", err, test.says)
			}
			open(t, settings(t, dir))
		})
	}
}

func TestSecondDaemonIsRefused(t *testing.T) {
	dir := t.TempDir()
	open(t, settings(t, dir))
	_, err := daemon.Open(t.Context(), settings(t, dir))
	if err == nil || !strings.Contains(err.Error(), "in use") {
		t.Error(err)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	d := open(t, settings(t, t.TempDir()))
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// failing is a listener that breaks at its first connection.
type failing struct{ net.Listener }

func (failing) Accept() (net.Conn, error) { return nil, errors.New("out of sockets") }

func TestRunNamesWhatFailed(t *testing.T) {
	c := settings(t, t.TempDir())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.AdminListener = failing{listener}
	if err := open(t, c).Run(t.Context()); err == nil || err.Error() != "serving admin: out of sockets" {
		t.Errorf("Run ended with %v, want the listener that failed and why", err)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := fs.ReadFile(os.DirFS(filepath.Dir(file)), filepath.Base(file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
