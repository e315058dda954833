package token_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/token"
)

// FuzzVerify presents arbitrary evidence of every kind: nothing panics, and nobody
// is proved. Keys are made anew by every fuzzing process, so no text of the corpus
// is signed by one. Asserted claims, which nobody signs, may prove somebody.
func FuzzVerify(f *testing.F) {
	const kinds = 9
	for i, attack := range newArena(f).attacks(f) {
		f.Add(attack.token, "", uint8(0))
		f.Add(attack.token, attack.token, uint8(i%kinds))
	}
	f.Add(payload(esURL), "", uint8(2))
	f.Add("opaque~token", "ask", uint8(1))
	a := newArena(f)
	ca := newCA(f, nil, "fuzzed", nil)
	f.Add(string(ca.Raw), string(ca.Raw), uint8(5))
	trusted := &authz.Issuer{Header: authz.Header{ID: "roots"}, URL: "roots", Kind: authz.IssuerX509, Roots: pemOf("CERTIFICATE", ca.Raw)}
	trusted.Normalize()
	a.issuers["roots"], a.issuers["ask"] = trusted, ledgerlink("ask", "")
	v := newVerifier(f, token.Config{
		CacheSize: -1, Identifiers: []string{"us"}, Introspector: &mute{},
		Secrets: secretsFunc(func(string, string, string, []authz.SecretCandidate) (int, error) { return 0, authz.ErrSecretMismatch }),
	})
	f.Fuzz(func(t *testing.T, text, more string, kind uint8) {
		e := [kinds]authz.Evidence{
			{Token: text},
			{Token: text, Issuer: more},
			{Claims: []byte(text)},
			{ClientID: more, ClientSecret: text},
			{ClientID: more, Assertion: text},
			{Certificate: &authz.Certificate{Chain: [][]byte{[]byte(text), []byte(more)}}},
			{Token: text, Certificate: &authz.Certificate{Thumbprint: more}},
			{Claims: []byte(text), Certificate: &authz.Certificate{Chain: [][]byte{[]byte(more)}}},
			{Token: text, Proof: &authz.Proof{JWT: more, Method: "GET", URL: more}},
		}[kind%kinds]
		p := present(v, a.issuers, e)
		if p.Fault == nil && len(e.Claims) > 0 && p.Level <= 3 && p.Subject != "" {
			return
		}
		if p.Fault == nil || p.Subject != "" || p.Token != nil || p.Level != 0 || p.Credential != nil || p.Certificate != nil {
			t.Fatalf("proved %+v", p)
		}
		if p.Fault.Code == "" || p.Fault.Cause == "" || p.Fault.Message == "" || p.Fault.Fix == "" {
			t.Errorf("says too little: %+v", p.Fault)
		}
	})
}

// mute knows no token.
type mute struct{}

func (mute) Introspect(context.Context, *authz.Issuer, string, string) (authz.IntrospectionAnswer, error) {
	return authz.IntrospectionAnswer{}, authz.ErrInactive
}

func (mute) Report(*authz.Issuer, *authz.IssuerStatus) {}

// FuzzEvent signs arbitrary payloads as security events: what is accepted has all
// its parts.
func FuzzEvent(f *testing.F) {
	signer := newSigner(f, "ES256")
	v := newVerifier(f, token.Config{})
	issuers := registry{demoURL: transmitter(f, signer)}
	f.Add(mustJSON(f, event(nil)))
	f.Add(mustJSON(f, event(map[string]any{"sub": "x", "events": map[string]any{"": 1}})))
	forge := forgerOf(f, signer)
	f.Fuzz(func(t *testing.T, payload string) {
		forge := forge
		forge.t = t
		got, err := v.VerifyEvent(t.Context(), issuers, forge.token(`{"alg":"ES256","typ":"secevent+jwt"}`, payload), now)
		if err == nil && (got.Issuer == nil || got.JTI == "" || got.Type == "" || !json.Valid(got.Payload) || !json.Valid(got.SubjectID) || got.IssuedAt.IsZero()) {
			t.Errorf("%+v of %q", got, payload)
		}
	})
}

// FuzzSigned signs arbitrary headers and payloads with the registered key, so
// that what is behind the signature is reached. A payload that is accepted says
// the same to a plain reader of JSON, and as asserted claims.
func FuzzSigned(f *testing.F) {
	a := newArena(f)
	const header = `{"alg":"ES256","typ":"at+jwt"}` // the only key needs no kid
	for _, more := range []string{`"x":1`, `"nbf":1.5`, `"amr":["pwd"]`, `"scope":"a b"`, `"tenant":"acme"`, `"jti":"\u0061"`} {
		f.Add(header, payload(esURL, more))
	}
	f.Add(`{"alg":"ES256","typ":"APPLICATION/at+jwt","kid":"k"}`, payload(laxURL))
	f.Add(`{"alg":"ES256"}`, payload(laxURL, `"sub":"mu:admin"`))
	f.Fuzz(func(t *testing.T, header, payload string) {
		es := a.es
		es.t = t
		signed := verify(a.v, a.issuers, es.token(header, payload))
		if signed.Fault != nil {
			return
		}
		var plain map[string]any
		if err := json.Unmarshal([]byte(payload), &plain); err != nil {
			t.Fatalf("accepted a payload that is no JSON: %v", err)
		}
		if signed.Token.IssuerURL != plain["iss"] || signed.Subject != plain["sub"] {
			t.Errorf("%+v of %q", signed, payload)
		}
		asserted := present(a.v, a.issuers, authz.Evidence{Claims: []byte(payload)})
		if asserted.Subject != signed.Subject || asserted.Level != signed.Level {
			t.Errorf("asserted %+v, signed %+v", asserted, signed)
		}
	})
}

// FuzzKeySet reads whatever an issuer might serve: nothing panics, and the
// registration check never accepts a set that verifies nothing.
func FuzzKeySet(f *testing.F) {
	f.Add(string(publicSet(f, newSigner(f, "ES256"))))
	f.Add(string(publicSet(f, newSigner(f, "RS256"))))
	f.Add(string(publicSet(f, newSigner(f, "EdDSA"))))
	f.Add(`{"keys":[{"kty":"oct","k":"AAAA"},1,{"kty":"OKP","crv":"Ed25519","x":"AA"}]}`)
	v := newVerifier(f, token.Config{})
	revision := uint64(0)
	f.Fuzz(func(t *testing.T, set string) {
		revision++
		issuer := &authz.Issuer{Header: authz.Header{ID: "demo", Revision: revision}, URL: demoURL, Algorithms: authz.Algorithms(), Keys: []byte(set)}
		issuer.Normalize()
		status := v.Status(issuer)
		if err := token.CheckIssuer(issuer); err == nil && status.Keys == 0 {
			t.Errorf("accepted a set without keys: %q", set)
		}
	})
}
