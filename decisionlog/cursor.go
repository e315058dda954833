package decisionlog

import (
	"encoding/binary"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"github.com/verdict-pdp/verdict/authz"
)

// Cursor is the last record that the reader called name said it is done with, 0
// when it never did. From then on until Close, retention spares what the reader has
// not read, as long as no more than twice Config.MaxBytes is kept for it.
func (l *Log) Cursor(name string) (uint64, error) {
	if err := authz.ValidateID("cursor", name); err != nil {
		return 0, err
	}
	l.cursorMu.Lock()
	defer l.cursorMu.Unlock()
	if seq, ok := l.cursors[name]; ok {
		return seq, nil
	}
	var seq uint64
	err := l.view(func(txn *badger.Txn) error {
		v, err := get(txn, cursorKey(name))
		switch {
		case err != nil || v == nil:
			return err
		case len(v) != 8:
			return corrupt(fmt.Errorf("a cursor is %d bytes", len(v)))
		}
		seq = binary.BigEndian.Uint64(v)
		return nil
	})
	if err == nil {
		l.cursors[name] = seq
	}
	return seq, err
}

// SetCursor notes that the reader called name is done with every record up to seq.
// It outlives the process, but not a power cut within the second after: the reader
// may then see records again.
func (l *Log) SetCursor(name string, seq uint64) error {
	if err := authz.ValidateID("cursor", name); err != nil {
		return err
	}
	err := l.update(func(txn *badger.Txn) error {
		return txn.Set(cursorKey(name), binary.BigEndian.AppendUint64(nil, seq))
	})
	if err != nil {
		return err
	}
	l.cursorMu.Lock()
	defer l.cursorMu.Unlock()
	l.cursors[name] = seq
	return nil
}

// slowest is the lowest cursor in use; ok is false when there is none.
func (l *Log) slowest() (seq uint64, ok bool) {
	l.cursorMu.Lock()
	defer l.cursorMu.Unlock()
	for _, at := range l.cursors {
		if !ok || at < seq {
			seq, ok = at, true
		}
	}
	return seq, ok
}

// readTo reports whether a reader is done with the records up to seq, and no more.
func (l *Log) readTo(seq uint64) bool {
	l.cursorMu.Lock()
	defer l.cursorMu.Unlock()
	for _, at := range l.cursors {
		if at == seq {
			return true
		}
	}
	return false
}

// countMissed counts, for every reader, the removed records up to last that it had
// not read.
func (l *Log) countMissed(first, last uint64) {
	l.cursorMu.Lock()
	defer l.cursorMu.Unlock()
	for _, at := range l.cursors {
		if at < last {
			l.stats.missed.Add(last - max(at, first-1))
		}
	}
}
