// Package disk is shared by the packages that keep data on a disk: how much space is left,
// files that are replaced whole, a Badger database with its space and life (DB), and the
// group commit in front of one (Committer).
package disk
