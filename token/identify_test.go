package token_test

import (
	"errors"
	"testing"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/token"
)

// Identify names a token that is genuine, and nothing that decides.
func TestIdentify(t *testing.T) {
	signer, prover := newSigner(t, "ES256"), newProver(t, "ES256")
	issuer, lister := demoIssuer(t, signer), "https://demo.example/list"
	issuer.StatusLists = []string{lister}
	opaque := ledgerlink("ledgerlink", "")
	d := registry{demoURL: issuer, "l": opaque}
	introspector := &asked{answer: active(`,"jti":"o-1","cnf":{"jkt":"` + prover.jkt + `"}`)}
	v := newVerifier(t, token.Config{Introspector: introspector})
	identify := func(e authz.Evidence) (*authz.Token, *authz.Fault) {
		return v.Identify(t.Context(), authz.Presentation{Evidence: e, Directory: d, Now: now})
	}
	for name, claims := range map[string]map[string]any{
		"plain":                        {},
		"bound to a key":               {"cnf": map[string]any{"jkt": prover.jkt}},
		"bound to a certificate":       {"cnf": map[string]any{"x5t#S256": prover.jkt}},
		"of a credential that is gone": {"credential_id": "cred-1"},
		"of a list that is missing":    {"status": map[string]any{"status_list": map[string]any{"idx": 1, "uri": lister}}},
	} {
		text := sign(t, signer, nil, with(claims))
		for range 2 { // verified, then remembered
			got, fault := identify(authz.Evidence{Token: text})
			if fault != nil || got.ID != authz.TokenID(demoURL, "j-1") || got.Leeway != 5*time.Second || !got.ExpiresAt.Equal(now.Add(10*time.Minute)) {
				t.Errorf("%s: token %+v, fault %+v; want j-1, with leeway and expiry", name, got, fault)
			}
		}
		if p := verify(v, d, text); name != "plain" && p.Fault == nil {
			t.Errorf("%s: it decides too", name)
		}
	}
	if got, fault := identify(authz.Evidence{Token: "abc"}); fault != nil || got.ID != authz.TokenID(opaque.URL, "o-1") {
		t.Errorf("token %+v, fault %+v; want o-1", got, fault)
	}
	introspector.err = authz.ErrInactive
	for name, test := range map[string]struct {
		e     authz.Evidence
		code  authz.ReasonCode
		cause string
	}{
		"inactive":             {authz.Evidence{Token: "abc"}, authz.TokenInvalid, "inactive"},
		"of nobody":            {authz.Evidence{Token: sign(t, signer, nil, with(map[string]any{"iss": "https://nobody.example"}))}, authz.IssuerUntrusted, "issuer_unknown"},
		"forged":               {authz.Evidence{Token: sign(t, newSigner(t, "ES256"), map[string]any{"kid": signer.KeyID()}, good())}, authz.TokenInvalid, "bad_signature"},
		"asserted":             {authz.Evidence{Claims: []byte(mustJSON(t, good()))}, authz.CredentialMissing, "no_token"},
		"a secret":             {authz.Evidence{ClientID: "a", ClientSecret: "b"}, authz.CredentialMissing, "no_token"},
		"nothing":              {authz.Evidence{}, authz.CredentialMissing, "no_evidence"},
		"a token and a secret": {authz.Evidence{Token: "abc", ClientSecret: "b"}, authz.TokenInvalid, "ambiguous"},
	} {
		got, fault := identify(test.e)
		if got != nil || fault == nil || fault.Code != test.code || fault.Cause != test.cause {
			t.Errorf("%s: token %+v, fault %+v; want the fault of the test", name, got, fault)
		}
	}
	// A subject of a name that is nobody's any more is identified, and is nobody.
	federated := newSigner(t, "ES256")
	hub := buildhub(t, federated)
	hub.Revision = 8
	d[demoURL] = hub
	got, fault := identify(authz.Evidence{Token: sign(t, federated, nil, good())})
	if fault != nil || got.Subject != "" || got.ID != authz.TokenID(demoURL, "j-1") {
		t.Errorf("token %+v, fault %+v; want j-1 without a subject", got, fault)
	}
	introspector.err = errors.New("down")
	if _, fault := identify(authz.Evidence{Token: "abc"}); fault == nil || fault.Code != authz.IssuerUnavailable {
		t.Errorf("fault %+v, want that the issuer is unavailable", fault)
	}
}

// TestNamed: who has a token stopped by sending it is told what to do when that fails.
func TestNamed(t *testing.T) {
	signer := newSigner(t, "ES256")
	introspector := &asked{}
	v := newVerifier(t, token.Config{Introspector: introspector, Now: func() time.Time { return now }})
	d := registry{demoURL: demoIssuer(t, signer), "l": ledgerlink("ledgerlink", "")}
	for name, test := range map[string]struct {
		text  string
		asked error
		want  string
		code  authz.ErrorCode
	}{
		"genuine":                         {text: sign(t, signer, nil, good()), want: authz.TokenID(demoURL, "j-1")},
		"forged":                          {text: sign(t, newSigner(t, "ES256"), map[string]any{"kid": signer.KeyID()}, good()), code: authz.CodeInvalid},
		"opaque, not active":              {text: "abc", asked: authz.ErrInactive, code: authz.CodeInvalid},
		"opaque, its issuer out of reach": {text: "abc", asked: authz.ErrUnavailable, code: authz.CodeUnavailable},
		"nothing":                         {code: authz.CodeInvalid},
	} {
		introspector.err = test.asked
		got, err := v.Named(t.Context(), d, test.text)
		if authz.CodeOf(err) != test.code || (got != nil) != (test.want != "") || got != nil && got.ID != test.want {
			t.Errorf("%s: named %+v, %v; want %q, code %q", name, got, err, test.want, test.code)
		}
	}
}
