package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
)

// bundleSource is a bundle to send: packed from a folder, or a file as it is.
type bundleSource struct {
	io.ReadCloser
	name string
}

// openBundle opens the bundle at path, a folder or a tar.gz, or standard input for
// "-". A folder is read whole first, so that what the server would refuse about its
// files is told before anything is sent.
func (c *cli) openBundle(path, name string) (*bundleSource, error) {
	if name == "" {
		if name = bundleNameOf(path); name == "" {
			return nil, usage("a bundle from standard input has no name", "Name it with --name.")
		}
	}
	if err := checkBundleName(name); err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if path != "-" && err != nil {
		return nil, usage("opening "+inputName(path)+": "+reason(err), "Name a policy folder, or a bundle made by `verdict bundle build` or `opa build`.")
	}
	if path == "-" || !info.IsDir() {
		file, _, err := c.openInput(path)
		return &bundleSource{ReadCloser: file, name: name}, err
	}
	packed, err := packFolder(path)
	if err != nil {
		return nil, err
	}
	return &bundleSource{ReadCloser: io.NopCloser(bytes.NewReader(packed)), name: name}, nil
}

// bundleNameOf is the name of a folder, or of a file without .tar.gz; "" for
// standard input.
func bundleNameOf(path string) string {
	if path == "-" {
		return ""
	}
	if whole, err := filepath.Abs(path); err == nil {
		path = whole
	}
	name := filepath.Base(path)
	for _, ending := range []string{".tar.gz", ".tgz"} {
		if short, ok := strings.CutSuffix(name, ending); ok {
			return short
		}
	}
	return name
}

func packFolder(path string) ([]byte, error) {
	p, err := bundles.ReadFolder(os.DirFS(path), bundles.Limits{})
	if err != nil {
		return nil, notLoaded(path, os.DirFS(path), err)
	}
	return p.Packed, nil
}

// refusedBundle is the err of a call that sent the bundle at path, with the lines at
// fault where that is a folder, and what to do when its content is refused.
func refusedBundle(path, fix string, err error) error {
	f := *failureOf(aboutPolicies(err))
	if path != "-" {
		f.frames = framesOf(os.DirFS(path), problemsOf(err))
	}
	if f.code == authz.CodeInvalid && f.fix == "" {
		f.fix = fix
	}
	return &f
}
