package forge_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"

	"github.com/verdict-pdp/verdict/test/forge"
)

func TestGzip(t *testing.T) {
	reader, err := gzip.NewReader(bytes.NewReader(forge.Gzip(t,
		forge.Run{Content: []byte("head "), Times: 1}, forge.Run{Content: []byte("again "), Times: 1000}, forge.Run{Times: 3}, forge.Run{Content: []byte("tail"), Times: 1},
	)))
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(reader)
	if err != nil {
		t.Fatalf("the file ends with %v, want its checksum and size to hold", err)
	}
	if want := "head " + strings.Repeat("again ", 1000) + "tail"; string(got) != want {
		t.Errorf("the content is %d bytes, %.40q; want %d, %.40q", len(got), got, len(want), want)
	}
}
