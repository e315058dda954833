package disk_test

import (
	"errors"
	"io/fs"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/verdict-pdp/verdict/disk"
)

func TestFree(t *testing.T) {
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		t.Skip("free space is watched on Linux and macOS only")
	}
	dir := t.TempDir()
	if free, err := disk.Free(dir); err != nil || free == 0 {
		t.Errorf("%d bytes, %v", free, err)
	}
	if _, err := disk.Free(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of a folder that is not there: %v", err)
	}
}
