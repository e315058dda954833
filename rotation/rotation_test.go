package rotation_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/rotation"
)

func TestByEvidence(t *testing.T) {
	w := newWorld(t)
	w.must(start)
	w.wantStates(t, "3 active, 4 pending")
	w.pass(time.Minute)
	w.use(members[0], 4)
	w.use(members[1], 4)

	want := "waiting for mu:ledger-svc to use generation 4; it last used generation 3 2m ago from 10.4.7.3"
	if got := w.refused(rotation.Advance); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	w.use(members[2], 4)
	w.must(rotation.Advance)
	w.wantStates(t, "3 retiring, 4 active")

	w.pass(time.Minute)
	w.use(members[2], 3)
	w.pass(quietTime - time.Minute) // quiet since the switch, except for the one
	want = "waiting for mu:ledger-svc to leave generation 3 unused for another 60s; it last used generation 3 9m ago from 10.4.7.3"
	if got := w.refused(rotation.Advance); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	w.pass(time.Minute)
	w.must(rotation.Advance)
	w.wantStates(t, "3 retired, 4 active")

	var steps []string
	for _, s := range w.rotation.Steps {
		if s.Forced || s.By != "key-ops" {
			t.Errorf("step %+v", s)
		}
		steps = append(steps, s.Step)
	}
	if diff := cmp.Diff([]string{"prepare", "propagate", "switch", "drain", "retire"}, steps); diff != "" {
		t.Error(diff)
	}
	if got := w.refused(rotation.Advance); got != "no rotation of money-trio runs, the last one is done; start one" {
		t.Error(got)
	}

	w.must(start) // and again, over the entity of the last one
	w.wantStates(t, "3 retired, 4 active, 5 pending")
}

func TestDrainCountsFromTheSwitch(t *testing.T) {
	w := newWorld(t)
	w.must(start)
	w.pass(time.Hour) // the old ones are long quiet when everybody switches
	w.useAll(4)
	w.must(rotation.Advance)
	w.pass(quietTime - time.Nanosecond)
	w.refused(rotation.Advance)
	w.pass(time.Nanosecond)
	w.must(rotation.Advance)
}

func TestAUseFromBeforeTheRotationProvesNothing(t *testing.T) {
	w := newWorld(t)
	w.fresh[id(members[0], 4)] = use{w.now.Add(-time.Second), ""} // of a deleted credential with this id
	w.must(start)
	for _, name := range members[1:] {
		w.use(name, 4)
	}
	if got := w.refused(rotation.Advance); !strings.Contains(got, members[0]) {
		t.Error(got)
	}
}

func TestForce(t *testing.T) {
	w := newWorld(t)
	w.must(start)
	w.must(rotation.Force)
	w.wantStates(t, "3 retiring, 4 active")

	// A quiet old generation is no evidence that its holder has the new one.
	w.pass(quietTime)
	if got := w.refused(rotation.Advance); !strings.Contains(got, "mu:billing-svc to use generation 4") || strings.Count(got, "and for") != 2 {
		t.Error(got)
	}
	w.must(rotation.Force)
	w.wantStates(t, "3 retired, 4 active")
	var forced []bool
	for _, s := range w.rotation.Steps {
		forced = append(forced, s.Forced)
	}
	if diff := cmp.Diff([]bool{false, true, true, true, true}, forced); diff != "" {
		t.Error(diff)
	}
	view := rotation.Look(w.state())
	if m := view.Members[0]; m.Light != authz.LightRed {
		t.Errorf("a member that broke has light %s", m.Light)
	}
}

func TestAbort(t *testing.T) {
	t.Run("before anybody used the new", func(t *testing.T) {
		w := newWorld(t)
		w.must(start)
		w.must(rotation.Abort)
		w.wantStates(t, "3 active, 4 revoked")
		w.must(start)
		w.wantStates(t, "3 active, 4 revoked, 5 pending")
	})
	t.Run("in drain, the new being used", func(t *testing.T) {
		w := newWorld(t)
		w.must(start)
		w.useAll(4)
		w.must(rotation.Advance)
		w.must(rotation.Abort)
		w.wantStates(t, "3 active, 4 retiring")

		w.must(start)
		w.wantStates(t, "3 active, 4 retiring, 5 pending")
		if diff := cmp.Diff([]string{id(members[0], 3), id(members[0], 4)}, w.rotation.Members[0].Old); diff != "" {
			t.Error(diff)
		}
		w.useAll(5)
		w.must(rotation.Advance)
		w.wantStates(t, "3 retiring, 4 retiring, 5 active")
		w.must(rotation.Abort) // the one that was active is active again, not the newest
		w.wantStates(t, "3 active, 4 retiring, 5 retiring")

		want := "mu:billing-svc has generations 5 and 4 of shared_secret retiring; revoke those it no longer uses, then start"
		if got := w.refused(start); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
	t.Run("leftovers are retired by the next rotation", func(t *testing.T) {
		w := newWorld(t)
		w.must(start)
		w.useAll(4)
		w.must(rotation.Abort)
		w.must(start)
		w.useAll(5)
		w.must(rotation.Advance)
		w.pass(quietTime)
		w.must(rotation.Advance)
		w.wantStates(t, "3 retired, 4 retired, 5 active")
	})
	t.Run("without an old one to go back to", func(t *testing.T) {
		w := newWorld(t)
		w.must(start)
		w.use(members[0], 4)
		for _, name := range members[:2] {
			w.credentials[id(name, 3)].State = authz.CredentialRevoked
		}
		w.must(rotation.Abort)
		for i, want := range []string{"3 revoked, 4 active", "3 revoked, 4 pending", "3 active, 4 revoked"} {
			if got := w.states(members[i]); got != want {
				t.Errorf("%s has %s, want %s", members[i], got, want)
			}
		}
	})
}

func TestEmergency(t *testing.T) {
	for _, phase := range []string{authz.PhasePropagate, authz.PhaseDrain} {
		t.Run(phase, func(t *testing.T) {
			w := newWorld(t)
			w.must(start)
			if phase == authz.PhaseDrain {
				w.must(rotation.Force)
			}
			w.use(members[1], 4)
			w.must(rotation.Emergency)
			w.wantStates(t, "3 revoked, 4 active")
			if diff := cmp.Diff([]string{members[0], members[2]}, rotation.Look(w.state()).Breaks); diff != "" {
				t.Error(diff)
			}
			if w.rotation.Phase != authz.PhaseDone {
				t.Errorf("phase %s", w.rotation.Phase)
			}
			w.use(members[0], 4)
			view := rotation.Look(w.state())
			if diff := cmp.Diff([]string{members[2]}, view.Breaks); diff != "" {
				t.Error(diff)
			}
			if last := view.Steps[len(view.Steps)-1]; last.Step != authz.StepEmergency || last.State != authz.StepDone {
				t.Errorf("last step %+v", last)
			}
		})
	}
	w := newWorld(t)
	if got := w.refused(rotation.Emergency); got != "no rotation of money-trio runs; start one" {
		t.Error(got)
	}
}

func TestNothingRuns(t *testing.T) {
	for name, take := range map[string]step{"advance": rotation.Advance, "force": rotation.Force, "abort": rotation.Abort, "emergency": rotation.Emergency} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.refused(take)
			w.must(start)
			w.must(rotation.Abort)
			w.refused(take)
		})
	}
}

func TestAMemberWhoseNewGenerationDied(t *testing.T) {
	past := func(c *authz.Credential, w *world) { c.NotAfter = w.now }
	revoked := func(c *authz.Credential, _ *world) { c.State = authz.CredentialRevoked }
	for name, tc := range map[string]struct {
		kill func(*authz.Credential, *world)
		want string
	}{
		"revoked": {revoked, "waiting for a new start: generation 4 of mu:invoice-svc is revoked, while generation 3 works; abort the rotation and start again"},
		"expired": {past, "waiting for a new start: generation 4 of mu:invoice-svc is past its not_after, while generation 3 works; abort the rotation and start again"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.must(start)
			w.useAll(4)
			tc.kill(w.credentials[id(members[1], 4)], w)
			for _, take := range []step{rotation.Advance, rotation.Force} {
				if got := w.refused(take); got != tc.want {
					t.Errorf("got  %s\nwant %s", got, tc.want)
				}
			}
			if light := rotation.Look(w.state()).Members[1].Light; light != authz.LightRed {
				t.Errorf("light %s", light)
			}
			w.must(rotation.Abort)
		})
	}
	t.Run("gone with its machine user", func(t *testing.T) {
		w := newWorld(t)
		w.must(start)
		w.use(members[0], 4)
		w.use(members[2], 4)
		delete(w.credentials, id(members[1], 3))
		delete(w.credentials, id(members[1], 4))
		w.must(rotation.Advance)
		w.pass(quietTime)
		w.must(rotation.Advance)
	})
}

func TestStartRefuses(t *testing.T) {
	counted := 0
	counting := func(s rotation.State) (rotation.Plan, error) {
		return rotation.Start(s, authz.AdvanceAuto, func(m string) (*authz.Credential, error) { counted++; return hashed(m) })
	}
	w := newWorld(t)
	w.give(members[2], 4, authz.CredentialPending)
	want := "mu:ledger-svc has generations 4 and 3 of shared_secret already; revoke those it does not need, then start"
	if got := w.refused(counting); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	w.credentials[id(members[2], 4)].NotAfter = w.now // proves nobody, so it takes no room
	w.must(counting)
	want = "a rotation of money-trio is running, in phase propagate; let it end or abort it first"
	if got := w.refused(counting); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if counted != len(members) {
		t.Errorf("%d credentials were issued for %d members", counted, len(members))
	}
}

func TestStartWithMaterialThatCannotWork(t *testing.T) {
	broken := errors.New("no randomness")
	for name, tc := range map[string]struct {
		kind   string
		made   *authz.Credential
		err    error
		code   authz.ErrorCode
		prefix string
	}{
		"issue fails":      {kind: authz.KindSharedSecret, err: broken, code: authz.CodeInternal, prefix: "no randomness"},
		"nothing made":     {kind: authz.KindSharedSecret, code: authz.CodeInternal, prefix: "no credential"},
		"no hash":          {kind: authz.KindSharedSecret, made: &authz.Credential{}, code: authz.CodeInternal, prefix: "no secret"},
		"no keys":          {kind: authz.KindPublicKey, made: &authz.Credential{}, code: authz.CodeInvalid, prefix: "members.mu:billing-svc.keys"},
		"no names":         {kind: authz.KindCertificate, made: &authz.Credential{}, code: authz.CodeInvalid, prefix: "members.mu:billing-svc.names"},
		"name, no issuer":  {kind: authz.KindCertificate, made: &authz.Credential{Names: []string{"dns:a"}}, code: authz.CodeInvalid, prefix: "issuer"},
		"wrong material":   {kind: authz.KindPublicKey, made: &authz.Credential{Keys: []byte("{}"), SecretHash: "$"}, code: authz.CodeInvalid, prefix: "secret_hash"},
		"already past":     {kind: authz.KindPublicKey, made: &authz.Credential{Keys: []byte("{}"), NotAfter: time.Unix(1, 0)}, code: authz.CodeInvalid, prefix: "members.mu:billing-svc.not_after"},
		"certificate":      {kind: authz.KindCertificate, made: &authz.Credential{Names: []string{"x5t:abc"}}},
		"what Start fills": {kind: authz.KindPublicKey, made: &authz.Credential{Keys: []byte("{}"), State: "active", Generation: 99, Header: authz.Header{ID: "x", Revision: 7}}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.set.Kind = tc.kind
			plan, err := rotation.Start(w.state(), authz.AdvanceAuto, func(string) (*authz.Credential, error) { return tc.made, tc.err })
			if got := authz.CodeOf(err); got != tc.code {
				t.Fatalf("%v has code %q, want %q", err, got, tc.code)
			}
			if err == nil {
				w.apply(plan)
				return
			}
			if plan.Put != nil || !strings.HasPrefix(err.Error(), tc.prefix) {
				t.Errorf("%v, with plan %v", err, plan.Put)
			}
		})
	}
}

// A generation that cannot be told from the one it replaces gives no evidence.
func TestANewGenerationSharesNothing(t *testing.T) {
	keys := func(jwks ...string) json.RawMessage {
		return json.RawMessage(`{"keys":[` + strings.Join(jwks, ",") + `]}`)
	}
	const (
		oldKey  = `{"kty":"EC","crv":"P-256","kid":"a","x":"eA","y":"eQ"}`
		renamed = `{"kid":"b","use":"sig","y":"eQ","x":"eA","crv":"P-256","kty":"EC"}`
		another = `{"kty":"EC","crv":"P-256","kid":"a","x":"eA","y":"eg"}`
		rsa     = `{"kty":"RSA","kid":"a","n":"bg","e":"AQAB"}`
	)
	for name, tc := range map[string]struct {
		kind      string
		state     string // of the old one; empty means active
		old, made authz.Credential
		want      string // the start of the refusal; empty: started
	}{
		"a name":               {authz.KindCertificate, "", authz.Credential{Issuer: "ca", Names: []string{"spiffe://prod/a"}}, authz.Credential{Issuer: "ca", Names: []string{"dns:a", "spiffe://prod/a"}}, "members.mu:billing-svc.names[1] is a name of old too"},
		"of another issuer":    {authz.KindCertificate, "", authz.Credential{Issuer: "ca", Names: []string{"dns:a"}}, authz.Credential{Issuer: "new-ca", Names: []string{"dns:a"}}, ""},
		"another name":         {authz.KindCertificate, "", authz.Credential{Issuer: "ca", Names: []string{"dns:a"}}, authz.Credential{Issuer: "ca", Names: []string{"dns:b"}}, ""},
		"a thumbprint":         {authz.KindCertificate, "", authz.Credential{Names: []string{"x5t:a"}}, authz.Credential{Issuer: "ca", Names: []string{"x5t:a"}}, "members.mu:billing-svc.names[0] is a name of old too"},
		"by its thumbprint":    {authz.KindCertificate, "", authz.Credential{Issuer: "ca", Names: []string{"dns:a"}}, authz.Credential{Names: []string{"x5t:a"}}, ""},
		"of one on its way":    {authz.KindCertificate, "retiring", authz.Credential{Names: []string{"x5t:a"}}, authz.Credential{Names: []string{"x5t:a"}}, "members.mu:billing-svc.names[0]"},
		"of one that is over":  {authz.KindCertificate, "retired", authz.Credential{Names: []string{"x5t:a"}}, authz.Credential{Names: []string{"x5t:a"}}, ""},
		"the key":              {authz.KindPublicKey, "", authz.Credential{Keys: keys(oldKey)}, authz.Credential{Keys: keys(oldKey)}, "members.mu:billing-svc.keys have a key of old"},
		"the key, renamed":     {authz.KindPublicKey, "", authz.Credential{Keys: keys(rsa, oldKey)}, authz.Credential{Keys: keys(another, renamed)}, "members.mu:billing-svc.keys have a key of old"},
		"an RSA key":           {authz.KindPublicKey, "", authz.Credential{Keys: keys(rsa)}, authz.Credential{Keys: keys(rsa)}, "members.mu:billing-svc.keys have a key of old"},
		"another of that kid":  {authz.KindPublicKey, "", authz.Credential{Keys: keys(oldKey)}, authz.Credential{Keys: keys(another)}, ""},
		"beside none of ours":  {authz.KindPublicKey, "", authz.Credential{}, authz.Credential{Keys: keys(another)}, ""},
		"a key that is over":   {authz.KindPublicKey, "revoked", authz.Credential{Keys: keys(oldKey)}, authz.Credential{Keys: keys(oldKey)}, ""},
		"a document of no set": {authz.KindPublicKey, "", authz.Credential{Keys: json.RawMessage(`{}`)}, authz.Credential{Keys: json.RawMessage(`{}`)}, ""}, // for the caller to say
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.set.Kind, w.set.Members = tc.kind, members[:1]
			old := tc.old
			old.Header = authz.Header{ID: "old", Revision: 1}
			old.MachineUser, old.Kind, old.Generation, old.State = members[0], tc.kind, 1, tc.state
			old.Normalize()
			w.credentials[old.ID] = &old
			_, err := rotation.Start(w.state(), authz.AdvanceAuto, func(string) (*authz.Credential, error) { return &tc.made, nil })
			if tc.want == "" && err != nil || tc.want != "" && (authz.CodeOf(err) != authz.CodeInvalid || !strings.HasPrefix(err.Error(), tc.want)) {
				t.Errorf("%v, want %q", err, tc.want)
			}
		})
	}
}

// Data out of reach is no id that is taken, nor one that is free.
func TestStartWhenIDsCannotBeRead(t *testing.T) {
	w := newWorld(t)
	s := w.state()
	away := authz.Errorf(authz.CodeUnavailable, "closed")
	asked := 0
	s.Exists = func(string) (bool, error) {
		if asked++; asked == 1 {
			return true, away
		}
		return false, nil
	}
	if plan, err := start(s); !errors.Is(err, away) || plan.Put != nil {
		t.Errorf("got plan.Put %v, error %v; want error %v, plan.Put nil", plan.Put, err, away)
	}
}

func TestIDsOfNewCredentials(t *testing.T) {
	long := "mu:" + strings.Repeat("x", 197)
	for name, tc := range map[string]struct {
		member string
		taken  string
		want   string
	}{
		"plain":            {"mu:a", "", "mu:a.secret.1"},
		"taken by another": {"mu:a", "mu:a.secret.1", "mu:a.secret.2"},
		"too long":         {long, "", "cred-f12720a4d465bb1c4bbed94085a225dc147e6405.secret.1"},
	} {
		t.Run(name, func(t *testing.T) {
			set := &authz.RotationSet{Header: authz.Header{ID: "s"}, Members: []string{tc.member}}
			set.Normalize()
			s := rotation.State{Set: set, Exists: func(id string) (bool, error) { return id == tc.taken, nil }}
			plan, err := rotation.Start(s, authz.AdvanceAuto, hashed)
			if err != nil {
				t.Fatal(err)
			}
			if got := plan.Put[0].Head().ID; got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestAMemberWithoutAnOldGeneration(t *testing.T) {
	w := newWorld(t)
	delete(w.credentials, id(members[0], 3))
	w.must(start)
	if got := w.refused(rotation.Advance); !strings.Contains(got, "mu:billing-svc to use generation 1; it has not been seen using an older one") {
		t.Error(got)
	}
	if old := rotation.Look(w.state()).Members[0].Old; old == nil || len(old) != 0 {
		t.Errorf("old is %#v", old)
	}
}

func TestManyAreNotAllNamed(t *testing.T) {
	set := &authz.RotationSet{Header: authz.Header{ID: "s"}, Members: strings.Split("a b c d e f g", " ")}
	set.Normalize()
	s := rotation.State{Set: set}
	plan, err := rotation.Start(s, authz.AdvanceAuto, hashed)
	if err != nil {
		t.Fatal(err)
	}
	s.Credentials = map[string][]*authz.Credential{}
	for _, e := range plan.Put {
		switch e := e.(type) {
		case *authz.Credential:
			old := &authz.Credential{Header: authz.Header{ID: e.MachineUser}, MachineUser: e.MachineUser, Kind: e.Kind, State: "active"}
			s.Credentials[e.MachineUser] = []*authz.Credential{e, old}
		case *authz.Rotation:
			s.Rotation = e
		}
	}
	_, err = rotation.Advance(s)
	if err == nil || !strings.HasSuffix(err.Error(), "e to use generation 1; it has not been seen using an older one; and for 2 more members") {
		t.Error(err)
	}
}

func TestMembersOfTheRotationStayUntilItEnds(t *testing.T) {
	w := newWorld(t)
	w.must(start)
	w.set.Members = []string{"mu:new", members[0]}
	if diff := cmp.Diff([]string{"mu:new", members[0], members[1], members[2]}, rotation.Members(w.set, w.rotation)); diff != "" {
		t.Error(diff)
	}
	w.useAll(4)
	w.must(rotation.Advance)
	w.wantStates(t, "3 retiring, 4 active")
}

func TestTheStateIsNotChanged(t *testing.T) {
	for name, take := range map[string]step{"advance": rotation.Advance, "force": rotation.Force, "abort": rotation.Abort, "emergency": rotation.Emergency} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.must(start)
			w.useAll(4)
			s := w.state()
			before, err := json.Marshal([]any{s.Set, s.Rotation, s.Credentials})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := take(s); err != nil {
				t.Fatal(err)
			}
			after, err := json.Marshal([]any{s.Set, s.Rotation, s.Credentials})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(before), string(after)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestUsesLostWithAProcess: of the old generations a use may be lost that the process
// before saw and had not stored yet. Their quiet time does not begin before it.
func TestUsesLostWithAProcess(t *testing.T) {
	const storedWithin = time.Hour
	for name, test := range map[string]struct {
		began time.Duration // after the stored use of the old generations
		want  time.Duration // of quiet time from now, when it is over after the stored use
	}{
		"this one saw all":          {-time.Minute, 0},
		"it began soon after":       {30 * time.Minute, 20 * time.Minute},
		"it began when all was old": {5 * time.Hour, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.must(start)
			w.useAll(4)
			w.must(rotation.Advance)
			w.useAll(3) // which is stored
			s := w.state()
			used := w.now
			s.UsesKnown, s.StoredWithin = used.Add(test.began), storedWithin
			s.Now = used.Add(max(quietTime, test.began))
			if test.want > 0 {
				s.Now = s.UsesKnown.Add(quietTime - test.want)
				if view := rotation.Look(s); view.QuietLeftS != int64(test.want/time.Second) {
					t.Errorf("%d seconds of the quiet time are left, want %s", view.QuietLeftS, test.want)
				}
				if _, err := rotation.Advance(s); authz.CodeOf(err) != authz.CodeConflict {
					t.Errorf("the advance gives %v, want a conflict", err)
				}
				s.Now = s.Now.Add(test.want)
			}
			if _, err := rotation.Advance(s); err != nil {
				t.Errorf("once it is over, the advance gives %v", err)
			}
		})
	}
}
