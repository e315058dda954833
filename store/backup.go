package store

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/disk"
)

// A backup is
//
//	"VERDICT-BACKUP\n"  format version (4)  schema version (4)  revision (8)
//	for each key: 1  key length (4)  key  user meta (1)  value length (4)  value
//	0  number of keys (8)  SHA-256 of everything before it (32)
//
// with big-endian numbers and keys in order. It has the newest values of one
// revision only, change log included, and no meta keys but the state.
const (
	backupMagic   = "VERDICT-BACKUP\n"
	backupFormat  = 1
	backupKey     = 1
	backupTrailer = 0
)

// Limits that a damaged length must not exceed.
const (
	maxBackupKey   = 65_000
	maxBackupValue = 16 << 20
)

// Backup writes everything the store has at one revision, which it returns.
// Writers and readers go on meanwhile.
func (s *Store) Backup(ctx context.Context, w io.Writer) (revision uint64, err error) {
	view, err := s.Snapshot()
	if err != nil {
		return 0, err
	}
	defer view.Close()
	out := newBackupWriter(w)
	out.header(view.Revision())
	if err := view.backup(ctx, out); err != nil {
		return 0, err
	}
	out.trailer()
	if out.err != nil {
		return 0, notTaken("the backup", out.err)
	}
	return view.Revision(), nil
}

func (v *Snapshot) backup(ctx context.Context, out *backupWriter) error {
	return v.cold(func(txn *badger.Txn) error {
		return scan(txn, nil, nil, true, func(item *badger.Item) (bool, error) {
			if err := v.interrupted(ctx, "the backup"); err != nil {
				return false, err
			}
			if k := string(item.Key()); k == string(schemaKey) || k == string(historyKey) {
				return true, nil
			}
			err := item.Value(func(value []byte) error {
				out.entry(item.Key(), item.UserMeta(), value)
				return nil
			})
			if err == nil && out.err != nil {
				err = notTaken("the backup", out.err)
			}
			return err == nil, err
		})
	})
}

// backupWriter remembers its first error, so that callers check once.
type backupWriter struct {
	out  *bufio.Writer
	sum  hash.Hash
	keys uint64
	err  error
}

func newBackupWriter(w io.Writer) *backupWriter {
	return &backupWriter{out: bufio.NewWriterSize(w, 256<<10), sum: sha256.New()}
}

func (b *backupWriter) write(p []byte) {
	if b.err != nil {
		return
	}
	b.sum.Write(p)
	_, b.err = b.out.Write(p)
}

func (b *backupWriter) header(revision uint64) {
	p := []byte(backupMagic)
	p = binary.BigEndian.AppendUint32(p, backupFormat)
	p = binary.BigEndian.AppendUint32(p, SchemaVersion)
	b.write(binary.BigEndian.AppendUint64(p, revision))
}

func (b *backupWriter) entry(key []byte, meta byte, value []byte) {
	p := binary.BigEndian.AppendUint32([]byte{backupKey}, uint32(len(key)))
	p = append(p, key...)
	p = append(p, meta)
	b.write(binary.BigEndian.AppendUint32(p, uint32(len(value))))
	b.write(value)
	b.keys++
}

func (b *backupWriter) trailer() {
	b.write(binary.BigEndian.AppendUint64([]byte{backupTrailer}, b.keys))
	b.write(b.sum.Sum(nil))
	if b.err == nil {
		b.err = b.out.Flush()
	}
}

// Restore makes dir a data directory with what a backup holds. dir must not
// exist or be empty. The backup is restored beside dir and moved there once it
// proved whole; on an error nothing is left.
func Restore(dir string, r io.Reader) (err error) {
	if err := refuseUsed(dir); err != nil {
		return err
	}
	parent := filepath.Dir(filepath.Clean(dir))
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return internal("making the parent of the data directory", err)
	}
	temporary, err := os.MkdirTemp(parent, "."+filepath.Base(dir)+".restoring-*")
	if err != nil {
		return internal("making a temporary directory beside the data directory", err)
	}
	if err := restoreInto(temporary, r); err != nil {
		return errors.Join(err, os.RemoveAll(temporary))
	}
	if err := replace(dir, temporary, parent); err != nil {
		return errors.Join(internal("moving the restored data into place", err), os.RemoveAll(temporary))
	}
	return nil
}

func refuseUsed(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return &authz.Error{Code: authz.CodeUnavailable, Message: "data directory " + dir + " cannot be read", Cause: err}
	case len(entries) > 0:
		return authz.Errorf(authz.CodeConflict, "data directory %s is not empty; restore into a new one", dir)
	}
	return nil
}

// replace moves from to dir, which is missing or empty, and makes that durable.
func replace(dir, from, parent string) error {
	if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Rename(from, dir); err != nil {
		return err
	}
	return disk.SyncDir(parent)
}

func restoreInto(dir string, r io.Reader) error {
	in := &backupReader{in: bufio.NewReaderSize(r, 256<<10), sum: sha256.New()}
	revision, schema, err := in.header()
	if err != nil {
		return err
	}
	db, err := disk.Open(Config{Dir: dir, MinFree: AnyFree}.withDefaults().badger())
	if err != nil {
		return err
	}
	if err := in.load(db.DB, revision, schema); err != nil {
		return errors.Join(err, db.DB.Close())
	}
	if err := db.DB.Close(); err != nil {
		return internal("closing the restored data", err)
	}
	return nil
}

// backupReader reads a backup and sums what it read.
type backupReader struct {
	in   *bufio.Reader
	sum  hash.Hash
	keys uint64
}

// read reads exactly n bytes.
func (b *backupReader) read(n int) ([]byte, error) {
	p := make([]byte, n)
	if _, err := io.ReadFull(b.in, p); err != nil {
		return nil, damaged("it ends too early", err)
	}
	b.sum.Write(p)
	return p, nil
}

func (b *backupReader) number32(limit int) (int, error) {
	p, err := b.read(4)
	if err != nil {
		return 0, err
	}
	n := binary.BigEndian.Uint32(p)
	if n > uint32(limit) {
		return 0, damaged(fmt.Sprintf("it has a length of %d", n), nil)
	}
	return int(n), nil
}

func (b *backupReader) header() (revision uint64, schema uint32, err error) {
	p, err := b.read(len(backupMagic) + 16)
	if err != nil {
		return 0, 0, err
	}
	if string(p[:len(backupMagic)]) != backupMagic {
		return 0, 0, damaged("it does not begin like a backup of Verdict", nil)
	}
	p = p[len(backupMagic):]
	if format := binary.BigEndian.Uint32(p); format != backupFormat {
		return 0, 0, authz.Errorf(authz.CodeConflict, "the backup has format version %d and this Verdict reads %d", format, backupFormat)
	}
	schema = binary.BigEndian.Uint32(p[4:])
	return binary.BigEndian.Uint64(p[8:]), schema, refuseNewer("the backup", schema)
}

// load writes every key at the backup's revision, and checks the trailer. An
// older schema stays what it is: Open brings it up to date.
func (b *backupReader) load(db *badger.DB, revision uint64, schema uint32) error {
	at := max(revision, 1) // Badger does not take 0
	batch := db.NewWriteBatchAt(at)
	defer batch.Cancel()
	if err := batch.Set(schemaKey, schemaValue(schema)); err != nil {
		return internal("restoring", err)
	}
	for {
		e, more, err := b.entry()
		if err != nil {
			return err
		}
		if !more {
			break
		}
		if err := e.belongs(revision); err != nil {
			return err
		}
		if err := batch.SetEntry(badger.NewEntry(e.key, e.value).WithMeta(e.meta)); err != nil {
			return internal("restoring", err)
		}
	}
	if err := b.trailer(); err != nil {
		return err
	}
	if err := batch.Flush(); err != nil {
		return internal("restoring", err)
	}
	return nil
}

// entry reads the next key; more is false at the trailer.
func (b *backupReader) entry() (e entry, more bool, err error) {
	tag, err := b.read(1)
	if err != nil || tag[0] == backupTrailer {
		return entry{}, false, err
	}
	if tag[0] != backupKey {
		return entry{}, false, damaged("it has an unknown part", nil)
	}
	length, err := b.number32(maxBackupKey)
	if err != nil {
		return entry{}, false, err
	}
	key, err := b.read(length + 1)
	if err != nil {
		return entry{}, false, err
	}
	size, err := b.number32(maxBackupValue)
	if err != nil {
		return entry{}, false, err
	}
	value, err := b.read(size)
	b.keys++
	return entry{key: key[:length], meta: key[length], value: value}, true, err
}

// belongs refuses keys no backup has, and a state of another revision.
func (e entry) belongs(revision uint64) error {
	if !knownKind(e.key) || string(e.key) == string(schemaKey) || string(e.key) == string(historyKey) {
		return damaged("it has a key that is not Verdict's", nil)
	}
	if string(e.key) != string(stateKey) {
		return nil
	}
	state, err := readPersisted(e.value)
	if err != nil || state.revision != revision {
		return damaged("its revision and its state differ", err)
	}
	return nil
}

func (b *backupReader) trailer() error {
	count, err := b.read(8)
	if err != nil {
		return err
	}
	if binary.BigEndian.Uint64(count) != b.keys {
		return damaged("keys are missing", nil)
	}
	want := b.sum.Sum(nil)
	got, err := b.read(len(want))
	if err != nil {
		return err
	}
	if string(got) != string(want) {
		return damaged("its checksum does not match", nil)
	}
	if _, err := b.in.ReadByte(); !errors.Is(err, io.EOF) {
		return damaged("more bytes follow its end", err)
	}
	return nil
}

func damaged(how string, cause error) error {
	return &authz.Error{Code: authz.CodeInvalid, Message: "the backup is damaged: " + how + "; nothing was restored", Cause: cause}
}
