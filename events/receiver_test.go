package events_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/events"
	"github.com/verdict-pdp/verdict/store"
	"github.com/verdict-pdp/verdict/store/storetest"
)

// verify stands for the token room: the text is an event's fields, not signed.
func verify(_ context.Context, _ authz.Directory, text string, _ time.Time) (authz.SecurityEvent, error) {
	var e authz.SecurityEvent
	switch {
	case text == "forged":
		return e, &authz.EventRefusal{Err: "authentication_failed", Description: "the signature does not hold"}
	case text == "keys away":
		return e, authz.Errorf(authz.CodeUnavailable, "the issuer's keys cannot be fetched")
	}
	return e, json.Unmarshal([]byte(text), &e)
}

// pushed is e as its token.
func pushed(t testing.TB, e authz.SecurityEvent) string {
	t.Helper()
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func receiver(t *testing.T, s events.Store, edit func(*events.Config)) *events.Receiver {
	t.Helper()
	config := events.Config{Store: s, Verify: verify, Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }}
	if edit != nil {
		edit(&config)
	}
	r, err := events.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func counted(t *testing.T, r *events.Receiver, want events.Stats) {
	t.Helper()
	if diff := cmp.Diff(want, r.Stats()); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
}

func TestReceive(t *testing.T) {
	w := newWorld()
	r := receiver(t, w, nil)
	revoked := pushed(t, set(own(), events.TypeSessionRevoked, billing, ""))
	for _, c := range []struct {
		text    string
		refused string
		want    events.Stats
	}{
		{revoked, "", events.Stats{Applied: 1}},
		{revoked, "", events.Stats{Applied: 1, Duplicate: 1}},
		{pushed(t, set(own(), other, billing, "")), "", events.Stats{Applied: 1, Duplicate: 1, Ignored: 1}},
		{pushed(t, set(own(), other, billing, "")), "", events.Stats{Applied: 1, Duplicate: 2, Ignored: 1}},
		{pushed(t, set(own(), events.TypeSessionRevoked, `{"format":"opaque","id":"nobody"}`, "")), "", events.Stats{Applied: 1, Duplicate: 2, Ignored: 2}},
		{pushed(t, set(partner(), events.TypeSessionRevoked, billing, "")), "", events.Stats{Applied: 1, Duplicate: 2, Ignored: 3}}, // another issuer's jti is another event
		{"forged", "authentication_failed", events.Stats{Applied: 1, Duplicate: 2, Ignored: 3, Refused: 1}},
		{pushed(t, set(idp(), events.TypeSessionRevoked, `{"format":"iss_sub","iss":"https://own.example","sub":"mu:billing"}`, "")), events.ErrAccessDenied, events.Stats{Applied: 1, Duplicate: 2, Ignored: 3, Refused: 2}},
	} {
		err := r.Receive(t.Context(), c.text)
		var refusal *authz.EventRefusal
		if got := errors.As(err, &refusal); got != (c.refused != "") || got && refusal.Err != c.refused || !got && err != nil {
			t.Errorf("Receive(%s): error %v, want the refusal %q", c.text, err, c.refused)
		}
		counted(t, r, c.want)
	}
	same(t, "lists", w.list(), []string{"revoke subject/mu:billing <09:59:01 ..8808h"})
	if w.writes != 1 {
		t.Errorf("%d writes", w.writes)
	}
}

// What was not written is not remembered, so that it is done when it comes again.
func TestReceiveAgainAfterAFailure(t *testing.T) {
	w := newWorld()
	r := receiver(t, w, nil)
	text := pushed(t, set(own(), events.TypeSessionRevoked, billing, ""))
	if err := r.Receive(t.Context(), "keys away"); authz.CodeOf(err) != authz.CodeUnavailable {
		t.Errorf("without keys: error %v, want %s", err, authz.CodeUnavailable)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Receive(ctx, text); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that ended: error %v, want %v", err, context.Canceled)
	}
	w.race = func() { w.fail = authz.Errorf(authz.CodeUnavailable, "the disk is full") }
	if err := r.Receive(t.Context(), text); authz.CodeOf(err) != authz.CodeUnavailable {
		t.Errorf("with a full disk: error %v, want %s", err, authz.CodeUnavailable)
	}
	w.fail = nil
	if err := r.Receive(t.Context(), text); err != nil {
		t.Error(err)
	}
	same(t, "lists", w.list(), []string{"revoke subject/mu:billing <09:59:01 ..8808h"})
	counted(t, r, events.Stats{Applied: 1, Failed: 3})
}

// A write that comes in between is not undone: the entry grows from what it left.
func TestReceiveBesideAnotherWriter(t *testing.T) {
	w := newWorld()
	w.race = func() {
		w.keep(&authz.Revocation{Listed: authz.Listed{By: authz.BySubject, Of: "mu:billing"}, IssuedBefore: at("09:30:00")})
	}
	r := receiver(t, w, nil)
	if err := r.Receive(t.Context(), pushed(t, set(own(), events.TypeSessionRevoked, billing, ""))); err != nil {
		t.Fatal(err)
	}
	same(t, "lists", w.list(), []string{"revoke subject/mu:billing <09:59:01"})
	counted(t, r, events.Stats{Applied: 1})
}

// always loses every race.
type always struct{ *world }

func (always) Write(context.Context, []authz.Entity) (uint64, error) {
	return 0, authz.Errorf(authz.CodePrecondition, "another write came in between")
}

func TestReceiveGivesUp(t *testing.T) {
	r := receiver(t, always{newWorld()}, nil)
	if err := r.Receive(t.Context(), pushed(t, set(own(), events.TypeSessionRevoked, billing, ""))); authz.CodeOf(err) != authz.CodeUnavailable {
		t.Errorf("error %v, want %s", err, authz.CodeUnavailable)
	}
	counted(t, r, events.Stats{Failed: 1})
}

// A restart forgets, and so does a small memory; doing an event again does no harm.
func TestForgottenEvents(t *testing.T) {
	w := newWorld()
	r := receiver(t, w, func(c *events.Config) { c.Remember = 1 })
	first, second := pushed(t, set(own(), events.TypeSessionRevoked, billing, "")), pushed(t, set(own(), other, billing, ""))
	for _, text := range []string{first, second, first} {
		if err := r.Receive(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	counted(t, r, events.Stats{Applied: 1, Ignored: 2})
	if w.writes != 1 {
		t.Errorf("%d writes", w.writes)
	}
	if _, err := events.New(events.Config{Remember: -1}); err == nil {
		t.Error("a memory of less than nothing")
	}
}

func TestReceiveLogsNoToken(t *testing.T) {
	var log strings.Builder
	r := receiver(t, newWorld(), func(c *events.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	applied, refused := pushed(t, set(own(), events.TypeSessionRevoked, billing, `"x":"canary"`)), pushed(t, set(own(), events.TypeSessionRevoked, `{"format":"opaque","canary":"id"}`, ""))
	if err := errors.Join(r.Receive(t.Context(), applied), r.Receive(t.Context(), refused)); err == nil {
		t.Error("not refused")
	}
	for _, want := range []string{"revocations/subject/mu:billing", "type=session-revoked", "issuer=own", "err=invalid_request"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, &log)
		}
	}
	if strings.Contains(log.String(), "canary") {
		t.Errorf("the log has parts of a token:\n%s", &log)
	}
}

// A refusal names members of a token at most, and reads as one line.
func TestRefusal(t *testing.T) {
	_, err := events.Entries(set(own(), events.TypeSessionRevoked, `{"format":7,"id":"canary"}`, ""), newWorld(), now, events.Options{})
	if want := "invalid_request: sub_id: format has the wrong type: it cannot be a number"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// rooms is the real store, as it is adapted.
type rooms struct{ *store.Store }

func (r rooms) View() (events.View, error) {
	view, err := r.Snapshot()
	if err != nil {
		return nil, err
	}
	return view, nil
}

func (r rooms) Write(ctx context.Context, entries []authz.Entity) (uint64, error) {
	ops := make([]store.Op, len(entries))
	for i, e := range entries {
		ops[i] = store.Op{Entity: e, If: authz.IfAbsent()}
		if at := e.Head().Revision; at > 0 {
			ops[i].If = authz.IfRevision(at)
		}
	}
	result, err := r.Apply(ctx, ops)
	return result.Revision, err
}

// Many transmitters at once, on a real store: the lists end as strong as the strongest
// event, and each event is applied or found to be covered.
func TestReceiveConcurrently(t *testing.T) {
	s, err := store.Open(store.Config{InMemory: true, Now: func() time.Time { return now }, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	storetest.Put(t, s,
		&authz.MachineUser{Header: authz.Header{ID: "mu:billing"}, Kind: "service", Origin: "internal", Issuers: []string{"own"}},
		&authz.Revocation{Listed: authz.Listed{By: authz.BySubject, Of: "mu:billing"}, IssuedBefore: at("08:00:00"), Until: until})
	r := receiver(t, rooms{s}, nil)
	const transmitters, each = 3, 3 // so few that nobody can lose every attempt
	failed := make([]error, transmitters)
	var all sync.WaitGroup
	for n := range transmitters {
		all.Go(func() {
			for i := range each {
				e := set(own(), events.TypeSessionRevoked, billing, "")
				e.JTI = fmt.Sprint(n, "-", i)
				e.Payload = fmt.Appendf(nil, `{"event_timestamp":%d}`, at("09:00:00").Unix()+int64(n+transmitters*i))
				text, err := json.Marshal(e)
				failed[n] = errors.Join(failed[n], err, r.Receive(context.Background(), string(text)))
			}
		})
	}
	all.Wait()
	if err := errors.Join(failed...); err != nil {
		t.Fatal(err)
	}
	entity, err := s.Get(authz.Revocations, "subject/mu:billing")
	if err != nil {
		t.Fatal(err)
	}
	same(t, "list", show([]authz.Entity{entity}), []string{"revoke subject/mu:billing <09:00:09 ..8808h"})
	stats := r.Stats()
	if stats.Applied == 0 || stats.Applied+stats.Ignored != transmitters*each {
		t.Errorf("stats %+v, want %d events applied or ignored", stats, transmitters*each)
	}
}
