// Package disk is what the rooms that keep data on a disk need of one: how much space is
// left, files that are put in place whole, a Badger that explains itself and stops before
// the disk is full (DB), and the group commit in front of it (Committer).
package disk
