package tokenservice_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/tokenservice"
)

// ofTenant has clientID be of a tenant, and nobody else.
func (w *world) ofTenant(tenant string) {
	w.config.TenantOf = func(c authz.Collection, id string) (string, error) {
		if c != authz.MachineUsers || id != clientID {
			return "", nil
		}
		return tenant, nil
	}
}

// assertionOf is an assertion with this payload, which nobody signed.
func assertionOf(payload string) string {
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".c2ln"
}

// TestAnAssertionNamesWhomItIsAbout: client_id beside it is optional (RFC 7523 section
// 3), and policies want to know whose data an external client touches. Whatever it is,
// it is asked about and proves nothing here.
func TestAnAssertionNamesWhomItIsAbout(t *testing.T) {
	whole := `{"iss":"mu:user-svc","sub":"mu:user-svc","jti":"1"}`
	acme := map[string]any{"tenant": "acme"}
	for name, test := range map[string]struct {
		assertion string
		id        string // client_id
		want      map[string]any
	}{
		"sub":                         {assertionOf(whole), "", acme},
		"client_id":                   {"eyJ.an.assertion", clientID, acme},
		"client_id before sub":        {assertionOf(whole), "mu:other", nil},
		"of nobody known":             {assertionOf(`{"sub":"mu:other"}`), "", nil},
		"no sub":                      {assertionOf(`{"iss":"mu:user-svc"}`), "", nil},
		"sub twice":                   {assertionOf(`{"sub":"mu:user-svc","sub":"mu:user-svc"}`), "", nil},
		"sub in another case":         {assertionOf(`{"SUB":"mu:user-svc"}`), "", nil},
		"sub of another kind":         {assertionOf(`{"sub":["mu:user-svc"]}`), "", nil},
		"sub that is no id":           {assertionOf(`{"sub":"a b"}`), "", nil},
		"something behind the object": {assertionOf(whole + "{}"), "", nil},
		"two parts":                   {strings.TrimSuffix(assertionOf(whole), ".c2ln"), "", nil},
		"four parts":                  {assertionOf(whole) + ".x", "", nil},
		"padded":                      {strings.Replace(assertionOf(whole+"  "), ".c2ln", "=.c2ln", 1), "", nil},
		"with a line break":           {strings.Replace(assertionOf(whole), ".c2ln", "\n.c2ln", 1), "", nil},
		"larger than any":             {assertionOf(whole) + strings.Repeat("A", 8<<10), "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.ofTenant("acme")
			s := w.start()
			client := authz.TokenClient{ID: test.id, Evidence: authz.Evidence{ClientID: test.id, Assertion: test.assertion}}
			if _, err := s.Token(t.Context(), request(client)); err != nil {
				t.Fatal(err)
			}
			if err := s.Revoke(t.Context(), client, "x"); err != nil {
				t.Fatal(err)
			}
			for _, asked := range w.asked {
				if diff := cmp.Diff(test.want, asked.Resource.Properties); diff != "" {
					t.Errorf("%s (-want +got):\n%s", asked.Action.Name, diff)
				}
				if test.id == "" && asked.Subject != nil {
					t.Errorf("asked as %+v, which the evidence has yet to prove", asked.Subject)
				}
			}
			if len(w.asked) != 2 {
				t.Errorf("asked %d times", len(w.asked))
			}
		})
	}
}

// TestAClientOfATenantRevokesWhatItGot: both questions are about the same tenant.
func TestAClientOfATenantRevokesWhatItGot(t *testing.T) {
	w := newWorld(t)
	w.ofTenant("acme")
	w.decide = func(_ context.Context, r authz.Request) (authz.Decision, error) {
		if r.Resource.Properties["tenant"] != "acme" {
			return authz.Decision{Subject: clientID, Reasons: []authz.Reason{{Code: "INPUT_INCOMPLETE", Guard: "subject", Status: 403}}}, nil
		}
		return allowed, nil
	}
	s := w.start()
	if err := s.Revoke(t.Context(), secret(), w.issue(s, nil)); err != nil || len(w.revoked) != 1 {
		t.Errorf("%v, revoked %+v", err, w.revoked)
	}
	w.config.TenantOf = func(authz.Collection, string) (string, error) { return "", errors.New("closed") }
	wantError(t, w.start().Revoke(t.Context(), secret(), "x"), authz.OAuthUnavailable)
}

// TestNoTokenThatNobodyWouldTake: who issued it is known to be wrong before it is sent.
func TestNoTokenThatNobodyWouldTake(t *testing.T) {
	untrusted := authz.Reason{Code: authz.IssuerUntrusted, Guard: "token", Status: 401}
	judged := func(d authz.Decision, err error) authz.DecideFunc {
		return func(context.Context, authz.Request) (authz.Decision, error) { return d, err }
	}
	for name, test := range map[string]struct {
		judge authz.DecideFunc
		code  authz.OAuthCode
		says  string
	}{
		"not among the machine user's issuers": {judged(authz.Decision{Subject: clientID, Reasons: []authz.Reason{untrusted}}, nil), authz.OAuthUnauthorizedClient, "add verdict to them"},
		"the issuer entity was deleted":        {judged(authz.Decision{Reasons: []authz.Reason{untrusted}}, nil), authz.OAuthUnavailable, ""},
		"no decision":                          {judged(authz.Decision{}, errors.New("closed")), authz.OAuthUnavailable, ""},
		"anything else is for the call":        {judged(authz.Decision{Subject: clientID, Reasons: []authz.Reason{{Code: "X", Guard: "quota"}}}, nil), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.judge = test.judge
			s := w.start()
			issued, err := s.Token(t.Context(), request(secret()))
			if len(w.simulated) != 1 || len(w.asked) != 1 {
				t.Errorf("asked %d times and %d in simulation", len(w.asked), len(w.simulated))
			}
			if test.code == "" {
				if err != nil || issued.AccessToken == "" {
					t.Error(err)
				}
				return
			}
			if refusal := wantError(t, err, test.code); !strings.Contains(refusal.Description, test.says) {
				t.Errorf("says %q", refusal.Description)
			}
			if issued.AccessToken != "" || s.Stats().Issued != 0 || strings.Contains(w.log.String(), "token issued") {
				t.Error("a token was issued")
			}
		})
	}
}

// TestNoTokenOnBehalfOfNobody: a service that verifies our tokens without asking us
// would believe one on behalf of a user who is gone.
func TestNoTokenOnBehalfOfNobody(t *testing.T) {
	gone := authz.Decision{Subject: clientID, Reasons: []authz.Reason{
		{Code: "EDGE_NOT_DECLARED", Guard: "edge", Message: "No edge.", Status: 403},
		{Code: "SUBJECT_SUSPENDED", Guard: "subject", Message: "The user is not active.", Status: 403},
	}}
	w := newWorld(t)
	w.judge = func(context.Context, authz.Request) (authz.Decision, error) { return gone, nil }
	s := w.start()
	r := request(secret())
	if issued, err := s.Token(t.Context(), r); err != nil || issued.AccessToken == "" {
		t.Errorf("for itself: %v; that is for the call to deny", err)
	}
	r.Subject = "user:u-eli"
	issued, err := s.Token(t.Context(), r)
	refusal := wantError(t, err, authz.OAuthUnauthorizedClient)
	if diff := cmp.Diff([]authz.ReasonCode{"SUBJECT_SUSPENDED"}, refusal.Reasons); diff != "" || issued.AccessToken != "" || !strings.Contains(refusal.Description, "not active") {
		t.Errorf(`got refusal.Description %q, diff %s; want no diff, issued.AccessToken "", refusal.Description with "not active"`, refusal.Description, diff)
	}
}

// TestAClientIDThatIsNoneIsTheClientsFault: it is not looked up, and no 503.
func TestAClientIDThatIsNoneIsTheClientsFault(t *testing.T) {
	for _, id := range []string{"a/b", "-x", "a\x00", strings.Repeat("x", 201)} {
		w := newWorld(t)
		w.config.TenantOf = func(_ authz.Collection, id string) (string, error) {
			return "", fmt.Errorf("looked up %q", id)
		}
		client := secret()
		client.ID, client.Evidence.ClientID = id, id
		s := w.start()
		_, err := s.Token(t.Context(), request(client))
		wantError(t, err, authz.OAuthInvalidRequest)
		wantError(t, s.Revoke(t.Context(), client, "x"), authz.OAuthInvalidRequest)
	}
}

func TestStatsCountWhatHappened(t *testing.T) {
	w := newWorld(t)
	s := w.start()
	text := w.issue(s, nil)
	w.issue(s, nil)
	for _, given := range []string{text, "vs_not-ours", ""} { // one token, nothing, and no request
		if err := s.Revoke(t.Context(), secret(), given); (err != nil) != (given == "") {
			t.Error(err)
		}
	}
	w.decide = deny(reason(authz.CredentialUnknown, 401))
	_, err := s.Token(t.Context(), request(secret()))
	wantError(t, err, authz.OAuthInvalidClient)
	w.judge = func(context.Context, authz.Request) (authz.Decision, error) {
		return authz.Decision{}, errors.New("closed")
	}
	_, err = s.Introspect(t.Context(), text)
	wantError(t, err, authz.OAuthUnavailable)

	want := tokenservice.Stats{Issued: 2, Revoked: 1, Refused: 2, Failed: 1, KeysPublished: start}
	if diff := cmp.Diff(want, s.Stats()); diff != "" {
		t.Error(diff)
	}
}
