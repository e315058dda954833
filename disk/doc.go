// Package disk asks the operating system about disks, for the rooms that keep data
// on one.
package disk
