package store

import (
	"encoding/binary"
	"fmt"
)

// state is everything a reader needs beside Badger, frozen at one revision. It
// is immutable; the store swaps the pointer.
type state struct {
	persisted
	hot [codeLimit]*hotCollection // :: code; nil is cold
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
	for _, count := range p.counts[:kinds.countsStored()] {
		v = binary.BigEndian.AppendUint64(v, count)
	}
	return v
}

// readPersisted undoes value. A shorter list of counts is one of fewer collections.
func readPersisted(v []byte) (persisted, error) {
	var p persisted
	if len(v) < 24 || len(v)%8 != 0 || len(v) > 24+8*kinds.countsStored() {
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
	var hot [codeLimit][]hotChange
	for _, change := range changes {
		if s.hot[change.code] != nil && isHot(change.code, change.key) {
			hot[change.code] = append(hot[change.code], change)
		}
	}
	for code, changes := range hot {
		if len(changes) == 0 {
			continue
		}
		collection := s.hot[code].with(changes)
		if collection.count > limit {
			collection = nil
		}
		next.hot[code] = collection
	}
	return next
}

// hotFor is the hot collection that would hold key, nil when it is cold.
func (s *state) hotFor(code collCode, key string) *hotCollection {
	if hot := s.hot[code]; hot != nil && isHot(code, key) {
		return hot
	}
	return nil
}

// issuers is the index of the issuers, nil when they are cold.
func (s *state) issuers() *issuerIndex {
	if hot := s.hot[issuersCode]; hot != nil {
		return hot.index.(*issuerIndex)
	}
	return nil
}

// credentials is the index of the credentials, nil when they are cold.
func (s *state) credentials() *credentialIndex {
	if hot := s.hot[credentialsCode]; hot != nil {
		return hot.index.(*credentialIndex)
	}
	return nil
}
