package store

import (
	"encoding/binary"
	"slices"

	"github.com/verdict-pdp/verdict/authz"
)

// First bytes of keys. They are on disk: never reuse one.
const (
	kindMeta   = 'm'
	kindData   = 'd'
	kindIndex  = 'x'
	kindExpiry = 'e'
	kindChange = 'c'
)

var (
	schemaKey = []byte("mschema")
	stateKey  = []byte("mstate")
	// historyKey holds the revision from which on versions are kept.
	historyKey = []byte("mhistory")
)

// collCode is the byte that stands for a collection in keys and records: authz.Kind.Code.
type collCode byte

// codeLimit is one past the highest code there may be.
const codeLimit = 32

var kinds = tableOfKinds()

// kindTable is authz.Kinds by code.
type kindTable struct {
	byCode [codeLimit]authz.Kind         // the zero Kind where no collection has the code
	codes  map[authz.Collection]collCode // :: collection -> its code
	known  []collCode                    // in order
}

func tableOfKinds() *kindTable {
	t := &kindTable{codes: map[authz.Collection]collCode{}}
	for _, k := range authz.Kinds() {
		t.byCode[k.Code] = k
		t.codes[k.Collection] = collCode(k.Code)
		t.known = append(t.known, collCode(k.Code))
	}
	slices.Sort(t.known)
	return t
}

// countsStored is how many counts the stored state has: up to that of the highest code.
func (t *kindTable) countsStored() int { return int(t.known[len(t.known)-1]) + 1 }

// codeOf is the code of c, 0 when c is not known.
func codeOf(c authz.Collection) collCode { return kinds.codes[c] }

// kind is the zero Kind of a code that no collection has.
func (c collCode) kind() *authz.Kind {
	if c >= codeLimit {
		c = 0 // which no collection has
	}
	return &kinds.byCode[c]
}

func (c collCode) collection() authz.Collection { return c.kind().Collection }

// Collections that this package finds by more than their key, for the Directory.
var (
	issuersCode     = codeOf(authz.Issuers)
	apiKeysCode     = codeOf(authz.APIKeys)
	credentialsCode = codeOf(authz.Credentials)
)

// ref names one entity.
type ref struct {
	code collCode
	key  string
}

func dataPrefix(code collCode) []byte { return []byte{kindData, byte(code)} }

func (r ref) dataKey() []byte {
	k := make([]byte, 0, 2+len(r.key))
	k = append(k, kindData, byte(r.code))
	return append(k, r.key...)
}

// dataRef undoes dataKey.
func dataRef(k []byte) ref { return ref{code: collCode(k[1]), key: string(k[2:])} }

// namesIndex is the index of credentials by each of their names. It is no filter
// of lists.
const namesIndex = "names"

// indexPrefix covers the index entries of one value. Neither stored values nor
// keys hold a zero byte: validation refuses control characters. So a value asked
// for that holds one covers nothing.
func indexPrefix(code collCode, index, value string) []byte {
	k := make([]byte, 0, 4+len(index)+len(value)+32)
	k = append(k, kindIndex, byte(code))
	k = append(k, index...)
	k = append(k, 0)
	k = append(k, value...)
	return append(k, 0)
}

// sideKeysOf are the index and expiry entries of an entity stored under key.
func sideKeysOf(code collCode, key string, entity authz.Entity) [][]byte {
	var keys [][]byte
	if expires := entity.Expires(); !expires.IsZero() {
		keys = append(keys, expiryKey(code, key, expires.UnixMilli()))
	}
	for _, filter := range code.kind().Filters {
		value := entity.Field(filter)
		if value == "" || filter == code.kind().First { // the order of a pair's keys needs no index
			continue
		}
		keys = append(keys, append(indexPrefix(code, filter, value), key...))
	}
	if credential, ok := entity.(*authz.Credential); ok {
		for _, name := range credential.Names {
			keys = append(keys, append(indexPrefix(code, namesIndex, name), key...))
		}
	}
	return keys
}

func expiryPrefix(code collCode) []byte { return []byte{kindExpiry, byte(code)} }

func expiryKey(code collCode, key string, expires int64) []byte {
	k := binary.BigEndian.AppendUint64(expiryPrefix(code), orderedMillis(expires))
	return append(k, key...)
}

// expiryRef undoes expiryKey.
func expiryRef(k []byte) (ref, int64) {
	millis := int64(binary.BigEndian.Uint64(k[2:10]) ^ 1<<63)
	return ref{code: collCode(k[1]), key: string(k[10:])}, millis
}

// orderedMillis makes byte order the order of signed times.
func orderedMillis(ms int64) uint64 { return uint64(ms) ^ 1<<63 }

func changeKey(revision uint64, part int) []byte {
	k := binary.BigEndian.AppendUint64([]byte{kindChange}, revision)
	return binary.BigEndian.AppendUint16(k, uint16(part))
}

// changeRevision undoes changeKey.
func changeRevision(k []byte) uint64 { return binary.BigEndian.Uint64(k[1:9]) }

// knownKind reports whether k begins like one of our keys.
func knownKind(k []byte) bool {
	return len(k) > 1 && slices.Contains([]byte{kindMeta, kindData, kindIndex, kindExpiry, kindChange}, k[0])
}
