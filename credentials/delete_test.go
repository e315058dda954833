package credentials_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// TestADeletedMachineUserLeavesNothing: more credentials than a directory lists, of
// every kind and state.
func TestADeletedMachineUserLeavesNothing(t *testing.T) {
	s := newStage(t)
	states := []string{authz.CredentialPending, authz.CredentialActive, authz.CredentialRetiring, authz.CredentialRetired, authz.CredentialExpired, authz.CredentialRevoked}
	const count = 3 * authz.MaxCredentials
	for i := range count {
		c := &authz.Credential{Header: authz.Header{ID: fmt.Sprintf("c%d", i)}, MachineUser: "mu:a", Kind: authz.KindSharedSecret, Generation: i + 1, State: states[i%len(states)], SecretHash: "hash"}
		if i%2 == 0 {
			c.Kind, c.SecretHash = authz.KindPublicKey, ""
		}
		s.put(c)
	}
	if _, _, err := s.NewSecret(t.Context(), "mu:b", "other", time.Time{}); err != nil {
		t.Fatal(err)
	}
	before := s.store.Revision()
	revision, err := s.DeleteMachineUser(t.Context(), "mu:a", 0)
	if err != nil || revision != before+1 || s.store.Revision() != revision {
		t.Fatalf("revision %d after %d, %v: it is one write", revision, before, err)
	}
	if _, err := s.store.Get(authz.MachineUsers, "mu:a"); authz.CodeOf(err) != authz.CodeNotFound {
		t.Errorf("it is there: %v", err)
	}
	for i := range count {
		if c := s.credential(fmt.Sprintf("c%d", i)); c.State != authz.CredentialRevoked {
			t.Errorf("%s is %s", c.ID, c.State)
		}
	}
	if c := s.credential("other"); c.State != authz.CredentialActive {
		t.Errorf("another's is %s", c.State)
	}
	if r := s.revocation("subject/mu:a"); r == nil || !r.IssuedBefore.Equal(start) || !r.Until.Equal(start.Add(authz.LongestTokenLife)) {
		t.Errorf("listed %+v", r)
	}

	// One made anew starts anew, also with its ids, however many are taken.
	s.put(&authz.MachineUser{Header: authz.Header{ID: "mu:a"}, Kind: "service", Origin: "internal"})
	s.put(&authz.Credential{Header: authz.Header{ID: "mu:a.secret.49"}, MachineUser: "mu:b", Kind: authz.KindPublicKey})
	made, _, err := s.NewSecret(t.Context(), "mu:a", "", time.Time{})
	if err != nil || made.Entity.Head().ID != "mu:a.secret.50" {
		t.Errorf("made %+v, %v", made.Entity, err)
	}
}

func TestDeletingAMachineUserOnACondition(t *testing.T) {
	s := newStage(t)
	if _, err := s.DeleteMachineUser(t.Context(), "mu:nobody", 0); authz.CodeOf(err) != authz.CodeNotFound {
		t.Errorf("nobody: %v", err)
	}
	at := func() uint64 {
		entity, err := s.store.Get(authz.MachineUsers, "mu:a")
		if err != nil {
			t.Fatal(err)
		}
		return entity.Head().Revision
	}
	was := at()
	change := func() { s.put(&authz.MachineUser{Header: authz.Header{ID: "mu:a"}, Kind: "job", Origin: "internal"}) }
	change()
	if _, err := s.DeleteMachineUser(t.Context(), "mu:a", was); authz.CodeOf(err) != authz.CodePrecondition {
		t.Errorf("another revision: %v", err)
	}
	s.between = change
	if _, err := s.DeleteMachineUser(t.Context(), "mu:a", at()); authz.CodeOf(err) != authz.CodePrecondition {
		t.Errorf("changed meanwhile: %v", err)
	}
	if s.revocation("subject/mu:a") != nil {
		t.Error("a deletion that did not happen left a revocation")
	}
	// A last use that is written meanwhile is no reason to fail.
	if _, _, err := s.NewSecret(t.Context(), "mu:a", "c1", time.Time{}); err != nil {
		t.Fatal(err)
	}
	s.between = func() {
		c := s.credential("c1")
		c.LastUsedAt = s.now
		s.put(c)
	}
	if _, err := s.DeleteMachineUser(t.Context(), "mu:a", at()); err != nil {
		t.Error(err)
	}
	if c := s.credential("c1"); c.State != authz.CredentialRevoked || !c.LastUsedAt.Equal(s.now) {
		t.Errorf("left %+v", c)
	}
}

func TestADepartureIsNeverWeaker(t *testing.T) {
	end := start.Add(authz.LongestTokenLife)
	for name, test := range map[string]struct {
		before        *authz.Revocation
		issued, until time.Time
	}{
		"older":            {&authz.Revocation{IssuedBefore: start.Add(-time.Hour), Until: start.Add(time.Hour)}, start, end},
		"of all, for good": {&authz.Revocation{}, time.Time{}, time.Time{}},
		"of the future":    {&authz.Revocation{IssuedBefore: start.Add(time.Hour), Until: end.Add(1)}, start.Add(time.Hour), end.Add(1)},
		"one that ended":   {&authz.Revocation{Until: start}, start, end}, // one made anew is not kept out
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			s.now = start.Add(-time.Minute)
			test.before.Listed = authz.Listed{By: authz.BySubject, Of: "mu:a"}
			s.put(test.before)
			s.now = start
			if _, err := s.DeleteMachineUser(t.Context(), "mu:a", 0); err != nil {
				t.Fatal(err)
			}
			if r := s.revocation("subject/mu:a"); !r.IssuedBefore.Equal(test.issued) || !r.Until.Equal(test.until) {
				t.Errorf("wrote %+v", r)
			}
		})
	}
}

// TestADeletedCredentialStaysDead: a token that was got with it must not come to life
// with another credential of its id.
func TestADeletedCredentialStaysDead(t *testing.T) {
	s := newStage(t)
	if _, _, err := s.NewSecret(t.Context(), "mu:a", "", time.Time{}); err != nil {
		t.Fatal(err)
	}
	const id = "mu:a.secret.1"
	if _, err := s.DeleteCredential(t.Context(), id, s.credential(id).Revision+1); authz.CodeOf(err) != authz.CodePrecondition {
		t.Errorf("at another revision: %v", err)
	}
	revision, err := s.DeleteCredential(t.Context(), id, s.credential(id).Revision)
	if err != nil || revision != s.store.Revision() {
		t.Fatal(revision, err)
	}
	r := s.revocation("credential/" + id)
	if !r.IssuedBefore.IsZero() || !r.Until.Equal(start.Add(authz.LongestTokenLife)) || r.Revision != revision {
		t.Errorf("left %+v; the deletion and the entry are one write", r)
	}
	if _, err := s.DeleteCredential(t.Context(), id, 0); authz.CodeOf(err) != authz.CodeNotFound {
		t.Errorf("again: %v", err)
	}
	made, _, err := s.NewSecret(t.Context(), "mu:a", "", time.Time{})
	if err != nil || made.Entity.Head().ID == id {
		t.Errorf("the next one is %v: %v", made.Entity.Head().ID, err)
	}
	if _, _, err := s.NewSecret(t.Context(), "mu:b", id, time.Time{}); authz.CodeOf(err) != authz.CodeConflict {
		t.Errorf("with the id it had: %v", err)
	}
}
