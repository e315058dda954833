package bundles

import (
	"cmp"

	"github.com/verdict-pdp/verdict/authz"
)

// Bounds of a policy set, by bytes actually read.
const (
	MaxFiles     = 2000     // files of the kinds that are read; in a packed bundle, entries of any kind
	MaxFileBytes = 4 << 20  // one file
	MaxBytes     = 64 << 20 // all of them
)

// Limits bound what a bundle may cost before anything is known about it. Zero
// fields mean the defaults.
type Limits struct {
	Packed    int64 // bytes as it travels; authz.DefaultBundleSize
	Bytes     int64 // bytes of all its files; MaxBytes
	FileBytes int64 // bytes of one file; MaxFileBytes
	Files     int   // its entries, folders and ignored files too; MaxFiles
}

func (l Limits) orDefaults() Limits {
	return Limits{
		Packed:    cmp.Or(l.Packed, authz.DefaultBundleSize),
		Bytes:     cmp.Or(l.Bytes, MaxBytes),
		FileBytes: cmp.Or(l.FileBytes, MaxFileBytes),
		Files:     cmp.Or(l.Files, MaxFiles),
	}
}

// Parts of a packed bundle that are in none of its files.
const (
	entryOverhead = 4 << 10 // header, extended header and padding of one entry
	endOverhead   = 1 << 20 // padding at the end
)

// stream is how many bytes a bundle may unpack to, headers and padding included.
func (l Limits) stream() int64 {
	return l.Bytes + int64(l.Files)*entryOverhead + endOverhead
}
