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
	"github.com/verdict-pdp/verdict/rotation"
	"github.com/verdict-pdp/verdict/store"
)

var start = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

// stage is a Keeper on a real store, with a clock and uses that a test sets.
type stage struct {
	*credentials.Keeper
	t     *testing.T
	store *store.Store
	now   time.Time
	used  map[string]time.Time // :: credential -> last use not stored yet
	token *authz.Token         // what a token given whole is; nil: it does not verify
	// between is called once between the reading and the writing of a change.
	between func()
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
	s.Keeper = credentials.New(credentials.Config{
		Store:   vault{s},
		LastUse: func(id string) (time.Time, string) { return s.used[id], "10.0.0.9" },
		Token: func(context.Context, string) (*authz.Token, error) {
			if s.token == nil {
				return nil, errors.New("does not verify")
			}
			return s.token, nil
		},
		NewSecret:  func() string { made++; return "secret-" + strconv.Itoa(made) },
		HashSecret: func(text string) (string, error) { return "hash of " + text, nil },
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

func (v vault) View() (credentials.View, error) { return v.store.Snapshot() }
func (v vault) Revision() uint64                { return v.store.Revision() }
func (v vault) Write(ctx context.Context, puts []credentials.Put) (uint64, error) {
	if between := v.between; between != nil {
		v.between = nil
		between()
	}
	ops := make([]store.Op, len(puts))
	for i, put := range puts {
		ops[i] = store.Op{Entity: put.Entity, If: store.IfAbsent()}
		switch {
		case put.Any:
			ops[i].If = store.Precondition{}
		case put.AtRevision > 0:
			ops[i].If = store.IfRevision(put.AtRevision)
		}
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

func TestRevokedCredentialsAreOver(t *testing.T) {
	s := newStage(t)
	if _, _, err := s.NewSecret(t.Context(), "mu:a", "c1", time.Time{}); err != nil {
		t.Fatal(err)
	}
	before := s.store.Revision()
	written, err := s.Revoke(t.Context(), &authz.Revocation{Listed: authz.Listed{By: authz.ByCredential, Of: "c1"}}, "")
	if err != nil {
		t.Fatal(err)
	}
	if written.Revision != before+1 || !written.Created {
		t.Errorf("revision %d after %d: list and state are one write", written.Revision, before)
	}
	if c := s.credential("c1"); c.State != authz.CredentialRevoked || c.SecretHash == "" {
		t.Errorf("left %+v", c)
	}
	// Again, and with an end: the state stays.
	again, err := s.Revoke(t.Context(), &authz.Revocation{Listed: authz.Listed{By: authz.ByCredential, Of: "c1"}, Until: start.Add(time.Hour)}, "")
	if err != nil || again.Created {
		t.Errorf("again: %+v, %v", again, err)
	}
}

func TestAListEntryStopsSomething(t *testing.T) {
	s := newStage(t)
	s.put(&authz.Issuer{Header: authz.Header{ID: "demo"}, URL: "https://issuer.example", JWKSURL: "https://issuer.example/jwks", Algorithms: []string{"ES256"}})
	for name, test := range map[string]struct {
		listed authz.Listed
		code   authz.ErrorCode
	}{
		"a machine user":   {authz.Listed{By: authz.BySubject, Of: "mu:a"}, ""},
		"nobody":           {authz.Listed{By: authz.BySubject, Of: "mu:z"}, authz.CodeNotFound},
		"no credential":    {authz.Listed{By: authz.ByCredential, Of: "c9"}, authz.CodeNotFound},
		"no tenant":        {authz.Listed{By: authz.ByTenant, Of: "acme"}, authz.CodeNotFound},
		"an issuer":        {authz.Listed{By: authz.ByIssuer, Of: "demo"}, ""},
		"no issuer":        {authz.Listed{By: authz.ByIssuer, Of: "dem0"}, authz.CodeNotFound},
		"a key":            {authz.Listed{By: authz.ByIssuerKey, Issuer: "https://issuer.example", Name: "k"}, ""},
		"a key of nobody":  {authz.Listed{By: authz.ByIssuerKey, Issuer: "https://issuer.example/", Name: "k"}, authz.CodeInvalid},
		"a certificate":    {authz.Listed{By: authz.ByCertificate, Issuer: "CN=ca", Name: "0a"}, ""},
		"no thing by name": {authz.Listed{By: "person", Of: "x"}, authz.CodeInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Revoke(t.Context(), &authz.Revocation{Listed: test.listed}, "")
			if authz.CodeOf(err) != test.code {
				t.Errorf("revoked: %v, want %q", err, test.code)
			}
			_, err = s.Renew(t.Context(), &authz.Renewal{Listed: test.listed, IssuedBefore: start, Deadline: start.Add(time.Hour)}, "")
			if authz.CodeOf(err) != test.code {
				t.Errorf("renewed: %v, want %q", err, test.code)
			}
		})
	}
}

func TestATokenNamesItself(t *testing.T) {
	s := newStage(t)
	if _, err := s.Revoke(t.Context(), &authz.Revocation{Listed: authz.Listed{By: authz.ByToken}}, "text"); err == nil {
		t.Error("a token that does not verify was revoked")
	}
	s.token = &authz.Token{ID: authz.TokenID("https://issuer.example", "j"), ExpiresAt: start.Add(time.Minute), Leeway: 5 * time.Second}
	written, err := s.Revoke(t.Context(), &authz.Revocation{Listed: authz.Listed{By: authz.ByToken}}, "text")
	if err != nil {
		t.Fatal(err)
	}
	r := written.Entity.(*authz.Revocation)
	if r.Of != s.token.ID || !r.Until.Equal(start.Add(65*time.Second)) {
		t.Errorf("wrote %+v: an entry lives as long as the token could", r)
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
	started, secrets, err := s.StartRotation(t.Context(), "pair", "operator", nil)
	if err != nil {
		t.Fatal(err)
	}
	if secrets["mu:a"] == "" || secrets["mu:a"] != secrets["mu:b"] {
		t.Errorf("the members got %v, and share a secret", secrets)
	}
	if started.Phase != authz.PhasePropagate || len(started.WaitingFor) != 2 {
		t.Errorf("started as %+v", started.View)
	}
	step := func(take func(rotation.State) (rotation.Plan, error)) (credentials.Progress, error) {
		return s.StepRotation(t.Context(), "pair", "operator", take)
	}
	s.used["mu:a.secret.2"] = s.now
	if _, err := step(rotation.Advance); authz.CodeOf(err) != authz.CodeConflict || !strings.Contains(err.Error(), "mu:b") || strings.Contains(err.Error(), "mu:a to") {
		t.Errorf("advanced while mu:b has yet to use it: %v", err)
	}
	s.used["mu:b.secret.2"] = s.now
	progress, err := step(rotation.Advance)
	if err != nil || progress.Phase != authz.PhaseDrain {
		t.Fatalf("%+v, %v", progress, err)
	}
	s.now = s.now.Add(time.Minute)
	if progress, err = step(rotation.Advance); err != nil || progress.Phase != authz.PhaseDone || progress.Revision != s.store.Revision() {
		t.Fatalf("%+v, %v", progress, err)
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
	if _, _, err := s.StartRotation(t.Context(), "pair", "operator", nil); err != nil {
		t.Fatal(err)
	}
	s.between = func() {
		c := s.credential("mu:a.secret.1")
		c.LastUsedAt = s.now
		s.put(c)
	}
	if _, err := s.StepRotation(t.Context(), "pair", "operator", rotation.Emergency); err != nil {
		t.Fatal(err)
	}
	if c := s.credential("mu:a.secret.1"); c.State != authz.CredentialRevoked || !c.LastUsedAt.Equal(s.now) {
		t.Errorf("left %+v", c)
	}
}

func TestStartRefuses(t *testing.T) {
	s := newStage(t)
	s.put(&authz.RotationSet{Header: authz.Header{ID: "ghosts"}, Members: []string{"mu:a", "mu:gone"}},
		&authz.RotationSet{Header: authz.Header{ID: "keys"}, Members: []string{"mu:a"}, Kind: authz.KindPublicKey})
	keys := credentials.Material{Keys: []byte(`{"keys":[]}`)}
	for name, test := range map[string]struct {
		set      string
		material map[string]credentials.Material
		code     authz.ErrorCode
	}{
		"no such set":         {"none", nil, authz.CodeNotFound},
		"a member is gone":    {"ghosts", nil, authz.CodeConflict},
		"not a member":        {"pair", map[string]credentials.Material{"mu:c": {}}, authz.CodeInvalid},
		"secrets are ours":    {"pair", map[string]credentials.Material{"mu:a": keys}, authz.CodeInvalid},
		"keys are theirs":     {"keys", nil, authz.CodeInvalid},
		"keys that are there": {"keys", map[string]credentials.Material{"mu:a": keys}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			before := s.store.Revision()
			_, _, err := s.StartRotation(t.Context(), test.set, "operator", test.material)
			if authz.CodeOf(err) != test.code || test.code != "" && s.store.Revision() != before {
				t.Errorf("%v, want %q; %d writes", err, test.code, s.store.Revision()-before)
			}
		})
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
	if diff := cmp.Diff([]string{"mu:a", "mu:b"}, members); diff != "" || progress.Phase != rotation.PhaseNone || slices.Contains(progress.WaitingFor, "") {
		t.Errorf("%+v %s", progress, diff)
	}
}

func TestDepartureIsNeverWeaker(t *testing.T) {
	year := start.Add(367 * 24 * time.Hour)
	for name, test := range map[string]struct {
		before        *authz.Revocation
		issued, until time.Time
	}{
		"none":             {nil, start, year},
		"older":            {&authz.Revocation{IssuedBefore: start.Add(-time.Hour), Until: start.Add(time.Hour)}, start, year},
		"of all, for good": {&authz.Revocation{}, time.Time{}, time.Time{}},
		"of the future":    {&authz.Revocation{IssuedBefore: start.Add(time.Hour), Until: year.Add(1)}, start.Add(time.Hour), year.Add(1)},
	} {
		t.Run(name, func(t *testing.T) {
			r := credentials.Departure("mu:a", test.before, start)
			if r.Normalize(); r.Validate() != nil || !r.IssuedBefore.Equal(test.issued) || !r.Until.Equal(test.until) {
				t.Errorf("wrote %+v: %v", r, r.Validate())
			}
		})
	}
}
