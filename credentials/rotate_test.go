package credentials_test

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/token"
)

// keyPair is a key in two JWK Sets: its public half, and the whole.
func keyPair(t *testing.T) (public, private json.RawMessage) {
	t.Helper()
	signer, err := token.NewSigner("ES256")
	if err != nil {
		t.Fatal(err)
	}
	whole, err := signer.MarshalPrivate()
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(whole, &members); err != nil {
		t.Fatal(err)
	}
	delete(members, "d")
	half, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return setOf(half), setOf(whole)
}

func setOf(key []byte) json.RawMessage {
	return slices.Concat([]byte(`{"keys":[`), key, []byte(`]}`))
}

func TestStartRefuses(t *testing.T) {
	public, private := keyPair(t)
	for name, test := range map[string]struct {
		set      string
		material map[string]authz.RotationMaterial
		code     authz.ErrorCode
		field    string
	}{
		"advance is odd":      {"pair", nil, authz.CodeInvalid, "advance"},
		"no such set":         {"none", nil, authz.CodeNotFound, ""},
		"a member is gone":    {"ghosts", nil, authz.CodeConflict, ""},
		"not a member":        {"pair", map[string]authz.RotationMaterial{"mu:c": {}}, authz.CodeInvalid, "members.mu:c"},
		"secrets are ours":    {"pair", map[string]authz.RotationMaterial{"mu:a": {Keys: public}}, authz.CodeInvalid, "members.mu:a"},
		"keys are theirs":     {"keys", nil, authz.CodeInvalid, "members.mu:a.keys"},
		"keys are private":    {"keys", map[string]authz.RotationMaterial{"mu:a": {Keys: private}}, authz.CodeInvalid, "members.mu:a.keys.keys[0].d"},
		"no keys at all":      {"keys", map[string]authz.RotationMaterial{"mu:a": {Keys: []byte(`{"keys":[]}`)}}, authz.CodeInvalid, "members.mu:a.keys"},
		"a name of no form":   {"certificates", map[string]authz.RotationMaterial{"mu:a": {Issuer: "ca", Names: []string{"a.example"}}}, authz.CodeInvalid, "members.mu:a.names[0]"},
		"keys that are there": {"keys", map[string]authz.RotationMaterial{"mu:a": {Keys: public}}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			s.put(&authz.RotationSet{Header: authz.Header{ID: "ghosts"}, Members: []string{"mu:a", "mu:gone"}},
				&authz.RotationSet{Header: authz.Header{ID: "keys"}, Members: []string{"mu:a"}, Kind: authz.KindPublicKey},
				&authz.RotationSet{Header: authz.Header{ID: "certificates"}, Members: []string{"mu:a"}, Kind: authz.KindCertificate})
			before := s.store.Revision()
			advance := authz.AdvanceManual
			if name == "advance is odd" {
				advance = "sometimes"
			}
			_, _, err := s.StartRotation(t.Context(), test.set, "operator", advance, test.material)
			if authz.CodeOf(err) != test.code || test.code != "" && s.store.Revision() != before {
				t.Fatalf("%v, want %q; %d writes", err, test.code, s.store.Revision()-before)
			}
			var fault *authz.Error
			if errors.As(err, &fault) && fault.Field != test.field {
				t.Errorf("%v is about %q, want %q", err, fault.Field, test.field)
			}
		})
	}
}

// TestNoSecretIsLost: once a start is durable, nothing that fails loses its secrets.
func TestNoSecretIsLost(t *testing.T) {
	s := newStage(t)
	away := authz.Errorf(authz.CodeUnavailable, "closed")
	s.between = func() { s.fail = away }
	started, secrets, err := s.StartRotation(t.Context(), "pair", "operator", authz.AdvanceAuto, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(secrets)); !slices.Equal(got, []string{"mu:a", "mu:b"}) {
		t.Errorf("secrets of %v", got)
	}
	if started.Revision != s.store.Revision() {
		t.Errorf("at revision %d, not %d", started.Revision, s.store.Revision())
	}
	if _, err := s.RotationStatus(t.Context(), "pair"); !errors.Is(err, away) {
		t.Fatalf("the store was not away: %v", err)
	}
	s.fail = nil
	status, err := s.RotationStatus(t.Context(), "pair")
	if diff := cmp.Diff(status, started); diff != "" || err != nil {
		t.Errorf("answered (+) what is not there (-): %v\n%s", err, diff)
	}
}

// TestAFormerMemberHoldsNobodyUp: it leaves the set and is deleted while the
// rotation runs.
func TestAFormerMemberHoldsNobodyUp(t *testing.T) {
	s := newStage(t)
	if _, _, err := s.StartRotation(t.Context(), "pair", "operator", authz.AdvanceAuto, nil); err != nil {
		t.Fatal(err)
	}
	s.put(&authz.RotationSet{Header: authz.Header{ID: "pair"}, Members: []string{"mu:a"}, Shared: true, QuietS: 60})
	if _, err := s.DeleteMachineUser(t.Context(), "mu:b", 0); err != nil {
		t.Fatal(err)
	}
	status, err := s.RotationStatus(t.Context(), "pair")
	if err != nil || len(status.WaitingFor) != 1 || !strings.HasPrefix(status.WaitingFor[0], "mu:a ") {
		t.Fatalf("waiting for %q, %v", status.WaitingFor, err)
	}
	s.used["mu:a.secret.1"] = s.now
	for _, phase := range []string{authz.PhaseDrain, authz.PhaseDone} {
		progress, err := s.StepRotation(t.Context(), "pair", "operator", authz.RotationAdvance, "")
		if err != nil || progress.Phase != phase {
			t.Fatalf("got progress %+v, error %v; want no error, Phase %q", progress, err, phase)
		}
	}
	if _, _, err := s.StartRotation(t.Context(), "pair", "operator", authz.AdvanceAuto, nil); err != nil {
		t.Error(err)
	}
	// One that is a member is missed only by a start.
	s.delete(authz.MachineUsers, "mu:a")
	if _, err := s.StepRotation(t.Context(), "pair", "operator", authz.RotationAbort, ""); err != nil {
		t.Error(err)
	}
	if _, _, err := s.StartRotation(t.Context(), "pair", "operator", authz.AdvanceAuto, nil); authz.CodeOf(err) != authz.CodeConflict || !strings.Contains(err.Error(), "mu:a, which is no machine user") {
		t.Error(err)
	}
}

// TestOneRotationAtATime: a machine user in two sets of one kind.
func TestOneRotationAtATime(t *testing.T) {
	s := newStage(t)
	public, _ := keyPair(t)
	s.put(&authz.RotationSet{Header: authz.Header{ID: "others"}, Members: []string{"mu:b"}, QuietS: 60},
		&authz.RotationSet{Header: authz.Header{ID: "keys"}, Members: []string{"mu:b"}, Kind: authz.KindPublicKey},
		&authz.MachineUser{Header: authz.Header{ID: "mu:c"}, Kind: "service", Origin: "internal"},
		&authz.RotationSet{Header: authz.Header{ID: "apart"}, Members: []string{"mu:c"}})
	if _, _, err := s.StartRotation(t.Context(), "pair", "operator", authz.AdvanceAuto, nil); err != nil {
		t.Fatal(err)
	}
	refused := func(phase string) {
		t.Helper()
		_, _, err := s.StartRotation(t.Context(), "others", "operator", authz.AdvanceAuto, nil)
		if want := "mu:b is in a rotation of pair, which is running, in phase " + phase + "; let it end or abort it first"; authz.CodeOf(err) != authz.CodeConflict || err.Error() != want {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
	refused(authz.PhasePropagate)
	if _, err := s.StepRotation(t.Context(), "pair", "operator", authz.RotationForce, ""); err != nil {
		t.Fatal(err)
	}
	refused(authz.PhaseDrain)
	// Another kind, or other members, are another matter.
	if _, _, err := s.StartRotation(t.Context(), "keys", "operator", authz.AdvanceAuto, map[string]authz.RotationMaterial{"mu:b": {Keys: public}}); err != nil {
		t.Error(err)
	}
	if _, _, err := s.StartRotation(t.Context(), "apart", "operator", authz.AdvanceAuto, nil); err != nil {
		t.Error(err)
	}
	if _, err := s.StepRotation(t.Context(), "pair", "operator", authz.RotationForce, ""); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.StartRotation(t.Context(), "others", "operator", authz.AdvanceAuto, nil); err != nil {
		t.Error(err)
	}
}

// TestTwoStartsAtOnce: the sets share a member, and the other is started between
// the reading and the writing of ours.
func TestTwoStartsAtOnce(t *testing.T) {
	s := newStage(t)
	s.put(&authz.RotationSet{Header: authz.Header{ID: "others"}, Members: []string{"mu:b"}, QuietS: 60})
	s.between = func() {
		if _, _, err := s.StartRotation(t.Context(), "others", "operator", authz.AdvanceAuto, nil); err != nil {
			t.Error(err)
		}
	}
	if _, _, err := s.StartRotation(t.Context(), "pair", "operator", authz.AdvanceAuto, nil); authz.CodeOf(err) != authz.CodeConflict || !strings.Contains(err.Error(), "in a rotation of others") {
		t.Error(err)
	}
}

// TestTwoWhoTakeTheSameStep: another takes the step between the reading and the writing
// of ours, or before it; the rotation moves on by one, and an abort goes back anyhow.
func TestTwoWhoTakeTheSameStep(t *testing.T) {
	proved := func(t *testing.T) *stage {
		s := newStage(t)
		if _, _, err := s.StartRotation(t.Context(), "pair", "operator", "", nil); err != nil {
			t.Fatal(err)
		}
		s.used["mu:a.secret.1"], s.used["mu:b.secret.1"] = s.now, s.now
		return s
	}
	for _, action := range []string{authz.RotationAdvance, authz.RotationForce} {
		for name, phase := range map[string]string{"lost the race": "", "came later": authz.PhasePropagate} {
			t.Run(action+" "+name, func(t *testing.T) {
				s := proved(t)
				other := func() {
					if _, err := s.StepRotation(t.Context(), "pair", "other", authz.RotationAdvance, ""); err != nil {
						t.Error(err)
					}
				}
				if s.between = other; phase != "" {
					s.between = nil
					other()
				}
				_, err := s.StepRotation(t.Context(), "pair", "operator", action, phase)
				if authz.CodeOf(err) != authz.CodeConflict || !strings.Contains(err.Error(), "in phase drain, and not in propagate any more") {
					t.Errorf("error %v, want a conflict that names both phases", err)
				}
				status, err := s.RotationStatus(t.Context(), "pair")
				if err != nil || status.Phase != authz.PhaseDrain || status.Advance != authz.AdvanceAuto {
					t.Errorf("it is %+v (%v), want it in drain, with advance auto", status, err)
				}
			})
		}
	}
	t.Run("abort", func(t *testing.T) {
		s := proved(t)
		s.between = func() {
			if _, err := s.StepRotation(t.Context(), "pair", "other", authz.RotationAdvance, ""); err != nil {
				t.Error(err)
			}
		}
		status, err := s.StepRotation(t.Context(), "pair", "operator", authz.RotationAbort, "")
		if err != nil || status.Phase != authz.PhaseAborted {
			t.Errorf("it is %+v (%v), want it aborted", status, err)
		}
	})
}

// TestASetIsKeptWhileItRotates, and what a new version of it says holds for the next
// rotation, not for the one that runs.
func TestASetIsKeptWhileItRotates(t *testing.T) {
	s := newStage(t)
	if err := s.CheckIdle("pair"); err != nil {
		t.Errorf("never rotated: %v", err)
	}
	if _, _, err := s.StartRotation(t.Context(), "pair", "operator", authz.AdvanceAuto, nil); err != nil {
		t.Fatal(err)
	}
	s.put(&authz.RotationSet{Header: authz.Header{ID: "pair"}, Members: []string{"mu:a", "mu:b"}, Kind: authz.KindPublicKey, QuietS: 1})
	for _, phase := range []string{authz.PhaseDrain, authz.PhaseDone} {
		if err := s.CheckIdle("pair"); authz.CodeOf(err) != authz.CodeConflict {
			t.Errorf("before %s: %v", phase, err)
		}
		progress, err := s.StepRotation(t.Context(), "pair", "operator", authz.RotationForce, "")
		if err != nil || progress.Phase != phase {
			t.Fatalf("got progress %+v, error %v; want no error, Phase %q", progress, err, phase)
		}
	}
	if c := s.credential("mu:a.secret.1"); c.State != authz.CredentialActive {
		t.Errorf("the new secret is %s", c.State)
	}
	if err := s.CheckIdle("pair"); err != nil {
		t.Errorf("done: %v", err)
	}
}
