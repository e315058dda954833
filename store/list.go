package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/dgraph-io/badger/v4"

	"github.com/verdict-pdp/verdict/authz"
)

// query is an authz.Query that this package reads.
type query authz.Query

// List reads the page that asked asks for.
func (s *Store) List(ctx context.Context, asked authz.Query) (authz.Page[authz.Entity], error) {
	q := query(asked)
	after, err := q.check()
	if err != nil {
		return authz.Page[authz.Entity]{}, err
	}
	view, err := s.Snapshot()
	if err != nil {
		return authz.Page[authz.Entity]{}, err
	}
	defer view.Close()
	page := authz.Page[authz.Entity]{Items: []authz.Entity{}, Revision: view.Revision()}
	err = view.cold(func(txn *badger.Txn) error {
		keys, more, err := q.keys(ctx, txn, after)
		if err != nil {
			return err
		}
		for _, key := range keys {
			rec, err := readPromised(txn, ref{code: codeOf(q.Collection), key: key})
			if err != nil {
				return err
			}
			entity, err := rec.decode(q.Collection)
			if err != nil {
				return err
			}
			page.Items = append(page.Items, entity)
		}
		if more {
			page.NextCursor = q.cursor(keys[len(keys)-1])
		}
		return nil
	})
	if err != nil {
		return authz.Page[authz.Entity]{}, err
	}
	return page, nil
}

// check validates q, sets its defaults and decodes its cursor.
func (q *query) check() (after string, err error) {
	if codeOf(q.Collection) == 0 {
		return "", unknownCollection(q.Collection)
	}
	if q.Limit == 0 {
		q.Limit = authz.DefaultPageSize
	}
	if q.Limit < 1 || q.Limit > authz.MaxPageSize {
		return "", authz.Invalid("limit", "is "+strconv.Itoa(q.Limit)+"; it must be 1 to "+strconv.Itoa(authz.MaxPageSize))
	}
	for _, name := range slices.Sorted(maps.Keys(q.Filters)) {
		if !slices.Contains(q.Collection.Filters(), name) {
			return "", authz.Invalid(name, "is not a filter of "+string(q.Collection)+filterHint(q.Collection))
		}
		if value := q.Filters[name]; value == "" || strings.ContainsRune(value, 0) {
			return "", authz.Invalid(name, "is not a value to filter by")
		}
	}
	return q.after()
}

func filterHint(c authz.Collection) string {
	if len(c.Filters()) == 0 {
		return ", which has none"
	}
	return "; it has " + strings.Join(c.Filters(), ", ")
}

// cursor binds the last key of a page to the list it belongs to.
func (q *query) cursor(last string) string {
	sum := q.fingerprint()
	return base64.RawURLEncoding.EncodeToString(append(sum[:], last...))
}

func (q *query) after() (string, error) {
	if q.Cursor == "" {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(q.Cursor)
	sum := q.fingerprint()
	switch {
	case err != nil || len(raw) <= len(sum) || q.Collection.ValidateKey(string(raw[len(sum):])) != nil:
		return "", authz.Invalid("cursor", "is not one this list gave; start again without a cursor")
	case !bytes.Equal(raw[:len(sum)], sum[:]):
		return "", authz.Invalid("cursor", "belongs to a list with another collection or other filters; start again without a cursor")
	}
	return string(raw[len(sum):]), nil
}

func (q *query) fingerprint() [8]byte {
	h := sha256.New()
	h.Write([]byte(q.Collection))
	for _, name := range slices.Sorted(maps.Keys(q.Filters)) {
		h.Write([]byte("\x00" + name + "\x00" + q.Filters[name]))
	}
	return [8]byte(h.Sum(nil))
}

// keys are up to q.Limit keys after after that match every filter.
func (q *query) keys(ctx context.Context, txn *badger.Txn, after string) (keys []string, more bool, err error) {
	streams := q.streams(txn)
	defer func() {
		for _, stream := range streams {
			stream.close()
		}
	}()
	from := ""
	if after != "" {
		from = after + "\x00" // the smallest key after it
	}
	for steps := 0; ; steps++ {
		if steps%256 == 0 && ctx.Err() != nil {
			return nil, false, &authz.Error{Code: authz.CodeUnavailable, Message: "the list ended before its page was full: the request ended first", Cause: ctx.Err()}
		}
		key, ok := meet(streams, from)
		if !ok {
			return keys, false, nil
		}
		if len(keys) == q.Limit {
			return keys, true, nil
		}
		keys = append(keys, key)
		from = key + "\x00"
	}
}

// meet is the smallest key not before from that every stream has.
func meet(streams []*keyStream, from string) (string, bool) {
	for agreed := 0; ; {
		for _, stream := range streams {
			key, ok := stream.seek(from)
			if !ok {
				return "", false
			}
			if key != from {
				from, agreed = key, 0
			}
			if agreed++; agreed == len(streams) {
				return from, true
			}
		}
	}
}

// streams are sorted streams of keys, one for each filter, or one of the whole
// collection when no filter says more.
func (q *query) streams(txn *badger.Txn) []*keyStream {
	code := codeOf(q.Collection)
	var streams []*keyStream
	for _, name := range slices.Sorted(maps.Keys(q.Filters)) {
		if name == code.kind().First {
			first := authz.PairKey(q.Filters[name], "")
			streams = append(streams, newKeyStream(txn, dataPrefix(code), first))
			continue
		}
		streams = append(streams, newKeyStream(txn, indexPrefix(code, name, q.Filters[name]), ""))
	}
	if len(streams) == 0 {
		streams = append(streams, newKeyStream(txn, dataPrefix(code), ""))
	}
	return streams
}

// keyStream walks the entity keys that follow a prefix of Badger keys, limited
// to those that start with within.
type keyStream struct {
	it     *badger.Iterator
	prefix []byte
	within string
}

func newKeyStream(txn *badger.Txn, prefix []byte, within string) *keyStream {
	options := badger.DefaultIteratorOptions
	options.Prefix = append(slices.Clone(prefix), within...)
	options.PrefetchValues = false
	return &keyStream{it: txn.NewIterator(options), prefix: prefix, within: within}
}

// seek is the first key not before from. from never goes back.
func (k *keyStream) seek(from string) (string, bool) {
	from = max(from, k.within)
	if !k.it.Valid() || k.current() < from {
		k.it.Seek(append(slices.Clone(k.prefix), from...))
	}
	for k.it.Valid() && k.it.Item().UserMeta() == metaTombstone {
		k.it.Next()
	}
	if !k.it.Valid() {
		return "", false
	}
	return k.current(), true
}

func (k *keyStream) current() string { return string(k.it.Item().Key()[len(k.prefix):]) }

func (k *keyStream) close() { k.it.Close() }
