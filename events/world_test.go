package events_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/events"
)

var (
	now      = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	happened = now.Add(-time.Minute)
	until    = now.Add(authz.LongestTokenLife)
)

// Issuers of the world.
func own() *authz.Issuer {
	return &authz.Issuer{Header: authz.Header{ID: "own"}, URL: "https://own.example", Own: true}
}

func partner() *authz.Issuer {
	return &authz.Issuer{Header: authz.Header{ID: "partner"}, URL: "https://partner.example"}
}

func idp() *authz.Issuer {
	return &authz.Issuer{Header: authz.Header{ID: "idp"}, URL: "https://idp.example", SubjectIs: authz.SubjectIsFederated}
}

// world is a store in memory. It is safe for concurrent use.
type world struct {
	mu       sync.Mutex
	entities map[string]authz.Entity // :: collection/key -> entity
	revision uint64
	writes   int
	fail     error  // what reads and writes return instead
	race     func() // runs once before the next write
}

// newWorld has mu:billing of our own issuer, mu:partner of partner's, and mu:ci, whom
// idp calls by several names, one of which it also calls mu:twin.
func newWorld(entities ...authz.Entity) *world {
	w := &world{entities: map[string]authz.Entity{}}
	id := func(id string) authz.Header { return authz.Header{ID: id} }
	w.keep(
		own(), partner(), idp(),
		&authz.Tenant{Header: id("acme")},
		&authz.MachineUser{Header: id("mu:billing"), Tenant: "acme"},
		&authz.MachineUser{Header: id("mu:partner"), Issuers: []string{"partner"}},
		&authz.MachineUser{Header: id("mu:ci"), Issuers: []string{"elsewhere"}},
		&authz.MachineUser{Header: id("mu:listed"), Issuers: []string{"idp"}},
		&authz.Credential{Header: id("fed-ci"), MachineUser: "mu:ci", Kind: authz.KindFederated, Issuer: "idp",
			Names: []string{"repo:ci", "ci@example.com", "+1 206 555 0123", "https://ci.example/", "acct:ci@example.com", "did:example:ci", "shared"}},
		&authz.Credential{Header: id("fed-twin"), MachineUser: "mu:twin", Kind: authz.KindFederated, Issuer: "idp", Names: []string{"shared"}},
		&authz.Credential{Header: id("crt-ci"), MachineUser: "mu:ci", Kind: authz.KindCertificate, Issuer: "idp", Names: []string{"dns:ci.example"}},
		&authz.Credential{Header: id("crt-own"), MachineUser: "mu:ci", Kind: authz.KindCertificate, Issuer: "own", Names: []string{"dns:ci.own"}},
		&authz.Credential{Header: id("sec-ci"), MachineUser: "mu:ci", Kind: authz.KindSharedSecret},
	)
	w.keep(entities...)
	return w
}

func (w *world) keep(entities ...authz.Entity) {
	for _, e := range entities {
		e.Normalize()
		w.revision++
		e.Head().Revision = w.revision
		w.entities[place(e.Collection(), e.Head().ID)] = e
	}
}

func place(c authz.Collection, key string) string { return string(c) + "/" + key }

func (w *world) Entity(c authz.Collection, key string) (authz.Entity, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fail != nil {
		return nil, w.fail
	}
	if err := c.ValidateKey(key); err != nil {
		return nil, err
	}
	e, ok := w.entities[place(c, key)]
	if !ok {
		return nil, authz.Errorf(authz.CodeNotFound, "no such entity")
	}
	return copied(e), nil
}

func copied(e authz.Entity) authz.Entity {
	data, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	c := e.Collection().New()
	if err := json.Unmarshal(data, c); err != nil {
		panic(err)
	}
	return c
}

func (w *world) credentials(match func(*authz.Credential) bool) (found []*authz.Credential, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.entities {
		if c, ok := e.(*authz.Credential); ok && match(c) {
			found = append(found, c)
		}
	}
	slices.SortFunc(found, func(a, b *authz.Credential) int { return strings.Compare(a.ID, b.ID) })
	return found, w.fail
}

func (w *world) CredentialsOf(machineUser string) ([]*authz.Credential, error) {
	return w.credentials(func(c *authz.Credential) bool { return c.MachineUser == machineUser })
}

func (w *world) CredentialsNamed(name string) ([]*authz.Credential, error) {
	return w.credentials(func(c *authz.Credential) bool { return slices.Contains(c.Names, name) })
}

func (w *world) IssuerByURL(string) (*authz.Issuer, bool, error)    { panic("not asked for") }
func (w *world) IssuerByID(string) (*authz.Issuer, bool, error)     { panic("not asked for") }
func (w *world) IssuersOf(string) ([]*authz.Issuer, error)          { panic("not asked for") }
func (w *world) Credential(string) (*authz.Credential, bool, error) { panic("not asked for") }
func (w *world) Close()                                             {}

func (w *world) View() (events.View, error) { return w, nil }

// Write implements events.Store.
func (w *world) Write(ctx context.Context, entries []authz.Entity) (uint64, error) {
	if race := w.race; race != nil {
		w.race = nil
		race()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := errors.Join(w.fail, ctx.Err()); err != nil {
		return 0, err
	}
	for _, e := range entries {
		var at uint64
		if was := w.entities[place(e.Collection(), e.Head().ID)]; was != nil {
			at = was.Head().Revision
		}
		if at != e.Head().Revision {
			return 0, authz.Errorf(authz.CodePrecondition, "another write came in between")
		}
	}
	w.keep(entries...)
	w.writes++
	return w.revision, nil
}

// list is what is on the lists, shown.
func (w *world) list() []string {
	var entries []authz.Entity
	for _, e := range w.entities {
		if c := e.Collection(); c == authz.Revocations || c == authz.Renewals {
			entries = append(entries, e)
		}
	}
	return show(entries)
}

// show writes entries as "revoke subject/mu:x <10:00:00 ..24h" and "renew
// token/tok-x <10:00:00 by 10:05:00 ..24h", and a credential as "crt-x is revoked", in
// order. A time or end that is not there is left out.
func show(entries []authz.Entity) []string {
	shown := []string{}
	for _, e := range entries {
		switch e := e.(type) {
		case *authz.Revocation:
			shown = append(shown, "revoke "+e.ID+limits(e.IssuedBefore, time.Time{}, e.Until))
		case *authz.Renewal:
			shown = append(shown, "renew "+e.ID+limits(e.IssuedBefore, e.Deadline, e.Until))
		case *authz.Credential:
			shown = append(shown, e.ID+" is "+e.State)
		default:
			shown = append(shown, fmt.Sprintf("%T", e))
		}
	}
	slices.Sort(shown)
	return shown
}

func limits(before, deadline, end time.Time) string {
	var text string
	if !before.IsZero() {
		text += " <" + clock(before)
	}
	if !deadline.IsZero() {
		text += " by " + clock(deadline)
	}
	if !end.IsZero() {
		text += " .." + strings.TrimSuffix(end.Sub(now).String(), "0m0s")
	}
	return text
}

// clock shows a time of today without its date.
func clock(t time.Time) string {
	if t.Truncate(24 * time.Hour).Equal(now.Truncate(24 * time.Hour)) {
		return t.Format("15:04:05")
	}
	return t.Format(time.RFC3339)
}

// set is an event that happened a minute ago. Members are added to its payload.
func set(from *authz.Issuer, kind, subject, members string) authz.SecurityEvent {
	payload := fmt.Sprintf(`{"event_timestamp":%d`, happened.Unix())
	if members != "" {
		payload += "," + members
	}
	return authz.SecurityEvent{
		Issuer: from, JTI: kind + subject + members, IssuedAt: now.Add(-time.Second), Type: kind,
		SubjectID: json.RawMessage(subject), Payload: json.RawMessage(payload + "}"),
	}
}

// entries is what e writes, shown; the code of its refusal when it is refused.
func entries(t *testing.T, w *world, e authz.SecurityEvent, options events.Options) []string {
	t.Helper()
	got, err := events.Entries(e, w, now, options)
	var refusal *authz.EventRefusal
	if errors.As(err, &refusal) {
		if len(got) > 0 {
			t.Errorf("refused, with entries %v", show(got))
		}
		return []string{refusal.Err}
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range got {
		if err := entry.Validate(); err != nil {
			t.Errorf("entry %v is not valid: %v", show([]authz.Entity{entry}), err)
		}
	}
	return show(got)
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if want == nil {
		want = []string{}
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
