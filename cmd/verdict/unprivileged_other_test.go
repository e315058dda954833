//go:build !linux

package main_test

import (
	"errors"
	"os"

	"github.com/rogpeppe/go-internal/testscript"
)

// unprivilegedCommand is `unprivileged STATUS COMMAND ARG...`: as exits, by a process
// that file permissions hold for.
func unprivilegedCommand(ts *testscript.TestScript, neg bool, args []string) {
	if err := unprivileged(func() { exitsCommand(ts, neg, args) }); err != nil {
		ts.Fatalf("%v was run with error %v, want it run without the privileges of root", args, err)
	}
}

// unprivileged has file permissions hold for the processes that start starts.
func unprivileged(start func()) error {
	if os.Getuid() == 0 {
		return errors.New("file permissions do not hold for root; run the tests as another user")
	}
	start()
	return nil
}
