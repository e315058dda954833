package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/store"
)

// importLine writes an entity as import lines do. Its header stays out, as in a
// file that was written by hand.
func importLine(t *testing.T, entity authz.Entity) string {
	t.Helper()
	return fmt.Sprintf(`{"collection":%q,"entity":%s}`, entity.Collection(), asJSON(t, entity)) + "\n"
}

// ways are the ways to write one entity; each returns how it was stored.
func ways(t *testing.T, s *store.Store) map[string]func(authz.Entity) (authz.Entity, error) {
	return map[string]func(authz.Entity) (authz.Entity, error){
		"apply": func(entity authz.Entity) (authz.Entity, error) {
			result, err := s.Apply(t.Context(), []store.Op{{Entity: entity}})
			if err != nil {
				return nil, err
			}
			return result.Entities[0], nil
		},
		"import": func(entity authz.Entity) (authz.Entity, error) {
			report := doImport(t, s, importLine(t, entity))
			if report.Failed > 0 {
				return nil, authz.Invalid(report.Errors[0].Field, report.Errors[0].Message)
			}
			return s.Get(entity.Collection(), entity.Head().ID)
		},
	}
}

func testMachineUserSucceeds(t *testing.T, s *store.Store, clock *Clock) {
	user := func(id, state string, validFrom time.Time) *authz.MachineUser {
		return &authz.MachineUser{Header: authz.Header{ID: id}, Kind: "service", Origin: authz.OriginInternal, State: state, TokensValidFrom: validFrom}
	}
	for way, write := range ways(t, s) {
		id := "mu:" + way
		put := func(what, state string, validFrom, want time.Time) {
			t.Helper()
			stored, err := write(user(id, state, validFrom))
			if err != nil {
				t.Fatalf("%s, %s: %v, want no error", way, what, err)
			}
			if got := stored.(*authz.MachineUser).TokensValidFrom; !got.Equal(want) {
				t.Errorf("%s, %s: tokens are valid from %v, want %v", way, what, got, want)
			}
			again, err := s.Get(authz.MachineUsers, id)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(asJSON(t, again), asJSON(t, stored)); diff != "" {
				t.Errorf("%s, %s: what was returned is not what is stored: %s", way, what, diff)
			}
		}
		var none time.Time
		put("created", authz.StateActive, none, none)
		clock.Advance(time.Hour)
		put("suspended", authz.StateSuspended, none, none)
		clock.Advance(time.Hour)
		back := clock.Now()
		put("active again", authz.StateActive, none, back)
		clock.Advance(time.Hour)
		put("left out", authz.StateActive, none, back)
		put("put back", authz.StateActive, back.Add(-time.Minute), back)
		put("brought forward", authz.StateActive, back.Add(time.Minute), back.Add(time.Minute))
		// A line that says what is there, or leaves out what would be kept, is unchanged.
		before := s.Revision()
		for _, same := range []*authz.MachineUser{user(id, authz.StateActive, back.Add(time.Minute)), user(id, authz.StateActive, none)} {
			if report := doImport(t, s, importLine(t, same)); report.Unchanged != 1 || report.Revision != before {
				t.Errorf("%s: the same line: %+v", way, report)
			}
		}
	}
}

func testCredentialSucceeds(t *testing.T, s *store.Store, clock *Clock) {
	const hash = "$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA"
	secret := func(id, state, hash string) *authz.Credential {
		return &authz.Credential{Header: authz.Header{ID: id}, MachineUser: "mu:a", Kind: authz.KindSharedSecret, State: state, SecretHash: hash}
	}
	for way, write := range ways(t, s) {
		id := "c-" + way
		used := secret(id, authz.CredentialActive, hash)
		used.LastUsedAt, used.LastUsedFrom = clock.Now(), "10.4.2.19"
		if _, err := write(used); err != nil {
			t.Fatal(way, err)
		}
		for _, state := range []string{authz.CredentialRetiring, authz.CredentialRetired, authz.CredentialRevoked} {
			stored, err := write(secret(id, state, ""))
			if err != nil {
				t.Fatalf("%s, %s: %v, want no error", way, state, err)
			}
			got := stored.(*authz.Credential)
			if got.State != state || got.SecretHash != hash || !got.LastUsedAt.Equal(clock.Now()) || got.LastUsedFrom != "10.4.2.19" {
				t.Errorf("%s, %s: hash, last use or state are lost: %s", way, state, asJSON(t, got))
			}
		}
		before := s.Revision()
		_, err := write(secret(id, authz.CredentialActive, hash))
		wantCode(t, err, authz.CodeInvalid)
		if field := err.(*authz.Error).Field; field != "state" {
			t.Errorf("%s: field %q", way, field)
		}
		wantRevision(t, s, before)
		if got := ids(t, s, authz.Query{Collection: authz.Credentials, Filters: map[string]string{"state": authz.CredentialRevoked, "machine_user": "mu:a"}}); !slices.Contains(got, id) {
			t.Errorf("%s: revoked are %v", way, got)
		}
	}
	testBatchSucceeds(t, s)
}

// testBatchSucceeds: operations succeed what the ones before them left, a write
// that fails leaves what is stored, a precondition comes first, and a delete ends
// the succession.
func testBatchSucceeds(t *testing.T, s *store.Store) {
	secret := func(state, hash string) store.Op {
		return store.Op{Entity: &authz.Credential{Header: authz.Header{ID: "batch"}, MachineUser: "mu:b", Kind: authz.KindSharedSecret, State: state, SecretHash: hash}}
	}
	Apply(t, s, secret(authz.CredentialPending, "first"))
	result, err := s.Apply(t.Context(), []store.Op{secret(authz.CredentialActive, ""), secret(authz.CredentialActive, "second"), secret(authz.CredentialRevoked, "")})
	if err != nil {
		t.Fatal(err)
	}
	var hashes []string
	for _, entity := range result.Entities {
		hashes = append(hashes, entity.(*authz.Credential).SecretHash)
	}
	if diff := cmp.Diff([]string{"first", "second", "second"}, hashes); diff != "" {
		t.Error(diff)
	}
	late := secret(authz.CredentialActive, "third")
	late.If = authz.AsNew()
	_, err = s.Apply(t.Context(), []store.Op{late})
	wantCode(t, err, authz.CodeConflict)
	_, err = s.Apply(t.Context(), []store.Op{{Entity: User("bystander", "t")}, secret(authz.CredentialPending, "third")})
	wantCode(t, err, authz.CodeInvalid)
	if field := err.(*authz.Error).Field; field != "ops[1].state" {
		t.Errorf("field %q", field)
	}
	_, err = s.Get(authz.Users, "bystander")
	wantCode(t, err, authz.CodeNotFound)
	Apply(t, s, store.Op{Collection: authz.Credentials, Key: "batch"}, secret(authz.CredentialActive, ""))
	view := View(t, s)
	if again, ok, err := view.Credential("batch"); !ok || err != nil || again.SecretHash != "" {
		t.Errorf("after a delete: %+v %v %v", again, ok, err)
	}
}
