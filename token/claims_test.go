package token_test

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/test/forge"
	"github.com/verdict-pdp/verdict/token"
)

func TestClaimsRefused(t *testing.T) {
	signer := newSigner(t, "ES256")
	v := newVerifier(t, token.Config{})
	issuers := registry{demoURL: demoIssuer(t, signer)}
	many := make([]string, 101)
	for i := range many {
		many[i] = "a"
	}
	long := strings.Repeat("a", 2001)
	tests := map[string]struct {
		claims map[string]any
		cause  string
	}{
		"no sub":                {with(map[string]any{"sub": nil}), "missing_sub"},
		"sub a number":          {with(map[string]any{"sub": 7}), "claim_type"},
		"sub empty":             {with(map[string]any{"sub": ""}), "claim_bounds"},
		"sub no id":             {with(map[string]any{"sub": "spiffe://a/b"}), "claim_bounds"},
		"sub with NUL":          {with(map[string]any{"sub": "mu:a\x00b"}), "claim_bounds"},
		"sub long":              {with(map[string]any{"sub": strings.Repeat("a", 201)}), "claim_bounds"},
		"aud a number":          {with(map[string]any{"aud": 7}), "claim_type"},
		"aud an object":         {with(map[string]any{"aud": map[string]any{}}), "claim_type"},
		"aud of numbers":        {with(map[string]any{"aud": []any{"a", 7}}), "claim_type"},
		"aud of null":           {with(map[string]any{"aud": []any{nil}}), "claim_type"},
		"aud empty":             {with(map[string]any{"aud": ""}), "claim_bounds"},
		"aud with an empty one": {with(map[string]any{"aud": []string{"a", ""}}), "claim_bounds"},
		"aud of many":           {with(map[string]any{"aud": many}), "claim_bounds"},
		"aud long":              {with(map[string]any{"aud": long}), "claim_bounds"},
		"tenant a list":         {with(map[string]any{"tenant": []string{"acme"}}), "claim_type"},
		"tenant no id":          {with(map[string]any{"tenant": "a/b"}), "claim_bounds"},
		"env a number":          {with(map[string]any{"env": 1}), "claim_type"},
		"credential an object":  {with(map[string]any{"credential_id": map[string]any{}}), "claim_type"},
		"scope a list":          {with(map[string]any{"scope": []string{"a"}}), "claim_type"},
		"scope of many":         {with(map[string]any{"scope": strings.Join(many, " ")}), "claim_bounds"},
		"amr a string":          {with(map[string]any{"amr": "pwd"}), "claim_type"},
		"jti a number":          {with(map[string]any{"jti": 1}), "claim_type"},
		"jti empty":             {with(map[string]any{"jti": ""}), "claim_bounds"},
		"jti long":              {with(map[string]any{"jti": long}), "claim_bounds"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			wantFault(t, verify(v, issuers, sign(t, signer, nil, test.claims)), authz.TokenInvalid, test.cause)
			p := present(v, issuers, authz.Evidence{Claims: json.RawMessage(mustJSON(t, test.claims))})
			wantFault(t, p, authz.TokenInvalid, test.cause)
		})
	}
}

func TestClaimMapping(t *testing.T) {
	signer := newSigner(t, "ES256")
	v := newVerifier(t, token.Config{})
	issuer := demoIssuer(t, signer)
	issuer.Own = false // a third party may name credentials of its own
	issuer.Claims = authz.ClaimMapping{Subject: "client_id", Tenant: "org", Env: "stage", Scope: "scp", Methods: "how", Credential: "https://demo/cred"}
	p := verify(v, registry{demoURL: issuer}, sign(t, signer, nil, with(map[string]any{
		"sub": "mu:billing", "client_id": "mu:billing", "org": "acme", "stage": "dev", "scp": " a  b ", "how": []string{"swk"}, "https://demo/cred": "cred-1",
		// Claims that are not mapped may be anything.
		"tenant": 1, "env": []int{1}, "scope": 1, "amr": "pwd",
	})))
	if p.Fault != nil {
		t.Fatal(p.Fault)
	}
	got := []any{p.Subject, p.Token.Tenant, p.Token.Env, p.Token.Scopes, p.Token.Methods, p.Token.Credential}
	want := []any{"mu:billing", "acme", "dev", []string{"a", "b"}, []string{"swk"}, "cred-1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDatesAreWholeSecondsOnTheStricterSide(t *testing.T) {
	signer := newSigner(t, "ES256")
	v := newVerifier(t, token.Config{})
	p := verify(v, registry{demoURL: demoIssuer(t, signer)}, sign(t, signer, nil, with(map[string]any{"exp": 1000.9, "nbf": 10.1, "iat": 10.9})))
	if p.Fault != nil {
		t.Fatal(p.Fault)
	}
	got := []int64{p.Token.ExpiresAt.Unix(), p.Token.NotBefore.Unix(), p.Token.IssuedAt.Unix()}
	if diff := cmp.Diff([]int64{1000, 11, 10}, got); diff != "" {
		t.Error(diff)
	}
}

func TestTimesAndAudienceAreNotJudgedHere(t *testing.T) {
	signer := newSigner(t, "ES256")
	v := newVerifier(t, token.Config{})
	issuers := registry{demoURL: demoIssuer(t, signer)}
	for name, claims := range map[string]map[string]any{
		"expired":        with(map[string]any{"exp": 1, "iat": 0}),
		"not yet valid":  with(map[string]any{"nbf": now.Add(time.Hour).Unix()}),
		"of the future":  with(map[string]any{"iat": now.Add(time.Hour).Unix()}),
		"other audience": with(map[string]any{"aud": "somebody else"}),
		"no audience":    with(map[string]any{"aud": nil}),
		"far away":       with(map[string]any{"exp": 1 << 53}),
	} {
		if p := verify(v, issuers, sign(t, signer, nil, claims)); p.Fault != nil {
			t.Errorf("%s: fault %+v, want none", name, p.Fault)
		}
	}
}

func TestLevel(t *testing.T) {
	signer := newSigner(t, "ES256")
	v := newVerifier(t, token.Config{})
	issuers := registry{demoURL: demoIssuer(t, signer)}
	iat := now.Unix()
	tests := map[string]struct {
		changes map[string]any
		level   int
	}{
		"short-lived, for an audience": {nil, 3},
		"one hour":                     {map[string]any{"exp": iat + 3600}, 3},
		"more than one hour":           {map[string]any{"exp": iat + 3601}, 2},
		"no audience":                  {map[string]any{"aud": nil}, 2},
		"empty audience list":          {map[string]any{"aud": []string{}}, 2},
		"no iat":                       {map[string]any{"iat": nil}, 2},
		"expires before it was issued": {map[string]any{"exp": iat - 1}, 2},
		"password":                     {map[string]any{"amr": []string{"otp", "pwd"}}, 1},
		"password and long-lived":      {map[string]any{"amr": []string{"pwd"}, "exp": iat + 9999}, 1},
		"another method":               {map[string]any{"amr": []string{"PWD"}}, 3}, // RFC 8176 values are case-sensitive
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			claims := with(test.changes)
			byToken := verify(v, issuers, sign(t, signer, nil, claims))
			byClaims := present(v, issuers, authz.Evidence{Claims: json.RawMessage(mustJSON(t, claims))})
			if diff := cmp.Diff([]int{test.level, test.level}, []int{byToken.Level, byClaims.Level}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAssertedClaims(t *testing.T) {
	v := newVerifier(t, token.Config{})
	issuer := demoIssuer(t, newSigner(t, "ES256"))
	issuers := registry{demoURL: issuer}
	assert := func(raw string) authz.Principal {
		return present(v, issuers, authz.Evidence{Claims: json.RawMessage(raw)})
	}
	raw := mustJSON(t, with(map[string]any{"jti": nil}))
	sum := sha256.Sum256([]byte(raw))
	want := authz.Principal{
		Subject: "mu:user-svc", Evidence: authz.EvidenceClaims, Level: 3, Freshness: authz.Fresh,
		Token: &authz.Token{
			ID: authz.TokenID(demoURL, hex.EncodeToString(sum[:])), Issuer: "demo", IssuerURL: demoURL, Subject: "mu:user-svc",
			Audiences: []string{"brightfold"}, AcceptedAudiences: []string{"brightfold"},
			IssuedAt: now, ExpiresAt: now.Add(10 * time.Minute), Leeway: 5 * time.Second, Own: true,
		},
	}
	if diff := cmp.Diff(want, assert(raw)); diff != "" {
		t.Error(diff)
	}
	wantFault(t, assert(`[]`), authz.TokenInvalid, "malformed")
	wantFault(t, assert(`{"iss":"x","iss":"x"}`), authz.TokenInvalid, "duplicate_member")
	wantFault(t, assert(`{"iss":"https://nobody.example"}`), authz.IssuerUntrusted, "issuer_unknown")
	wantFault(t, assert(`{"x":"`+strings.Repeat("x", token.MaxTokenBytes)+`"}`), authz.TokenInvalid, "too_large")
	issuer.Keys, issuer.JWKSURL = nil, "https://demo.brightfold.example/keys"
	if p := assert(raw); p.Fault != nil {
		t.Errorf("claims need no keys, yet: %+v", p.Fault)
	}
}

func TestNoEvidence(t *testing.T) {
	v := newVerifier(t, token.Config{})
	p := present(v, registry{}, authz.Evidence{})
	wantFault(t, p, authz.CredentialMissing, "no_evidence")
	if p.Evidence != authz.EvidenceNone {
		t.Errorf("evidence %q", p.Evidence)
	}
	p = present(v, registry{}, authz.Evidence{Token: "a", Claims: json.RawMessage(`{}`)})
	wantFault(t, p, authz.TokenInvalid, "ambiguous")
}

func TestBrokenRegistryIsAnOutage(t *testing.T) {
	signer := newSigner(t, "ES256")
	v := newVerifier(t, token.Config{})
	text := sign(t, signer, nil, good())
	wantFault(t, verify(v, brokenRegistry{}, text), authz.IssuerUnavailable, "issuer_lookup")

	// Also for a token verified before.
	if p := verify(v, registry{demoURL: demoIssuer(t, signer)}, text); p.Fault != nil {
		t.Fatal(p.Fault)
	}
	wantFault(t, verify(v, brokenRegistry{}, text), authz.IssuerUnavailable, "issuer_lookup")
}

// laxRegistry finds its one issuer under any URL.
type laxRegistry struct {
	registry
	issuer *authz.Issuer
}

func (r laxRegistry) IssuerByURL(string) (*authz.Issuer, bool, error) { return r.issuer, true, nil }

func TestIssuerIsComparedByteForByteWhateverTheRegistryFinds(t *testing.T) {
	signer := newSigner(t, "ES256")
	v := newVerifier(t, token.Config{})
	text := sign(t, signer, nil, with(map[string]any{"iss": demoURL + "/"}))
	wantFault(t, verify(v, laxRegistry{issuer: demoIssuer(t, signer)}, text), authz.IssuerUntrusted, "issuer_unknown")
}

// A token without jti is named by what was signed: the second valid ECDSA
// signature of the same bytes must not give a revoked token a new name.
func TestTokenWithoutIDIsNamedByItsSignedBytes(t *testing.T) {
	signer := newSigner(t, "ES256")
	v := newVerifier(t, token.Config{})
	issuers := registry{demoURL: demoIssuer(t, signer)}
	text := sign(t, signer, nil, with(map[string]any{"jti": nil}))
	twin := otherSignature(t, forgerOf(t, signer).key.(*ecdsa.PrivateKey), text)
	first, second := verify(v, issuers, text), verify(v, issuers, twin)
	if first.Fault != nil || second.Fault != nil {
		t.Fatalf("faults %+v and %+v, want none for either signature", first.Fault, second.Fault)
	}
	signed := text[:strings.LastIndexByte(text, '.')]
	want := authz.TokenID(demoURL, fmt.Sprintf("%x", sha256.Sum256([]byte(signed))))
	if first.Token.ID != want || second.Token.ID != want {
		t.Errorf("ids %s and %s, want %s", first.Token.ID, second.Token.ID, want)
	}
}

// otherSignature replaces s of an ECDSA signature by n - s, which verifies too.
func otherSignature(t *testing.T, key *ecdsa.PrivateKey, text string) string {
	t.Helper()
	cut := strings.LastIndexByte(text, '.') + 1
	signature, err := base64.RawURLEncoding.DecodeString(text[cut:])
	if err != nil {
		t.Fatal(err)
	}
	s := new(big.Int).SetBytes(signature[32:])
	s.Sub(key.Params().N, s).FillBytes(signature[32:])
	return text[:cut] + forge.Part(string(signature))
}

func TestFaultsHoldNoTokenMaterial(t *testing.T) {
	const secret = "s3cr3tmaterial"
	signer := newSigner(t, "ES256")
	f := forgerOf(t, signer)
	v := newVerifier(t, token.Config{})
	issuers := registry{demoURL: demoIssuer(t, signer)}
	for _, text := range []string{
		secret, secret + "." + secret + "." + secret,
		f.token(`{"alg":"`+secret+`"}`, `{}`),
		f.token(`{"`+secret+`":1}`, `{}`),
		f.token(f.header("ES256"), `{"iss":"`+secret+`"}`),
		f.token(`{"alg":"ES256","typ":"`+secret+`"}`, payload(demoURL)),
		f.token(`{"alg":"ES256","typ":"at+jwt","kid":"`+secret+`"}`, payload(demoURL)),
		f.token(f.header("ES256"), payload(demoURL, `"`+secret+`":1,"`+secret+`":2`)),
		f.token(f.header("ES256"), payload(demoURL, `"tenant":"/`+secret+`"`)),
	} {
		p := verify(v, issuers, text)
		if p.Fault == nil {
			t.Errorf("accepted %q", text)
			continue
		}
		if said := fmt.Sprintf("%+v", *p.Fault); strings.Contains(said, secret) {
			t.Errorf("the fault repeats the token: %s", said)
		}
	}
}
