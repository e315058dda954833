package bundles

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"

	"github.com/verdict-pdp/verdict/authz"
)

// Package is a bundle as it travels: a policy set packed into one file. It is
// complete and within bounds; nothing about it was verified. It must not be
// changed.
type Package struct {
	Archive
	Signatures []byte // content of .signatures.json; nil when there is none
	Files      []File // every file but .signatures.json, also ignored ones, in path order
	Digest     string // "sha256:<hex>" of Packed
	Packed     []byte // the bundle as it travels
}

// ReadTar reads a bundle that is a gzipped tar, as `opa build` writes it and
// Pack does. Nothing is trusted before it is counted: memory in use stays below
// l.Packed and l.Bytes together. The error is an *authz.Error, CodeTooLarge when
// a bound was passed, and CodeInvalid for anything that two readers could take
// for two things:
//
//   - entries that are neither files nor folders, paths that leave the bundle or
//     can be written in two ways, two entries of one path;
//   - bytes after the end, be they a second gzip member;
//   - policy.wasm and patch.json, a second manifest, and files that look like
//     signatures anywhere but at /.signatures.json;
//   - policies, data or tests in a folder whose name starts with a dot.
func ReadTar(r io.Reader, l Limits) (Package, error) {
	l = l.orDefaults()
	packed, err := io.ReadAll(io.LimitReader(r, l.Packed+1))
	var known *authz.Error
	switch {
	case errors.As(err, &known):
		return Package{}, err
	case err != nil:
		return Package{}, &authz.Error{Code: authz.CodeInvalid, Message: "the bundle could not be read to its end; send it again", Cause: err}
	case int64(len(packed)) > l.Packed:
		return Package{}, tooLarge("bundle", "is larger than %d bytes", l.Packed)
	}
	files, err := unpack(packed, l)
	if err != nil {
		return Package{}, err
	}
	return newPackage(packed, files)
}

func newPackage(packed []byte, files []File) (Package, error) {
	archive, problems := sorted(files)
	if err := problems.err(); err != nil {
		return Package{}, err
	}
	sum := sha256.Sum256(packed)
	p := Package{Archive: archive, Packed: packed, Digest: "sha256:" + hex.EncodeToString(sum[:])}
	for _, f := range files {
		if f.Path == signaturesName {
			p.Signatures = f.Bytes
		} else {
			p.Files = append(p.Files, f)
		}
	}
	return p, nil
}

// ReadFolder packs the folder that files is, as Pack does, and reads the result
// as ReadTar does: what a folder is refused for, its bundle would be too.
func ReadFolder(files fs.FS, l Limits) (Package, error) {
	var packed bytes.Buffer
	if err := pack(&packed, files, l.orDefaults()); err != nil {
		return Package{}, err
	}
	return ReadTar(&packed, l)
}
