package token_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/test/forge"
	"github.com/verdict-pdp/verdict/token"
)

// jwk is the one public key of a signer, with members changed; "" removes one.
func jwk(t testing.TB, s *token.Signer, changes map[string]any) map[string]any {
	t.Helper()
	var set struct{ Keys []map[string]any }
	if err := json.Unmarshal(publicSet(t, s), &set); err != nil {
		t.Fatal(err)
	}
	key := set.Keys[0]
	for name, value := range changes {
		if value == "" {
			delete(key, name)
			continue
		}
		key[name] = value
	}
	return key
}

func setOf(t testing.TB, keys ...any) json.RawMessage {
	t.Helper()
	return json.RawMessage(mustJSON(t, map[string]any{"keys": keys}))
}

func number(n *big.Int) string { return forge.Part(string(n.Bytes())) }

func TestCheckIssuerRefuses(t *testing.T) {
	es, rs, ed := newSigner(t, "ES256"), newSigner(t, "RS256"), newSigner(t, "EdDSA")
	private, err := es.MarshalPrivate()
	if err != nil {
		t.Fatal(err)
	}
	one := func(s *token.Signer, changes map[string]any) json.RawMessage { return setOf(t, jwk(t, s, changes)) }
	modulus := func(bits uint) string {
		return number(new(big.Int).SetBit(big.NewInt(1), int(bits)-1, 1))
	}
	order := func(encoded string) string {
		b, err := hex.DecodeString(encoded)
		if err != nil {
			t.Fatal(err)
		}
		return forge.Part(string(b))
	}
	tests := map[string]struct {
		keys  json.RawMessage
		field string
		says  string
	}{
		"not JSON":                     {json.RawMessage(`{`), "keys", "not a JWK Set"},
		"a list":                       {json.RawMessage(`[]`), "keys", "not a JWK Set"},
		"duplicate member":             {json.RawMessage(`{"keys":[],"keys":[]}`), "keys", "not a JWK Set"},
		"duplicate in a key":           {json.RawMessage(`{"keys":[{"kty":"EC","kty":"RSA"}]}`), "keys", "not a JWK Set"},
		"deep":                         {json.RawMessage(`{"keys":[` + nest(40) + `]}`), "keys", "not a JWK Set"},
		"many keys":                    {json.RawMessage(`{"keys":[` + strings.Repeat("{},", 100) + `{}]}`), "keys", "more than 100 keys"},
		"no keys member":               {json.RawMessage(`{}`), "keys.keys", "required"},
		"keys no list":                 {json.RawMessage(`{"keys":{}}`), "keys.keys", "required"},
		"no key":                       {json.RawMessage(`{"keys":[]}`), "keys", "no key"},
		"large":                        {json.RawMessage(`{"keys":[],"x":"` + strings.Repeat("x", 256<<10) + `"}`), "keys", "larger than 256 kB"},
		"a key that is no object":      {json.RawMessage(`{"keys":["x"]}`), "keys.keys[0]", "not a JSON object"},
		"no kty":                       {one(es, map[string]any{"kty": ""}), "keys.keys[0].kty", "required"},
		"only unknown kty":             {one(es, map[string]any{"kty": "AKP"}), "keys", "no key"},
		"symmetric":                    {json.RawMessage(`{"keys":[{"kty":"oct","k":"AAAA"}]}`), "keys.keys[0].kty", "symmetric"},
		"private":                      {json.RawMessage(`{"keys":[` + string(private) + `]}`), "keys.keys[0].d", "private"},
		"private RSA prime":            {one(rs, map[string]any{"p": "AA"}), "keys.keys[0].p", "private"},
		"for encryption":               {one(es, map[string]any{"use": "enc"}), "keys", "no key"},
		"for signing only":             {one(es, map[string]any{"key_ops": []string{"sign"}}), "keys", "no key"},
		"kid a number":                 {one(es, map[string]any{"kid": 1}), "keys.keys[0].kid", "string of 1 to 256"},
		"kid long":                     {one(es, map[string]any{"kid": strings.Repeat("k", 257)}), "keys.keys[0].kid", "string of 1 to 256"},
		"same kid":                     {setOf(t, jwk(t, es, map[string]any{"kid": "a"}), jwk(t, es, map[string]any{"kid": "a"})), "keys.keys[1].kid", "another key"},
		"one of two nameless":          {setOf(t, jwk(t, es, nil), jwk(t, es, map[string]any{"kid": ""})), "keys.keys[1].kid", "required"},
		"curve of another alg":         {one(es, map[string]any{"alg": "ES384"}), "keys.keys[0].alg", "does not fit"},
		"alg of another type":          {one(es, map[string]any{"alg": "RS256"}), "keys.keys[0].alg", "does not fit"},
		"alg a number":                 {one(es, map[string]any{"alg": 1}), "keys.keys[0].alg", "string"},
		"alg of the issuer not":        {one(newSigner(t, "ES384"), nil), "keys", "no key"},
		"RSA without alg":              {one(rs, map[string]any{"alg": ""}), "keys.keys[0].alg", "RS256, PS256"},
		"RSA of 1024 bits":             {one(rs, map[string]any{"n": modulus(1024)}), "keys.keys[0].n", "1024 bits"},
		"RSA of 2047 bits":             {one(rs, map[string]any{"n": modulus(2047)}), "keys.keys[0].n", "2047 bits"},
		"RSA of 4097 bits":             {one(rs, map[string]any{"n": modulus(4097)}), "keys.keys[0].n", "4097 bits"},
		"RSA even":                     {one(rs, map[string]any{"n": number(new(big.Int).Lsh(big.NewInt(1), 2047))}), "keys.keys[0].n", "even"},
		"RSA e 1":                      {one(rs, map[string]any{"e": number(big.NewInt(1))}), "keys.keys[0].e", "odd number"},
		"RSA e even":                   {one(rs, map[string]any{"e": number(big.NewInt(65536))}), "keys.keys[0].e", "odd number"},
		"RSA e huge":                   {one(rs, map[string]any{"e": number(new(big.Int).Lsh(big.NewInt(1), 40))}), "keys.keys[0].e", "odd number"},
		"RSA without e":                {one(rs, map[string]any{"e": ""}), "keys.keys[0].e", "required"},
		"padded":                       {one(rs, map[string]any{"e": "AQAB===="}), "keys.keys[0].e", "base64url"},
		"line break":                   {one(rs, map[string]any{"e": "AQ\nAB"}), "keys.keys[0].e", "base64url"},
		"not on the curve":             {one(es, map[string]any{"y": forge.Part(strings.Repeat("\x01", 32))}), "keys.keys[0].x", "curve"},
		"short coordinate":             {one(es, map[string]any{"y": "AA"}), "keys.keys[0].y", "1 bytes"},
		"Ed25519 short":                {one(ed, map[string]any{"x": "AA"}), "keys.keys[0].x", "has 32"},
		"Ed25519 of order 1":           {one(ed, map[string]any{"x": order("01" + strings.Repeat("00", 31))}), "keys.keys[0].x", "anybody"},
		"Ed25519 of order 2":           {one(ed, map[string]any{"x": order("ec" + strings.Repeat("ff", 30) + "7f")}), "keys.keys[0].x", "anybody"},
		"Ed25519 of order 4":           {one(ed, map[string]any{"x": order(strings.Repeat("00", 32))}), "keys.keys[0].x", "anybody"},
		"Ed25519 of order 4, negative": {one(ed, map[string]any{"x": order(strings.Repeat("00", 31) + "80")}), "keys.keys[0].x", "anybody"},
		"Ed25519 of order 8":           {one(ed, map[string]any{"x": order("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")}), "keys.keys[0].x", "anybody"},
		"Ed25519 of order 8, too":      {one(ed, map[string]any{"x": order("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")}), "keys.keys[0].x", "anybody"},
		"Ed25519 y = p":                {one(ed, map[string]any{"x": order("ed" + strings.Repeat("ff", 30) + "7f")}), "keys.keys[0].x", "anybody"},
		"Ed25519 y = p + 1":            {one(ed, map[string]any{"x": order("ee" + strings.Repeat("ff", 30) + "7f")}), "keys.keys[0].x", "anybody"},
		"Ed25519 no point":             {one(ed, map[string]any{"x": order("02" + strings.Repeat("00", 31))}), "keys.keys[0].x", "curve"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			issuer := &authz.Issuer{
				Header: authz.Header{ID: "demo"}, URL: demoURL, Keys: test.keys,
				Algorithms: []string{"ES256", "RS256", "PS256", "EdDSA"},
			}
			issuer.Normalize()
			err := token.CheckIssuer(issuer)
			if err == nil {
				t.Fatal("accepted")
			}
			ours, ok := err.(*authz.Error)
			if !ok {
				t.Fatalf("%T is no *authz.Error", err)
			}
			if ours.Field != test.field || !strings.Contains(ours.Message, test.says) {
				t.Errorf("%q %q; want %q, saying %q", ours.Field, ours.Message, test.field, test.says)
			}
		})
	}
}

func TestCheckIssuerRefusesForeignTypes(t *testing.T) {
	issuer := demoIssuer(t, newSigner(t, "ES256"))
	issuer.Types = []string{"at+jwt", "application/DPoP+jwt"}
	err, ok := token.CheckIssuer(issuer).(*authz.Error)
	if !ok || err.Field != "types[1]" {
		t.Errorf("got %v", err)
	}
	issuer.Types, issuer.Keys, issuer.JWKSURL = []string{"JWT", ""}, nil, "https://demo.example/keys"
	if err := token.CheckIssuer(issuer); err != nil {
		t.Error(err)
	}
}

// Keys that are not for us cost none of the others (RFC 7517 section 5).
func TestUnknownKeysAreIgnored(t *testing.T) {
	signer := newSigner(t, "ES256")
	issuer := demoIssuer(t, signer)
	issuer.Keys = setOf(t,
		map[string]any{"kty": "AKP", "alg": "ML-DSA-44", "kid": "pq", "pub": "AAAA"},
		map[string]any{"kty": "OKP", "crv": "X25519", "kid": "x", "x": "AAAA"},
		map[string]any{"kty": "EC", "crv": "secp256k1", "kid": "s", "x": "AAAA", "y": "AAAA"},
		map[string]any{"kty": "RSA", "alg": "RSA-OAEP", "use": "enc", "kid": "e", "n": "AAAA", "e": "AQAB"},
		map[string]any{"kty": "EC", "crv": "P-384", "use": "x509-svid", "x": "AA", "y": "AA"},
		jwk(t, signer, map[string]any{"key_ops": []string{"verify"}, "x5t": "whatever", "new": map[string]any{"a": 1}}),
	)
	if err := token.CheckIssuer(issuer); err != nil {
		t.Fatal(err)
	}
	v := newVerifier(t, token.Config{})
	if p := verify(v, registry{demoURL: issuer}, sign(t, signer, nil, good())); p.Fault != nil {
		t.Errorf("fault %+v, want none: the other keys do not matter", p.Fault)
	}
	if s := v.Status(issuer); s.Keys != 1 || s.Ignored != 5 || s.State != authz.Fresh {
		t.Errorf("status %+v, want 1 key, 5 ignored, fresh", s)
	}
}

// An unsafe key in a stored set does no harm, and none to its neighbours.
func TestUnsafeKeysAreNotUsed(t *testing.T) {
	signer, other := newSigner(t, "ES256"), newSigner(t, "ES256")
	doubled := jwk(t, other, map[string]any{"kid": "twice"})
	issuer := demoIssuer(t, signer)
	issuer.Keys = setOf(t, doubled, jwk(t, signer, nil), doubled, doubled,
		map[string]any{"kty": "oct", "kid": "secret", "k": "AAAA"}, "nonsense")
	v := newVerifier(t, token.Config{})
	issuers := registry{demoURL: issuer}
	if p := verify(v, issuers, sign(t, signer, nil, good())); p.Fault != nil {
		t.Errorf("fault %+v, want none", p.Fault)
	}
	f := forgerOf(t, other)
	f.kid = "twice"
	wantFault(t, verify(v, issuers, f.token(f.header("ES256"), payload(demoURL))), authz.TokenInvalid, "unknown_key")
	if s := v.Status(issuer); s.Keys != 1 || s.Ignored != 5 {
		t.Errorf("status %+v, want 1 key, 5 ignored", s)
	}
	issuer.Revision++
	issuer.Keys = json.RawMessage(`nonsense`)
	wantFault(t, verify(v, issuers, sign(t, signer, nil, good())), authz.IssuerUnavailable, "keys_unavailable")
}

func TestTokenWithoutKidMeansTheOnlyKey(t *testing.T) {
	signer, other := newSigner(t, "ES256"), newSigner(t, "ES256")
	f := forgerOf(t, signer)
	v := newVerifier(t, token.Config{})
	issuer := demoIssuer(t, signer)
	issuers := registry{demoURL: issuer}
	nameless := f.token(`{"alg":"ES256","typ":"at+jwt"}`, payload(demoURL))
	named := f.token(f.header("ES256"), payload(demoURL))

	if p := verify(v, issuers, nameless); p.Fault != nil || p.Token.KeyID != authz.IssuerKeyID(demoURL, signer.KeyID()) {
		t.Errorf("one key with kid: %+v", p)
	}
	issuer.Revision, issuer.Keys = 8, setOf(t, jwk(t, signer, map[string]any{"kid": ""}))
	if p := verify(v, issuers, nameless); p.Fault != nil {
		t.Errorf("one nameless key: %+v", p.Fault)
	}
	wantFault(t, verify(v, issuers, named), authz.TokenInvalid, "unknown_key")
	issuer.Revision, issuer.Keys = 9, setOf(t, jwk(t, signer, nil), jwk(t, other, nil))
	wantFault(t, verify(v, issuers, nameless), authz.TokenInvalid, "unknown_key")
}

func TestRSAKeyWithoutAlgIsPinnedByTheIssuersOnlyRSAAlgorithm(t *testing.T) {
	rs, ps := newSigner(t, "RS256"), newSigner(t, "PS256")
	v := newVerifier(t, token.Config{})
	issuer := demoIssuer(t, rs)
	issuer.Algorithms = []string{"ES256", "RS256"}
	issuer.Keys = setOf(t, jwk(t, rs, map[string]any{"alg": ""}), jwk(t, ps, map[string]any{"alg": ""}))
	if err := token.CheckIssuer(issuer); err != nil {
		t.Fatal(err)
	}
	issuers := registry{demoURL: issuer}
	if p := verify(v, issuers, sign(t, rs, nil, good())); p.Fault != nil {
		t.Errorf("fault %+v, want none", p.Fault)
	}
	wantFault(t, verify(v, issuers, sign(t, ps, nil, good())), authz.TokenInvalid, "alg_not_allowed")
	issuer.Revision++
	issuer.Algorithms = []string{"ES256"}
	wantFault(t, verify(v, issuers, sign(t, rs, nil, good())), authz.TokenInvalid, "alg_not_allowed")
	if s := v.Status(issuer); s.Keys != 0 || s.Ignored != 2 {
		t.Errorf("status %+v, want no key, 2 ignored", s)
	}
}

// What is remembered of a token must not outlive what made it good.
func TestChangedIssuerIsSeenByTheNextVerify(t *testing.T) {
	signer, next := newSigner(t, "ES256"), newSigner(t, "ES256")
	v := newVerifier(t, token.Config{})
	text := sign(t, signer, nil, good())
	original := demoIssuer(t, signer)
	changed := func(change func(*authz.Issuer)) registry {
		issuer := *original
		issuer.Revision++
		change(&issuer)
		return registry{demoURL: &issuer}
	}
	steps := []struct {
		name    string
		issuers registry
		code    authz.ReasonCode
		cause   string
	}{
		{"issuer removed", registry{}, authz.IssuerUntrusted, "issuer_unknown"},
		{"key replaced", changed(func(i *authz.Issuer) { i.Keys = publicSet(t, next) }), authz.TokenInvalid, "unknown_key"},
		{"algorithm removed", changed(func(i *authz.Issuer) { i.Revision++; i.Algorithms = []string{"RS256"} }), authz.TokenInvalid, "alg_not_allowed"},
		{"type removed", changed(func(i *authz.Issuer) { i.Revision += 2; i.Types = []string{"JWT"} }), authz.TokenInvalid, "bad_type"},
		{"mapping changed", changed(func(i *authz.Issuer) { i.Revision += 3; i.Claims.Subject = "client_id" }), authz.TokenInvalid, "missing_sub"},
		{"now fetched", changed(func(i *authz.Issuer) { i.Revision += 4; i.Keys, i.JWKSURL = nil, "https://demo.example/keys" }), authz.IssuerUnavailable, "keys_unavailable"},
		{"registered under another id", changed(func(i *authz.Issuer) { i.ID, i.Revision, i.Keys = "demo2", 7, publicSet(t, next) }), authz.TokenInvalid, "unknown_key"},
	}
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			for range 2 { // verified, then remembered
				if p := verify(v, registry{demoURL: original}, text); p.Fault != nil {
					t.Fatalf("fault %+v, want none", p.Fault)
				}
			}
			wantFault(t, verify(v, step.issuers, text), step.code, step.cause)
		})
	}
	audience := changed(func(i *authz.Issuer) { i.Revision += 5; i.Audiences = []string{"other"} })
	if p := verify(v, audience, text); !slices.Equal(p.Token.AcceptedAudiences, []string{"other"}) {
		t.Errorf("accepted audiences %v", p.Token.AcceptedAudiences)
	}
}

// Callers add the called service to the accepted audiences: that must not reach
// the principals of other callers.
func TestPrincipalsDoNotShareWhatIsAppended(t *testing.T) {
	signer := newSigner(t, "ES256")
	v := newVerifier(t, token.Config{})
	issuer := demoIssuer(t, signer)
	issuer.Audiences = append(make([]string, 0, 8), "brightfold")
	issuers := registry{demoURL: issuer}
	text := sign(t, signer, nil, good())
	for _, service := range []string{"svc:email", "svc:billing"} {
		p := verify(v, issuers, text)
		p.Token.AcceptedAudiences = append(p.Token.AcceptedAudiences, service)
		p.Token.Subject = "mu:changed"
	}
	p := verify(v, issuers, text)
	if p.Token.Subject != "mu:user-svc" || len(p.Token.AcceptedAudiences) != 1 || issuer.Audiences[:2][1] != "" {
		t.Errorf("token %+v, the issuer's audiences %v; want neither changed by appending", p.Token, issuer.Audiences[:2])
	}
}

func TestCacheIsBounded(t *testing.T) {
	signer := newSigner(t, "EdDSA")
	issuers := registry{demoURL: demoIssuer(t, signer)}
	for _, size := range []int{-1, 1, 2} {
		v := newVerifier(t, token.Config{CacheSize: size})
		for i := range 6 {
			id := fmt.Sprintf("j-%d", i%3)
			p := verify(v, issuers, sign(t, signer, nil, with(map[string]any{"jti": id})))
			if p.Fault != nil || p.Token.ID != authz.TokenID(demoURL, id) {
				t.Errorf("size %d: %+v", size, p)
			}
		}
	}
}
