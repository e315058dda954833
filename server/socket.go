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

// ListenError is why the address of a listener cannot be opened.
type ListenError struct {
	Listener Listener
	Err      error  // what is wrong, with the address of a socket but not of a port
	Do       string // what to do about it, before another address is chosen; may be empty
}

// Error names the listener, its address and what to do.
func (e *ListenError) Error() string {
	text := fmt.Sprintf("listener %s at %s: %v; ", e.Listener.Name, e.Listener.Addr, e.Err)
	if e.Do != "" {
		text += e.Do + ", or "
	}
	return text + "set " + e.Listener.setting() + " to another address"
}

// Unwrap returns what is wrong.
func (e *ListenError) Unwrap() error { return e.Err }

// Open opens the address of a listener, or is Net. The error is a *ListenError.
func (l Listener) Open() (net.Listener, error) {
	if l.Net != nil {
		return l.Net, nil
	}
	socket, err := api.ParseSocket(l.Addr)
	if err != nil {
		return nil, &ListenError{Listener: l, Err: fmt.Errorf("the address %q %w", l.Addr, err)}
	}
	if socket != nil {
		opened, err := openSocket(socket)
		if err != nil {
			return nil, &ListenError{Listener: l, Err: err.error, Do: err.do}
		}
		return opened, nil
	}
	opened, err := net.Listen("tcp", l.Addr)
	if err != nil {
		return nil, &ListenError{Listener: l, Err: err, Do: firstTry(err)}
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
		return "stop what listens there"
	case errors.Is(err, syscall.EACCES):
		return "run with the privilege that ports below 1024 need"
	}
	return ""
}

// advised is an error, and what to do about it.
type advised struct {
	error
	do string
}

func advise(do, format string, args ...any) *advised {
	return &advised{fmt.Errorf(format, args...), do}
}

// socketFile is a Unix socket that is removed when it is closed.
type socketFile struct {
	net.Listener
	path string
	made fs.FileInfo
}

// openSocket listens at a Unix socket. The file never has another mode than the one
// wanted, whatever the umask: it is made in a private folder, and moved.
// A socket that a process left behind is replaced; one that is in use is not.
func openSocket(s *api.Socket) (net.Listener, *advised) {
	if refused := replaceable(s.Path); refused != nil {
		return nil, refused
	}
	private, err := os.MkdirTemp(filepath.Dir(s.Path), ".v")
	if err != nil {
		return nil, advise("make its folder, writable by this user", "the socket cannot be made: %w", err)
	}
	defer os.RemoveAll(private) // at worst an empty folder stays, which harms nothing
	made := filepath.Join(private, "s")
	listening, err := net.ListenUnix("unix", &net.UnixAddr{Name: made, Net: "unix"})
	if err != nil {
		return nil, advise("name a folder of a file system that takes sockets", "the socket cannot be made: %w", err)
	}
	listening.SetUnlinkOnClose(false) // it will not be there
	file := &socketFile{Listener: listening, path: s.Path}
	if err := file.moveTo(made, s.Mode); err != nil {
		return nil, advise("make its folder writable by this user", "the socket cannot be put in place: %w", errors.Join(err, listening.Close()))
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

// replaceable returns an error for a path with anything but the socket of a dead process.
func replaceable(path string) *advised {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return advise("let this user search its folder", "the socket cannot be made: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return advise("move it away", "%s is there and is no socket", path)
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		conn.Close() // nothing was said on it
		return advise("stop that process", "%s is in use by a process that listens there", path)
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil
	}
	return advise("remove the file when none does", "it cannot be found out whether a process listens at %s: %w", path, err)
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
