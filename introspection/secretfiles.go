package introspection

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// rereadAfter is how long a secret that was put in place takes to be seen.
const rereadAfter = 10 * time.Second

// secretFiles reads our secrets at issuers from a folder, one file each, and
// remembers them for a while.
type secretFiles struct {
	dir string
	now func() time.Time

	mu    sync.Mutex
	known map[string]readSecret // guarded by mu :: name -> what was read
}

type readSecret struct {
	text string
	err  error
	at   time.Time
}

func newSecretFiles(dir string, now func() time.Time) *secretFiles {
	return &secretFiles{dir: dir, now: now, known: map[string]readSecret{}}
}

// read gives the secret of a name, which is an id and so names a file of the
// folder.
func (s *secretFiles) read(name string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, ok := s.known[name]
	if age := s.now().Sub(last.at); !ok || age < 0 || age > rereadAfter {
		last.text, last.err = readSecretFile(filepath.Join(s.dir, name))
		last.at = s.now()
		s.known[name] = last
	}
	return last.text, last.err
}

// readSecretFile reads one secret, without the line end an editor adds.
func readSecretFile(path string) (string, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("the file %s does not exist; put the secret there, readable by this user only", path)
	}
	if err != nil {
		return "", err
	}
	secret := strings.TrimRight(string(text), "\r\n")
	if secret == "" {
		return "", fmt.Errorf("the file %s is empty; put the secret there", path)
	}
	return secret, nil
}
