package decisionlog

import (
	"encoding/binary"
	"errors"

	"github.com/dgraph-io/badger/v4"

	"github.com/verdict-pdp/verdict/authz"
)

// view reads what is committed now.
func (l *Log) view(do func(*badger.Txn) error) error {
	if err := l.db.Enter(); err != nil {
		return err
	}
	defer l.db.Leave()
	return l.db.View(do)
}

// scan calls do with the records from first to last, which are in order, until it
// returns false; the other way round when first is the higher. value is do's only
// until it returns.
func (l *Log) scan(first, last uint64, do func(txn *badger.Txn, seq uint64, value []byte) (more bool, err error)) error {
	return l.view(func(txn *badger.Txn) error {
		return scanKind(txn, kindRecord, first, last, do)
	})
}

// scanKind is scan for the numbered keys of one kind.
func scanKind(txn *badger.Txn, kind byte, first, last uint64, do func(txn *badger.Txn, number uint64, value []byte) (more bool, err error)) error {
	options := badger.IteratorOptions{Prefix: []byte{kind}, Reverse: first > last}
	it := txn.NewIterator(options)
	defer it.Close()
	for it.Seek(binary.BigEndian.AppendUint64([]byte{kind}, first)); it.Valid(); it.Next() {
		item := it.Item()
		number := numberOf(item.Key())
		if options.Reverse && number < last || !options.Reverse && number > last {
			return nil
		}
		more := false
		err := item.Value(func(value []byte) (err error) {
			more, err = do(txn, number, value)
			return err
		})
		if err != nil {
			return readError(err)
		}
		if !more {
			return nil
		}
	}
	return nil
}

// readError makes an error of Badger one that can be shown.
func readError(err error) error {
	var ours *authz.Error
	if errors.As(err, &ours) {
		return ours
	}
	return internal("reading the decision log", err)
}
