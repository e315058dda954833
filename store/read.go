package store

import (
	"errors"

	"github.com/dgraph-io/badger/v4"
)

// readCold reads one entity from Badger, nil when there is none.
func readCold(txn *badger.Txn, r ref) (*record, error) {
	item, err := txn.Get(r.dataKey())
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, internal("reading", err)
	}
	return itemRecord(item, r.key)
}

// itemRecord is the entity of a data item, nil for a tombstone.
func itemRecord(item *badger.Item, key string) (*record, error) {
	if item.UserMeta() == metaTombstone {
		return nil, nil
	}
	v, err := item.ValueCopy(nil)
	if err != nil {
		return nil, internal("reading", err)
	}
	return readRecord(key, v)
}

// scan calls visit for every key under prefix from the key from on (nil: all),
// in order, until visit returns false.
func scan(txn *badger.Txn, prefix, from []byte, values bool, visit func(*badger.Item) (bool, error)) error {
	options := badger.DefaultIteratorOptions
	options.Prefix = prefix
	options.PrefetchValues = values
	it := txn.NewIterator(options)
	defer it.Close()
	if from == nil {
		from = prefix
	}
	for it.Seek(from); it.Valid(); it.Next() {
		more, err := visit(it.Item())
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// firstIndexed is the key of the first entity under an index prefix.
func firstIndexed(db *badger.DB, revision uint64, prefix []byte) (key string, ok bool, err error) {
	txn := db.NewTransactionAt(revision, false)
	defer txn.Discard()
	err = scan(txn, prefix, nil, false, func(item *badger.Item) (bool, error) {
		key, ok = string(item.Key()[len(prefix):]), true
		return false, nil
	})
	return key, ok, err
}
