package api

import (
	"errors"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// maxSocketPath is how long the path of a socket may be on every system, in bytes.
const maxSocketPath = 103

// socketRoom is what a path of a folder needs beside it: a server makes its socket
// in a folder of its own there, "/.v0123456789/s", and then moves it.
const socketRoom = 15

// Socket is the address of a Unix socket: unix:/run/verdict.sock, also written
// unix:///run/verdict.sock. A server may be told the mode of the file as well, as
// in unix:/run/verdict.sock|0660.
type Socket struct {
	Path string
	Mode fs.FileMode // 0600 unless written: the user of the server alone
}

// ParseSocket reads the address of a Unix socket. It returns nil without an error for
// an address of another kind; the error of one that cannot be continues
// "the address".
func ParseSocket(address string) (*Socket, error) {
	text, ok := strings.CutPrefix(address, "unix:")
	if !ok {
		return nil, nil
	}
	name, mode, given := strings.Cut(strings.TrimPrefix(text, "//"), "|")
	s := &Socket{Path: path.Clean(name), Mode: 0o600}
	switch {
	case !path.IsAbs(name) || s.Path == "/" || strings.ContainsRune(name, 0):
		return nil, errors.New("names no socket; write its whole path, such as unix:/run/verdict/admin.sock")
	case len(s.Path) > maxSocketPath || len(path.Dir(s.Path))+socketRoom > maxSocketPath:
		return nil, errors.New("is too long a path for a socket; systems take about 100 bytes")
	}
	if given {
		bits, err := strconv.ParseUint(mode, 8, 32)
		if err != nil || bits > 0o777 || bits&0o600 != 0o600 {
			return nil, errors.New("has a mode that is not one of 0600 to 0777, such as unix:/run/verdict/admin.sock|0660")
		}
		s.Mode = fs.FileMode(bits)
	}
	return s, nil
}

// String is the address without its mode.
func (s *Socket) String() string { return "unix:" + s.Path }
