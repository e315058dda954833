package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

// metaTombstone is the Badger user meta of a deleted entity's value.
const metaTombstone = 1

// recordHeader is the length of what precedes the JSON in a stored entity.
const recordHeader = 24

// maxEntitySize bounds the JSON of one entity, in bytes. It keeps every value
// in Badger's tables, so that there is no value log to collect.
const maxEntitySize = 512 << 10

// record is one stored entity. It is immutable once published.
type record struct {
	key      string
	revision uint64
	created  int64 // Unix milliseconds
	updated  int64
	json     []byte
	entity   authz.Entity // decoded and shared; see isShared
}

// content is the JSON of the record, nil when there is none.
func (r *record) content() []byte {
	if r == nil {
		return nil
	}
	return r.json
}

func (r *record) fact() authz.Fact {
	return authz.Fact{Key: r.key, Revision: r.revision, JSON: r.json}
}

// decode makes a fresh entity, which the caller may change.
func (r *record) decode(c authz.Collection) (authz.Entity, error) {
	entity := c.New()
	if err := ijson.UnmarshalOpen(r.json, entity); err != nil {
		return nil, corrupt(fmt.Errorf("%s %q: %w", c, r.key, err))
	}
	return entity, nil
}

// decodeShared makes the entity that readers share. It has the defaults of this
// version also when an older one, which had other fields, stored it.
func (r *record) decodeShared(c authz.Collection) (authz.Entity, error) {
	entity, err := r.decode(c)
	if err != nil {
		return nil, err
	}
	entity.Normalize()
	return entity, nil
}

// value is how the record is stored.
func (r *record) value() []byte {
	v := make([]byte, 0, recordHeader+len(r.json))
	v = binary.BigEndian.AppendUint64(v, r.revision)
	v = binary.BigEndian.AppendUint64(v, uint64(r.created))
	v = binary.BigEndian.AppendUint64(v, uint64(r.updated))
	return append(v, r.json...)
}

// readRecord undoes value. It keeps v.
func readRecord(key string, v []byte) (*record, error) {
	if len(v) <= recordHeader {
		return nil, corrupt(fmt.Errorf("value of %q is %d bytes", key, len(v)))
	}
	return &record{
		key:      key,
		revision: binary.BigEndian.Uint64(v),
		created:  int64(binary.BigEndian.Uint64(v[8:])),
		updated:  int64(binary.BigEndian.Uint64(v[16:])),
		json:     v[recordHeader:],
	}, nil
}

// tombstone is the value left where an entity was deleted.
func tombstone(revision uint64, deleted int64) []byte {
	v := binary.BigEndian.AppendUint64(nil, revision)
	return binary.BigEndian.AppendUint64(v, uint64(deleted))
}

// tombstoneRevision undoes tombstone; 0 when v is none.
func tombstoneRevision(v []byte) uint64 {
	if len(v) != 16 {
		return 0
	}
	return binary.BigEndian.Uint64(v)
}

// content is an entity's JSON without the header fields the store writes, which
// are known only at commit. It is made outside the commit lock.
type content struct {
	json   []byte
	header int // the header fields belong at this offset, after the id
}

func newContent(entity authz.Entity) (content, error) {
	head := entity.Head()
	head.CreatedAt, head.UpdatedAt, head.Revision = time.Time{}, time.Time{}, 0
	data, err := ijson.Marshal(entity)
	if err != nil {
		return content{}, &authz.Error{Code: authz.CodeInternal, Message: "the entity cannot be written as JSON", Cause: err}
	}
	// The header is the first field of every entity and ids need no escaping.
	rest, err := ijson.Cut(data, `{"id":"`+head.ID+`"`, "")
	if err != nil {
		return content{}, &authz.Error{Code: authz.CodeInternal, Message: "the entity's JSON does not begin with its id", Cause: err}
	}
	if len(data) > maxEntitySize {
		return content{}, authz.Errorf(authz.CodeTooLarge, "the entity is %d bytes of JSON; at most %d are stored", len(data), maxEntitySize)
	}
	return content{json: data, header: len(data) - len(rest)}, nil
}

// withHeader is the JSON as it is stored.
func (c content) withHeader(created, updated int64, revision uint64) []byte {
	b := make([]byte, 0, len(c.json)+110)
	b = append(b, c.json[:c.header]...)
	b = append(b, `,"created_at":"`...)
	b = fromMillis(created).AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","updated_at":"`...)
	b = fromMillis(updated).AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","revision":`...)
	b = strconv.AppendUint(b, revision, 10)
	return append(b, c.json[c.header:]...)
}

func fromMillis(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// corrupt is the error for bytes on disk that make no sense.
func corrupt(cause error) error {
	return &authz.Error{Code: authz.CodeInternal, Message: "stored data is damaged; restore a backup", Cause: cause}
}

func internal(doing string, cause error) error {
	var ours *authz.Error
	if errors.As(cause, &ours) {
		return cause
	}
	return &authz.Error{Code: authz.CodeInternal, Message: doing + " failed", Cause: cause}
}
