package tokenservice_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/tokenservice"
)

func TestRevokeStoresWhatStopsTheToken(t *testing.T) {
	w := newWorld(t)
	w.config.NewID = func() string { return "jti-1" }
	s := w.start()
	text := w.issue(s, nil)
	if err := s.Revoke(t.Context(), assertion(), text); err != nil {
		t.Fatal(err)
	}
	of := verify(t, text, w.published[0], w.now).Token.ID
	want := []*authz.Revocation{{
		Header: authz.Header{ID: "token/" + of},
		Listed: authz.Listed{By: "token", Of: of, Issuer: issuerURL, Name: "jti-1", Reason: "revoked by the machine user it was issued to"},
		Until:  start.Add(5 * time.Minute),
	}}
	if diff := cmp.Diff(want, w.revoked); diff != "" {
		t.Error(diff)
	}
	if asked := w.asked[len(w.asked)-1]; asked.Action.Name != "token.issue" || asked.Resource.ID != ownID || asked.Evidence.Assertion == "" {
		t.Errorf("asked %+v", asked)
	}
}

// strangers are texts that are no living token of this service and client.
func strangers(t *testing.T, w *world, s *tokenservice.Service) map[string]string {
	other := newWorld(t)
	text := w.issue(s, nil)
	header, rest, _ := strings.Cut(text, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	foreign := w.issue(s, nil)
	return map[string]string{
		"opaque":            "vs_opaque",
		"no text at all":    " ",
		"dots":              "..",
		"another issuer":    other.issue(other.start(), nil),
		"another payload":   header + "." + strings.Split(other.issue(other.start(), nil), ".")[1] + "." + signature,
		"another header":    "e30." + payload + "." + signature,
		"no signature":      header + "." + payload + ".",
		"cut short":         foreign[:len(foreign)-4],
		"padded":            foreign + "==",
		"spelled otherwise": foreign[:len(foreign)-1] + string(foreign[len(foreign)-1]+1), // only unused bits differ
		"more than a life":  text + strings.Repeat("A", 1<<20),
	}
}

func TestRevokeKeepsQuietAboutWhatIsNotTheClients(t *testing.T) {
	w := newWorld(t)
	s := w.start()
	texts := strangers(t, w, s)
	for name, text := range texts {
		if err := s.Revoke(t.Context(), secret(), text); err != nil {
			t.Errorf("%s: got error %v; want no error", name, err)
		}
	}
	text := w.issue(s, nil)
	w.decide = func(context.Context, authz.Request) (authz.Decision, error) {
		return authz.Decision{Outcome: authz.Allow, Subject: "mu:other"}, nil
	}
	if err := s.Revoke(t.Context(), secret(), text); err != nil {
		t.Errorf("of another client: %v", err)
	}
	w.decide = nil
	w.now = w.now.Add(5 * time.Minute)
	if err := s.Revoke(t.Context(), secret(), text); err != nil {
		t.Errorf("expired: %v", err)
	}
	if len(w.revoked) > 0 {
		t.Errorf("revoked %+v", w.revoked)
	}
}

func TestRevokeRefuses(t *testing.T) {
	w := newWorld(t)
	s := w.start()
	text := w.issue(s, nil)
	w.onRevoke = func(*authz.Revocation) error { return errors.New("disk full") }
	wantError(t, s.Revoke(t.Context(), secret(), text), authz.OAuthUnavailable)
	wantError(t, s.Revoke(t.Context(), secret(), ""), authz.OAuthInvalidRequest)
	w.decide = deny(reason(authz.CredentialUnknown, 401))
	wantError(t, s.Revoke(t.Context(), secret(), text), authz.OAuthInvalidClient)
	wantError(t, s.Revoke(t.Context(), authz.TokenClient{}, text), authz.OAuthInvalidClient)
	if len(w.revoked) > 0 {
		t.Errorf("revoked %+v", w.revoked)
	}
}

func TestIntrospectAsksAsTheServiceWould(t *testing.T) {
	w := newWorld(t)
	w.config.NewID = func() string { return "jti-1" }
	s := w.start()
	bound := certified(t, start.Add(time.Hour))
	issued, err := s.Token(t.Context(), authz.TokenRequest{Client: bound, GrantType: "client_credentials", Audiences: []string{emailID}, Subject: "tenant:acme"})
	if err != nil {
		t.Fatal(err)
	}
	w.simulated = nil
	w.judge = func(context.Context, authz.Request) (authz.Decision, error) { // nothing permits the call, which is not the token's fault
		d := authz.Decision{Subject: clientID}
		for _, guard := range []string{"edge", "assurance", "network", "schedule", "entitlement", "decision"} {
			d.Reasons = append(d.Reasons, authz.Reason{Code: "X", Guard: guard})
		}
		return d, nil
	}
	said, err := s.Introspect(t.Context(), issued.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	cnf := claimsOf(t, issued.AccessToken)["cnf"].(map[string]any)["x5t#S256"].(string)
	want := authz.Introspected{
		Active: true, ClientID: clientID, TokenType: "Bearer", ExpiresAt: start.Unix() + 300, IssuedAt: start.Unix(),
		Subject: "tenant:acme", Audience: []string{emailID}, Issuer: issuerURL, ID: "jti-1", Confirmation: &authz.Confirmation{Thumbprint: cnf},
	}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Error(diff)
	}
	wantAsked := []authz.Request{{
		Caller:   authz.Caller{ID: "token-service", Roles: []authz.Role{authz.RoleSimulate}},
		Evidence: authz.Evidence{Token: issued.AccessToken, Certificate: &authz.Certificate{Thumbprint: cnf, Asserted: true}},
		Action:   authz.Action{Name: "token.introspect"},
		Resource: authz.Resource{Type: "service", ID: emailID, Properties: map[string]any{"tenant": "acme"}},

		Simulated: true,
	}}
	if diff := cmp.Diff(wantAsked, w.simulated); diff != "" {
		t.Error(diff)
	}
}

func TestIntrospectOfABearerTokenAssertsNothing(t *testing.T) {
	w := newWorld(t)
	s := w.start()
	text := w.issue(s, func(r *authz.TokenRequest) { r.Subject = "user:u-ana" })
	w.simulated = nil
	said, err := s.Introspect(t.Context(), text)
	if err != nil || !said.Active || said.Subject != "user:u-ana" {
		t.Errorf(`got said %+v, error %v; want no error, Active true, Subject "user:u-ana"`, said, err)
	}
	want := []authz.Request{{
		Caller:   authz.Caller{ID: "token-service", Roles: []authz.Role{authz.RoleSimulate}},
		Evidence: authz.Evidence{Token: text},
		Action:   authz.Action{Name: "token.introspect"},
		Resource: authz.Resource{Type: "service", ID: emailID, Properties: map[string]any{"recipient": "u-ana"}},

		Simulated: true,
	}}
	if diff := cmp.Diff(want, w.simulated); diff != "" {
		t.Error(diff)
	}
}

func TestIntrospectIsInactiveForEverythingElse(t *testing.T) {
	w := newWorld(t)
	s := w.start()
	text := w.issue(s, nil)
	inactive := func(name, text string) {
		t.Helper()
		said, err := s.Introspect(t.Context(), text)
		if err != nil || said.Active || !cmp.Equal(said, authz.Introspected{}) {
			t.Errorf("%s: got said %+v, error %v; want no error, Active false, said authz.Introspected{}", name, said, err)
		}
	}
	for name, stranger := range strangers(t, w, s) {
		w.simulated = nil
		inactive(name, stranger)
		if len(w.simulated) > 0 {
			t.Errorf("%s: a decision was asked for", name)
		}
	}
	for _, guard := range []string{"token", "credential", "subject", "engine", "quarantine", "Edge", ""} {
		w.judge = func(context.Context, authz.Request) (authz.Decision, error) {
			return authz.Decision{Subject: clientID, Reasons: []authz.Reason{{Code: "X", Guard: guard}}}, nil
		}
		inactive(guard, text)
	}
	w.judge = deny()
	inactive("nobody proved", text)
	w.judge = func(context.Context, authz.Request) (authz.Decision, error) {
		return authz.Decision{Outcome: authz.Allow, Subject: "mu:other"}, nil
	}
	inactive("somebody else proved", text)
	w.judge = func(context.Context, authz.Request) (authz.Decision, error) {
		return authz.Decision{}, errors.New("closed")
	}
	_, err := s.Introspect(t.Context(), text)
	wantError(t, err, authz.OAuthUnavailable)
	w.judge = nil
	w.now = w.now.Add(5 * time.Minute)
	inactive("expired", text)
}
