package daemon

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/introspection"
)

// The types in this file give the rooms that evidence is checked in the shapes
// that the verifier declares.

// authorities is the introspection room as the verifier sees it.
type authorities struct {
	client  *introspection.Client
	secrets *secretFiles
}

// Introspect implements token.Introspector.
func (a authorities) Introspect(ctx context.Context, issuer *authz.Issuer, text, source string) (authz.IntrospectionAnswer, error) {
	ours, err := a.secrets.read(issuer.Introspection.Secret)
	if err != nil {
		return authz.IntrospectionAnswer{}, fmt.Errorf("%w: %w", authz.ErrUnavailable, err)
	}
	return a.client.Introspect(ctx, authority(issuer, ours), text, source)
}

func authority(issuer *authz.Issuer, ours string) introspection.Authority {
	in := issuer.Introspection
	return introspection.Authority{
		Issuer:      issuer.ID,
		Revision:    issuer.Revision,
		URL:         in.URL,
		ClientID:    in.ClientID,
		Secret:      ours,
		Deadline:    time.Duration(in.DeadlineMS) * time.Millisecond,
		FreshFor:    time.Duration(issuer.FreshForS) * time.Second,
		UsableFor:   time.Duration(issuer.UsableForS) * time.Second,
		NegativeFor: time.Duration(in.NegativeForS) * time.Second,
	}
}

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

// rereadAfter is how long a secret that was put in place takes to be seen.
const rereadAfter = 10 * time.Second

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
		last.text, last.err = secretFile(filepath.Join(s.dir, name))
		last.at = s.now()
		s.known[name] = last
	}
	return last.text, last.err
}
