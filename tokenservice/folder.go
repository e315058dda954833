package tokenservice

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/verdict-pdp/verdict/disk"
	"github.com/verdict-pdp/verdict/ijson"
)

// folder is where the private keys lie. One Service uses it at a time.
type folder string

// load reads the keys in the order they were made, finishes an emergency that a crash
// cut short, and deletes files that never became whole. Other files are left alone.
func (f folder) load() ([]*key, error) {
	if err := f.make(); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(string(f))
	if err != nil {
		return nil, err
	}
	var keys []*key
	for _, entry := range entries {
		switch name := entry.Name(); {
		case disk.Unfinished(name):
			if err := os.Remove(filepath.Join(string(f), name)); err != nil {
				return nil, err
			}
		case strings.HasPrefix(name, "key-") && strings.HasSuffix(name, ".json"):
			k, err := f.read(name)
			if err != nil {
				return nil, fmt.Errorf("signing key file %s: %w", name, err)
			}
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b *key) int { return a.Sequence - b.Sequence })
	return f.dropEarlier(keys)
}

// make makes the folder, and those it is in, durably: a key in it is not to be lost
// with the folder.
func (f folder) make() error {
	in := folder(filepath.Dir(string(f)))
	if _, err := os.Stat(string(f)); err == nil || in == f {
		return err
	}
	if err := in.make(); err != nil {
		return err
	}
	if err := os.Mkdir(string(f), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return disk.SyncDir(string(in))
}

func (f folder) read(name string) (*key, error) {
	data, err := os.ReadFile(filepath.Join(string(f), name))
	if err != nil {
		return nil, err
	}
	r, err := readRecord(data)
	if err != nil {
		return nil, err
	}
	if name != fileName(r.Sequence) {
		return nil, fmt.Errorf("it holds the key of %s", fileName(r.Sequence))
	}
	return keyOf(r)
}

// readRecord reads a key file of any schema that there was. Errors never quote it.
func readRecord(data []byte) (record, error) {
	var version struct {
		Schema int `json:"schema"`
	}
	err := ijson.UnmarshalOpen(data, &version)
	if err == nil && version.Schema > schema {
		return record{}, fmt.Errorf("it has schema %d, and this binary reads %d: it was written by a newer one", version.Schema, schema)
	}
	stored := struct {
		record
		Alone bool `json:"alone"` // of the first schema
	}{}
	if err != nil || ijson.Unmarshal(data, &stored) != nil {
		return record{}, errors.New("it is not whole, or not of this program") // the cause might quote the key
	}
	if stored.Schema == 0 {
		stored.Schema, stored.DropsEarlier = schema, stored.Alone
	}
	return stored.record, nil
}

// dropEarlier deletes the keys made before the last that drops those before it.
func (f folder) dropEarlier(keys []*key) ([]*key, error) {
	for i := len(keys) - 1; i > 0; i-- {
		if keys[i].DropsEarlier {
			return keys[i:], f.remove(keys[:i])
		}
	}
	return keys, nil
}

// write makes the key durable, whole or not at all, in a file only its user may read.
func (f folder) write(k *key) error {
	data, err := ijson.Marshal(k.record)
	if err != nil {
		return errors.New("the signing key cannot be written as JSON") // the cause might quote it
	}
	return disk.WriteFile(filepath.Join(string(f), fileName(k.Sequence)), data, 0o600)
}

// remove deletes the files of keys, durably. Those gone already are fine.
func (f folder) remove(keys []*key) error {
	var failed []error
	for _, k := range keys {
		if err := os.Remove(filepath.Join(string(f), fileName(k.Sequence))); !errors.Is(err, fs.ErrNotExist) {
			failed = append(failed, err)
		}
	}
	return errors.Join(append(failed, disk.SyncDir(string(f)))...)
}

func fileName(sequence int) string { return fmt.Sprintf("key-%06d.json", sequence) }
