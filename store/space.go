package store

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/verdict-pdp/verdict/authz"
)

// DefaultMinFree is the free space below which no write is taken. Badger writes
// through sparse memory maps: a page the disk has no room for is not an error
// but a signal that ends the process, decisions included. So there must always
// be room for what Badger writes without being asked, after the last write it
// was given:
//
//   - 64 MiB, the write-ahead log of a memtable: twice memTableSize is mapped,
//     a memtable is full at the first half, one group more may follow;
//   - 96 MiB, the level-0 tables of three memtables, two being flushed and the
//     one being filled; their logs are deleted after that;
//   - 96 MiB, the new tables of a compaction, which stand beside the old ones
//     until it is done: the base level, or some tables of the levels below.
//
// Level 0 is rewritten too, whole, and grows while an import outruns its
// compaction; what it has is asked for on top of the floor.
const DefaultMinFree = 256 << 20

// AnyFree as Config.MinFree takes writes however little space is left.
const AnyFree = -1

// room refuses a write when the disk of the data directory has less available
// than Config.MinFree and what level 0 has, and when that cannot be told. Nothing
// was written then, so that writes are taken again once there is space.
func (s *Store) room() error {
	if s.config.InMemory || s.config.MinFree < 0 {
		return nil
	}
	need := uint64(s.config.MinFree) + uint64(s.db.Levels()[0].Size)
	free, err := s.config.Free(s.config.Dir)
	switch {
	case err != nil:
		err = &authz.Error{Code: authz.CodeUnavailable, Message: fmt.Sprintf("the write was not made: the free space of data directory %s cannot be read; mend the disk (decisions go on)", filepath.Clean(s.config.Dir)), Cause: err}
	case free < need:
		err = authz.Errorf(authz.CodeUnavailable, "the write was not made: the disk of data directory %s has %d bytes free, and below %d no write is taken; free or add space and write again, no restart is needed (decisions go on)", filepath.Clean(s.config.Dir), free, need)
	}
	s.noteRoom(err)
	return err
}

// openFree is what opening takes: less than it, and Badger ends the process
// before the first decision.
const openFree = 16 << 20

// roomToOpen refuses to open a data directory whose disk is full.
func (c Config) roomToOpen() error {
	if c.InMemory || c.MinFree < 0 {
		return nil
	}
	free, err := c.Free(c.Dir)
	need := min(uint64(c.MinFree), openFree)
	switch {
	case errors.Is(err, fs.ErrNotExist): // it is made
		return nil
	case err != nil:
		return &authz.Error{Code: authz.CodeUnavailable, Message: fmt.Sprintf("data directory %s cannot be opened: its free space cannot be read", filepath.Clean(c.Dir)), Cause: err}
	case free < need:
		return authz.Errorf(authz.CodeUnavailable, "data directory %s cannot be opened: its disk has %d bytes free, and opening needs %d; free or add space", filepath.Clean(c.Dir), free, need)
	}
	return nil
}

// noteRoom logs when writes begin to be refused for space, and when that ends.
func (s *Store) noteRoom(refusal error) {
	if was := s.cramped.Swap(refusal != nil); was == (refusal != nil) {
		return
	}
	if refusal != nil {
		s.config.Logger.Error("no write is taken until the disk has space", "error", refusal)
		return
	}
	s.config.Logger.Info("the disk has space; writes are taken again")
}
