//go:build !linux

package disk_test

import "testing"

// unprivileged calls do. Run the tests as a user whom file permissions hold for.
func unprivileged(t *testing.T, do func()) {
	t.Helper()
	do()
}
