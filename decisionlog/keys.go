package decisionlog

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// schemaVersion is the version of the key and value layout. Version 1 had no changes;
// opening makes 2 of it, which takes no more than the number.
const schemaVersion = 2

// First bytes of keys. They are on disk: never reuse one.
const (
	kindMeta     = 'm'
	kindRecord   = 'r'
	kindID       = 'i'
	kindCursor   = 'c'
	kindChange   = 'a'
	kindChangeID = 'j'
	kindPending  = 'p'
)

var (
	schemaKey       = []byte("mschema")
	headKey         = []byte("mhead")
	anchorKey       = []byte("manchor")
	changeHeadKey   = []byte("mchangehead")
	changeAnchorKey = []byte("mchangeanchor")
)

func recordKey(seq uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{kindRecord}, seq)
}

func changeKey(number uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{kindChange}, number)
}

func pendingKey(number uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{kindPending}, number)
}

// numberOf undoes recordKey, changeKey and pendingKey.
func numberOf(key []byte) uint64 { return binary.BigEndian.Uint64(key[1:]) }

func idKey(id string) []byte { return append([]byte{kindID}, id...) }

func changeIDKey(id string) []byte { return append([]byte{kindChangeID}, id...) }

func cursorKey(name string) []byte { return append([]byte{kindCursor}, name...) }

// link is a place in a chain: the record with seq has hash, and it and all before it
// were total bytes. The zero link is before the first record.
//
// In the chain of all records seq is Record.Seq, total leaves intents and changes out,
// and changes is how many of those there were up to it. In the chain of changes seq is
// AuditedChange.Number, and changes is not used.
type link struct {
	seq     uint64
	total   uint64
	hash    [sha256.Size]byte
	changes uint64
}

const (
	linkLength       = 8 + 8 + sha256.Size + 8
	linkLengthBefore = linkLength - 8 // of schema version 1, without changes
)

func (l link) value() []byte {
	v := make([]byte, 0, linkLength)
	v = binary.BigEndian.AppendUint64(v, l.seq)
	v = binary.BigEndian.AppendUint64(v, l.total)
	v = append(v, l.hash[:]...)
	return binary.BigEndian.AppendUint64(v, l.changes)
}

// readLink undoes value. No value is the zero link.
func readLink(v []byte) (l link, err error) {
	if v == nil {
		return link{}, nil
	}
	if len(v) != linkLength && len(v) != linkLengthBefore {
		return link{}, corrupt(fmt.Errorf("a place in the chain is %d bytes", len(v)))
	}
	l.seq = binary.BigEndian.Uint64(v)
	l.total = binary.BigEndian.Uint64(v[8:])
	copy(l.hash[:], v[16:])
	if len(v) == linkLength {
		l.changes = binary.BigEndian.Uint64(v[linkLengthBefore:])
	}
	return l, nil
}
