package main

import (
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/disk"
)

// outFile is a file that appears whole or not at all. It is written beside its
// place as PATH.tmp, readable by its user only, and renamed by commit.
type outFile struct {
	*os.File
	path string
}

// createOut starts a file at path. It refuses to replace one unless force.
func createOut(path string, force bool) (*outFile, error) {
	if !force {
		if _, err := os.Lstat(path); err == nil {
			return nil, &failure{status: exitConflict, code: authz.CodeConflict, message: path + " exists already", fix: "Name another file, or replace it with --force."}
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	file, err := os.OpenFile(path+".tmp", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, usage("creating "+inputName(path)+": "+reason(err), "Name a file in a folder that exists and is yours to write to.")
	}
	return &outFile{File: file, path: path}, nil
}

// commit makes the file durable under its name.
func (f *outFile) commit() error {
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	if err := os.Rename(f.Name(), f.path); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return disk.SyncDir(filepath.Dir(f.path))
}

// finish writes text as the whole content and commits the file. On an error
// nothing is left of it.
func (f *outFile) finish(text string) error {
	if _, err := f.WriteString(text); err != nil {
		return f.abort(err)
	}
	return f.commit()
}

// abort removes what was written; err is why, and is returned with whatever
// went wrong doing so.
func (f *outFile) abort(err error) error {
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}

// printFile says what was written.
func (c *cli) printFile(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return c.printMade(map[string]any{"file": path, "bytes": info.Size()}, "%s: %d bytes", path, info.Size())
}

// readCertificates reads the certificates of a PEM file, the client's own first.
// It passes over everything else, such as a private key in the same file: that
// must not leave this machine.
func (c *cli) readCertificates(path string) ([]*pem.Block, error) {
	data, err := readInput(path, c.in)
	if err != nil {
		return nil, err
	}
	var chain []*pem.Block
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if block.Type == "CERTIFICATE" {
			chain = append(chain, block)
		}
	}
	if len(chain) == 0 {
		return nil, notCertificate(path, nil)
	}
	return chain, nil
}

func notCertificate(path string, cause error) *failure {
	f := usage("there is no certificate in "+inputName(path), "A PEM file has lines -----BEGIN CERTIFICATE-----; `openssl x509 -inform der` makes one of DER.")
	f.cause = cause
	return f
}

// pemText writes certificates as PEM, without headers.
func pemText(chain []*pem.Block) string {
	var b strings.Builder
	for _, block := range chain {
		b.Write(pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes}))
	}
	return b.String()
}

// secretSource is where a secret is read from: standard input or a file, "" when
// neither flag was given. The flag of its own name takes only -, because every
// process of the machine can read a command line.
func secretSource(flag, value, file string) (string, error) {
	switch {
	case value != "" && value != "-":
		return "", usage("--"+flag+" takes only -, to read it from standard input: a command line can be read by every process of the machine",
			"Pipe it in with --"+flag+" -, or name a file with --"+flag+"-file.")
	case value == "-":
		return "-", nil
	}
	return file, nil
}

// readSecret reads the one line that a secret is.
func (c *cli) readSecret(what, source string) (string, error) {
	data, err := readInput(source, c.in)
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(data))
	if text == "" {
		return "", usage("there is no "+what+" in "+inputName(source), "Check what was piped in or the file's name.")
	}
	return text, nil
}
