package decisionlog

import (
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// space is what is known of the free space of the disk.
type space struct {
	asked   atomic.Int64 // when, in Unix nanoseconds by the log's clock
	cramped atomic.Bool  // the last answer was too little
}

// spaceEvery is how long a good answer about the free space holds. What is
// written in the meantime is far below what DefaultMinFree leaves.
const spaceEvery = 100 * time.Millisecond

// roomForRecord is room, asked anew only now and then while there is room.
func (l *Log) roomForRecord() error {
	now := l.config.Now().UnixNano()
	if age := now - l.space.asked.Load(); age >= 0 && age < int64(spaceEvery) && !l.space.cramped.Load() {
		return nil
	}
	err := l.room(l.config.MinFree)
	l.space.asked.Store(now)
	if was := l.space.cramped.Swap(err != nil); was != (err != nil) {
		l.noteRoom(err)
	}
	return err
}

// room refuses a write when the disk has less available than floor and what level
// 0 has, and when that cannot be told: Badger writes through sparse memory maps,
// and a page the disk has no room for ends the process.
func (l *Log) room(floor int64) error {
	if l.config.InMemory || l.config.MinFree < 0 {
		return nil
	}
	need := uint64(floor) + uint64(l.db.Levels()[0].Size)
	free, err := l.config.Free(l.config.Dir)
	switch {
	case err != nil:
		return &authz.Error{Code: authz.CodeUnavailable, Message: fmt.Sprintf("nothing was recorded: the free space of the decision log %s cannot be read; mend the disk", l.config.Dir), Cause: err}
	case free < need:
		return authz.Errorf(authz.CodeUnavailable, "nothing was recorded: the disk of the decision log %s has %d bytes free, and below %d nothing is recorded; free or add space, no restart is needed", l.config.Dir, free, need)
	}
	return nil
}

// noteRoom logs when records begin to be refused for space, and when that ends.
func (l *Log) noteRoom(refusal error) {
	if refusal != nil {
		l.config.Log.Error("no decision is recorded until the disk has space", "error", refusal)
		return
	}
	l.config.Log.Info("the disk has space; decisions are recorded again")
}

// openFree is what opening takes: less than it, and Badger ends the process.
const openFree = 16 << 20

// roomToOpen refuses to open a log whose disk is full.
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
		return &authz.Error{Code: authz.CodeUnavailable, Message: fmt.Sprintf("the decision log %s cannot be opened: its free space cannot be read", c.Dir), Cause: err}
	case free < need:
		return authz.Errorf(authz.CodeUnavailable, "the decision log %s cannot be opened: its disk has %d bytes free, and opening needs %d; free or add space", c.Dir, free, need)
	}
	return nil
}
