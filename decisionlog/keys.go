package decisionlog

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// schemaVersion is the version of the key and value layout.
const schemaVersion = 1

// First bytes of keys. They are on disk: never reuse one.
const (
	kindMeta   = 'm'
	kindRecord = 'r'
	kindID     = 'i'
	kindCursor = 'c'
)

var (
	schemaKey = []byte("mschema")
	headKey   = []byte("mhead")
	anchorKey = []byte("manchor")
)

func recordKey(seq uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{kindRecord}, seq)
}

// recordSeq undoes recordKey.
func recordSeq(key []byte) uint64 { return binary.BigEndian.Uint64(key[1:]) }

func idKey(id string) []byte { return append([]byte{kindID}, id...) }

func cursorKey(name string) []byte { return append([]byte{kindCursor}, name...) }

// link is a place in the chain: the record with seq has hash, and it and all
// before it were total bytes. The zero link is before the first record.
type link struct {
	seq   uint64
	total uint64
	hash  [sha256.Size]byte
}

const linkLength = 8 + 8 + sha256.Size

func (l link) value() []byte {
	v := make([]byte, 0, linkLength)
	v = binary.BigEndian.AppendUint64(v, l.seq)
	v = binary.BigEndian.AppendUint64(v, l.total)
	return append(v, l.hash[:]...)
}

// readLink undoes value. No value is the zero link.
func readLink(v []byte) (l link, err error) {
	if v == nil {
		return link{}, nil
	}
	if len(v) != linkLength {
		return link{}, corrupt(fmt.Errorf("a place in the chain is %d bytes", len(v)))
	}
	l.seq = binary.BigEndian.Uint64(v)
	l.total = binary.BigEndian.Uint64(v[8:])
	copy(l.hash[:], v[16:])
	return l, nil
}
