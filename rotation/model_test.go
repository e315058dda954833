package rotation_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/rotation"
)

// model drives a world at random and checks the promises of the package after
// every turn.
type model struct {
	*world
	t        *rapid.T
	patient  bool                 // nobody has forced anything yet
	finished map[string]string    // :: credential -> retired or revoked
	last     map[string]string    // :: machine user -> credential used last
	usedAt   map[string]time.Time // :: credential -> when it was last used
}

func newModel(t *rapid.T) *model {
	m := &model{world: newWorld(t), t: t, patient: true, finished: map[string]string{}, last: map[string]string{}, usedAt: map[string]time.Time{}}
	for _, name := range members {
		m.last[name] = id(name, 3)
		m.usedAt[id(name, 3)] = m.now.Add(-time.Minute)
	}
	return m
}

// Use lets a member present any credential of its that is accepted, which is one it
// was given.
func (m *model) Use(t *rapid.T) {
	name := rapid.SampledFrom(members).Draw(t, "member")
	accepted := m.accepted(name)
	if len(accepted) == 0 {
		t.Skip("it broke")
	}
	c := rapid.SampledFrom(accepted).Draw(t, "credential")
	m.useID(c.ID)
	m.last[name], m.usedAt[c.ID] = c.ID, m.now
}

func (m *model) Wait(t *rapid.T) {
	m.pass(time.Duration(rapid.IntRange(1, int(2*quietTime/time.Second)).Draw(t, "seconds")) * time.Second)
}

func (m *model) Start(*rapid.T)   { m.try(start) }
func (m *model) Advance(*rapid.T) { m.try(rotation.Advance) }
func (m *model) Abort(*rapid.T)   { m.try(rotation.Abort) }

func (m *model) Force(t *rapid.T) {
	if rapid.IntRange(0, 4).Draw(t, "really") == 0 && m.try(rotation.Force) {
		m.patient = false
	}
}

func (m *model) Emergency(t *rapid.T) {
	if rapid.IntRange(0, 4).Draw(t, "really") == 0 && m.try(rotation.Emergency) {
		m.patient = false
	}
}

// RevokeLeftovers is what an operator does who is told to.
func (m *model) RevokeLeftovers(*rapid.T) {
	if m.rotation != nil && m.rotation.Running() {
		return
	}
	for _, name := range members {
		for _, c := range m.accepted(name) {
			if c.State == authz.CredentialRetiring && m.last[name] != c.ID {
				revoked := *c
				revoked.State = authz.CredentialRevoked
				m.credentials[c.ID] = &revoked
			}
		}
	}
}

func (m *model) try(take step) bool {
	plan, err := take(m.state())
	if err != nil {
		if authz.CodeOf(err) != authz.CodeConflict {
			m.t.Fatal(err)
		}
		return false
	}
	m.apply(plan)
	return true
}

func (m *model) check(t *rapid.T) {
	for _, c := range m.credentials {
		if was := m.finished[c.ID]; was != "" && c.State != was && c.State != authz.CredentialRevoked {
			t.Fatalf("%s was %s and is %s", c.ID, was, c.State)
		}
		if !c.Accepted() {
			m.finished[c.ID] = c.State
		}
	}
	for _, name := range members {
		m.checkMember(t, name)
	}
	view := rotation.Look(m.state())
	if running := m.rotation != nil && m.rotation.Running(); running {
		_, err := rotation.Advance(m.state())
		if (err == nil) != (len(view.WaitingFor) == 0) {
			t.Fatalf("advance says %v; the view waits for %q", err, view.WaitingFor)
		}
	} else if len(view.WaitingFor) > 0 || view.QuietLeftS != 0 {
		t.Fatalf("nothing runs, and the view waits: %+v", view)
	}
}

func (m *model) checkMember(t *rapid.T, name string) {
	accepted := m.accepted(name)
	current := 0
	for _, c := range accepted {
		if c.State != authz.CredentialRetiring {
			current++
		}
	}
	if current > 2 || len(accepted) > 3 {
		t.Fatalf("%s has %s", name, m.states(name))
	}
	if running := m.rotation != nil && m.rotation.Running(); !running && current > 1 {
		t.Fatalf("nothing runs, and %s has %s", name, m.states(name))
	}
	if !m.patient {
		return
	}
	if current == 0 {
		t.Fatalf("%s has nothing it should use: %s", name, m.states(name))
	}
	last := m.credentials[m.last[name]]
	if !last.Accepted() && m.now.Sub(m.usedAt[last.ID]) < quietTime {
		t.Fatalf("%s broke: it used %s %v ago, which is %s", name, last.ID, m.now.Sub(m.usedAt[last.ID]), last.State)
	}
}

// behave ends what runs: everybody uses the new generation and leaves the old alone.
func (m *model) behave(t *rapid.T) {
	for turn := 0; m.rotation != nil && m.rotation.Running(); turn++ {
		if turn == 2 {
			t.Fatalf("still %s: %q", m.rotation.Phase, rotation.Look(m.state()).WaitingFor)
		}
		for _, r := range m.rotation.Members {
			m.useID(r.New)
		}
		m.pass(quietTime)
		m.must(rotation.Advance)
	}
	for _, name := range members {
		if m.rotation != nil && m.rotation.Phase == authz.PhaseDone && len(m.accepted(name)) != 1 {
			t.Fatalf("the rotation is done, and %s has %s", name, m.states(name))
		}
	}
}

func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		t.Repeat(map[string]func(*rapid.T){
			"start": m.Start, "advance": m.Advance, "advance again": m.Advance, "abort": m.Abort, "force": m.Force, "emergency": m.Emergency,
			"use": m.Use, "use again": m.Use, "use more": m.Use, "wait": m.Wait, "revoke leftovers": m.RevokeLeftovers,
			"": m.check,
		})
		m.behave(t)
	})
}
