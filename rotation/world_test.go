package rotation_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/rotation"
)

const quietTime = 10 * time.Minute

// fataler is what *testing.T and *rapid.T have in common here.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// world is a store and a clock as far as rotations need them: it applies plans the
// way the store does, revision by revision.
type world struct {
	t           fataler
	set         *authz.RotationSet
	rotation    *authz.Rotation
	credentials map[string]*authz.Credential // :: id -> stored
	fresh       map[string]use               // :: credential -> use not stored yet
	now         time.Time
	revision    uint64
}

type use struct {
	at   time.Time
	from string
}

var members = []string{"mu:billing-svc", "mu:invoice-svc", "mu:ledger-svc"}

// newWorld has the money trio, each on an active generation 3 that it used a minute ago.
func newWorld(t fataler) *world {
	w := &world{
		t:           t,
		set:         &authz.RotationSet{Header: authz.Header{ID: "money-trio"}, Members: members},
		credentials: map[string]*authz.Credential{},
		fresh:       map[string]use{},
		now:         time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC),
	}
	w.set.Normalize()
	for _, name := range members {
		w.give(name, 3, authz.CredentialActive)
		w.use(name, 3)
	}
	w.pass(time.Minute)
	return w
}

func id(machineUser string, generation int) string {
	return fmt.Sprintf("%s.secret.%d", machineUser, generation)
}

func (w *world) give(machineUser string, generation int, state string) *authz.Credential {
	w.revision++
	c := &authz.Credential{
		Header:      authz.Header{ID: id(machineUser, generation), Revision: w.revision},
		MachineUser: machineUser, Kind: authz.KindSharedSecret, Generation: generation, State: state, SecretHash: "$argon2id$",
	}
	w.credentials[c.ID] = c
	return c
}

func (w *world) pass(d time.Duration) { w.now = w.now.Add(d) }

// use is seen by the process, and stored for every other generation, so that both
// sources of evidence are exercised.
func (w *world) use(machineUser string, generation int) { w.useID(id(machineUser, generation)) }

func (w *world) useID(credential string) {
	c, ok := w.credentials[credential]
	if !ok || !c.Accepted() {
		w.t.Helper()
		w.t.Fatalf("%s does not work", credential)
	}
	u := use{w.now, "10.4.7.3"}
	if c.Generation%2 == 0 {
		w.fresh[credential] = u
		return
	}
	stored := *c
	w.revision++
	stored.LastUsedAt, stored.LastUsedFrom, stored.Revision = u.at, u.from, w.revision
	w.credentials[credential] = &stored
}

func (w *world) state() rotation.State {
	s := rotation.State{Set: w.set, Rotation: w.rotation, Credentials: map[string][]*authz.Credential{}, Now: w.now, By: "key-ops"}
	for _, name := range rotation.Members(w.set, w.rotation) {
		s.Credentials[name] = w.of(name)
	}
	s.LastUse = func(credential string) (time.Time, string) {
		u := w.fresh[credential]
		return u.at, u.from
	}
	s.Exists = func(credential string) (bool, error) { return w.credentials[credential] != nil, nil }
	return s
}

// of gives a machine user's credentials, oldest first.
func (w *world) of(machineUser string) []*authz.Credential {
	var found []*authz.Credential
	for _, c := range w.credentials {
		if c.MachineUser == machineUser {
			found = append(found, c)
		}
	}
	slices.SortFunc(found, func(a, b *authz.Credential) int { return a.Generation - b.Generation })
	return found
}

func (w *world) accepted(machineUser string) []*authz.Credential {
	return slices.DeleteFunc(w.of(machineUser), func(c *authz.Credential) bool { return !c.Accepted() })
}

// states reads "3 retiring, 4 active".
func (w *world) states(machineUser string) string {
	text := ""
	for i, c := range w.of(machineUser) {
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprintf("%d %s", c.Generation, c.State)
	}
	return text
}

// apply writes a plan as the store does: in order, each entity valid and on the
// condition of its revision.
func (w *world) apply(plan rotation.Plan) {
	w.t.Helper()
	w.revision++
	for i, e := range plan.Put {
		if err := e.Validate(); err != nil {
			w.t.Fatalf("put %d: %v", i, err)
		}
		switch e := e.(type) {
		case *authz.Credential:
			w.put(e)
		case *authz.Rotation:
			if i != len(plan.Put)-1 {
				w.t.Fatalf("the rotation is put %d of %d", i, len(plan.Put))
			}
			if had := headOf(w.rotation).Revision; e.Revision != had {
				w.t.Fatalf("rotation has revision %d; stored is %d", e.Revision, had)
			}
			e.Revision = w.revision
			w.rotation = e
		}
	}
}

func (w *world) put(c *authz.Credential) {
	w.t.Helper()
	was := w.credentials[c.ID]
	if was == nil {
		if c.Revision != 0 {
			w.t.Fatalf("%s is new and has revision %d", c.ID, c.Revision)
		}
	} else {
		if c.Revision != was.Revision {
			w.t.Fatalf("%s has revision %d; stored is %d", c.ID, c.Revision, was.Revision)
		}
		if err := c.Succeed(was, w.now); err != nil {
			w.t.Fatalf("%s: got error %v; want no error", c.ID, err)
		}
	}
	c.Revision = w.revision
	w.credentials[c.ID] = c
}

func headOf(r *authz.Rotation) authz.Header {
	if r == nil {
		return authz.Header{}
	}
	return r.Header
}

func hashed(string) (*authz.Credential, error) {
	return &authz.Credential{SecretHash: "$argon2id$new"}, nil
}

// step is one of the functions of the package.
type step func(rotation.State) (rotation.Plan, error)

func start(s rotation.State) (rotation.Plan, error) {
	return rotation.Start(s, authz.AdvanceAuto, hashed)
}

// must takes a step that is not refused.
func (w *world) must(take step) rotation.Plan {
	w.t.Helper()
	before := w.state()
	plan, err := take(before)
	if err != nil {
		w.t.Fatalf("refused: %v", err)
	}
	w.apply(plan)
	if diff := cmp.Diff(rotation.Look(w.state()), rotation.Look(before.After(plan))); diff != "" {
		w.t.Fatalf("read anew (-) and after the plan (+):\n%s", diff)
	}
	return plan
}

// refused is the message of the conflict that a step meets.
func (w *world) refused(take step) string {
	w.t.Helper()
	plan, err := take(w.state())
	if authz.CodeOf(err) != authz.CodeConflict {
		w.t.Fatalf("got %v (%s), want a conflict", err, authz.CodeOf(err))
	}
	if plan.Put != nil {
		w.t.Fatalf("a plan beside an error: %v", plan)
	}
	return err.Error()
}

func (w *world) useAll(generation int) {
	w.t.Helper()
	for _, name := range members {
		w.use(name, generation)
	}
}

func (w *world) wantStates(t *testing.T, want string) {
	t.Helper()
	for _, name := range members {
		if got := w.states(name); got != want {
			t.Errorf("%s has %s, want %s", name, got, want)
		}
	}
}
