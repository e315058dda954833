package forge

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"hash/crc32"
	"testing"
)

// Run is content that comes so many times in a row.
type Run struct {
	Content []byte
	Times   int
}

// Gzip is a gzip file of these runs. Each content is compressed once, by itself, and its
// blocks are repeated: half a gigabyte of zeros is made in the time of one megabyte.
func Gzip(t testing.TB, runs ...Run) []byte {
	t.Helper()
	out := bytes.NewBuffer([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff})
	sum, size := crc32.NewIEEE(), 0
	for _, r := range runs {
		blocks := deflated(t, r.Content, (*flate.Writer).Flush)
		for range r.Times {
			out.Write(blocks)
			sum.Write(r.Content)
			size += len(r.Content)
		}
	}
	out.Write(deflated(t, nil, (*flate.Writer).Close)) // the last block, which is empty
	trailer := binary.LittleEndian.AppendUint32(nil, sum.Sum32())
	out.Write(binary.LittleEndian.AppendUint32(trailer, uint32(size)))
	return out.Bytes()
}

// deflated is content in blocks that refer to nothing before them.
func deflated(t testing.TB, content []byte, end func(*flate.Writer) error) []byte {
	t.Helper()
	var blocks bytes.Buffer
	w, err := flate.NewWriter(&blocks, flate.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := end(w); err != nil {
		t.Fatal(err)
	}
	return blocks.Bytes()
}
