package servertest

import (
	"context"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/store"
)

// Memory is a store in memory, with stages for what a real one does only when
// something is amiss. The API keys of tests are beside it, so that they are neither
// counted nor listed and take no revision. Its fields are set before it is used.
type Memory struct {
	*store.Store
	// BackupBytes, when it or BackupErr is set, is what Backup writes before it returns
	// BackupErr.
	BackupBytes string
	BackupErr   error
	// Awaiting, when not nil, is told when a caller begins to wait for a change.
	Awaiting chan<- uint64

	t    testing.TB
	keys sync.Map // :: id -> *authz.APIKey
}

// NewMemory is a Memory with one API key, which no caller has and whose write was revision
// 1: what a test does is not the first that ever happened.
func NewMemory(t testing.TB) *Memory {
	s, err := store.Open(store.Config{InMemory: true, BlockCache: 1 << 20, IndexCache: 1 << 20, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	first := &authz.APIKey{Header: authz.Header{ID: "first"}, Hash: strings.Repeat("0", 64), Roles: []authz.Role{authz.RoleReview}}
	if _, err := s.Apply(t.Context(), []store.Op{{Entity: first}}); err != nil {
		t.Fatal(err)
	}
	return &Memory{Store: s, t: t}
}

// Keep stores an entity, past every check but its own.
func (m *Memory) Keep(e authz.Entity) {
	m.t.Helper()
	if key, ok := e.(*authz.APIKey); ok {
		m.keys.Store(key.ID, key)
		return
	}
	if _, err := m.Apply(m.t.Context(), []store.Op{{Entity: e}}); err != nil {
		m.t.Fatal(err)
	}
}

// Find reads an entity; nil when there is none.
func (m *Memory) Find(c authz.Collection, key string) authz.Entity {
	m.t.Helper()
	e, err := m.Get(c, key)
	if authz.CodeOf(err) == authz.CodeNotFound {
		return nil
	}
	if err != nil {
		m.t.Fatal(err)
	}
	return e
}

// APIKey implements apikey.Finder.
func (m *Memory) APIKey(_ context.Context, id string) (*authz.APIKey, bool, error) {
	if key, ok := m.keys.Load(id); ok {
		return key.(*authz.APIKey), true, nil
	}
	e, err := m.Get(authz.APIKeys, id)
	if authz.CodeOf(err) == authz.CodeNotFound {
		return nil, false, nil
	}
	key, ok := e.(*authz.APIKey)
	return key, ok, err
}

// WaitFor implements admin.Data.
func (m *Memory) WaitFor(ctx context.Context, revision uint64) error {
	if m.Awaiting != nil {
		m.Awaiting <- revision - 1
	}
	return m.Store.WaitFor(ctx, revision)
}

// Backup implements admin.Data.
func (m *Memory) Backup(ctx context.Context, w io.Writer) (uint64, error) {
	if m.BackupBytes == "" && m.BackupErr == nil {
		return m.Store.Backup(ctx, w)
	}
	if m.BackupBytes != "" {
		if _, err := io.Copy(w, strings.NewReader(m.BackupBytes)); err != nil {
			return 0, err
		}
	}
	return m.Revision(), m.BackupErr
}

// Receive implements events.Receiver: it takes every event and keeps none.
func (m *Memory) Receive(context.Context, string) error { return nil }
