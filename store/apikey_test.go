package store_test

import (
	"strconv"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/store"
)

func apiKey(id string) *authz.APIKey {
	return &authz.APIKey{Header: authz.Header{ID: id}, Hash: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", Roles: []authz.Role{authz.RoleDecide}}
}

// APIKey answers with what is stored now, whether keys are kept decoded or have become
// too many for that.
func TestAPIKey(t *testing.T) {
	for name, config := range map[string]store.Config{"hot": {InMemory: true}, "cold": {InMemory: true, HotLimit: 1}} {
		t.Run(name, func(t *testing.T) {
			s, err := store.Open(config)
			if err != nil {
				t.Fatal(err)
			}
			for n := range 3 {
				put(t, s, store.Op{Entity: apiKey("key-" + strconv.Itoa(n))})
			}
			wants(t, s, "key-1", func(*authz.APIKey) {})
			wants(t, s, "key-9", nil)
			wants(t, s, "", nil)

			revoked := apiKey("key-1")
			revoked.Revoked = true
			put(t, s, store.Op{Entity: revoked})
			wants(t, s, "key-1", func(k *authz.APIKey) { k.Revoked = true })

			put(t, s, store.Op{Collection: authz.APIKeys, Key: "key-1"})
			wants(t, s, "key-1", nil)

			if open := s.Stats().OpenSnapshots; open != 0 {
				t.Errorf("%d snapshots are left open, want 0", open)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if key, ok, err := s.APIKey(t.Context(), "key-2"); authz.CodeOf(err) != authz.CodeUnavailable || ok || key != nil {
				t.Errorf("after Close: %v, %v, %v; want %s", key, ok, err, authz.CodeUnavailable)
			}
		})
	}
}

// Every request asks for a key: it must not take part in the bookkeeping of snapshots,
// which is under a lock.
func TestAPIKeyTakesNoSnapshot(t *testing.T) {
	s, err := store.Open(store.Config{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	put(t, s, store.Op{Entity: apiKey("key")})
	ctx := t.Context()
	allocated := testing.AllocsPerRun(100, func() {
		if _, ok, err := s.APIKey(ctx, "key"); !ok || err != nil {
			t.Errorf("found %v, error %v", ok, err)
		}
	})
	if allocated != 0 {
		t.Errorf("%v allocations a lookup, want none: a snapshot is one", allocated)
	}
}

func put(t *testing.T, s *store.Store, op store.Op) {
	t.Helper()
	if _, err := s.Apply(t.Context(), []store.Op{op}); err != nil {
		t.Fatal(err)
	}
}

// wants holds the key id to what was written, changed by edit; nil wants no key.
func wants(t *testing.T, s *store.Store, id string, edit func(*authz.APIKey)) {
	t.Helper()
	got, ok, err := s.APIKey(t.Context(), id)
	if err != nil || ok != (edit != nil) {
		t.Fatalf("key %q: found %v, error %v; want found %v", id, ok, err, edit != nil)
	}
	if edit == nil {
		return
	}
	want := apiKey(id)
	want.Header = got.Header
	edit(want)
	if diff := gocmp.Diff(want, got, gocmp.AllowUnexported(authz.APIKey{})); diff != "" || got.ID != id {
		t.Errorf("key %q (-want +got):\n%s", id, diff)
	}
}
