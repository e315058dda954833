package bundles

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/verdict-pdp/verdict/authz"
)

// Bounds of the lines that are shown.
const (
	maxDiffText  = 1 << 20  // bytes of a file that is compared line by line
	maxDiffLines = 32 << 10 // bytes of the lines of one file
	maxDiffTotal = 1 << 20  // bytes of the lines of all files
)

// setFile is where a file of a set is.
type setFile struct{ bundle, path string }

// DiffFiles lists the files that differ from a to b, by bundle and path.
// Signatures are no part of it: they differ whenever anything does.
func DiffFiles(a, b []Member) []authz.FileDiff {
	before, after := filesOf(a), filesOf(b)
	all := maps.Clone(before)
	maps.Copy(all, after)
	places := slices.SortedFunc(maps.Keys(all), func(x, y setFile) int {
		return cmp.Or(cmp.Compare(x.bundle, y.bundle), cmp.Compare(x.path, y.path))
	})
	var diffs []authz.FileDiff
	room := maxDiffTotal
	for _, place := range places {
		old, wasThere := before[place]
		now, isThere := after[place]
		if wasThere && isThere && bytes.Equal(old, now) {
			continue
		}
		d := authz.FileDiff{Bundle: place.bundle, Path: place.path, Change: changeOf(wasThere, isThere)}
		if room > 0 {
			d.Lines = linesOf(&d, old, now)
			room -= len(d.Lines)
		}
		diffs = append(diffs, d)
	}
	return diffs
}

func filesOf(set []Member) map[setFile][]byte {
	files := map[setFile][]byte{}
	for _, m := range set {
		for _, f := range m.Files {
			files[setFile{m.Name, f.Path}] = f.Bytes
		}
	}
	return files
}

func changeOf(wasThere, isThere bool) string {
	switch {
	case !wasThere:
		return authz.FileAdded
	case !isThere:
		return authz.FileRemoved
	}
	return authz.FileChanged
}

// linesOf is the difference of a file in unified form.
func linesOf(d *authz.FileDiff, old, now []byte) string {
	if !isText(old) || !isText(now) {
		return ""
	}
	name := d.Bundle + "/" + d.Path
	from, to := name, name
	switch d.Change {
	case authz.FileAdded:
		from = "/dev/null"
	case authz.FileRemoved:
		to = "/dev/null"
	}
	unified := string(diff.Diff(from, old, to, now))
	_, unified, _ = strings.Cut(unified, "\n") // "diff from to" is no part of the form
	return cutOff(unified)
}

func isText(content []byte) bool {
	return len(content) <= maxDiffText && utf8.Valid(content) && !bytes.ContainsRune(content, 0)
}

// cutOff keeps whole lines up to maxDiffLines bytes and says how many are missing.
func cutOff(lines string) string {
	if len(lines) <= maxDiffLines {
		return lines
	}
	end := strings.LastIndexByte(lines[:maxDiffLines], '\n') + 1
	return fmt.Sprintf("%s\\ %d more lines\n", lines[:end], strings.Count(lines[end:], "\n"))
}
