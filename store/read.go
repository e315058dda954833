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

// readPromised reads an entity that an index holds.
func readPromised(txn *badger.Txn, r ref) (*record, error) {
	rec, err := readCold(txn, r)
	if err == nil && rec == nil {
		err = corrupt(notFound(r))
	}
	return rec, err
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

// indexed are the keys of the entities an index holds under value, in their
// order, up to limit of them; 0 means all.
func indexed(txn *badger.Txn, code collCode, index, value string, limit int) (keys []string, err error) {
	prefix := indexPrefix(code, index, value)
	err = scan(txn, prefix, nil, false, func(item *badger.Item) (bool, error) {
		keys = append(keys, string(item.Key()[len(prefix):]))
		return len(keys) != limit, nil
	})
	return keys, err
}
