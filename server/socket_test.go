//go:build unix

package server_test

import (
	"context"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/server"
	"github.com/verdict-pdp/verdict/server/servertest"
)

// socketIn is a path for a socket in a folder of its own: those of tests may be too
// long for one.
func socketIn(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "v")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return filepath.Join(dir, "node.sock")
}

// onSocket is a server with one listener at a socket.
func onSocket(t *testing.T, address string) *server.Server {
	t.Helper()
	s, err := server.New(configured(t, func(c *server.Config) { c.Listeners[0].Addr, c.Listeners[0].Setting = address, "third_listen" }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// listed is what is in the folder of a path.
func listed(t *testing.T, path string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// TestSocketHasItsMode, whatever the umask is.
func TestSocketHasItsMode(t *testing.T) {
	for _, umask := range []int{0, 0o022, 0o177} {
		for suffix, want := range map[string]fs.FileMode{"": 0o600, "|0660": 0o660, "|0777": 0o777} {
			path := socketIn(t)
			before := syscall.Umask(umask)
			s := onSocket(t, "unix:"+path+suffix)
			err := s.Listen()
			syscall.Umask(before)
			if err != nil {
				t.Fatal(err)
			}
			info, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			if got := info.Mode(); got != want|fs.ModeSocket {
				t.Errorf("%s with umask %o: mode %v, want %v", suffix, umask, got, want|fs.ModeSocket)
			}
			if diff := cmp.Diff([]string{"node.sock"}, listed(t, path)); diff != "" {
				t.Errorf("something else is left in the folder:\n%s", diff)
			}
			if got := s.Addr("third").String(); got != path {
				t.Errorf("the address is %s, want %s", got, path)
			}
		}
	}
}

// TestSocketIsServedAndRemoved: requests come by it, the log says so, and it is gone
// when the server has ended.
func TestSocketIsServedAndRemoved(t *testing.T) {
	path := socketIn(t)
	node := servertest.Start(t, func(c *servertest.Config) {
		c.Listeners = []server.Listener{{Name: "third", Addr: "unix://" + path, Rooms: []server.Room{greeting{}}}}
	})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		request, err := http.NewRequestWithContext(t.Context(), method, "http://localhost/v1/greeting", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+node.Key("decide"))
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		if err := response.Body.Close(); err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != http.StatusOK {
			t.Errorf("%s: %d, want 200", method, response.StatusCode)
		}
	}
	node.Stop()
	if err := <-node.Done; err != nil {
		t.Error(err)
	}
	if names := listed(t, path); len(names) > 0 {
		t.Errorf("%v are left, want nothing", names)
	}
	if log := node.Log.String(); !strings.Contains(log, "peer=unix") {
		t.Errorf("the log does not say that the peer came by a socket:\n%s", log)
	}
}

// TestStaleSocketIsReplaced: a killed process leaves its socket behind.
func TestStaleSocketIsReplaced(t *testing.T) {
	path := socketIn(t)
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	if err := onSocket(t, "unix:"+path).Listen(); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatalf("nobody listens at the new one: %v", err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
}

func TestSocketsThatAreRefused(t *testing.T) {
	live, file, link, orphan := socketIn(t), socketIn(t), socketIn(t), filepath.Join(socketIn(t), "node.sock")
	if err := onSocket(t, "unix:"+live).Listen(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(live, link); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		path string
		says []string
	}{
		"live":      {live, []string{live + " is in use by a process that listens there; stop that process"}},
		"a file":    {file, []string{file + " is there and is no socket; move it away"}},
		"a link":    {link, []string{link + " is there and is no socket"}},
		"no folder": {orphan, []string{"no such file or directory", "make its folder"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := onSocket(t, "unix:"+test.path).Listen()
			for _, want := range append(test.says, "listener third at unix:"+test.path, "set third_listen to another address") {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want an error that says %q", err, want)
				}
			}
		})
	}
	if text, err := os.ReadFile(file); string(text) != "precious" {
		t.Errorf("the file has %q, %v; want it untouched", text, err)
	}
	conn, err := net.Dial("unix", live)
	if err != nil {
		t.Fatalf("the live socket does not answer any more: %v", err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
}

// TestSocketOfAnotherIsLeft: a file that is no longer ours is not removed.
func TestSocketOfAnotherIsLeft(t *testing.T) {
	path := socketIn(t)
	s := onSocket(t, "unix:"+path)
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("it is gone: %v", err)
	}
}
