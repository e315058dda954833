package server

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/verdict-pdp/verdict/api"
)

// open opens the address of a listener. The error names it, and what to do.
func (l Listener) open() (net.Listener, error) {
	if l.Net != nil {
		return l.Net, nil
	}
	socket, err := api.ParseSocket(l.Addr)
	if err != nil {
		return nil, fmt.Errorf("listener %s: the address %q %w", l.Name, l.Addr, err)
	}
	if socket != nil {
		opened, err := openSocket(socket)
		if err != nil {
			return nil, fmt.Errorf("listener %s at %s: %w, or set %s to another address", l.Name, socket, err, l.setting())
		}
		return opened, nil
	}
	opened, err := net.Listen("tcp", l.Addr)
	if err != nil {
		return nil, fmt.Errorf("listener %s at %s: %w; %sset %s to another address", l.Name, l.Addr, err, firstTry(err), l.setting())
	}
	return opened, nil
}

func (l Listener) setting() string {
	if l.Setting != "" {
		return l.Setting
	}
	return "it"
}

// firstTry is what to do about an address that cannot be opened, before another one
// is chosen.
func firstTry(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "stop what listens there, or "
	case errors.Is(err, syscall.EACCES):
		return "run with the privilege that ports below 1024 need, or "
	}
	return ""
}

// socketFile is a Unix socket that is removed when it is closed.
type socketFile struct {
	net.Listener
	path string
	made fs.FileInfo
}

// openSocket listens at a Unix socket. The file never has another mode than the one
// wanted, whatever the umask: it is made where nobody else can reach it, and moved.
// A socket that a process left behind is replaced; one that is in use is not.
func openSocket(s *api.Socket) (net.Listener, error) {
	if err := replaceable(s.Path); err != nil {
		return nil, err
	}
	private, err := os.MkdirTemp(filepath.Dir(s.Path), ".v")
	if err != nil {
		return nil, fmt.Errorf("the socket cannot be made: %w; make its folder, writable by this user", err)
	}
	defer os.RemoveAll(private) // at worst an empty folder stays, which harms nothing
	made := filepath.Join(private, "s")
	listening, err := net.ListenUnix("unix", &net.UnixAddr{Name: made, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("the socket cannot be made: %w; name a folder of a file system that takes sockets", err)
	}
	listening.SetUnlinkOnClose(false) // it will not be there
	file := &socketFile{Listener: listening, path: s.Path}
	if err := file.moveTo(made, s.Mode); err != nil {
		return nil, errors.Join(fmt.Errorf("the socket cannot be put in place: %w; make its folder writable by this user", err), listening.Close())
	}
	return file, nil
}

func (f *socketFile) moveTo(made string, mode fs.FileMode) (err error) {
	if err := os.Chmod(made, mode); err != nil {
		return err
	}
	if f.made, err = os.Lstat(made); err != nil {
		return err
	}
	return os.Rename(made, f.path)
}

// replaceable refuses a path where something is that no dead process left.
func replaceable(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("the socket cannot be made: %w; let this user search its folder", err)
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s is there and is no socket; move it away", path)
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		return errors.Join(fmt.Errorf("%s is in use by a process that listens there; stop that process", path), conn.Close())
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil
	}
	return fmt.Errorf("it cannot be found out whether a process listens at %s: %w; remove the file when none does", path, err)
}

// Addr implements net.Listener: where the socket is, not where it was made.
func (f *socketFile) Addr() net.Addr { return &net.UnixAddr{Name: f.path, Net: "unix"} }

// Close implements net.Listener. The file is removed unless another process has put
// its own there.
func (f *socketFile) Close() error {
	var err error
	if there, failed := os.Lstat(f.path); failed == nil && os.SameFile(there, f.made) {
		err = os.Remove(f.path)
	}
	return errors.Join(err, f.Listener.Close())
}
