package daemon

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/apikey"
	"github.com/verdict-pdp/verdict/store"
)

// firstKeys are made when a store has no API key at all. The operator holds every
// role, because a key can only be given roles its creator has.
var firstKeys = []struct {
	id, name string
	roles    []authz.Role
}{
	{"operator", "made at first start", authz.Roles()},
	{"pep", "made at first start", []authz.Role{authz.RoleDecide}},
}

// makeFirstKeys writes each key's file before its hash is stored: a crash in
// between leaves a file that opens nothing and is written again.
func (d *Daemon) makeFirstKeys(ctx context.Context) error {
	if d.store.Counts()[authz.APIKeys] > 0 {
		return nil
	}
	var ops []store.Op
	for _, k := range firstKeys {
		text, hash := apikey.New(k.id)
		file := d.path(filepath.Join("keys", k.id+".key"))
		if err := writeSecret(file, []byte(text+"\n")); err != nil {
			return err
		}
		d.Written = append(d.Written, file)
		ops = append(ops, store.Op{Entity: &authz.APIKey{Header: authz.Header{ID: k.id}, Name: k.name, Hash: hash, Roles: k.roles}, If: authz.AsNew()})
	}
	_, err := d.store.Apply(ctx, ops)
	return err
}

// writeSecret writes a file only its user may read, whole or not at all.
func writeSecret(file string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already when all went well
	if _, err := f.Write(content); err != nil {
		f.Close()
		return err
	}
	if err := f.Sync(); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), file); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(file))
}

// syncFolder makes a rename in a folder outlive a power cut.
func syncFolder(name string) error {
	folder, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
