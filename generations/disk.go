package generations

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
	"github.com/verdict-pdp/verdict/disk"
)

// Names within the folder; doc.go draws it.
const (
	stateFile   = "state.json"
	stateCopy   = "state.copy.json"
	bundleDir   = "bundles"
	numberDir   = "generations"
	brokenDir   = "broken"
	bundleExt   = ".tar.gz"
	numberExt   = ".json"
	digestStart = "sha256:"
)

// maxNumber is more than there will be generations.
const maxNumber = 1 << 53

// folder is the folder that generations are kept in.
type folder struct {
	dir string
}

// make makes the folders that are missing, durably.
func (d folder) make() error {
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return err
	}
	for _, name := range []string{bundleDir, numberDir, brokenDir} {
		if err := os.MkdirAll(filepath.Join(d.dir, name), 0o700); err != nil {
			return err
		}
	}
	return errors.Join(disk.SyncDir(filepath.Dir(d.dir)), disk.SyncDir(d.dir))
}

// write puts content in the place of the file called name, whole or not at all.
// It is on disk when write returns nil.
func (d folder) write(name string, content []byte) error {
	return disk.WriteFile(filepath.Join(d.dir, name), content, 0o600)
}

func removeIfThere(name string) error {
	if err := os.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// remove removes files, those that are not there being removed already.
func (d folder) remove(names ...string) error {
	var failed error
	for _, name := range names {
		failed = errors.Join(failed, removeIfThere(filepath.Join(d.dir, name)))
	}
	return failed
}

// setAside moves a file out of the way, to be looked at; aside is false when it is not
// there.
func (d folder) setAside(name string) (aside bool, err error) {
	err = os.Rename(filepath.Join(d.dir, name), filepath.Join(d.dir, brokenDir, filepath.Base(name)))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return true, errors.Join(err, disk.SyncDir(filepath.Join(d.dir, filepath.Dir(name))), disk.SyncDir(filepath.Join(d.dir, brokenDir)))
}

// names lists the files of a folder, and removes those that were never finished.
func (d folder) names(within string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(d.dir, within))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		name := filepath.Join(within, entry.Name())
		switch {
		case entry.IsDir():
		case disk.Unfinished(entry.Name()):
			if err := d.remove(name); err != nil {
				return nil, err
			}
		default:
			names = append(names, name)
		}
	}
	return names, nil
}

// writeState makes s the state, and then copies it: the copy is read when the
// state is broken.
func (d folder) writeState(s state) error {
	content, err := encode(s)
	if err != nil {
		return err
	}
	if err := d.write(stateFile, content); err != nil {
		return err
	}
	return d.write(stateCopy, content)
}

// damage says that a file is not what was written. Other errors say that it cannot be
// read now, which is no reason to give it up.
type damage struct {
	file  string
	cause error
}

func (d *damage) Error() string { return d.file + " is damaged: " + d.cause.Error() }

func (d *damage) Unwrap() error { return d.cause }

// damaged is err, which reading file ended with, as damage if it is some.
func damaged(file string, err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.EIO) {
		return &damage{file: file, cause: err}
	}
	return err
}

// readState reads the state from one of its files. The error is a *damage, also when
// the file is not there.
func (d folder) readState(name string) (state, error) {
	var s state
	if err := d.decode(name, &s); err != nil {
		return state{}, err
	}
	switch {
	case s.Schema < 1 || s.Next < 1:
		return state{}, &damage{file: name, cause: errors.New("it is no state")}
	case s.Next > maxNumber || s.Active >= s.Next || s.Previous >= s.Next:
		return state{}, &damage{file: name, cause: errors.New("it names generations that cannot be")}
	}
	if s.Activated == nil {
		s.Activated = map[uint64]activation{}
	}
	if s.Accepted == nil {
		s.Accepted = map[string]bundles.Accepted{}
	}
	return s, nil
}

// writeGeneration keeps g; it is whole once its bundles are on disk.
func (d folder) writeGeneration(g *generation) error {
	content, err := encode(g)
	if err != nil {
		return err
	}
	return d.write(generationFile(g.Number), content)
}

// readGeneration reads a generation and checks that each of its bundles is there,
// byte for byte. The error is a *damage when one of the files is not what it was, and
// another when a later version wrote it.
func (d folder) readGeneration(name string) (*generation, error) {
	number, ok := numberOf(name)
	if !ok {
		return nil, &damage{file: name, cause: errors.New("its name is not that of a generation")}
	}
	var stored storedGeneration
	if err := d.decode(name, &stored); err != nil {
		return nil, err
	}
	g := stored.current()
	if g.Number != number || g.ChangedBundle == "" || len(g.Bundles) == 0 {
		return nil, &damage{file: name, cause: fmt.Errorf("it says that it is generation %d, made for the bundle %q, of %d bundles", g.Number, g.ChangedBundle, len(g.Bundles))}
	}
	for _, ref := range g.Bundles {
		if _, err := bundleFile(ref.Digest); err != nil {
			return nil, &damage{file: name, cause: err}
		}
		if err := d.checkBundle(ref.Digest); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// newerSchema is the error for a file that a later version wrote. It is no damage: the
// file stays where it is.
func newerSchema(name string, has int) error {
	return ofDisk(fmt.Sprintf("of the policies kept on disk %s has schema %d, and this binary reads %d: it was written by a newer one; start that one, or put the folder back as it was before that", name, has, schema), nil)
}

// checkBundle reads a bundle's file without keeping it. The error is a *damage when it
// is not what its name says.
func (d folder) checkBundle(digest string) (err error) {
	name, err := bundleFile(digest)
	if err != nil {
		return err
	}
	f, err := os.Open(filepath.Join(d.dir, name))
	if err != nil {
		return damaged(name, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return damaged(name, err)
	}
	if got := digestStart + hex.EncodeToString(sum.Sum(nil)); got != digest {
		return &damage{file: name, cause: errors.New("its content is " + got)}
	}
	return nil
}

// readBundle reads the file of ref whole and checks that it is what it was.
func (d folder) readBundle(ref authz.BundleRef) (_ []byte, err error) {
	name, err := bundleFile(ref.Digest)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Join(d.dir, name))
	if err != nil {
		return nil, damaged(name, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	packed, err := io.ReadAll(io.LimitReader(f, ref.Bytes+1))
	if err != nil {
		return nil, damaged(name, err)
	}
	sum := sha256.Sum256(packed)
	if got := digestStart + hex.EncodeToString(sum[:]); got != ref.Digest {
		return nil, &damage{file: name, cause: errors.New("its content is " + got)}
	}
	return packed, nil
}

// writeBundle keeps a packed bundle, which is named by what it is. One that is
// there whole is left alone.
func (d folder) writeBundle(digest string, packed []byte) error {
	name, err := bundleFile(digest)
	if err != nil {
		return err
	}
	if d.checkBundle(digest) == nil {
		return nil
	}
	return d.write(name, packed)
}

// decode reads a JSON file. The error is a *damage when it is none, and another when a
// later version wrote it, whatever else it holds then.
func (d folder) decode(name string, into any) error {
	content, err := os.ReadFile(filepath.Join(d.dir, name))
	if err != nil {
		return damaged(name, err)
	}
	if has := schemaOf(content); has > schema {
		return newerSchema(name, has)
	}
	if err := json.Unmarshal(content, into); err != nil {
		return &damage{file: name, cause: err}
	}
	return nil
}

// schemaOf is the schema that a file says it has, 0 when it says none. Members are told
// apart by case here: "sChema" is damage.
func schemaOf(content []byte) (has int) {
	var members map[string]json.RawMessage
	if json.Unmarshal(content, &members) != nil || json.Unmarshal(members["schema"], &has) != nil {
		return 0
	}
	return has
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return b.Bytes(), err
}

func generationFile(n uint64) string {
	return filepath.Join(numberDir, strconv.FormatUint(n, 10)+numberExt)
}

// numberOf undoes generationFile.
func numberOf(name string) (uint64, bool) {
	n, err := strconv.ParseUint(strings.TrimSuffix(filepath.Base(name), numberExt), 10, 64)
	return n, err == nil && n > 0 && n < maxNumber && generationFile(n) == name
}

// bundleFile is where the bundle with this digest is. The digest may come from a
// damaged file, so it is not trusted to be one.
func bundleFile(digest string) (string, error) {
	sum, ok := strings.CutPrefix(digest, digestStart)
	if raw, err := hex.DecodeString(sum); !ok || err != nil || len(raw) != sha256.Size {
		return "", fmt.Errorf("%q is not the digest of a bundle", digest)
	}
	return filepath.Join(bundleDir, sum+bundleExt), nil
}
