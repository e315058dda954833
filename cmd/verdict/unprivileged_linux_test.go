package main_test

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
)

// unprivilegedCommand is `unprivileged STATUS COMMAND ARG...`: as exits, by a process
// that file permissions hold for, whoever runs the tests.
func unprivilegedCommand(ts *testscript.TestScript, neg bool, args []string) {
	if err := unprivileged(func() { exitsCommand(ts, neg, args) }); err != nil {
		ts.Fatalf("%v was run with error %v, want it run without the privileges of root", args, err)
	}
}

// unprivileged has file permissions hold for the processes that start starts.
func unprivileged(start func()) (err error) {
	if os.Getuid() != 0 {
		start()
		return nil
	}
	const prSetSecurebits, noRoot = 28, 1 // linux/prctl.h, linux/securebits.h
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	set := func(bits uintptr) error {
		if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, prSetSecurebits, bits, 0); errno != 0 {
			return fmt.Errorf("giving up the privileges of root for a process: %w", errno)
		}
		return nil
	}
	if err := set(noRoot); err != nil { // what this thread starts gets no privilege for being root
		return err
	}
	defer func() { err = errors.Join(err, set(0)) }()
	start()
	return nil
}
