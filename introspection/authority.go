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

	"github.com/verdict-pdp/verdict/authz"
)

// Defaults of Authority.
const (
	DefaultDeadline    = 500 * time.Millisecond
	DefaultNegativeFor = 10 * time.Second
)

// Authority is the authorization server of an issuer, and how to ask it.
type Authority struct {
	Issuer string // the registered issuer's id
	// Revision is the issuer entity's. Answers cached under another are not used.
	Revision uint64
	URL      string // introspection endpoint: https, or http to a loopback address
	// ClientID and Secret authenticate us to the authority: HTTP Basic, both
	// form-urlencoded first (RFC 6749 section 2.3.1).
	ClientID string
	Secret   string `json:"-"`
	// Deadline limits one request, from dialing to the last byte of the answer. Zero
	// means DefaultDeadline.
	Deadline time.Duration
	// FreshFor is how long a positive answer is used without asking again, UsableFor how
	// long while the authority cannot be asked. Zero means not at all; UsableFor limits
	// both.
	FreshFor, UsableFor time.Duration
	// NegativeFor is how long the answer "inactive" is used without asking again. Zero
	// means DefaultNegativeFor.
	NegativeFor time.Duration
}

// AuthorityOf returns the authority of a registered issuer of kind introspection.
func AuthorityOf(issuer *authz.Issuer, clientSecret string) Authority {
	in := issuer.Introspection
	return Authority{
		Issuer:      issuer.ID,
		Revision:    issuer.Revision,
		URL:         in.URL,
		ClientID:    in.ClientID,
		Secret:      clientSecret,
		Deadline:    time.Duration(in.DeadlineMS) * time.Millisecond,
		FreshFor:    time.Duration(issuer.FreshForS) * time.Second,
		UsableFor:   time.Duration(issuer.UsableForS) * time.Second,
		NegativeFor: time.Duration(in.NegativeForS) * time.Second,
	}
}

// String describes the authority without its secret.
func (a Authority) String() string {
	return fmt.Sprintf("authority of %s at %s, revision %d, as client %q", a.Issuer, a.URL, a.Revision, a.ClientID)
}

// GoString is String, because %#v would show the secret.
func (a Authority) GoString() string { return a.String() }

func (a Authority) withDefaults() Authority {
	if a.Deadline <= 0 {
		a.Deadline = DefaultDeadline
	}
	if a.NegativeFor <= 0 {
		a.NegativeFor = DefaultNegativeFor
	}
	a.FreshFor = min(a.FreshFor, a.UsableFor)
	return a
}

// validate returns an error if the authority cannot be asked.
func (a Authority) validate() error {
	switch {
	case a.Issuer == "":
		return authz.Invalid("issuer", "is required: the registered issuer's id")
	case a.ClientID == "":
		return authz.Invalid("client_id", "is required: RFC 7662 section 2.1 asks for an authenticated client")
	}
	return authz.ValidateFetchURL("introspection_url", a.URL)
}

// rereadAfter is how long a secret is used before its file is read again.
const rereadAfter = 10 * time.Second

// secretFiles reads our client secrets from a folder, one file each, and caches them
// for rereadAfter.
type secretFiles struct {
	dir string
	now func() time.Time

	mu    sync.Mutex
	cache map[string]readSecret // guarded by mu :: name -> what was read
}

type readSecret struct {
	text string
	err  error
	at   time.Time
}

func newSecretFiles(dir string, now func() time.Time) *secretFiles {
	return &secretFiles{dir: dir, now: now, cache: map[string]readSecret{}}
}

// read returns the secret of a name. A name is an entity id, so it cannot lead out of
// the folder.
func (s *secretFiles) read(name string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, ok := s.cache[name]
	if age := s.now().Sub(last.at); !ok || age < 0 || age > rereadAfter {
		last.text, last.err = readSecretFile(filepath.Join(s.dir, name))
		last.at = s.now()
		s.cache[name] = last
	}
	return last.text, last.err
}

// readSecretFile reads one secret, without the line ends that editors add.
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
