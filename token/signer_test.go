package token_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/test/forge"
	"github.com/verdict-pdp/verdict/token"
)

func TestSignerKeepsItsKey(t *testing.T) {
	for _, alg := range []string{"ES256", "RS256", "PS256", "EdDSA"} {
		t.Run(alg, func(t *testing.T) {
			signer := newSigner(t, alg)
			data, err := signer.MarshalPrivate()
			if err != nil {
				t.Fatal(err)
			}
			again, err := token.ParseSigner(data)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{signer.KeyID(), alg}, []string{again.KeyID(), again.Algorithm()}); diff != "" {
				t.Error(diff)
			}
			v := newVerifier(t, token.Config{})
			if p := verify(v, registry{demoURL: demoIssuer(t, signer)}, sign(t, again, nil, good())); p.Fault != nil {
				t.Errorf("fault %+v, want none", p.Fault)
			}
		})
	}
}

// A signer knows its own tokens, and reads nothing of any other text.
func TestSignerVerifiesItsOwn(t *testing.T) {
	for _, alg := range authz.Algorithms() {
		signer, other := newSigner(t, alg), newSigner(t, alg)
		text, err := signer.Sign(nil, map[string]string{"a": "b"})
		if err != nil {
			t.Fatal(err)
		}
		if payload, ok := signer.Verify(text); !ok || string(payload) != `{"a":"b"}` {
			t.Errorf("%s: payload %s, ok %v; want what was signed", alg, payload, ok)
		}
		if _, ok := other.Verify(text); ok {
			t.Errorf("%s: another key's token is its own", alg)
		}
	}
	signer := newSigner(t, "ES256")
	f, text := forgerOf(t, signer), sign(t, signer, nil, good())
	parts := strings.Split(text, ".")
	namesake := forgerOf(t, newSigner(t, "ES256"))
	namesake.kid = signer.KeyID()
	rsaSigner := newSigner(t, "RS256")
	r := forgerOf(t, rsaSigner)
	if _, ok := rsaSigner.Verify(r.pss(r.header("PS256"), "{}", 32)); ok {
		t.Error("signed with an algorithm the key is not for")
	}
	for name, foreign := range map[string]string{
		"empty":               "",
		"one part":            "abc",
		"cut":                 text[:len(text)-1],
		"white space":         text + "\n",
		"another payload":     parts[0] + "." + forge.Part("{}") + "." + parts[2],
		"another's signature": namesake.token(namesake.header("ES256"), "{}"),
		"another algorithm":   f.token(f.header("ES384"), "{}"),
		"no algorithm":        f.token(f.header("none"), "{}"),
		"another kid":         sign(t, signer, map[string]any{"kid": "other"}, good()),
		"a key of its own":    f.token(f.header("ES256", `"jwk":{}`), "{}"),
		"too large":           f.token(f.header("ES256"), strings.Repeat(" ", token.MaxTokenBytes)),
	} {
		if payload, ok := signer.Verify(foreign); ok {
			t.Errorf("%s: payload %s, want it refused", name, payload)
		}
	}
}

func TestPublicSetHoldsNothingPrivate(t *testing.T) {
	for _, alg := range authz.Algorithms() {
		var set struct{ Keys []map[string]any }
		if err := json.Unmarshal(publicSet(t, newSigner(t, alg)), &set); err != nil {
			t.Fatal(err)
		}
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k"} {
			if _, ok := set.Keys[0][private]; ok {
				t.Errorf("%s: the public set has %s", alg, private)
			}
		}
	}
}

func TestSignerHeaderExtras(t *testing.T) {
	signer := newSigner(t, "ES256")
	v := newVerifier(t, token.Config{})
	issuers := registry{demoURL: demoIssuer(t, signer)}
	wantFault(t, verify(v, issuers, sign(t, signer, map[string]any{"typ": "JWT"}, good())), authz.TokenInvalid, "bad_type")
	wantFault(t, verify(v, issuers, sign(t, signer, map[string]any{"kid": "other"}, good())), authz.TokenInvalid, "unknown_key")
	if _, err := signer.Sign(map[string]any{"alg": "none"}, good()); authz.CodeOf(err) != authz.CodeInvalid {
		t.Errorf("alg was replaced: %v", err)
	}
}

func TestSignerRefuses(t *testing.T) {
	for _, alg := range []string{"", "none", "HS256", "RSA"} {
		if _, err := token.NewSigner(alg); authz.CodeOf(err) != authz.CodeInvalid {
			t.Errorf("NewSigner(%q): %v", alg, err)
		}
	}
	for name, data := range map[string]string{
		"no JSON":   `-----BEGIN`,
		"public":    mustJSON(t, jwk(t, newSigner(t, "ES256"), nil)),
		"symmetric": `{"kty":"oct","k":"c2VjcmV0","alg":"HS256","kid":"a"}`,
		"nameless":  strings.Replace(mustPrivate(t), `"kid"`, `"kidd"`, 1),
	} {
		if _, err := token.ParseSigner([]byte(data)); authz.CodeOf(err) != authz.CodeInvalid {
			t.Errorf("ParseSigner of a %s key: %v", name, err)
		}
	}
	if _, err := newSigner(t, "ES256").Sign(nil, func() {}); err == nil {
		t.Error("signed claims that are no JSON")
	}
	if _, err := newSigner(t, "ES256").Sign(map[string]any{"x": func() {}}, good()); err == nil {
		t.Error("signed a header that is no JSON")
	}
}

func mustPrivate(t *testing.T) string {
	t.Helper()
	data, err := newSigner(t, "ES256").MarshalPrivate()
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
