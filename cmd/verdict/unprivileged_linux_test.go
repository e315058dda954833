package main_test

import (
	"os"
	"runtime"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
)

// unprivilegedCommand is `unprivileged STATUS COMMAND ARG...`: as exits, by a process
// that file permissions hold for, whoever runs the tests.
func unprivilegedCommand(ts *testscript.TestScript, neg bool, args []string) {
	if os.Getuid() != 0 {
		exitsCommand(ts, neg, args)
		return
	}
	const prSetSecurebits, noRoot = 28, 1 // linux/prctl.h, linux/securebits.h
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	set := func(bits uintptr) {
		if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, prSetSecurebits, bits, 0); errno != 0 {
			ts.Fatalf("giving up the privileges of root for a process: %v", errno)
		}
	}
	set(noRoot) // what this thread starts gets no privilege for being root
	defer set(0)
	exitsCommand(ts, neg, args)
}
