//go:build !linux && !darwin

package disk

import "math"

// Free does not ask: the free space is watched on Linux and macOS only.
func Free(string) (bytes uint64, err error) { return math.MaxUint64, nil }
