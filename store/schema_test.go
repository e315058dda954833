package store_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"testing"

	"github.com/dgraph-io/badger/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/store"
	"github.com/verdict-pdp/verdict/store/storetest"
)

// TestUpgrade opens data of schema 1, made by the version before schema 2: it had
// issuers "demo" and "issuer-0" to "issuer-3", of which the first was deleted, and
// credentials of mu:user-svc.
func TestUpgrade(t *testing.T) {
	old, err := os.ReadFile("testdata/schema1.backup")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := store.Restore(dir, bytes.NewReader(old)); err != nil {
		t.Fatal(err)
	}
	if got := schemaOf(t, dir); got != 1 {
		t.Fatalf("restored as schema %d", got)
	}
	for _, hotLimit := range []int{1, 0} {
		s := open(t, store.Config{Dir: dir, HotLimit: hotLimit})
		if got := s.Revision(); got != 10 {
			t.Errorf("revision %d: an upgrade takes none", got)
		}
		view := storetest.View(t, s)
		issuers, err := view.IssuersOf(authz.IssuerJWT)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"demo", "issuer-1", "issuer-2", "issuer-3"}, storetest.IDs(issuers)); diff != "" {
			t.Fatalf("hot limit %d: %s", hotLimit, diff)
		}
		if got := issuers[0].SubjectIs; got != authz.SubjectIsMachineUser {
			t.Errorf("hot limit %d: an issuer's subjects are %q", hotLimit, got)
		}
		page, err := s.List(t.Context(), authz.Query{Collection: authz.Issuers, Filters: map[string]string{"kind": authz.IssuerJWT}})
		if err != nil || len(page.Items) != 4 {
			t.Errorf("hot limit %d: %d issuers are listed by kind, %v", hotLimit, len(page.Items), err)
		}
		credentials, err := view.CredentialsOf("mu:user-svc")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"cred-13", "cred-12", "cred-11", "cred-1", "cred-10"}, storetest.IDs(credentials)); diff != "" {
			t.Errorf("hot limit %d: %s", hotLimit, diff)
		}
		if counts := s.Counts(); counts[authz.Credentials] != 5 || counts[authz.RotationSets] != 0 {
			t.Errorf("counts are %v; want 5 credentials and no rotation set", counts)
		}
		view.Close()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if got := schemaOf(t, dir); got != store.SchemaVersion {
			t.Errorf("opened, it is schema %d", got)
		}
	}
	// What the old version did not know is written like anything else.
	s := open(t, store.Config{Dir: dir, HotLimit: 1})
	storetest.Put(t, s, storetest.Samples()...)
	storetest.Delete(t, s, authz.Issuers, "issuer-1")
	view := storetest.View(t, s)
	issuers, err := view.IssuersOf(authz.IssuerJWT)
	if diff := cmp.Diff([]string{"demo", "issuer-2", "issuer-3"}, storetest.IDs(issuers)); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

// schemaOf reads the schema version of a data directory that is not open.
func schemaOf(t *testing.T, dir string) (version uint32) {
	t.Helper()
	db, err := badger.OpenManaged(badger.DefaultOptions(dir).WithLogger(nil))
	if err != nil {
		t.Fatal(err)
	}
	err = db.View(func(txn *badger.Txn) error {
		item, err := txn.Get([]byte("mschema"))
		if err != nil {
			return err
		}
		return item.Value(func(v []byte) error {
			version = binary.BigEndian.Uint32(v)
			return nil
		})
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	return version
}
