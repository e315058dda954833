package store

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"github.com/verdict-pdp/verdict/authz"
)

// SchemaVersion is the version of the key layout this build writes. It reads
// every version before it, and brings the data up to date when it is opened:
//
//	1  the first
//	2  issuers have an index by kind
//	3  versions are kept for SnapshotAt: an older Verdict would drop them
//	4  the change feed names the audited change that made a write
const SchemaVersion = 4

// readSchema is the version of what is stored, after marking an empty database
// as ours. It refuses data of a newer version.
func readSchema(db *badger.DB) (version uint32, err error) {
	v, err := readMeta(db, schemaKey)
	if err != nil {
		return 0, err
	}
	if v == nil {
		return SchemaVersion, initialise(db)
	}
	if len(v) != 4 {
		return 0, corrupt(fmt.Errorf("schema version is %d bytes", len(v)))
	}
	version = binary.BigEndian.Uint32(v)
	return version, refuseNewer("the data directory", version)
}

func refuseNewer(what string, version uint32) error {
	if version > SchemaVersion {
		return authz.Errorf(authz.CodeConflict, "%s has schema version %d and this Verdict reads up to %d; start a newer Verdict", what, version, SchemaVersion)
	}
	return nil
}

// initialise writes the schema version into an empty database. Badger does not
// take revision 0, so it stands at 1, before the first write of ours.
func initialise(db *badger.DB) error {
	if empty, err := isEmpty(db); err != nil || !empty {
		return errors.Join(err, authz.Errorf(authz.CodeConflict, "the data directory holds a database that is not Verdict's; choose another directory"))
	}
	txn := db.NewTransactionAt(1, true)
	defer txn.Discard()
	if err := txn.Set(schemaKey, schemaValue(SchemaVersion)); err != nil {
		return internal("initialising the data directory", err)
	}
	if err := txn.CommitAt(1, nil); err != nil {
		return internal("initialising the data directory", err)
	}
	return nil
}

func schemaValue(version uint32) []byte { return binary.BigEndian.AppendUint32(nil, version) }

func isEmpty(db *badger.DB) (bool, error) {
	empty := true
	err := db.View(func(txn *badger.Txn) error {
		return scan(txn, nil, nil, false, func(*badger.Item) (bool, error) {
			empty = false
			return false, nil
		})
	})
	return empty, err
}

// upgrade brings data of an older version up to date, at the published revision:
// no entity changes, so it takes none. The version is written last; an upgrade
// that broke off is made again by the next Open.
func upgrade(db *badger.DB, from uint32, revision uint64) error {
	if from == SchemaVersion {
		return nil
	}
	at := max(revision, 1) // Badger does not take 0
	if from < 2 {
		if err := indexKinds(db, at); err != nil {
			return internal("upgrading the data directory", err)
		}
	}
	txn := db.NewTransactionAt(at, true)
	defer txn.Discard()
	if err := txn.Set(schemaKey, schemaValue(SchemaVersion)); err != nil {
		return internal("upgrading the data directory", err)
	}
	if err := txn.CommitAt(at, nil); err != nil {
		return internal("upgrading the data directory", err)
	}
	return nil
}

// indexKinds writes the index of issuers by kind. Entries that are there already
// are written again.
func indexKinds(db *badger.DB, at uint64) error {
	batch := db.NewWriteBatchAt(at)
	defer batch.Cancel()
	txn := db.NewTransactionAt(at, false)
	defer txn.Discard()
	err := scan(txn, dataPrefix(issuersCode), nil, true, func(item *badger.Item) (bool, error) {
		r := dataRef(item.Key())
		rec, err := itemRecord(item, r.key)
		if err != nil || rec == nil {
			return err == nil, err
		}
		issuer, err := rec.decode(authz.Issuers)
		if err != nil {
			return false, err
		}
		for _, key := range sideKeysOf(r.code, r.key, issuer) {
			if err := batch.Set(key, nil); err != nil {
				return false, err
			}
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	return batch.Flush()
}
