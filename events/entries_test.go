package events_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/events"
)

const other = "https://schemas.openid.net/secevent/caep/event-type/device-compliance-change"

// Every type of event about every form of subject.
func TestEveryTypeAboutEverySubject(t *testing.T) {
	token := "token/" + authz.TokenID(idp().URL, "j1")
	const ci = "subject/mu:ci"
	subjects := []struct {
		subject string
		names   []string // what entries name; nil: nobody
		refused string
	}{
		{`{"format":"iss_sub","iss":"https://idp.example","sub":"repo:ci"}`, []string{ci}, ""},
		{`{"format":"iss_sub","iss":"https://idp.example","sub":"nobody"}`, nil, ""},
		{`{"format":"iss_sub","iss":"https://own.example","sub":"repo:ci"}`, nil, events.ErrAccessDenied},
		{`{"format":"iss_sub","iss":"https://idp.example/","sub":"repo:ci"}`, nil, events.ErrAccessDenied},
		{`{"format":"iss_sub","iss":"","sub":"repo:ci"}`, nil, events.ErrAccessDenied},
		{`{"format":"opaque","id":"repo:ci"}`, []string{ci}, ""},
		{`{"format":"opaque","id":"shared"}`, []string{ci, "subject/mu:twin"}, ""},
		{`{"format":"jwt_id","iss":"https://idp.example","jti":"j1"}`, []string{token}, ""},
		{`{"format":"jwt_id","iss":"https://own.example","jti":"j1"}`, nil, events.ErrAccessDenied},
		{`{"format":"email","email":"ci@example.com"}`, []string{ci}, ""},
		{`{"format":"phone_number","phone_number":"+1 206 555 0123"}`, []string{ci}, ""},
		{`{"format":"uri","uri":"https://ci.example/"}`, []string{ci}, ""},
		{`{"format":"account","uri":"acct:ci@example.com"}`, []string{ci}, ""},
		{`{"format":"did","url":"did:example:ci"}`, []string{ci}, ""},
		{`{"format":"saml_assertion_id","issuer":"https://idp.example","assertion_id":"repo:ci"}`, nil, ""},
		{`{"format":"ip-addresses","ip-addresses":["10.0.0.1"]}`, nil, ""},
		{`{"format":"catalog_item","id":7}`, nil, ""},
		{`{"format":"aliases","identifiers":[{"format":"email","email":"nobody@example.com"},{"format":"opaque","id":"repo:ci"},
			{"format":"opaque","id":"shared"},{"format":"jwt_id","iss":"https://idp.example","jti":"j1"}]}`, []string{ci, "subject/mu:twin", token}, ""},
		{`{"format":"aliases","identifiers":[{"format":"iss_sub","iss":"https://own.example","sub":"mu:billing"},{"format":"opaque","id":"repo:ci"}]}`, []string{ci}, ""},
		{`{"format":"aliases","identifiers":[{"format":"iss_sub","iss":"https://own.example","sub":"mu:billing"}]}`, nil, events.ErrAccessDenied},
		{`{"format":"aliases","identifiers":[{"format":"aliases","identifiers":[{"format":"opaque","id":"repo:ci"}]}]}`, nil, ""},
		{`{"format":"complex","user":{"format":"opaque","id":"repo:ci"}}`, []string{ci}, ""},
		{`{"format":"opaque"}`, nil, events.ErrInvalidRequest},
		{`{"format":"iss_sub","sub":"repo:ci"}`, nil, events.ErrInvalidRequest},
		{`{"format":"opaque","id":7}`, nil, events.ErrInvalidRequest},
		{`{"format":"aliases","identifiers":[` + strings.Repeat(`{"format":"opaque","id":"x"},`, 16) + `{"format":"opaque","id":"repo:ci"}]}`, nil, events.ErrInvalidRequest},
		{`{"id":"repo:ci"}`, nil, events.ErrInvalidRequest},
		{`["repo:ci"]`, nil, events.ErrInvalidRequest},
		{`null`, nil, events.ErrInvalidRequest},
		{``, nil, events.ErrInvalidRequest},
	}
	revoke := func(name string) string {
		if name == token {
			return "revoke " + name + " ..8808h"
		}
		return "revoke " + name + " <09:59:01 ..8808h"
	}
	renew := func(deadline string) func(string) string {
		return func(name string) string {
			if name == token {
				return "renew " + name + " <10:05:01 by " + deadline + " ..8808h"
			}
			return "renew " + name + " <09:59:01 by " + deadline + " ..8808h"
		}
	}
	types := []struct {
		kind, members string
		entry         func(name string) string // nil: ignored, whatever the subject is
	}{
		{events.TypeSessionRevoked, "", revoke},
		{events.TypeCredentialChange, `"credential_type":"password","change_type":"revoke"`, revoke},
		{events.TypeCredentialChange, `"credential_type":"app","change_type":"delete"`, revoke},
		{events.TypeCredentialChange, `"credential_type":"password","change_type":"create"`, renew("10:05:00")},
		{events.TypeCredentialChange, `"credential_type":"x509","change_type":"update"`, renew("10:05:00")},
		{events.TypeTokenClaimsChange, `"claims":{"role":"ro-admin"}`, renew("10:00:00")},
		{other, "", nil},
		{"https://schemas.openid.net/secevent/caep/event-type/session-established", "", nil},
		{"https://schemas.openid.net/secevent/caep/event-type/assurance-level-change", "", nil},
		{"https://schemas.openid.net/secevent/ssf/event-type/verification", `"state":"x"`, nil},
		{"https://schemas.openid.net/secevent/ssf/event-type/stream-updated", `"status":"paused"`, nil},
		{"", "", nil},
	}
	for _, kind := range types {
		for _, s := range subjects {
			var want []string
			switch {
			case kind.entry == nil:
			case s.refused != "":
				want = []string{s.refused}
			default:
				for _, name := range s.names {
					want = append(want, kind.entry(name))
				}
			}
			same(t, kind.kind+" "+s.subject, entries(t, newWorld(), set(idp(), kind.kind, s.subject, kind.members), events.Options{}), want)
		}
	}
}

// An issuer takes back what is its own and nothing else.
func TestWhoMayTakeBackWhat(t *testing.T) {
	for _, c := range []struct {
		from *authz.Issuer
		name string
		want []string
	}{
		{own(), "mu:billing", []string{"mu:billing"}}, // lists nobody: our own issuers speak for it
		{own(), "mu:partner", nil},                    // lists another
		{own(), "mu:ci", nil},
		{own(), "dns:ci.own", []string{"mu:ci"}},
		{own(), "repo:ci", nil}, // a name another issuer gave
		{partner(), "mu:partner", []string{"mu:partner"}},
		{partner(), "mu:billing", nil},
		{partner(), "mu:nobody", nil},
		{partner(), "../mu:partner", nil}, // no id at all
		{idp(), "mu:ci", nil},
		{idp(), "mu:listed", nil}, // its subjects are names, not ids
		{idp(), "repo:ci", []string{"mu:ci"}},
		{idp(), "dns:ci.example", []string{"mu:ci"}},
		{idp(), "dns:ci.own", nil},
	} {
		var want []string
		for _, machineUser := range c.want {
			want = append(want, "revoke subject/"+machineUser+" <09:59:01 ..8808h")
		}
		subject := fmt.Sprintf(`{"format":"iss_sub","iss":%q,"sub":%q}`, c.from.URL, c.name)
		same(t, c.from.ID+" of "+c.name, entries(t, newWorld(), set(c.from, events.TypeSessionRevoked, subject, ""), events.Options{}), want)
	}
}

// What matches all members is covered by the narrowest that names something.
func TestComplexSubjects(t *testing.T) {
	const (
		billing  = `{"format":"opaque","id":"mu:billing"}`
		nobody   = `{"format":"opaque","id":"nobody"}`
		acme     = `{"format":"opaque","id":"acme"}`
		strange  = `{"format":"iss_sub","iss":"https://idp.example","sub":"mu:billing"}`
		unusual  = `{"format":"saml_assertion_id","issuer":"x","assertion_id":"y"}`
		oneToken = `{"format":"jwt_id","iss":"https://own.example","jti":"j1"}`
		theirs   = `{"format":"jwt_id","iss":"https://idp.example","jti":"j1"}`
	)
	token := []string{"revoke token/" + authz.TokenID(own().URL, "j1") + " ..8808h"}
	subject := []string{"revoke subject/mu:billing <09:59:01 ..8808h"}
	tenant := []string{"revoke tenant/acme <09:59:01 ..8808h"}
	denied, invalid := []string{events.ErrAccessDenied}, []string{events.ErrInvalidRequest}
	for _, c := range []struct {
		from    *authz.Issuer
		members string
		want    []string
	}{
		{own(), `"session":` + oneToken + `,"user":` + billing + `,"tenant":` + acme, token},
		{own(), `"session":` + oneToken + `,"user":` + nobody, token},
		{own(), `"session":` + nobody + `,"user":` + billing + `,"tenant":` + acme, subject},
		{own(), `"session":` + theirs + `,"user":` + billing, subject},
		{own(), `"session":` + theirs, denied},
		{own(), `"session":` + nobody, nil},
		{own(), `"user":` + billing + `,"tenant":` + acme, subject},
		{own(), `"user":` + billing + `,"device":` + strange, subject},
		{own(), `"user":` + billing + `,"application":` + nobody, subject},
		{own(), `"user":` + nobody + `,"tenant":` + acme, nil}, // or a person's logout would stop a whole tenant
		{own(), `"user":` + nobody + `,"application":` + billing, nil},
		{own(), `"user":` + unusual + `,"tenant":` + acme, nil},
		{own(), `"user":` + strange + `,"tenant":` + acme, denied},
		{own(), `"application":` + billing + `,"tenant":` + acme, subject},
		{own(), `"application":` + nobody + `,"device":` + billing, subject},
		{own(), `"device":` + billing, subject},
		{own(), `"device":` + nobody + `,"tenant":` + acme, tenant}, // which of the tenant's tokens are on it, nobody knows
		{own(), `"device":` + strange, denied},
		{own(), `"tenant":` + acme, tenant},
		{own(), `"tenant":` + acme + `,"group":` + nobody + `,"org_unit":` + nobody, tenant},
		{own(), `"tenant":` + nobody, nil},
		{own(), `"tenant":` + oneToken, nil},
		{own(), `"tenant":{"format":"iss_sub","iss":"https://idp.example","sub":"acme"}`, denied},
		{partner(), `"tenant":` + acme, nil}, // tenants are not a stranger's
		{own(), `"group":` + nobody, nil},
		{own(), `"user":{"format":"opaque"}`, invalid},
		{own(), `"user":null`, invalid},
		{own(), `"user":{"format":"complex","user":` + billing + `}`, nil},
	} {
		e := set(c.from, events.TypeSessionRevoked, `{"format":"complex",`+c.members+`}`, "")
		same(t, c.from.ID+" "+c.members, entries(t, newWorld(), e, events.Options{}), c.want)
	}
}

func TestCredentialChange(t *testing.T) {
	certificate := func(serial string) string {
		return "revoke certificate/" + authz.CertificateID("CN=CA,O=Ours", serial)
	}
	const (
		ci      = `{"format":"opaque","id":"repo:ci"}`
		billing = `{"format":"opaque","id":"mu:billing"}`
		nobody  = `{"format":"opaque","id":"nobody"}`
		tokens  = "revoke subject/mu:ci <09:59:01 ..8808h"
		ours    = "revoke subject/mu:billing <09:59:01 ..8808h"
	)
	x509 := func(serial string) string {
		return `"credential_type":"x509","change_type":"revoke","x509_issuer":"CN=CA,O=Ours","x509_serial":"` + serial + `"`
	}
	invalid := []string{events.ErrInvalidRequest}
	for _, c := range []struct {
		from             *authz.Issuer
		subject, members string
		want             []string
	}{
		{own(), billing, x509("0a:FF"), []string{certificate("aff"), ours}},
		{own(), billing, x509("0x1234"), []string{certificate("1234"), ours}},
		{own(), billing, x509("1234"), []string{certificate("1234"), certificate("4d2"), ours}}, // hex or decimal
		{own(), billing, x509("7"), []string{certificate("7"), ours}},                           // the same either way
		{own(), nobody, x509("aff"), []string{certificate("aff")}},                              // the certificate is known by itself
		{own(), `{"format":"iss_sub","iss":"https://idp.example","sub":"x"}`, x509("aff"), []string{events.ErrAccessDenied}},
		{own(), billing, x509("00" + strings.Repeat("f", 40)), []string{certificate(strings.Repeat("f", 40)), ours}},
		{own(), billing, x509(strings.Repeat("f", 41)), invalid},
		{own(), billing, x509(strings.Repeat("9", 60)), invalid},
		{own(), billing, x509(strings.Repeat(":", 200)), invalid},
		{own(), billing, x509("not a number"), invalid},
		{own(), billing, x509("-12"), invalid},
		{own(), `{"format":"opaque","id":"dns:ci.own"}`, `"credential_type":"x509","change_type":"delete"`, []string{"revoke credential/crt-own", "crt-own is revoked", tokens}},
		{idp(), ci, x509("aff"), []string{"revoke credential/crt-ci", "crt-ci is revoked", tokens}}, // a stranger's serial number is nobody's
		{idp(), ci, `"credential_type":"x509","change_type":"revoke"`, []string{"revoke credential/crt-ci", "crt-ci is revoked", tokens}},
		{idp(), ci, `"credential_type":"federated","change_type":"delete"`, []string{"revoke credential/fed-ci", "fed-ci is revoked", tokens}},
		{idp(), ci, `"credential_type":"shared_secret","change_type":"delete"`, []string{tokens}},
		{idp(), ci, `"credential_type":"fido2-roaming","change_type":"revoke"`, []string{tokens}},
		{idp(), nobody, `"credential_type":"x509","change_type":"revoke"`, nil},
		{idp(), ci, `"credential_type":"x509","change_type":"update","x509_issuer":"CN=CA","x509_serial":"aff"`, []string{"renew subject/mu:ci <09:59:01 by 10:05:00 ..8808h"}},
		{idp(), ci, `"credential_type":"x509","change_type":"REVOKE"`, invalid},
		{idp(), ci, `"credential_type":"x509"`, invalid},
		{idp(), ci, `"change_type":"revoke"`, invalid},
		{idp(), ci, `"credential_type":7,"change_type":"revoke"`, invalid},
	} {
		e := set(c.from, events.TypeCredentialChange, c.subject, c.members)
		same(t, c.from.ID+" "+c.subject+" "+c.members, entries(t, newWorld(), e, events.Options{}), c.want)
	}
}

// What an issuer revokes is over wherever anybody looks: the entry and the state are
// one write, on the condition of both revisions, and are not written twice.
func TestARevokedCredentialIsOver(t *testing.T) {
	const ci = `{"format":"opaque","id":"repo:ci"}`
	w := newWorld()
	stored := w.entities["credentials/fed-ci"].Head().Revision
	r := receiver(t, w, nil)
	event := set(idp(), events.TypeCredentialChange, ci, `"credential_type":"federated","change_type":"revoke"`)
	got, err := events.Entries(event, w, now, events.Options{})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "revoked", show(got), []string{"fed-ci is revoked", "revoke credential/fed-ci", "revoke subject/mu:ci <09:59:01 ..8808h"})
	for _, e := range got {
		if c, ok := e.(*authz.Credential); ok && (c.Revision != stored || len(c.Names) == 0) {
			t.Errorf("writes %+v over revision %d", c, stored)
		}
	}
	if err := r.Receive(t.Context(), pushed(t, event)); err != nil || w.writes != 1 {
		t.Fatalf("%v, in %d writes", err, w.writes)
	}
	if c := w.entities["credentials/fed-ci"].(*authz.Credential); c.State != authz.CredentialRevoked {
		t.Errorf("left %+v", c)
	}
	for id, state := range map[string]string{"fed-twin": "active", "crt-ci": "active", "crt-own": "active", "sec-ci": "active"} {
		if c := w.entities["credentials/"+id].(*authz.Credential); c.State != state {
			t.Errorf("%s is %s, want it as it was: %s", id, c.State, state)
		}
	}
	same(t, "again", entries(t, w, event, events.Options{}), nil)

	// A change that ends nothing leaves the state alone, and so does the end of a session.
	for kind, members := range map[string]string{
		events.TypeCredentialChange:  `"credential_type":"x509","change_type":"update"`,
		events.TypeSessionRevoked:    `"credential_type":"x509","change_type":"revoke"`,
		events.TypeTokenClaimsChange: `"credential_type":"x509","change_type":"revoke"`,
	} {
		for _, entry := range entries(t, newWorld(), set(idp(), kind, ci, members), events.Options{}) {
			if strings.HasSuffix(entry, "is revoked") {
				t.Errorf("%s writes %s, want no credential revoked", kind, entry)
			}
		}
	}
}

// A time counts to the end of its second, and one ahead of us is not believed far.
func TestWhenItHappened(t *testing.T) {
	for payload, want := range map[string]string{
		`{}`:                                        "<10:00:00",
		`{"event_timestamp":null}`:                  "<10:00:00",
		`{"event_timestamp":1795341540}`:            "<09:59:01",
		`{"event_timestamp":1795341540.9}`:          "<09:59:01",
		`{"event_timestamp":1795341600}`:            "<10:00:01",
		`{"event_timestamp":1795341600000}`:         "<10:00:01", // milliseconds
		`{"event_timestamp":9007199254740992}`:      "<10:00:01",
		`{"event_timestamp":1}`:                     "<1970-01-01T00:00:02Z",
		`{"event_timestamp":0}`:                     events.ErrInvalidRequest,
		`{"event_timestamp":-1}`:                    events.ErrInvalidRequest,
		`{"event_timestamp":1e300}`:                 events.ErrInvalidRequest,
		`{"event_timestamp":"1795341540"}`:          events.ErrInvalidRequest,
		`{"event_timestamp":"2026-11-22"}`:          events.ErrInvalidRequest,
		`{"event_timestamp":1,"event_timestamp":2}`: events.ErrInvalidRequest,
		`[]`:   events.ErrInvalidRequest,
		`null`: events.ErrInvalidRequest,
		``:     events.ErrInvalidRequest,
		`{`:    events.ErrInvalidRequest,
	} {
		e := set(idp(), events.TypeSessionRevoked, `{"format":"opaque","id":"repo:ci"}`, "")
		e.Payload = []byte(payload)
		if strings.HasPrefix(want, "<") {
			want = "revoke subject/mu:ci " + want + " ..8808h"
		}
		same(t, payload, entries(t, newWorld(), e, events.Options{}), []string{want})
	}
	e := set(idp(), events.TypeSessionRevoked, `{"format":"opaque","id":"repo:ci"}`, "")
	e.Payload, e.IssuedAt = []byte(`{}`), time.Time{}
	same(t, "no time at all", entries(t, newWorld(), e, events.Options{}), []string{"revoke subject/mu:ci <10:00:01 ..8808h"})
}

func TestOptions(t *testing.T) {
	options := events.Options{RenewWithin: time.Minute, ClaimsGrace: 2 * time.Minute}
	const ci = `{"format":"opaque","id":"repo:ci"}`
	same(t, "claims", entries(t, newWorld(), set(idp(), events.TypeTokenClaimsChange, ci, ""), options), []string{"renew subject/mu:ci <09:59:01 by 10:02:00 ..8808h"})
	update := set(idp(), events.TypeCredentialChange, ci, `"credential_type":"pin","change_type":"update"`)
	same(t, "credential", entries(t, newWorld(), update, options), []string{"renew subject/mu:ci <09:59:01 by 10:01:00 ..8808h"})
}

// An entry says why it is there, in one clean line, and shows the name it was made of
// where that is text.
func TestWhatAnEntrySays(t *testing.T) {
	long := strings.Repeat("ä", 500)
	for members, want := range map[string]string{
		``: "session-revoked by own",
		`"reason_admin":{"de":"Regel","en":"Policy\u0000 C076\u202e\n"}`: "session-revoked by own: Policy  C076",
		`"reason_admin":{"it":"due","es":"dos"}`:                         "session-revoked by own: dos",
		`"reason_admin":{"en":"` + long + `"}`:                           "session-revoked by own: " + strings.Repeat("ä", 200),
		`"reason_admin":"text"`:                                          "session-revoked by own",
		`"reason_admin":{}`:                                              "session-revoked by own",
		`"reason_admin":{"en":7}`:                                        "session-revoked by own",
	} {
		got, err := events.Entries(set(own(), events.TypeSessionRevoked, `{"format":"jwt_id","iss":"https://own.example","jti":"j1"}`, members), newWorld(), now, events.Options{})
		if err != nil {
			t.Fatal(err)
		}
		listed := authz.Listed{By: authz.ByToken, Of: authz.TokenID(own().URL, "j1"), Issuer: own().URL, Name: "j1", Reason: want}
		if diff := cmp.Diff(listed, got[0].(*authz.Revocation).Listed); diff != "" {
			t.Errorf("%s (-want +got):\n%s", members, diff)
		}
	}
	got, err := events.Entries(set(own(), events.TypeSessionRevoked, `{"format":"jwt_id","iss":"https://own.example","jti":"a\u0000b"}`, ""), newWorld(), now, events.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r := got[0].(*authz.Revocation); r.Of != authz.TokenID(own().URL, "a\x00b") || r.Name != "" || r.Validate() != nil {
		t.Errorf("a jti that is no text: %+v", r.Listed)
	}
}

// What cannot be read is no unknown subject.
func TestDataOutOfReach(t *testing.T) {
	for _, subject := range []string{
		`{"format":"opaque","id":"mu:billing"}`,
		`{"format":"jwt_id","iss":"https://own.example","jti":"j1"}`,
		`{"format":"complex","tenant":{"format":"opaque","id":"acme"}}`,
	} {
		w := newWorld()
		w.fail = authz.Errorf(authz.CodeUnavailable, "closed")
		got, err := events.Entries(set(own(), events.TypeSessionRevoked, subject, ""), w, now, events.Options{})
		if !errors.Is(err, w.fail) || got != nil {
			t.Errorf("%s: entries %v, error %v, want none and %v", subject, got, err, w.fail)
		}
	}
	if _, err := events.Entries(authz.SecurityEvent{Type: events.TypeSessionRevoked}, newWorld(), now, events.Options{}); authz.CodeOf(err) != authz.CodeInternal {
		t.Errorf("an event of nobody: %v", err)
	}
}

// TestADeadCredentialGivesNoSay: an issuer that spoke for a machine user once must
// not be able to keep it down.
func TestADeadCredentialGivesNoSay(t *testing.T) {
	for _, state := range []string{authz.CredentialRetired, authz.CredentialRevoked, authz.CredentialExpired} {
		w := newWorld()
		dead, err := w.credentials(func(c *authz.Credential) bool { return c.Issuer == idp().ID })
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range dead {
			c.State = state
		}
		e := set(idp(), events.TypeSessionRevoked, `{"format":"opaque","id":"repo:ci"}`, "")
		same(t, state, entries(t, w, e, events.Options{}), nil)
	}
}
