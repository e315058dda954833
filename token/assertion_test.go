package token_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v3"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/test/forge"
	"github.com/verdict-pdp/verdict/token"
)

const ourURL = "https://verdict.example"

// client is a machine user that signs client assertions.
type client struct {
	forger
	alg string
}

func newClient(t testing.TB, alg, kid string) client {
	t.Helper()
	c := client{forger: forgerOf(t, newSigner(t, alg)), alg: alg}
	c.kid = kid
	return c
}

// public is the client's key as registered; kid "" leaves it nameless.
func (c client) public() string {
	jwk := jose.JSONWebKey{Key: c.key, KeyID: c.kid, Algorithm: c.alg, Use: "sig"}
	public := jwk.Public()
	data, err := json.Marshal(public)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(data)
}

func publicKey(id, state string, generation int, jwks ...string) *authz.Credential {
	return &authz.Credential{
		Header: authz.Header{ID: id, Revision: 1}, MachineUser: "mu:user-svc", Kind: authz.KindPublicKey,
		State: state, Generation: generation, Keys: json.RawMessage(`{"keys":[` + strings.Join(jwks, ",") + `]}`),
	}
}

// registered lists the credentials of mu:user-svc.
func registered(credentials ...*authz.Credential) func(string) ([]*authz.Credential, *authz.Fault) {
	return func(machineUser string) ([]*authz.Credential, *authz.Fault) {
		if machineUser != "mu:user-svc" {
			return nil, nil
		}
		return credentials, nil
	}
}

// assertionPayload is a good assertion's payload, changes being members replaced,
// or with "" removed.
func assertionPayload(jti string, changes map[string]string) string {
	members := map[string]string{
		"iss": `"mu:user-svc"`, "sub": `"mu:user-svc"`, "aud": fmt.Sprintf("%q", ourURL), "jti": fmt.Sprintf("%q", jti),
		"iat": fmt.Sprint(judged.Unix()), "exp": fmt.Sprint(judged.Add(time.Minute).Unix()),
	}
	for name, value := range changes {
		members[name] = value
	}
	var written []string
	for name, value := range members {
		if value != "" {
			written = append(written, fmt.Sprintf("%q:%s", name, value))
		}
	}
	return "{" + strings.Join(written, ",") + "}"
}

func (c client) sign(changes map[string]string) string {
	return c.token(fmt.Sprintf(`{"alg":%q,"kid":%q}`, c.alg, c.kid), assertionPayload("j", changes))
}

func wantAssertionFault(t *testing.T, a *token.Assertion, fault *authz.Fault, code authz.ReasonCode, cause string) {
	t.Helper()
	switch {
	case cause == "":
		if fault != nil || a == nil {
			t.Errorf("fault %+v, want none", fault)
		}
	case fault == nil:
		t.Errorf("accepted; want %s", cause)
	case a != nil || fault.Code != code || fault.Cause != cause || fault.Message == "" || fault.Fix == "":
		t.Errorf("%+v; want %s %s", fault, code, cause)
	}
}

func TestAssertion(t *testing.T) {
	c, rs := newClient(t, "ES256", "k1"), newClient(t, "RS256", "r1")
	claim := func(name, value string) string { return c.sign(map[string]string{name: value}) }
	head := func(header string) string { return c.token(header, assertionPayload("j", nil)) }
	after := func(d time.Duration) string { return fmt.Sprint(judged.Add(d).Unix()) }
	credentials := registered(
		&authz.Credential{Header: authz.Header{ID: "secret"}, Kind: authz.KindSharedSecret, State: authz.CredentialActive},
		publicKey("keys", authz.CredentialActive, 1, c.public(), rs.public()),
	)
	const inv, unknown = authz.TokenInvalid, authz.CredentialUnknown
	for name, row := range map[string]struct {
		text, clientID string
		code           authz.ReasonCode
		cause          string
	}{
		"good":                   {text: c.sign(nil)},
		"good, with client_id":   {text: c.sign(nil), clientID: "mu:user-svc"},
		"good, RSA":              {text: rs.sign(nil)},
		"good, typ JWT":          {text: head(`{"alg":"ES256","kid":"k1","typ":"JWT"}`)},
		"good, its own typ":      {text: head(`{"alg":"ES256","kid":"k1","typ":"application/client-authentication+jwt"}`)},
		"good, without iat":      {text: claim("iat", "")},
		"good, nbf now":          {text: claim("nbf", after(0))},
		"good, for five minutes": {text: claim("exp", after(5*time.Minute))},

		"too large":             {claim("x", `"`+strings.Repeat("a", 8<<10)+`"`), "", inv, "assertion_malformed"},
		"no JWT":                {"assertion", "", inv, "assertion_malformed"},
		"payload a list":        {c.token(`{"alg":"ES256","kid":"k1"}`, "[]"), "", inv, "assertion_malformed"},
		"alg none":              {head(`{"alg":"none"}`), "", inv, "assertion_header"},
		"jwk in the header":     {head(`{"alg":"ES256","jwk":` + c.public() + `}`), "", inv, "assertion_header"},
		"crit in the header":    {head(`{"alg":"ES256","crit":["a"]}`), "", inv, "assertion_header"},
		"alg symmetric":         {forge.HMAC(`{"alg":"HS256","kid":"k1"}`, assertionPayload("j", nil), []byte(c.public())), "", inv, "assertion_algorithm"},
		"an access token":       {head(`{"alg":"ES256","kid":"k1","typ":"at+jwt"}`), "", inv, "assertion_type"},
		"a DPoP proof":          {head(`{"alg":"ES256","kid":"k1","typ":"dpop+jwt"}`), "", inv, "assertion_type"},
		"iss of another":        {claim("iss", `"mu:other"`), "", inv, "assertion_subject"},
		"iss missing":           {claim("iss", ""), "", inv, "assertion_subject"},
		"sub missing":           {c.sign(map[string]string{"iss": "", "sub": ""}), "", inv, "assertion_subject"},
		"sub no id":             {c.sign(map[string]string{"iss": `"a b"`, "sub": `"a b"`}), "", inv, "assertion_subject"},
		"client_id of another":  {c.sign(nil), "mu:other", inv, "assertion_subject"},
		"client unknown":        {c.sign(map[string]string{"iss": `"mu:other"`, "sub": `"mu:other"`}), "", unknown, "no_key"},
		"kid unknown":           {head(`{"alg":"ES256","kid":"k2"}`), "", unknown, "no_key"},
		"kid missing":           {head(`{"alg":"ES256"}`), "", unknown, "kid_required"},
		"another's key":         {newClient(t, "ES256", "k1").sign(nil), "", unknown, "bad_signature"},
		"another's kid":         {c.token(`{"alg":"ES256","kid":"r1"}`, assertionPayload("j", nil)), "", unknown, "key_algorithm"},
		"aud of another":        {claim("aud", `"https://other.example"`), "", inv, "assertion_audience"},
		"aud a list":            {claim("aud", `["`+ourURL+`"]`), "", inv, "assertion_audience"},
		"aud with final slash":  {claim("aud", `"`+ourURL+`/"`), "", inv, "assertion_audience"},
		"aud missing":           {claim("aud", ""), "", inv, "assertion_audience"},
		"exp missing":           {claim("exp", ""), "", inv, "assertion_exp"},
		"exp null":              {claim("exp", "null"), "", inv, "assertion_claim"},
		"exp beyond numbers":    {claim("exp", "1e300"), "", inv, "assertion_claim"},
		"exp now":               {c.sign(map[string]string{"iat": after(-time.Minute), "exp": after(0)}), "", inv, "assertion_expired"},
		"exp far":               {c.sign(map[string]string{"iat": "", "exp": after(5*time.Minute + time.Second)}), "", inv, "assertion_life"},
		"life long":             {c.sign(map[string]string{"iat": after(-time.Minute), "exp": after(4*time.Minute + time.Second)}), "", inv, "assertion_life"},
		"iat in the future":     {claim("iat", after(11*time.Second)), "", inv, "assertion_early"},
		"nbf in the future":     {claim("nbf", after(11*time.Second)), "", inv, "assertion_early"},
		"jti missing":           {claim("jti", ""), "", inv, "assertion_jti"},
		"jti empty":             {claim("jti", `""`), "", inv, "assertion_jti"},
		"jti too long":          {claim("jti", `"`+strings.Repeat("j", 257)+`"`), "", inv, "assertion_jti"},
		"jti a number":          {claim("jti", `7`), "", inv, "assertion_jti"},
		"made before the start": {c.sign(map[string]string{"iat": after(-2 * time.Hour), "exp": after(-2*time.Hour + time.Minute)}), "", inv, "assertion_expired"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newProofVerifier(t, judged.Add(-time.Hour))
			check := func(rehearsal bool) (*token.Assertion, *authz.Fault) {
				return s.VerifyAssertion(row.text, row.clientID, credentials, []string{"https://verdict.example/oauth2/token", ourURL}, judged, rehearsal)
			}
			for _, rehearsal := range []bool{true, false} {
				a, fault := check(rehearsal)
				wantAssertionFault(t, a, fault, row.code, row.cause)
			}
			code, cause := row.code, row.cause
			if cause == "" {
				code, cause = inv, "assertion_replayed"
			}
			for _, rehearsal := range []bool{true, false} {
				a, fault := check(rehearsal)
				wantAssertionFault(t, a, fault, code, cause)
			}
		})
	}
}

func TestAssertionSays(t *testing.T) {
	c := newClient(t, "ES256", "k1")
	a, fault := newProofVerifier(t, judged).VerifyAssertion(c.sign(nil), "", registered(publicKey("cred-1", authz.CredentialActive, 1, c.public())), []string{ourURL}, judged, false)
	if fault != nil {
		t.Fatalf("fault %+v, want none", fault)
	}
	machineUser, credential, issuedAt, expiresAt := a.Says()
	if machineUser != "mu:user-svc" || credential != "cred-1" || !issuedAt.Equal(judged) || !expiresAt.Equal(judged.Add(time.Minute)) {
		t.Errorf("machine user %s, credential %s, issued at %v, expires at %v; want mu:user-svc, cred-1, now and a minute later", machineUser, credential, issuedAt, expiresAt)
	}
}

// Credentials in every state are tried, accepted ones first, so that policies can
// say what became of the one that signed.
func TestAssertionFindsTheCredential(t *testing.T) {
	first, second, stranger := newClient(t, "ES256", ""), newClient(t, "ES256", ""), newClient(t, "ES256", "")
	unnamed := func(c client) string { return c.token(`{"alg":"ES256"}`, assertionPayload("j", nil)) }
	named := func(c client, kid string) client { c.kid = kid; return c }
	early := func(c *authz.Credential) *authz.Credential { c.NotBefore = judged.Add(time.Second); return c }
	const (
		active, pending  = authz.CredentialActive, authz.CredentialPending
		retired, revoked = authz.CredentialRetired, authz.CredentialRevoked
	)
	for name, row := range map[string]struct {
		text        string
		credentials []*authz.Credential
		want, cause string
	}{
		"the only one":                 {unnamed(first), []*authz.Credential{publicKey("a", active, 1, first.public())}, "a", ""},
		"retired":                      {unnamed(first), []*authz.Credential{publicKey("a", retired, 1, first.public())}, "a", ""},
		"new beside retired":           {unnamed(second), []*authz.Credential{publicKey("b", active, 2, second.public()), publicKey("a", retired, 1, first.public())}, "b", ""},
		"retired beside new":           {unnamed(first), []*authz.Credential{publicKey("b", active, 2, second.public()), publicKey("a", retired, 1, first.public())}, "a", ""},
		"two accepted, no kid":         {unnamed(first), []*authz.Credential{publicKey("b", pending, 2, second.public()), publicKey("a", active, 1, first.public())}, "", "kid_required"},
		"two accepted, by kid":         {named(first, "1").sign(nil), []*authz.Credential{publicKey("b", pending, 2, named(second, "2").public()), publicKey("a", active, 1, named(first, "1").public())}, "a", ""},
		"two of one kid":               {named(first, "1").sign(nil), []*authz.Credential{publicKey("b", pending, 2, named(second, "1").public()), publicKey("a", active, 1, named(first, "1").public())}, "a", ""},
		"one key in two generations":   {named(first, "1").sign(nil), []*authz.Credential{publicKey("c", revoked, 3, named(first, "1").public()), publicKey("b", active, 2, named(first, "1").public()), publicKey("a", active, 1, named(first, "1").public())}, "b", ""},
		"not yet the newest":           {named(first, "1").sign(nil), []*authz.Credential{early(publicKey("b", active, 2, named(first, "1").public())), publicKey("a", active, 1, named(first, "1").public())}, "a", ""},
		"early, no kid":                {unnamed(first), []*authz.Credential{early(publicKey("b", pending, 2, second.public())), publicKey("a", active, 1, first.public())}, "a", ""},
		"early before retired":         {named(first, "1").sign(nil), []*authz.Credential{publicKey("b", retired, 2, named(first, "1").public()), early(publicKey("a", active, 1, named(first, "1").public()))}, "a", ""},
		"a stranger":                   {unnamed(stranger), []*authz.Credential{publicKey("b", active, 2, second.public()), publicKey("a", retired, 1, first.public())}, "", "bad_signature"},
		"kid of nobody":                {named(first, "9").sign(nil), []*authz.Credential{publicKey("a", active, 1, named(first, "1").public())}, "", "no_key"},
		"keys unreadable":              {unnamed(first), []*authz.Credential{publicKey("a", active, 1, "]")}, "", "no_key"},
		"no credential":                {unnamed(first), nil, "", "no_key"},
		"kid where the key has no one": {named(first, "1").sign(nil), []*authz.Credential{publicKey("a", active, 1, first.public())}, "", "no_key"},
	} {
		t.Run(name, func(t *testing.T) {
			a, fault := newProofVerifier(t, judged).VerifyAssertion(row.text, "", registered(row.credentials...), []string{ourURL}, judged, false)
			wantAssertionFault(t, a, fault, authz.CredentialUnknown, row.cause)
			if row.cause == "" {
				if _, credential, _, _ := a.Says(); credential != row.want {
					t.Errorf("credential %s, want %s", credential, row.want)
				}
			}
		})
	}
}

// Keys are read once a revision: a changed credential is read anew.
func TestAssertionOfChangedCredential(t *testing.T) {
	old, replaced := newClient(t, "ES256", "k"), newClient(t, "ES256", "k")
	s := newProofVerifier(t, judged)
	credential := publicKey("a", authz.CredentialActive, 1, old.public())
	check := func(c client, jti string) *authz.Fault {
		text := c.token(`{"alg":"ES256","kid":"k"}`, assertionPayload(jti, nil))
		_, fault := s.VerifyAssertion(text, "", registered(credential), []string{ourURL}, judged, false)
		return fault
	}
	if fault := check(old, "1"); fault != nil {
		t.Fatalf("fault %+v, want none for the first use", fault)
	}
	credential = publicKey("a", authz.CredentialActive, 1, replaced.public())
	credential.Revision = 2
	if fault := check(old, "2"); fault == nil || fault.Cause != "bad_signature" {
		t.Errorf("the old key: %+v", fault)
	}
	if fault := check(replaced, "3"); fault != nil {
		t.Errorf("the new key: %+v", fault)
	}
}

func TestAssertionMadeBeforeTheStart(t *testing.T) {
	c := newClient(t, "ES256", "k1")
	credentials := registered(publicKey("a", authz.CredentialActive, 1, c.public()))
	check := func(started time.Time, changes map[string]string) (*token.Assertion, *authz.Fault) {
		return newProofVerifier(t, started).VerifyAssertion(c.sign(changes), "", credentials, []string{ourURL}, judged.Add(2*time.Second), false)
	}
	a, fault := check(judged, nil)
	wantAssertionFault(t, a, fault, "", "")
	a, fault = check(judged.Add(time.Second), nil)
	wantAssertionFault(t, a, fault, authz.TokenInvalid, "before_start")
	// Without iat it may have been made up to five minutes before its end.
	a, fault = check(judged, map[string]string{"iat": ""})
	wantAssertionFault(t, a, fault, authz.TokenInvalid, "before_start")
	a, fault = check(judged, map[string]string{"iat": "", "exp": fmt.Sprint(judged.Add(5 * time.Minute).Unix())})
	wantAssertionFault(t, a, fault, "", "")
}

func TestAssertionWithoutDirectory(t *testing.T) {
	c := newClient(t, "ES256", "k1")
	broken := func(string) ([]*authz.Credential, *authz.Fault) {
		return nil, &authz.Fault{Code: authz.IssuerUnavailable, Cause: "credential_lookup", Message: "m", Fix: "f"}
	}
	a, fault := newProofVerifier(t, judged).VerifyAssertion(c.sign(nil), "", broken, []string{ourURL}, judged, false)
	wantAssertionFault(t, a, fault, authz.IssuerUnavailable, "credential_lookup")
	a, fault = newProofVerifier(t, judged).VerifyAssertion(c.sign(nil), "", registered(publicKey("a", authz.CredentialActive, 1, c.public())), nil, judged, false)
	wantAssertionFault(t, a, fault, authz.TokenInvalid, "assertion_audience")
}

func TestCheckCredential(t *testing.T) {
	c := newClient(t, "ES256", "k1")
	private, err := json.Marshal(jose.JSONWebKey{Key: c.key, KeyID: "k1", Algorithm: "ES256"})
	if err != nil {
		t.Fatal(err)
	}
	rsaJWK, err := json.Marshal(jose.JSONWebKey{Key: rsaKey(t, 2048).Public(), KeyID: "r"})
	if err != nil {
		t.Fatal(err)
	}
	keys := func(jwks ...string) *authz.Credential { return publicKey("a", authz.CredentialActive, 1, jwks...) }
	names := func(names ...string) *authz.Credential {
		return &authz.Credential{Kind: authz.KindCertificate, Names: names}
	}
	sum := token.Thumbprint([]byte("leaf"))
	for name, row := range map[string]struct {
		credential *authz.Credential
		field      string // "" when sound
	}{
		"a key":              {keys(c.public()), ""},
		"a key elsewhere":    {&authz.Credential{Kind: authz.KindPublicKey}, ""},
		"a name elsewhere":   {names(), ""},
		"two keys":           {keys(c.public(), newClient(t, "ES384", "k2").public()), ""},
		"an empty set":       {keys(), "keys"},
		"no set":             {&authz.Credential{Kind: authz.KindPublicKey, Keys: []byte(`[]`)}, "keys"},
		"a private key":      {keys(string(private)), "keys.keys[0].d"},
		"a symmetric key":    {keys(c.public(), `{"kty":"oct","k":"AAAA"}`), "keys.keys[1].kty"},
		"one kid twice":      {keys(c.public(), c.public()), "keys.keys[1].kid"},
		"RSA without alg":    {keys(string(rsaJWK)), "keys.keys[0].alg"},
		"a secret":           {&authz.Credential{Kind: authz.KindSharedSecret}, ""},
		"a federated name":   {&authz.Credential{Kind: authz.KindFederated, Names: []string{"anything goes"}}, ""},
		"names":              {names("spiffe://prod.example/ns/a", "x5t:"+sum, "dns:user.example.com", "dns:localhost", "uri:urn:svc:user", "uri:https://a.example/x"), ""},
		"no prefix":          {names("x5t:"+sum, "user.example.com"), "names[1]"},
		"prefix unknown":     {names("cn:user"), "names[0]"},
		"prefix in upper":    {names("DNS:user"), "names[0]"},
		"x5t short":          {names("x5t:" + sum[:42]), "names[0]"},
		"x5t in hex":         {names("x5t:" + strings.Repeat("0a", 32)), "names[0]"},
		"x5t not canonical":  {names("x5t:" + strings.Repeat("A", 42) + "B"), "names[0]"},
		"SPIFFE domain":      {names("spiffe://prod.example"), "names[0]"},
		"SPIFFE final slash": {names("spiffe://prod.example/a/"), "names[0]"},
		"SPIFFE upper case":  {names("spiffe://Prod.example/a"), "names[0]"},
		"SPIFFE too long":    {names("spiffe://prod.example/" + strings.Repeat("a", 2048)), "names[0]"},
		"SPIFFE as a URI":    {names("uri:spiffe://prod.example/a"), "names[0]"},
		"dns empty":          {names("dns:"), "names[0]"},
		"dns upper case":     {names("dns:User.example.com"), "names[0]"},
		"dns wildcard":       {names("dns:*.example.com"), "names[0]"},
		"dns final dot":      {names("dns:example.com."), "names[0]"},
		"dns hyphen first":   {names("dns:-a.example.com"), "names[0]"},
		"dns label too long": {names("dns:" + strings.Repeat("a", 64)), "names[0]"},
		"dns too long":       {names("dns:" + strings.Repeat("a.", 126) + "aa"), "names[0]"},
		"uri relative":       {names("uri:/a"), "names[0]"},
		"uri empty":          {names("uri:"), "names[0]"},
		"uri upper case":     {names("uri:URN:a"), "names[0]"},
	} {
		err := token.CheckCredential(row.credential)
		if row.field == "" {
			if err != nil {
				t.Errorf("%s: error %v, want none", name, err)
			}
			continue
		}
		var of *authz.Error
		if !errors.As(err, &of) || of.Field != row.field || of.Code != authz.CodeInvalid || of.Message == "" {
			t.Errorf("%s: %v about %+v, want %s", name, err, of, row.field)
		}
	}
}

// FuzzAssertion signs arbitrary headers and payloads with the registered key:
// nothing panics, and what is accepted is accepted once, of that client and for us.
func FuzzAssertion(f *testing.F) {
	c := newClient(f, "ES256", "k1")
	good := assertionPayload("j", nil)
	f.Add(`{"alg":"ES256"}`, good)
	f.Add(`{"alg":"ES256","kid":"k1","typ":"JWT"}`, assertionPayload("j", map[string]string{"iat": ""}))
	f.Add(`{"alg":"ES256","kid":"k1"}`, `{"iss":"mu:user-svc","sub":"mu:user-svc"}`)
	f.Add(`{"alg":"none"}`, good)
	credentials := registered(publicKey("a", authz.CredentialActive, 1, c.public()))
	f.Fuzz(func(t *testing.T, header, payload string) {
		signer := c
		signer.t = t
		s := newProofVerifier(t, judged.Add(-time.Hour))
		text := signer.token(header, payload)
		a, fault := s.VerifyAssertion(text, "", credentials, []string{ourURL}, judged, false)
		if (a == nil) == (fault == nil) {
			t.Fatalf("assertion %v, fault %+v; want one of them", a, fault)
		}
		if fault != nil {
			if fault.Code == "" || fault.Cause == "" || fault.Message == "" || fault.Fix == "" {
				t.Errorf("says too little: %+v", fault)
			}
			return
		}
		var said map[string]any
		if err := json.Unmarshal([]byte(payload), &said); err != nil || said["sub"] != "mu:user-svc" || said["iss"] != said["sub"] || said["aud"] != ourURL {
			t.Errorf("accepted %q: %v", payload, err)
		}
		if _, again := s.VerifyAssertion(text, "", credentials, []string{ourURL}, judged, false); again == nil || again.Cause != "assertion_replayed" {
			t.Errorf("again: %+v", again)
		}
	})
}
