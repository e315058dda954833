package store

import (
	"encoding/binary"
	"fmt"
)

// state is everything a reader needs beside Badger, frozen at one revision. It
// is immutable; the store swaps the pointer.
type state struct {
	persisted
	hot [slotLimit]*hotCollection // nil is cold
	// superseded is closed when a state of a higher revision is published.
	superseded chan struct{}
}

// persisted is the part of the state that is stored, in the same transaction as
// the data it describes.
type persisted struct {
	revision   uint64
	floor      uint64 // the feed holds every change after this revision, unless compacted further
	nextChange uint64 // number the next change gets
	counts     [codeLimit]uint64
}

func (p *persisted) value() []byte {
	v := binary.BigEndian.AppendUint64(nil, p.revision)
	v = binary.BigEndian.AppendUint64(v, p.floor)
	v = binary.BigEndian.AppendUint64(v, p.nextChange)
	for _, count := range p.counts {
		v = binary.BigEndian.AppendUint64(v, count)
	}
	return v
}

// readPersisted undoes value. A shorter list of counts is one of fewer collections.
func readPersisted(v []byte) (persisted, error) {
	var p persisted
	if len(v) < 24 || len(v)%8 != 0 || len(v) > 24+8*len(p.counts) {
		return p, corrupt(fmt.Errorf("state is %d bytes", len(v)))
	}
	p.revision = binary.BigEndian.Uint64(v)
	p.floor = binary.BigEndian.Uint64(v[8:])
	p.nextChange = binary.BigEndian.Uint64(v[16:])
	for i := range (len(v) - 24) / 8 {
		p.counts[i] = binary.BigEndian.Uint64(v[24+8*i:])
	}
	return p, nil
}

// with is the state after a group of writes. A hot collection that outgrew
// limit turns cold.
func (s *state) with(p persisted, changes []hotChange, limit int) *state {
	next := &state{persisted: p, hot: s.hot, superseded: make(chan struct{})}
	var bySlot [slotLimit][]hotChange
	for _, change := range changes {
		at := slotOf(change.code, change.key)
		bySlot[at] = append(bySlot[at], change)
	}
	for at := coldSlot + 1; at < slotLimit; at++ {
		if len(bySlot[at]) == 0 || s.hot[at] == nil {
			continue
		}
		collection := s.hot[at].with(bySlot[at])
		if collection.count > limit {
			collection = nil
		}
		next.hot[at] = collection
	}
	return next
}

// hotFor is the hot collection that would hold key, nil when it is cold.
func (s *state) hotFor(code collCode, key string) *hotCollection {
	return s.hot[slotOf(code, key)]
}

// issuers is the index of the issuers, nil when they are cold.
func (s *state) issuers() *issuerIndex {
	if hot := s.hot[issuersSlot]; hot != nil {
		return hot.index.(*issuerIndex)
	}
	return nil
}

// credentials is the index of the credentials, nil when they are cold.
func (s *state) credentials() *credentialIndex {
	if hot := s.hot[credentialsSlot]; hot != nil {
		return hot.index.(*credentialIndex)
	}
	return nil
}
