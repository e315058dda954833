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

// collCode is the byte that stands for a collection in keys and records. The
// numbers are on disk: never change or reuse one.
type collCode byte

const (
	plansCode collCode = iota + 1
	tenantsCode
	usersCode
	servicesCode
	machineUsersCode
	edgesCode
	entitlementsCode
	credentialsCode
	issuersCode
	revocationsCode
	renewalsCode
	apiKeysCode
	rotationSetsCode
	rotationsCode

	codeLimit // one past the last
)

var collections = [codeLimit]authz.Collection{
	plansCode:        authz.Plans,
	tenantsCode:      authz.Tenants,
	usersCode:        authz.Users,
	servicesCode:     authz.Services,
	machineUsersCode: authz.MachineUsers,
	edgesCode:        authz.Edges,
	entitlementsCode: authz.Entitlements,
	credentialsCode:  authz.Credentials,
	issuersCode:      authz.Issuers,
	revocationsCode:  authz.Revocations,
	renewalsCode:     authz.Renewals,
	apiKeysCode:      authz.APIKeys,
	rotationSetsCode: authz.RotationSets,
	rotationsCode:    authz.Rotations,
}

// codeOf is the code of c, 0 when c is not known. It is a switch because it is
// on the path of every read.
func codeOf(c authz.Collection) collCode {
	switch c {
	case authz.Plans:
		return plansCode
	case authz.Tenants:
		return tenantsCode
	case authz.Users:
		return usersCode
	case authz.Services:
		return servicesCode
	case authz.MachineUsers:
		return machineUsersCode
	case authz.Edges:
		return edgesCode
	case authz.Entitlements:
		return entitlementsCode
	case authz.Credentials:
		return credentialsCode
	case authz.Issuers:
		return issuersCode
	case authz.Revocations:
		return revocationsCode
	case authz.Renewals:
		return renewalsCode
	case authz.APIKeys:
		return apiKeysCode
	case authz.RotationSets:
		return rotationSetsCode
	case authz.Rotations:
		return rotationsCode
	}
	return 0
}

func (c collCode) collection() authz.Collection {
	if c < codeLimit {
		return collections[c]
	}
	return ""
}

// firstField is the filter that orders the entities of a pair collection, "" for
// others. It needs no index.
func firstField(c authz.Collection) string {
	switch c {
	case authz.Edges:
		return "from"
	case authz.Entitlements:
		return "holder"
	case authz.Revocations, authz.Renewals:
		return "by"
	}
	return ""
}

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
	c := code.collection()
	var keys [][]byte
	if expires := entity.Expires(); !expires.IsZero() {
		keys = append(keys, expiryKey(code, key, expires.UnixMilli()))
	}
	for _, filter := range c.Filters() {
		value := entity.Field(filter)
		if value == "" || filter == firstField(c) {
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

// knownKind says whether k begins like one of our keys.
func knownKind(k []byte) bool {
	return len(k) > 1 && slices.Contains([]byte{kindMeta, kindData, kindIndex, kindExpiry, kindChange}, k[0])
}
