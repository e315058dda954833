package main

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/verdict-pdp/verdict/authz"
)

// secretFiles are the files that new secrets are saved in, one a machine user and
// named after it, readable by their user only.
type secretFiles struct {
	dir   string
	files map[string]*outFile // :: machine user -> its file, not committed
}

// newSecretFiles makes room for the secrets of machine users in dir, which is made
// when it is not there. It refuses to replace a file.
func newSecretFiles(dir string, of []string) (*secretFiles, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, usage("creating "+inputName(dir)+": "+reason(err), "Name a folder that is yours to write to.")
	}
	s := &secretFiles{dir: dir, files: map[string]*outFile{}}
	for _, machineUser := range of {
		if err := s.add(machineUser); err != nil {
			return nil, s.abort(secretFileExists(err))
		}
	}
	return s, nil
}

func (s *secretFiles) add(machineUser string) error {
	// An id is no path: it starts with a letter or a digit and has no slash.
	if err := authz.ValidateID("machine_user", machineUser); err != nil {
		return unreadable(err)
	}
	file, err := createOut(filepath.Join(s.dir, machineUser), false)
	if err == nil {
		s.files[machineUser] = file
	}
	return err
}

// save writes the secrets and returns the path of each. Files that no secret came
// for are removed. Of several that cannot be written the others still are.
func (s *secretFiles) save(secrets map[string]string) (map[string]string, error) {
	paths := map[string]string{} // :: machine user -> path
	var failed error
	for _, machineUser := range slices.Sorted(maps.Keys(secrets)) {
		if s.files[machineUser] == nil { // it joined the set in between
			if err := s.add(machineUser); err != nil {
				failed = errors.Join(failed, err)
				continue
			}
		}
		file := s.files[machineUser]
		delete(s.files, machineUser)
		if err := file.finish(secrets[machineUser] + "\n"); err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		paths[machineUser] = file.path
	}
	return paths, s.abort(failed)
}

// abort removes the files that were not committed, and returns err with whatever
// went wrong doing so.
func (s *secretFiles) abort(err error) error {
	for _, file := range s.files {
		err = file.abort(err)
	}
	s.files = nil
	return err
}
