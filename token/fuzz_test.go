package token_test

import (
	"encoding/json"
	"testing"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/token"
)

// FuzzVerify sends arbitrary text: nothing panics, and nobody is proved. Keys are
// made anew by every fuzzing process, so no text of the corpus is signed by one.
func FuzzVerify(f *testing.F) {
	for _, attack := range newArena(f).attacks(f) {
		f.Add(attack.token)
	}
	a := newArena(f)
	f.Fuzz(func(t *testing.T, text string) {
		p := verify(a.v, a.issuers, text)
		if p.Fault == nil || p.Subject != "" || p.Token != nil || p.Level != 0 {
			t.Errorf("proved %+v", p)
		}
		if p.Fault.Code == "" || p.Fault.Cause == "" || p.Fault.Message == "" || p.Fault.Fix == "" {
			t.Errorf("says too little: %+v", p.Fault)
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
		asserted := a.v.Verify(t.Context(), authz.Evidence{Claims: []byte(payload)}, a.issuers, now)
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
