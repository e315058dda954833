package bundles

import (
	"archive/tar"
	"cmp"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/verdict-pdp/verdict/authz"
)

// Pack writes the policy set whose root is the root of files as a bundle that
// ReadTar and OPA read: its manifest, policies, tests and data, its decision tables with
// the files that they include, and .signatures.json when there is one. Of a folder with
// signatures no other files are taken than those that are signed. The same
// files make the same bytes, whatever their times, modes and owners. What Read
// refuses is refused with the same errors; other errors are those of w.
func Pack(w io.Writer, files fs.FS) error { return pack(w, files, Limits{}.orDefaults()) }

func pack(w io.Writer, files fs.FS, l Limits) error {
	all, err := packable(files, l)
	if err != nil {
		return err
	}
	if err := writeTar(w, all); err != nil {
		return fmt.Errorf("writing the bundle: %w", err)
	}
	return nil
}

// packable reads the files that belong in a bundle, in path order.
func packable(files fs.FS, l Limits) ([]File, error) {
	more, signed, err := signedNames(files, l)
	if err == nil && !signed {
		more, err = tableNames(files, l)
	}
	if err != nil {
		return nil, err
	}
	f := folder{files: files, limits: l}
	all, err := f.read(func(name string) bool {
		return kindOf(name).loaded() || kindOf(name) == kindSignatures || more[name]
	})
	if err != nil {
		return nil, err
	}
	_, problems := sorted(all)
	return all, append(f.problems, problems...).err()
}

// signedNames are the files that the signatures of a folder list, be they valid
// or not; none when it has no signatures that can be read. Signed reports whether it has
// signatures at all: OPA refuses a file beside them that they do not list.
func signedNames(files fs.FS, l Limits) (names map[string]bool, signed bool, err error) {
	f := folder{files: files, limits: l}
	found, err := f.read(func(name string) bool { return kindOf(name) == kindSignatures })
	if err != nil || len(found) == 0 {
		return nil, false, err
	}
	s, err := parseSignature(found[0].Bytes)
	if err != nil {
		return nil, true, nil //nolint:nilerr // who verifies the bundle says what is wrong
	}
	names = map[string]bool{}
	for _, file := range s.payload.Files {
		names[file.Name] = true
	}
	return names, true, nil
}

// tableNames are the decision tables of a folder and the files that they include. A table
// that cannot be read includes nothing here; who runs it says what is wrong.
func tableNames(files fs.FS, l Limits) (map[string]bool, error) {
	f := folder{files: files, limits: l}
	tables, err := f.read(func(name string) bool { return strings.HasSuffix(name, authz.TableSuffix) })
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, table := range tables {
		names[table.Path] = true
		for _, included := range includes(table.Bytes) {
			names[path.Join(path.Dir(table.Path), included)] = true
		}
	}
	return names, nil
}

// includes lists what stands under data.include of a decision table: one name or a list.
func includes(table []byte) []string {
	var content struct {
		Data struct {
			Include yaml.Node `yaml:"include"`
		} `yaml:"data"`
	}
	var one string
	var list []string
	if yaml.Unmarshal(table, &content) != nil || content.Data.Include.IsZero() {
		return nil
	}
	if content.Data.Include.Decode(&one) == nil {
		return []string{one}
	}
	if content.Data.Include.Decode(&list) != nil {
		return nil
	}
	return list
}

// writeTar writes files as a gzipped tar with paths as `opa build` writes them.
func writeTar(w io.Writer, files []File) error {
	files = slices.SortedFunc(slices.Values(files), func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	zipped := gzip.NewWriter(w)
	packed := tar.NewWriter(zipped)
	for _, f := range files {
		header := tar.Header{Typeflag: tar.TypeReg, Name: "/" + f.Path, Mode: 0o644, Size: int64(len(f.Bytes))}
		if err := packed.WriteHeader(&header); err != nil {
			return err
		}
		if _, err := packed.Write(f.Bytes); err != nil {
			return err
		}
	}
	if err := packed.Close(); err != nil {
		return err
	}
	return zipped.Close()
}
