//go:build !linux

package main_test

import (
	"os"

	"github.com/rogpeppe/go-internal/testscript"
)

// unprivilegedCommand is `unprivileged STATUS COMMAND ARG...`: as exits, by a process
// that file permissions hold for.
func unprivilegedCommand(ts *testscript.TestScript, neg bool, args []string) {
	if os.Getuid() == 0 {
		ts.Fatalf("file permissions do not hold for root; run the tests as another user")
	}
	exitsCommand(ts, neg, args)
}
