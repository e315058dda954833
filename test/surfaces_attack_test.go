package test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"testing"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/test/pdptest"
)

// form posts parameters to the token service.
func (a *arena) form(path, key string, parameters url.Values) pdptest.Answer {
	a.p.T.Helper()
	return a.p.Call(http.MethodPost, a.p.DecisionsURL()+path, key, []byte(parameters.Encode()), "Content-Type", api.TypeForm)
}

// TestAttacksOnTheTokenService: whoever forges an assertion gets no token for it, and
// no forged token is active or brings the service down.
func TestAttacksOnTheTokenService(t *testing.T) {
	t.Parallel()
	a := newArena(t, nil)
	get := func(assertion string) pdptest.Answer {
		return a.form(api.PathToken, "", url.Values{
			"grant_type": {"client_credentials"}, "audience": {"svc:arena"}, "client_assertion": {assertion},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		})
	}
	var issued struct {
		AccessToken string `json:"access_token"`
	}
	for _, s := range a.shapes(t) {
		if s.name == "assertion" {
			answer := get(s.good())
			if answer.Status != http.StatusOK {
				t.Fatalf("a good assertion gets no token: %d %s", answer.Status, answer.Body)
			}
			unmarshal(t, answer.Body, &issued)
		}
		for _, f := range s.forged(t, a.stranger) {
			t.Run(s.name+": "+f.name, func(t *testing.T) {
				if answer := get(f.text); answer.Status < 400 || answer.Status > 499 {
					t.Errorf("as an assertion: %d %s", answer.Status, answer.Body)
				}
				a.inactive(t, f.text)
			})
		}
	}
	if said := a.introspect(t, issued.AccessToken); !said.Active {
		t.Error("a token of ours is not active")
	}
}

type introspected struct {
	Active bool   `json:"active"`
	Sub    string `json:"sub"`
}

func (a *arena) introspect(t *testing.T, text string) (said introspected) {
	t.Helper()
	answer := a.form(api.PathIntrospect, a.p.PEP(), url.Values{"token": {text}})
	switch {
	case answer.Status >= 400 && answer.Status < 500: // too large, say
	case answer.Status != http.StatusOK:
		t.Errorf("introspection: %d %s", answer.Status, answer.Body)
	default:
		unmarshal(t, answer.Body, &said)
	}
	return said
}

// inactive: what introspection says of what is no token of ours is that alone
// (RFC 7662 section 2.2).
func (a *arena) inactive(t *testing.T, text string) {
	t.Helper()
	if said := a.introspect(t, text); said != (introspected{}) {
		t.Errorf("introspection says %+v", said)
	}
}

// goodEvents are no attacks when they are events: a body may have white space around
// the token, and an issuer's clock may be ahead.
var goodEvents = []string{"a newline after", "a space before", "iat at the wrong time"}

// TestAttacksOnSecurityEvents: no forged event is taken.
func TestAttacksOnSecurityEvents(t *testing.T) {
	t.Parallel()
	a := newArena(t, nil)
	transmitter := a.p.NewKey(authz.RoleTransmit)
	push := func(text string) pdptest.Answer {
		return a.p.Call(http.MethodPost, a.p.DecisionsURL()+api.PathEvents, transmitter, []byte(text), "Content-Type", api.TypeEvent)
	}
	s := shape{
		name: "event", forger: a.es, header: a.tokenHeader().with("typ", `"secevent+jwt"`), times: []string{"iat"},
		payload: func() jsonObject {
			return jsonObject{
				{"iss", strconv.Quote(strictURL)}, {"aud", `"events"`}, {"iat", fmt.Sprint(sunday.Unix())}, {"jti", newID()},
				{"sub_id", `{"format":"opaque","id":"mu:user-svc"}`},
				{"events", `{"https://schemas.openid.net/secevent/caep/event-type/session-revoked":{"event_timestamp":` + fmt.Sprint(sunday.Unix()) + `}}`},
			}
		},
	}
	before := a.p.Ask(invoiceToAna(a.p.Token("mu:user-svc")))
	forged := s.forged(t, a.stranger)
	for _, change := range []struct{ name, value string }{{"sub", `"mu:user-svc"`}, {"exp", fmt.Sprint(sunday.Unix() + 300)}, {"aud", `"brightfold"`}, {"iss", strconv.Quote(laxURL + "/")}, {"events", `{}`}, {"events", `{"a":{},"b":{}}`}} {
		forged = append(forged, struct{ name, text string }{"with " + change.name + " " + change.value, s.forger.Token(s.header.String(), s.payload().with(change.name, change.value).String())})
	}
	for _, f := range forged {
		if slices.Contains(goodEvents, f.name) {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			if answer := push(f.text); answer.Status < 400 || answer.Status > 499 {
				t.Errorf("got status %d, body %s; want status 4xx", answer.Status, answer.Body)
			}
		})
	}
	if after := a.p.Ask(invoiceToAna(a.p.Token("mu:user-svc"))); before.Outcome != api.Allow || after.Outcome != api.Allow || after.DataRevision != before.DataRevision {
		t.Errorf("%s at %d before the attacks, %s at %d after", before.Outcome, before.DataRevision, after.Outcome, after.DataRevision)
	}
	if answer := push(s.good()); answer.Status != http.StatusAccepted {
		t.Fatalf("a good event is refused: %d %s", answer.Status, answer.Body)
	}
	if after := a.p.Ask(invoiceToAna(a.p.Token("mu:user-svc"))); after.Outcome != api.Deny {
		t.Errorf("the good event did nothing: %+v", after)
	}
}
