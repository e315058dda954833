package events_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/events"
)

func at(clock string) time.Time {
	if clock == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.DateTime, now.Format(time.DateOnly)+" "+clock)
	if err != nil {
		panic(err)
	}
	return t
}

const billing = `{"format":"opaque","id":"mu:billing"}`

// The event alone: revoke subject/mu:billing <09:59:01 ..8808h.
func TestRevocationsGrow(t *testing.T) {
	later := until.Add(24 * time.Hour)
	for _, c := range []struct {
		name          string
		before, until time.Time
		want          string // empty: nothing to write
	}{
		{"older", at("09:00:00"), now.Add(time.Hour), "<09:59:01 ..8808h"},
		{"newer", at("09:59:30"), now.Add(time.Hour), "<09:59:30 ..8808h"},
		{"lasts longer", at("09:00:00"), later, "<09:59:01 ..8832h"},
		{"never ends", at("09:00:00"), time.Time{}, "<09:59:01"},
		{"of any age", time.Time{}, now.Add(time.Hour), "..8808h"},
		{"the same", at("09:59:01"), until, ""},
		{"stronger", at("09:59:30"), later, ""},
		{"of any age, for good", time.Time{}, time.Time{}, ""},
		{"ended", time.Time{}, now, "<09:59:01 ..8808h"}, // what it stopped it stops no more
	} {
		w := newWorld(&authz.Revocation{Listed: authz.Listed{By: authz.BySubject, Of: "mu:billing", Reason: "why"}, IssuedBefore: c.before, Until: c.until})
		got, err := events.Entries(set(own(), events.TypeSessionRevoked, billing, ""), w, now, events.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		if c.want != "" {
			want = []string{"revoke subject/mu:billing " + c.want}
		}
		same(t, c.name, show(got), want)
		for _, entry := range got {
			if entry.Head().Revision != w.revision {
				t.Errorf("%s: replaces revision %d, not %d", c.name, entry.Head().Revision, w.revision)
			}
			reason := "why; session-revoked by own"
			if c.name == "ended" {
				reason = "session-revoked by own"
			}
			if r := entry.(*authz.Revocation); r.Reason != reason {
				t.Errorf("%s: reason %q", c.name, r.Reason)
			}
		}
	}
}

// The event alone: renew subject/mu:billing <09:59:01 by 10:05:00 ..8808h.
func TestRenewalsGrow(t *testing.T) {
	for _, c := range []struct {
		name                    string
		before, deadline, until time.Time
		want                    string
	}{
		{"older", at("09:00:00"), at("10:30:00"), until, "<09:59:01 by 10:05:00 ..8808h"},
		{"due earlier", at("09:00:00"), at("10:01:00"), until, "<09:59:01 by 10:01:00 ..8808h"},
		{"newer", at("09:59:30"), at("10:30:00"), until, "<09:59:30 by 10:05:00 ..8808h"},
		{"never ends", at("09:00:00"), at("10:30:00"), time.Time{}, "<09:59:01 by 10:05:00"},
		{"the same", at("09:59:01"), at("10:05:00"), until, ""},
		{"stronger", at("09:59:30"), at("10:01:00"), time.Time{}, ""},
		{"ended", at("09:59:30"), at("09:59:40"), now, "<09:59:01 by 10:05:00 ..8808h"},
	} {
		w := newWorld(&authz.Renewal{Listed: authz.Listed{By: authz.BySubject, Of: "mu:billing"}, IssuedBefore: c.before, Deadline: c.deadline, Until: c.until})
		var want []string
		if c.want != "" {
			want = []string{"renew subject/mu:billing " + c.want}
		}
		e := set(own(), events.TypeCredentialChange, billing, `"credential_type":"pin","change_type":"create"`)
		same(t, c.name, entries(t, w, e, events.Options{}), want)
	}
}

// Reasons stay short enough to be stored, and an operator's is not pushed out by
// repetition.
func TestReasonsStayBounded(t *testing.T) {
	w := newWorld(&authz.Revocation{Listed: authz.Listed{By: authz.BySubject, Of: "mu:billing", Reason: "an operator's"}, IssuedBefore: at("01:00:00"), Until: until})
	for i := range 100 {
		e := set(own(), events.TypeSessionRevoked, billing, "")
		e.Payload = fmt.Appendf(nil, `{"event_timestamp":%d,"reason_admin":{"en":"%s"}}`, now.Unix()-300+int64(i), strings.Repeat("same", 10))
		got, err := events.Entries(e, w, now, events.Options{})
		if err != nil || len(got) != 1 {
			t.Fatalf("event %d: entries %v, error %v, want one entry", i, show(got), err)
		}
		if _, err := w.Write(t.Context(), got); err != nil {
			t.Fatal(err)
		}
	}
	r := w.entities["revocations/subject/mu:billing"].(*authz.Revocation)
	if want := "an operator's; session-revoked by own: " + strings.Repeat("same", 10); r.Reason != want {
		t.Errorf("reason = %q, want %q", r.Reason, want)
	}
	for i := range 100 {
		e := set(own(), events.TypeSessionRevoked, billing, "")
		e.Payload = fmt.Appendf(nil, `{"event_timestamp":%d,"reason_admin":{"en":"%s"}}`, now.Unix()-100+int64(i), strings.Repeat(fmt.Sprint(i), 100))
		got, err := events.Entries(e, w, now, events.Options{}) // each is valid
		if err != nil || len(got) != 1 {
			t.Fatalf("event %d: entries %v, error %v, want one entry", i, show(got), err)
		}
		if _, err := w.Write(t.Context(), got); err != nil {
			t.Fatal(err)
		}
	}
}

// stops reports whether the lists of w stop, at a time, a token of mu:billing issued at
// another, by revocation or by a renewal that is due.
func stops(w *world, issued, when time.Time) bool {
	for _, e := range w.entities {
		var before, until, due time.Time
		switch e := e.(type) {
		case *authz.Revocation:
			before, until, due = e.IssuedBefore, e.Until, when
		case *authz.Renewal:
			before, until, due = e.IssuedBefore, e.Until, e.Deadline
		default:
			continue
		}
		if (before.IsZero() || issued.Before(before)) && (until.IsZero() || when.Before(until)) && !when.Before(due) {
			return true
		}
	}
	return false
}

// Whatever comes in whatever order, what the lists stopped they go on to stop, what
// an event asks to be stopped is, and doing it again changes nothing.
func TestEventsNeverWeaken(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		second := func(name string) time.Time {
			return now.Add(time.Duration(rapid.IntRange(-600, 600).Draw(t, name)) * time.Second)
		}
		w := newWorld()
		if rapid.Bool().Draw(t, "revoked") {
			r := &authz.Revocation{Listed: authz.Listed{By: authz.BySubject, Of: "mu:billing"}}
			if rapid.Bool().Draw(t, "before") {
				r.IssuedBefore = second("issued_before")
			}
			if rapid.Bool().Draw(t, "ends") {
				r.Until = second("until")
			}
			w.keep(r)
		}
		if rapid.Bool().Draw(t, "renewed") {
			w.keep(&authz.Renewal{Listed: authz.Listed{By: authz.BySubject, Of: "mu:billing"}, IssuedBefore: second("renewal"), Deadline: second("deadline"), Until: second("end")})
		}
		clock := now
		for range rapid.IntRange(1, 6).Draw(t, "events") {
			clock = clock.Add(time.Duration(rapid.IntRange(0, 300).Draw(t, "passes")) * time.Second)
			happened := second("happened")
			e := set(own(), rapid.SampledFrom([]string{events.TypeSessionRevoked, events.TypeCredentialChange, events.TypeTokenClaimsChange}).Draw(t, "type"), billing, "")
			e.Payload = fmt.Appendf(nil, `{"event_timestamp":%d,"credential_type":"pin","change_type":%q}`, happened.Unix(), rapid.SampledFrom([]string{"revoke", "update"}).Draw(t, "change"))
			var stopped [][2]time.Time
			for issued := now.Add(-700 * time.Second); issued.Before(now.Add(700 * time.Second)); issued = issued.Add(97 * time.Second) {
				for _, when := range []time.Time{clock, clock.Add(time.Minute), clock.Add(time.Hour)} {
					if stops(w, issued, when) {
						stopped = append(stopped, [2]time.Time{issued, when})
					}
				}
			}
			got, err := events.Entries(e, w, clock, events.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(t.Context(), got); err != nil {
				t.Fatal(err)
			}
			for _, s := range stopped {
				if !stops(w, s[0], s[1]) {
					t.Fatalf("a token of %v is stopped no more at %v: %v", s[0], s[1], w.list())
				}
			}
			if happened.After(clock) {
				happened = clock
			}
			if !stops(w, happened, clock.Add(5*time.Minute)) {
				t.Fatalf("a token of %v is not stopped: %v", happened, w.list())
			}
			again, err := events.Entries(e, w, clock, events.Options{})
			if err != nil || len(again) > 0 {
				t.Fatalf("done again: %v, %v", show(again), err)
			}
		}
	})
}

// Nothing an issuer may send does anything but be refused or make entries that are
// valid and about its own.
func FuzzEntries(f *testing.F) {
	for _, subject := range []string{
		billing, `{"format":"jwt_id","iss":"https://own.example","jti":"j1"}`, `{"format":"iss_sub","iss":"https://idp.example","sub":"mu:billing"}`,
		`{"format":"complex","user":{"format":"opaque","id":"mu:billing"},"tenant":{"format":"opaque","id":"acme"}}`,
		`{"format":"aliases","identifiers":[{"format":"opaque","id":"dns:ci.own"},{"format":"email","email":"mu:billing"}]}`, `null`,
	} {
		for _, payload := range []string{
			`{"event_timestamp":1795341540,"reason_admin":{"en":"x"}}`, `{}`,
			`{"credential_type":"x509","change_type":"revoke","x509_issuer":"CN=CA","x509_serial":"0a:ff"}`,
			`{"credential_type":"federated","change_type":"delete"}`, `{"credential_type":"pin","change_type":"update","event_timestamp":9e15}`,
		} {
			for kind := range 3 {
				f.Add(uint8(kind), []byte(subject), []byte(payload))
			}
		}
	}
	kinds := []string{events.TypeSessionRevoked, events.TypeCredentialChange, events.TypeTokenClaimsChange}
	f.Fuzz(func(t *testing.T, kind uint8, subject, payload []byte) {
		w := newWorld()
		e := authz.SecurityEvent{Issuer: own(), JTI: "j", IssuedAt: happened, Type: kinds[int(kind)%len(kinds)], SubjectID: json.RawMessage(subject), Payload: json.RawMessage(payload)}
		got, err := events.Entries(e, w, now, events.Options{})
		if err != nil {
			var refusal *authz.EventRefusal
			if !errors.As(err, &refusal) || refusal.Description == "" || len(got) > 0 {
				t.Fatalf("entries %v, error %v, want a refusal with a description alone", show(got), err)
			}
			return
		}
		for _, entry := range got {
			if err := entry.Validate(); err != nil {
				t.Fatalf("entries %v are not valid: %v", show(got), err)
			}
			for _, foreign := range []string{"mu:partner", "mu:twin", "crt-ci", "fed-ci", "sec-ci"} {
				if strings.HasSuffix(entry.Head().ID, "/"+foreign) {
					t.Fatalf("not its own: %v", show(got))
				}
			}
			if c, ok := entry.(*authz.Credential); ok && (c.Issuer != "own" || c.State != authz.CredentialRevoked) {
				t.Fatalf("not its own, or not over: %v", show(got))
			}
			if r, ok := entry.(*authz.Renewal); ok && r.Deadline.Before(now) {
				t.Fatalf("due in the past: %v", show(got))
			}
		}
		if _, err := w.Write(t.Context(), got); err != nil {
			t.Fatal(err)
		}
		if again, err := events.Entries(e, w, now, events.Options{}); err != nil || len(again) > 0 {
			t.Fatalf("done again: %v, %v", show(again), err)
		}
	})
}
