package bundles

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"unicode"
)

// maxPath bounds the path of an entry, in bytes.
const maxPath = 512

// unpacker reads the files of one packed bundle.
type unpacker struct {
	limits  Limits
	packed  *bytes.Reader
	stream  *io.LimitedReader // what packed unpacks to; nothing left: it is too large
	tar     *tar.Reader
	seen    map[string]bool // :: path of a file -> true
	entries int
	bytes   int64
	files   []File
}

// unpack reads every file of a gzipped tar, and that it ends where it should.
func unpack(packed []byte, l Limits) ([]File, error) {
	u := unpacker{limits: l, packed: bytes.NewReader(packed), seen: map[string]bool{}}
	unzipped, err := gzip.NewReader(u.packed)
	if err != nil {
		return nil, malformed("is not a gzipped tar: " + err.Error())
	}
	unzipped.Multistream(false)
	u.stream = &io.LimitedReader{R: unzipped, N: l.stream() + 1}
	u.tar = tar.NewReader(u.stream)
	for {
		header, err := u.tar.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, u.broken(err)
		}
		if err := u.entry(header); err != nil {
			return nil, err
		}
	}
	return u.files, u.end()
}

// bundleFile names a packed bundle where no file of it is meant.
const bundleFile = "bundle"

func malformed(message string) error {
	return Problems{{File: bundleFile, Message: message, Fix: "make it with `opa build --bundle` or `verdict bundle build`"}}.err()
}

// broken is the error for a tar that cannot be read on.
func (u *unpacker) broken(err error) error {
	if u.stream.N <= 0 {
		return tooLarge(bundleFile, "unpacks to more than %d bytes", u.limits.stream())
	}
	return malformed("is not a whole gzipped tar: " + err.Error())
}

// entry takes one entry of the tar.
func (u *unpacker) entry(header *tar.Header) error {
	u.entries++
	if u.entries > u.limits.Files {
		return tooLarge(bundleFile, "has more than %d entries", u.limits.Files)
	}
	if u.overhead() > int64(u.entries)*entryOverhead {
		return tooLarge(bundleFile, "has headers of more than %d bytes an entry", entryOverhead)
	}
	switch header.Typeflag {
	case tar.TypeDir:
		return checkFolder(header.Name)
	case tar.TypeReg:
		return u.file(header)
	}
	return Problems{{File: shownPath(header.Name), Message: "is neither a file nor a folder", Fix: "remove it; a bundle has files and folders only"}}.err()
}

// overhead is how much of what was unpacked is in none of the files.
func (u *unpacker) overhead() int64 { return u.limits.stream() + 1 - u.stream.N - u.bytes }

// checkFolder refuses the entry of a folder that a file could not lie in. The
// root may have one too: "./" or "/".
func checkFolder(name string) error {
	switch name = strings.TrimSuffix(name, "/"); name {
	case "", ".":
		return nil
	}
	_, err := entryPath(name)
	return err
}

// file takes one file, whose size is bounded before memory is set aside for it.
func (u *unpacker) file(header *tar.Header) error {
	name, err := entryPath(header.Name)
	if err != nil {
		return err
	}
	if u.seen[name] {
		return Problems{{File: name, Message: "is in the bundle twice", Fix: "keep one of them"}}.err()
	}
	u.seen[name] = true
	if header.Size > u.limits.FileBytes {
		return tooLarge(name, "is larger than %d bytes", u.limits.FileBytes)
	}
	if u.bytes += header.Size; u.bytes > u.limits.Bytes {
		return tooLarge(name, "takes the bundle over %d bytes", u.limits.Bytes)
	}
	content := make([]byte, header.Size)
	if _, err := io.ReadFull(u.tar, content); err != nil {
		return u.broken(err)
	}
	u.files = append(u.files, File{Path: name, Bytes: content})
	return nil
}

// entryPath is the one path that a name in a tar stands for. A leading "/", as
// `opa build` writes it, and a leading "./", as tar does, are taken off.
func entryPath(name string) (string, error) {
	path, ok := strings.CutPrefix(name, "./")
	if !ok {
		path = strings.TrimPrefix(name, "/")
	}
	switch {
	case len(path) > maxPath:
		return "", Problems{{File: shownPath(name), Message: "has a path of more than " + strconv.Itoa(maxPath) + " bytes", Fix: "shorten it"}}.err()
	case !fs.ValidPath(path) || path == "." || strings.ContainsFunc(path, unusual):
		return "", Problems{{File: shownPath(name), Message: "is no path within the bundle", Fix: `write it as folder/file, without "..", "\" and control characters`}}.err()
	}
	return path, nil
}

func unusual(r rune) bool { return r == '\\' || unicode.IsControl(r) }

// shownPath is a name that may hold anything, for a message.
func shownPath(name string) string {
	return strconv.QuoteToASCII(name[:min(len(name), 100)])
}

// end checks what comes after the last entry: padding, the checksum and nothing.
func (u *unpacker) end() error {
	var padding [4 << 10]byte
	for {
		n, err := u.stream.Read(padding[:])
		if len(bytes.Trim(padding[:n], "\x00")) > 0 {
			return malformed("has data after the end of its tar")
		}
		switch {
		case u.stream.N <= 0:
			return u.broken(err)
		case errors.Is(err, io.EOF):
			if u.packed.Len() > 0 {
				return malformed("has data after the end of its gzip stream")
			}
			return nil
		case err != nil:
			return u.broken(err)
		}
	}
}
