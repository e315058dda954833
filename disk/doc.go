// Package disk is what the rooms that keep data on a disk need of one: how much space is
// left, and files that are put in place whole.
package disk
