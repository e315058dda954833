package credentials_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/credentials"
	"github.com/verdict-pdp/verdict/store"
	"github.com/verdict-pdp/verdict/token"
)

var start = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

// stage is a Service on a real store, with a clock and uses that a test sets.
type stage struct {
	*credentials.Service
	t     *testing.T
	store *store.Store
	now   time.Time
	used  map[string]time.Time // :: credential -> last use not stored yet
	token *authz.Token         // what a token given whole is; nil: it does not verify
	// between is called once between the reading and the writing of a change.
	between func()
	fail    error // what opening a view returns instead
	unsound error // what is wrong with every new credential, besides what the token room says
}

func newStage(t *testing.T) *stage {
	s := &stage{t: t, now: start, used: map[string]time.Time{}}
	var err error
	s.store, err = store.Open(store.Config{Dir: t.TempDir(), Now: func() time.Time { return s.now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.store.Close(); err != nil {
			t.Error(err)
		}
	})
	made := 0
	s.Service = credentials.New(credentials.Config{
		Store:   vault{s},
		LastUse: func(id string) (time.Time, string) { return s.used[id], "10.0.0.9" },
		Token: func(context.Context, string) (*authz.Token, error) {
			if s.token == nil {
				return nil, errors.New("does not verify")
			}
			return s.token, nil
		},
		Check: func(c *authz.Credential) error {
			if s.unsound != nil {
				return s.unsound
			}
			return token.CheckCredential(c)
		},
		NewSecret:  func() string { made++; return "secret-" + strconv.Itoa(made) },
		HashSecret: func(text string) string { return "hash of " + text },
		Now:        func() time.Time { return s.now },
	})
	s.put(&authz.MachineUser{Header: authz.Header{ID: "mu:a"}, Kind: "service", Origin: "internal"},
		&authz.MachineUser{Header: authz.Header{ID: "mu:b"}, Kind: "service", Origin: "internal"},
		&authz.RotationSet{Header: authz.Header{ID: "pair"}, Members: []string{"mu:a", "mu:b"}, Shared: true, QuietS: 60})
	return s
}

func (s *stage) put(entities ...authz.Entity) {
	s.t.Helper()
	ops := make([]store.Op, len(entities))
	for i, e := range entities {
		ops[i].Entity = e
	}
	if _, err := s.store.Apply(s.t.Context(), ops); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) delete(c authz.Collection, key string) {
	s.t.Helper()
	if _, err := s.store.Apply(s.t.Context(), []store.Op{{Collection: c, Key: key}}); err != nil {
		s.t.Fatal(err)
	}
}

// revocation is an entry of the revocation list, nil when there is none.
func (s *stage) revocation(id string) *authz.Revocation {
	s.t.Helper()
	entity, err := s.store.Get(authz.Revocations, id)
	if authz.CodeOf(err) == authz.CodeNotFound {
		return nil
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return entity.(*authz.Revocation)
}

func (s *stage) credential(id string) *authz.Credential {
	s.t.Helper()
	entity, err := s.store.Get(authz.Credentials, id)
	if err != nil {
		s.t.Fatal(err)
	}
	return entity.(*authz.Credential)
}

// vault is the store in the shape the room declares.
type vault struct{ *stage }

func (v vault) Revision() uint64 { return v.store.Revision() }

func (v vault) View() (credentials.View, error) {
	if v.fail != nil {
		return nil, v.fail
	}
	return v.store.Snapshot()
}

// List reads small pages, so that there are several.
func (v vault) List(ctx context.Context, c authz.Collection, filter, value string) (all []authz.Entity, err error) {
	for cursor := ""; ; {
		page, err := v.store.List(ctx, authz.Query{Collection: c, Filters: map[string]string{filter: value}, Cursor: cursor, Limit: 5})
		if err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if cursor = page.NextCursor; cursor == "" {
			return all, nil
		}
	}
}

func (v vault) Write(ctx context.Context, entities []authz.Entity) (uint64, error) {
	return v.apply(ctx, nil, entities)
}

func (v vault) Delete(ctx context.Context, gone authz.Entity, entities []authz.Entity) (uint64, error) {
	return v.apply(ctx, []store.Op{{Collection: gone.Collection(), Key: gone.Head().ID, If: authz.IfRevision(gone.Head().Revision)}}, entities)
}

func (v vault) apply(ctx context.Context, ops []store.Op, entities []authz.Entity) (uint64, error) {
	if between := v.between; between != nil {
		v.between = nil
		between()
	}
	for _, e := range entities {
		op := store.Op{Entity: e, If: authz.IfAbsent()}
		if at := e.Head().Revision; at > 0 {
			op.If = authz.IfRevision(at)
		}
		ops = append(ops, op)
	}
	result, err := v.store.Apply(ctx, ops)
	return result.Revision, err
}

func TestSecretsHaveTwoGenerations(t *testing.T) {
	s := newStage(t)
	for generation := 1; generation <= 2; generation++ {
		made, text, err := s.NewSecret(t.Context(), "mu:a", "", time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		c := s.credential(made.Entity.Head().ID)
		if c.Generation != generation || c.State != authz.CredentialActive || c.SecretHash != "hash of "+text || made.Revision != s.store.Revision() {
			t.Errorf("made %+v at revision %d", c, made.Revision)
		}
	}
	if _, _, err := s.NewSecret(t.Context(), "mu:a", "", time.Time{}); authz.CodeOf(err) != authz.CodeConflict || !strings.Contains(err.Error(), "mu:a has 2 secrets") {
		t.Errorf("a third one: %v", err)
	}
	if _, _, err := s.NewSecret(t.Context(), "mu:nobody", "", time.Time{}); authz.CodeOf(err) != authz.CodeNotFound {
		t.Errorf("for nobody: %v", err)
	}
	if _, _, err := s.NewSecret(t.Context(), "mu:b", "mu:a.secret.1", time.Time{}); authz.CodeOf(err) != authz.CodeConflict {
		t.Errorf("with an id that is taken: %v", err)
	}
	s.unsound = authz.Invalid("secret_hash", "is weak")
	if _, _, err := s.NewSecret(t.Context(), "mu:b", "", time.Time{}); !errors.Is(err, s.unsound) {
		t.Errorf("one that the check refuses: %v", err)
	}
	s.unsound = nil
	// A generation that is over makes room.
	first := s.credential("mu:a.secret.1")
	first.NotAfter = start.Add(time.Hour)
	s.put(first)
	s.now = start.Add(time.Hour)
	if _, _, err := s.NewSecret(t.Context(), "mu:a", "mine", s.now.Add(time.Hour)); err != nil {
		t.Error(err)
	}
	if c := s.credential("mine"); c.Generation != 3 || !c.NotAfter.Equal(s.now.Add(time.Hour)) {
		t.Errorf("made %+v", c)
	}
}

// TestRotationOfAPair walks a set that shares one secret through its steps.
func TestRotationOfAPair(t *testing.T) {
	s := newStage(t)
	for _, member := range []string{"mu:a", "mu:b"} {
		if _, _, err := s.NewSecret(t.Context(), member, "", time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	started, secrets, err := s.StartRotation(t.Context(), "pair", "operator", authz.AdvanceAuto, nil)
	if err != nil {
		t.Fatal(err)
	}
	if secrets["mu:a"] == "" || secrets["mu:a"] != secrets["mu:b"] {
		t.Errorf("the members got %v, and share a secret", secrets)
	}
	if started.Phase != authz.PhasePropagate || len(started.WaitingFor) != 2 {
		t.Errorf("started as %+v", started)
	}
	step := func(take string) (authz.RotationView, error) {
		return s.StepRotation(t.Context(), "pair", "operator", take, "")
	}
	s.used["mu:a.secret.2"] = s.now
	if _, err := step(authz.RotationAdvance); authz.CodeOf(err) != authz.CodeConflict || !strings.Contains(err.Error(), "mu:b") || strings.Contains(err.Error(), "mu:a to") {
		t.Errorf("advanced while mu:b has yet to use it: %v", err)
	}
	s.used["mu:b.secret.2"] = s.now
	progress, err := step(authz.RotationAdvance)
	if err != nil || progress.Phase != authz.PhaseDrain {
		t.Fatalf(`got progress %+v, error %v; want no error, Phase "drain"`, progress, err)
	}
	s.now = s.now.Add(time.Minute)
	if progress, err = step(authz.RotationAdvance); err != nil || progress.Phase != authz.PhaseDone || progress.Revision != s.store.Revision() {
		t.Fatalf(`got progress %+v, error %v; want no error, Phase "done", Revision s.store.Revision()`, progress, err)
	}
	for id, state := range map[string]string{"mu:a.secret.1": "retired", "mu:b.secret.1": "retired", "mu:a.secret.2": "active", "mu:b.secret.2": "active"} {
		if c := s.credential(id); c.State != state {
			t.Errorf("%s is %s, want %s", id, c.State, state)
		}
	}
}

// TestAStepSurvivesARace: a last use is stored between reading and writing.
func TestAStepSurvivesARace(t *testing.T) {
	s := newStage(t)
	if _, _, err := s.NewSecret(t.Context(), "mu:a", "", time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.StartRotation(t.Context(), "pair", "operator", authz.AdvanceAuto, nil); err != nil {
		t.Fatal(err)
	}
	s.between = func() {
		c := s.credential("mu:a.secret.1")
		c.LastUsedAt = s.now
		s.put(c)
	}
	if _, err := s.StepRotation(t.Context(), "pair", "operator", authz.RotationEmergency, ""); err != nil {
		t.Fatal(err)
	}
	if c := s.credential("mu:a.secret.1"); c.State != authz.CredentialRevoked || !c.LastUsedAt.Equal(s.now) {
		t.Errorf("left %+v", c)
	}
}

func TestStatusOfASetNeverRotated(t *testing.T) {
	s := newStage(t)
	progress, err := s.RotationStatus(t.Context(), "pair")
	if err != nil {
		t.Fatal(err)
	}
	var members []string
	for _, m := range progress.Members {
		members = append(members, m.MachineUser)
	}
	if diff := cmp.Diff([]string{"mu:a", "mu:b"}, members); diff != "" || progress.Phase != authz.PhaseNone || slices.Contains(progress.WaitingFor, "") {
		t.Errorf(`got progress %+v, diff %s; want no diff, Phase "none", WaitingFor without ""`, progress, diff)
	}
}
