package tokenservice_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/tokenservice"
)

func TestTokenSaysWhatWasDecided(t *testing.T) {
	bound := certified(t, start.Add(time.Hour))
	sum := sha256.Sum256(bound.Evidence.Certificate.Chain[0])
	cnf := map[string]any{"x5t#S256": base64.RawURLEncoding.EncodeToString(sum[:])}
	own := func(changes map[string]any) map[string]any {
		claims := map[string]any{
			"iss": issuerURL, "sub": clientID, "client_id": clientID, "aud": []any{emailID}, "jti": "jti-1",
			"iat": float64(start.Unix()), "exp": float64(start.Unix() + 300), "credential_id": "cred-7", "amr": []any{"client_secret"},
		}
		for name, value := range changes {
			claims[name] = value
		}
		return claims
	}
	for _, test := range []struct {
		name       string
		client     authz.TokenClient
		subject    string
		claims     map[string]any
		action     string
		properties map[string]any
		asksAs     *authz.Subject
	}{
		{name: "secret", client: secret(), claims: own(nil), action: "token.issue", asksAs: &authz.Subject{Type: "machine_user", ID: clientID}},
		{name: "assertion", client: assertion(), claims: own(map[string]any{"amr": []any{"client_assertion"}}), action: "token.issue"},
		{name: "certificate", client: bound, claims: own(map[string]any{"amr": []any{"tls_client_auth"}, "cnf": cnf}), action: "token.issue", asksAs: &authz.Subject{Type: "machine_user", ID: clientID}},
		{name: "for a user", client: assertion(), subject: "user:u-ana", claims: own(map[string]any{"amr": []any{"client_assertion"}, "sub": "user:u-ana"}), action: "token.issue_for", properties: map[string]any{"recipient": "u-ana"}},
		{name: "for a tenant", client: assertion(), subject: "tenant:acme", claims: own(map[string]any{"amr": []any{"client_assertion"}, "sub": "tenant:acme", "tenant": "acme"}), action: "token.issue_for", properties: map[string]any{"tenant": "acme"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.config.NewID = func() string { return "jti-1" }
			s := w.start()
			r := request(test.client)
			r.Subject = test.subject
			issued, err := s.Token(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			if issued.TokenType != "Bearer" || issued.ExpiresIn != 300 {
				t.Errorf("%q for %d s", issued.TokenType, issued.ExpiresIn)
			}
			if diff := cmp.Diff(test.claims, claimsOf(t, issued.AccessToken)); diff != "" {
				t.Error(diff)
			}
			if header := part(t, issued.AccessToken, 0); header["typ"] != "at+jwt" || header["alg"] != "ES256" {
				t.Errorf("header %v", header)
			}
			want := []authz.Request{{
				Caller:   authz.Caller{ID: "token-service", Roles: []authz.Role{authz.RoleDecide}},
				Evidence: test.client.Evidence,
				Subject:  test.asksAs,
				Action:   authz.Action{Name: test.action, Properties: map[string]any{"audience": emailID}},
				Resource: authz.Resource{Type: "service", ID: ownID, Properties: test.properties},
				Context:  map[string]any{"source_ip": "10.4.2.19"},
			}}
			if diff := cmp.Diff(want, w.asked); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTokensAreTakenByTheTokenRoom(t *testing.T) {
	w := newWorld(t)
	s := w.start()
	for subject, want := range map[string]*authz.OnBehalfOf{
		"":            nil,
		"user:u-ana":  {Type: "user", ID: "u-ana"},
		"tenant:acme": {Type: "tenant", ID: "acme"},
	} {
		p := verify(t, w.issue(s, func(r *authz.TokenRequest) { r.Subject = subject }), w.published[0], w.now)
		if p.Fault != nil {
			t.Fatalf("got p.Fault %+v; want p.Fault nil", p.Fault)
		}
		if p.Subject != clientID || p.Credential.ID != "cred-7" || p.Level != 2 || !p.Token.Own || !cmp.Equal(p.Token.OnBehalfOf, want) {
			t.Errorf("%q: %+v on behalf of %+v", subject, p, p.Token.OnBehalfOf)
		}
	}
}

// A bound token is good with its certificate and with no other, and so it is as
// Introspect presents it.
func TestBoundTokensAreTakenByTheTokenRoom(t *testing.T) {
	w := newWorld(t)
	s := w.start()
	holder := certified(t, start.Add(time.Hour))
	text := w.issue(s, func(r *authz.TokenRequest) { r.Client = holder })
	if p := verify(t, text, w.published[0], w.now); p.Fault == nil || p.Fault.Code != authz.TokenBindingMismatch {
		t.Errorf("alone: %+v", p.Fault)
	}
	w.simulated = nil
	if _, err := s.Introspect(t.Context(), text); err != nil {
		t.Fatal(err)
	}
	p := verifyEvidence(t, w.simulated[0].Evidence, w.published[0], w.now)
	if p.Fault != nil || p.Subject != clientID || p.Binding != authz.BindingCertificate || p.Level != 4 {
		t.Errorf("%+v, fault %+v", p, p.Fault)
	}
}

func TestTokenLivesNoLongerThanItsCertificate(t *testing.T) {
	w := newWorld(t)
	w.now = start.Add(400 * time.Millisecond)
	s := w.start()
	issued, err := s.Token(t.Context(), request(certified(t, start.Add(90*time.Second))))
	if err != nil {
		t.Fatal(err)
	}
	if issued.ExpiresIn != 89 { // of what is left, whole seconds
		t.Errorf("expires_in %d", issued.ExpiresIn)
	}
	if exp := claimsOf(t, issued.AccessToken)["exp"]; exp != float64(start.Unix()+90) {
		t.Errorf("exp %v", exp)
	}
	_, err = s.Token(t.Context(), request(certified(t, start)))
	wantError(t, err, authz.OAuthInvalidClient)
}

// reason is one the decision path gives.
func reason(code authz.ReasonCode, status int) authz.Reason {
	return authz.Reason{Code: code, Guard: "g", Status: status, Message: "Because.", Fix: `Say "please".`}
}

func TestEveryMethodAndEveryFault(t *testing.T) {
	faults := []struct {
		reasons []authz.Reason
		code    authz.OAuthCode
	}{
		{[]authz.Reason{reason(authz.CredentialUnknown, 401)}, authz.OAuthInvalidClient},
		{[]authz.Reason{reason("CREDENTIAL_REVOKED", 401)}, authz.OAuthInvalidClient},
		{[]authz.Reason{reason("CREDENTIAL_EXPIRED", 401), reason("EDGE_NOT_DECLARED", 403)}, authz.OAuthInvalidClient},
		{[]authz.Reason{reason(authz.TokenInvalid, 401)}, authz.OAuthInvalidClient},
		{[]authz.Reason{reason(authz.SubjectMismatch, 403)}, authz.OAuthInvalidClient},
		{[]authz.Reason{reason("EDGE_NOT_DECLARED", 403)}, authz.OAuthUnauthorizedClient},
		{[]authz.Reason{reason("AUTH_TOO_WEAK", 403), reason("SOURCE_IP_NOT_ALLOWED", 403)}, authz.OAuthUnauthorizedClient},
		{[]authz.Reason{reason(authz.RateLimited, 429), reason("EDGE_NOT_DECLARED", 403)}, authz.OAuthUnauthorizedClient},
		{[]authz.Reason{reason(authz.PolicyError, 403)}, authz.OAuthUnauthorizedClient},
		{[]authz.Reason{reason(authz.RateLimited, 429)}, authz.OAuthRateLimited},
		{[]authz.Reason{reason(authz.IssuerUnavailable, 503)}, authz.OAuthUnavailable},
		{[]authz.Reason{reason(authz.IssuerUnavailable, 503), reason(authz.RateLimited, 429)}, authz.OAuthUnavailable},
		{[]authz.Reason{reason("STRANGE", 0)}, authz.OAuthUnauthorizedClient},
		{nil, authz.OAuthUnauthorizedClient}, // the zero Decision
	}
	for name, client := range map[string]authz.TokenClient{"secret": secret(), "assertion": assertion(), "certificate": certified(t, start.Add(time.Hour))} {
		w := newWorld(t)
		s := w.start()
		for _, fault := range faults {
			t.Run(fmt.Sprint(name, fault.reasons), func(t *testing.T) {
				w.decide = deny(fault.reasons...)
				_, err := s.Token(t.Context(), request(client))
				refusal := wantError(t, err, fault.code)
				var codes []authz.ReasonCode
				for _, r := range fault.reasons {
					codes = append(codes, r.Code)
				}
				if diff := cmp.Diff(codes, refusal.Reasons); diff != "" {
					t.Error(diff)
				}
				if len(codes) > 0 && !strings.Contains(refusal.Description, "Because. Say 'please'.") {
					t.Errorf("says %q", refusal.Description)
				}
			})
		}
	}
}

func TestRequestsNoDecisionCouldMakeGood(t *testing.T) {
	for name, test := range map[string]struct {
		edit func(*authz.TokenRequest)
		code authz.OAuthCode
	}{
		"no grant":          {func(r *authz.TokenRequest) { r.GrantType = "" }, authz.OAuthInvalidRequest},
		"another grant":     {func(r *authz.TokenRequest) { r.GrantType = "password" }, authz.OAuthUnsupportedGrantType},
		"a scope":           {func(r *authz.TokenRequest) { r.Scope = "email.send" }, authz.OAuthInvalidScope},
		"no audience":       {func(r *authz.TokenRequest) { r.Audiences = nil }, authz.OAuthInvalidTarget},
		"two audiences":     {func(r *authz.TokenRequest) { r.Audiences = []string{emailID, emailID} }, authz.OAuthInvalidTarget},
		"odd audience":      {func(r *authz.TokenRequest) { r.Audiences = []string{"a b"} }, authz.OAuthInvalidTarget},
		"ourselves":         {func(r *authz.TokenRequest) { r.Audiences = []string{ownID} }, authz.OAuthInvalidTarget},
		"subject of a kind": {func(r *authz.TokenRequest) { r.Subject = "machine_user:x" }, authz.OAuthInvalidRequest},
		"subject of nobody": {func(r *authz.TokenRequest) { r.Subject = "user:" }, authz.OAuthInvalidRequest},
		"subject alone":     {func(r *authz.TokenRequest) { r.Subject = "u-ana" }, authz.OAuthInvalidRequest},
		"no evidence":       {func(r *authz.TokenRequest) { r.Client.Evidence = authz.Evidence{} }, authz.OAuthInvalidClient},
		"a token":           {func(r *authz.TokenRequest) { r.Client.Evidence = authz.Evidence{Token: "a.b.c"} }, authz.OAuthInvalidClient},
		"claims":            {func(r *authz.TokenRequest) { r.Client.Evidence = authz.Evidence{Claims: []byte(`{}`)} }, authz.OAuthInvalidClient},
		"asserted certificate": {func(r *authz.TokenRequest) {
			r.Client.Evidence = authz.Evidence{Certificate: &authz.Certificate{Chain: [][]byte{{1}}, Asserted: true}}
		}, authz.OAuthInvalidClient},
		"thumbprint alone": {func(r *authz.TokenRequest) {
			r.Client.Evidence = authz.Evidence{Certificate: &authz.Certificate{Thumbprint: "x"}}
		}, authz.OAuthInvalidClient},
		"odd client": {func(r *authz.TokenRequest) { r.Client.ID, r.Client.Evidence.ClientID = "a/b", "a/b" }, authz.OAuthInvalidRequest},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			s := w.start()
			r := request(secret())
			test.edit(&r)
			_, err := s.Token(t.Context(), r)
			wantError(t, err, test.code)
			if len(w.asked) > 0 {
				t.Error("a decision was asked for")
			}
		})
	}
}

func TestNoTokenAfterAnAllow(t *testing.T) {
	for name, test := range map[string]struct {
		edit func(*world, *authz.TokenRequest)
		code authz.OAuthCode
	}{
		"service not registered": {func(_ *world, r *authz.TokenRequest) { r.Audiences = []string{"svc:nobody"} }, authz.OAuthInvalidTarget},
		"services unreadable":    {func(w *world, _ *authz.TokenRequest) { w.noService = errors.New("disk") }, authz.OAuthUnavailable},
		"nobody proved": {func(w *world, _ *authz.TokenRequest) {
			w.decide = func(context.Context, authz.Request) (authz.Decision, error) {
				return authz.Decision{Outcome: authz.Allow}, nil
			}
		}, authz.OAuthUnauthorizedClient},
		"machine user named as a user": {func(w *world, _ *authz.TokenRequest) {
			w.decide = func(context.Context, authz.Request) (authz.Decision, error) {
				return authz.Decision{Outcome: authz.Allow, Subject: "user:u-ana"}, nil
			}
		}, authz.OAuthUnauthorizedClient},
		"no decision": {func(w *world, _ *authz.TokenRequest) {
			w.decide = func(context.Context, authz.Request) (authz.Decision, error) {
				return allowed, errors.New("the store is closed")
			}
		}, authz.OAuthUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			s := w.start()
			r := request(secret())
			test.edit(w, &r)
			issued, err := s.Token(t.Context(), r)
			wantError(t, err, test.code)
			if issued != (authz.IssuedToken{}) {
				t.Error("there is a token beside the error")
			}
		})
	}
}

func TestSecretsStayOutOfLogsAndErrors(t *testing.T) {
	w := newWorld(t)
	s := w.start()
	text := w.issue(s, nil)
	w.decide = deny(reason(authz.CredentialUnknown, 401))
	_, err := s.Token(t.Context(), request(secret()))
	if !strings.Contains(w.log.String(), "CREDENTIAL_UNKNOWN") || !strings.Contains(w.log.String(), `"msg":"token issued"`) {
		t.Errorf("the log lacks the refusal or the token: %s", &w.log)
	}
	said := w.log.String() + err.Error() + fmt.Sprintf("%v %+v %#v", request(secret()), request(secret()), authz.IssuedToken{AccessToken: text})
	for _, hidden := range []string{clientSecret, text, strings.Split(text, ".")[2]} {
		if strings.Contains(said, hidden) {
			t.Errorf("%q shows in %s", hidden, said)
		}
	}
}

func TestDescriptionsKeepToTheirCharacters(t *testing.T) {
	d := authz.RefuseOAuth(authz.OAuthInvalidRequest, "a\"b\\c\nd\x00é\xff"+strings.Repeat("x", 5000)).Description
	if !strings.HasPrefix(d, "a'b'c d   x") || !strings.HasSuffix(d, "x...") || len(d) != 499 {
		t.Errorf("%d bytes: %q", len(d), d)
	}
}

// TestDescriptionsAreShort: every code is there, and the texts of the first reasons.
func TestDescriptionsAreShort(t *testing.T) {
	said := func(n int, text string) []authz.Reason {
		return slices.Repeat([]authz.Reason{{Code: "X", Guard: "g", Status: 403, Message: text, Fix: "Do."}}, n)
	}
	for name, test := range map[string]struct {
		reasons []authz.Reason
		want    string
	}{
		"two":       {said(2, "No."), "No. Do. No. Do."},
		"many":      {said(40, strings.Repeat("n", 95)), strings.TrimSuffix(strings.Repeat(strings.Repeat("n", 95)+" Do. ", 5), " ")},
		"one, long": {said(1, strings.Repeat("n", 600)), strings.Repeat("n", 496) + "..."},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.decide = deny(test.reasons...)
			_, err := w.start().Token(t.Context(), request(secret()))
			refusal := wantError(t, err, authz.OAuthUnauthorizedClient)
			if diff := cmp.Diff(test.want, refusal.Description); diff != "" || len(refusal.Reasons) != len(test.reasons) {
				t.Errorf("%d codes; %s", len(refusal.Reasons), diff)
			}
		})
	}
}

func TestConfigIsValidated(t *testing.T) {
	for name, edit := range map[string]func(*tokenservice.Config){
		"no issuer":          func(c *tokenservice.Config) { c.Issuer = "" },
		"plain http":         func(c *tokenservice.Config) { c.Issuer = "http://verdict.example" },
		"a slash":            func(c *tokenservice.Config) { c.Issuer = "https://verdict.example/" },
		"a query":            func(c *tokenservice.Config) { c.Issuer = "https://verdict.example?x" },
		"no service":         func(c *tokenservice.Config) { c.Service = "" },
		"no dir":             func(c *tokenservice.Config) { c.Dir = "" },
		"no decide":          func(c *tokenservice.Config) { c.Decide = nil },
		"no publish":         func(c *tokenservice.Config) { c.Publish = nil },
		"no revoke":          func(c *tokenservice.Config) { c.Revoke = nil },
		"no services":        func(c *tokenservice.Config) { c.Services = nil },
		"life too long":      func(c *tokenservice.Config) { c.Lifetime = 2 * time.Hour },
		"life in parts":      func(c *tokenservice.Config) { c.Lifetime = 1500 * time.Millisecond },
		"keys too short":     func(c *tokenservice.Config) { c.KeyLifetime = time.Minute },
		"overlap too long":   func(c *tokenservice.Config) { c.Overlap = 31 * 24 * time.Hour },
		"overlap backwards":  func(c *tokenservice.Config) { c.Overlap = -1 },
		"issuer id is no id": func(c *tokenservice.Config) { c.IssuerID = "a b" },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			edit(&w.config)
			if _, err := tokenservice.New(t.Context(), w.config); err == nil {
				t.Error("taken")
			}
		})
	}
}

func wantError(t *testing.T, err error, code authz.OAuthCode) *authz.OAuthError {
	t.Helper()
	var refusal *authz.OAuthError
	if !errors.As(err, &refusal) {
		t.Fatalf("%v is no refusal", err)
	}
	if refusal.Code != code || refusal.Description == "" && refusal.Reasons != nil {
		t.Errorf("%v, want %s", refusal, code)
	}
	return refusal
}

// TestADecisionKnowsWhoseDataItIsAbout: policies want an external caller to say whose
// tenant it touches, and a client of ours does not say it.
func TestADecisionKnowsWhoseDataItIsAbout(t *testing.T) {
	broken := errors.New("the store is closed")
	tests := map[string]struct {
		subject string
		tenants map[string]string // :: "collection id" -> tenant
		err     error
		want    map[string]any
	}{
		"its own tenant":        {tenants: map[string]string{"machine_users " + clientID: "acme"}, want: map[string]any{"tenant": "acme"}},
		"of no tenant":          {},
		"a user's tenant":       {subject: "user:u-ana", tenants: map[string]string{"users u-ana": "acme"}, want: map[string]any{"recipient": "u-ana", "tenant": "acme"}},
		"a user of no tenant":   {subject: "user:u-ana", want: map[string]any{"recipient": "u-ana"}},
		"a tenant":              {subject: "tenant:helios", tenants: map[string]string{"machine_users " + clientID: "acme"}, want: map[string]any{"tenant": "helios"}},
		"nobody can say so now": {err: broken},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.config.TenantOf = func(c authz.Collection, id string) (string, error) {
				return test.tenants[string(c)+" "+id], test.err
			}
			_, err := w.start().Token(t.Context(), authz.TokenRequest{
				Client:    authz.TokenClient{ID: clientID, Evidence: authz.Evidence{ClientID: clientID, ClientSecret: "s"}},
				GrantType: authz.GrantClientCredentials, Audiences: []string{emailID}, Subject: test.subject,
			})
			if test.err != nil {
				var why *authz.OAuthError
				if !errors.As(err, &why) || why.Code != authz.OAuthUnavailable || len(w.asked) > 0 {
					t.Errorf("answered %v after %d questions", err, len(w.asked))
				}
				return
			}
			if err != nil || len(w.asked) != 1 {
				t.Fatalf("%v after %d questions", err, len(w.asked))
			}
			if diff := cmp.Diff(test.want, w.asked[0].Resource.Properties); diff != "" {
				t.Error(diff)
			}
		})
	}
}
