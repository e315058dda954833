package disk_test

import (
	"os"
	"runtime"
	"syscall"
	"testing"
)

// unprivileged calls do as a user whom file permissions hold for, whoever runs the
// tests. What do starts elsewhere has the privileges there were.
func unprivileged(t *testing.T, do func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		do()
		return
	}
	const user = 65534 // nobody
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := syscall.Setfsuid(user); err != nil {
		t.Fatalf("taking another user for files: %v", err)
	}
	defer syscall.Setfsuid(0)
	do()
}
