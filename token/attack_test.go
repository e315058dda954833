package token_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"

	jose "github.com/go-jose/go-jose/v3"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/test/forge"
	"github.com/verdict-pdp/verdict/token"
)

// The issuers of the arena.
const (
	esURL  = "https://es.example"
	rsURL  = "https://rs.example"
	psURL  = "https://ps.example"
	laxURL = "https://lax.example"
)

// arena is a verifier with issuers that forged tokens are thrown at. Unless a
// row says otherwise the tokens are signed with the registered key, so that
// nothing but the attack itself can be what refuses them.
type arena struct {
	v          *token.Verifier
	issuers    registry
	es, rs, ps forger
	stranger   forger // ES256, with the kid of es
	esSigner   *token.Signer
}

func newArena(t testing.TB) arena {
	t.Helper()
	a := arena{v: newVerifier(t, token.Config{CacheSize: -1}), issuers: registry{}, esSigner: newSigner(t, "ES256")}
	rs, ps := newSigner(t, "RS256"), newSigner(t, "PS256")
	a.es, a.rs, a.ps = forgerOf(t, a.esSigner), forgerOf(t, rs), forgerOf(t, ps)
	a.stranger = forgerOf(t, newSigner(t, "ES256"))
	a.stranger.kid = a.es.kid
	for url, s := range map[string]*token.Signer{esURL: a.esSigner, rsURL: rs, psURL: ps, laxURL: a.esSigner} {
		issuer := demoIssuer(t, s)
		issuer.URL, issuer.ID = url, strings.TrimSuffix(strings.TrimPrefix(url, "https://"), ".example")
		a.issuers[url] = issuer
	}
	// As no CheckIssuer would let it be: the verifier holds by itself.
	a.issuers[laxURL].Types = []string{"", "JWT", "dpop+jwt", "secevent+jwt", "logout+jwt", "token-introspection+jwt",
		"client-authentication+jwt", "statuslist+jwt", "wit+jwt", "entity-statement+jwt"}
	a.issuers[laxURL].Algorithms = []string{"ES256", "HS256", "none"}
	a.issuers[laxURL].StatusLists = []string{"https://lax.example/list"}
	// Issuers that sign no tokens, whatever keys they have.
	for _, kind := range []string{authz.IssuerIntrospection, authz.IssuerX509} {
		mute := *a.issuers[esURL]
		mute.ID, mute.URL, mute.Kind = kind, "https://"+kind+".example", kind
		mute.Introspection = &authz.Introspection{TokenPrefix: "not-here-"}
		a.issuers[mute.URL] = &mute
	}
	// A key for PS512 of an issuer that also signs RS256.
	mixed := *a.issuers[psURL]
	mixed.Keys = json.RawMessage(strings.ReplaceAll(string(mixed.Keys), `"PS256"`, `"PS512"`))
	mixed.ID, mixed.URL, mixed.Algorithms = "mixed", "https://mixed.example", []string{"PS512", "RS256"}
	a.issuers[mixed.URL] = &mixed
	return a
}

// payload is a good payload of an issuer, with more members appended.
func payload(iss string, more ...string) string {
	members := append([]string{
		fmt.Sprintf(`"iss":%q`, iss), `"sub":"mu:user-svc"`, `"aud":"brightfold"`,
		fmt.Sprintf(`"iat":%d`, now.Unix()), fmt.Sprintf(`"exp":%d`, now.Unix()+600),
	}, more...)
	return "{" + strings.Join(members, ",") + "}"
}

// attack is one row of the list every verifier has to withstand.
type attack struct {
	name  string
	token string
	code  authz.ReasonCode // TOKEN_INVALID when empty
	cause string
}

func (a arena) attacks(t testing.TB) []attack {
	es := payload(esURL)
	good := a.es.token(a.es.header("ES256"), es)
	parts := strings.Split(good, ".")
	return slicesOf(
		a.algorithmAttacks(t, es),
		a.serializationAttacks(good, parts),
		a.headerAttacks(t, es),
		a.typeAttacks(),
		a.payloadAttacks(),
		a.dateAttacks(),
		a.issuerAttacks(),
		a.keyAttacks(t, es),
	)
}

func slicesOf(lists ...[]attack) (all []attack) {
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}

func (a arena) algorithmAttacks(t testing.TB, es string) []attack {
	public := &a.rs.key.(*rsa.PrivateKey).PublicKey
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	unsigned := func(alg string) string { return forge.Part(a.es.header(alg)) + "." + forge.Part(es) + "." }
	return []attack{
		{name: "alg none", token: unsigned("none"), cause: "alg_none"},
		{name: "alg noNe", token: unsigned("noNe"), cause: "alg_none"},
		{name: "alg none, signed", token: a.es.token(a.es.header("none"), es), cause: "alg_none"},
		{name: "alg none, on the issuer's list", token: forge.Part(`{"alg":"none"}`) + "." + forge.Part(payload(laxURL)) + ".", cause: "alg_none"},
		{name: "alg missing", token: a.es.token(`{"typ":"at+jwt"}`, es), cause: "alg_missing"},
		{name: "alg empty", token: a.es.token(`{"alg":"","typ":"at+jwt"}`, es), cause: "alg_missing"},
		{name: "alg null", token: a.es.token(`{"alg":null,"typ":"at+jwt"}`, es), cause: "alg_missing"},
		{name: "alg a list", token: a.es.token(`{"alg":["ES256"],"typ":"at+jwt"}`, es), cause: "alg_missing"},
		{name: "alg lower case", token: a.es.token(a.es.header("es256"), es), cause: "alg_not_allowed"},
		{name: "alg unknown", token: a.es.token(a.es.header("ML-DSA-44"), es), cause: "alg_not_allowed"},
		{name: "HS256 with the RSA modulus", token: forge.HMAC(a.rs.header("HS256"), payload(rsURL), public.N.Bytes()), cause: "alg_not_allowed"},
		{name: "HS256 with the RSA key's DER", token: forge.HMAC(a.rs.header("HS256"), payload(rsURL), der), cause: "alg_not_allowed"},
		{name: "HS256 on the issuer's list", token: forge.HMAC(a.es.header("HS256"), payload(laxURL), der), cause: "alg_not_allowed"},
		{name: "RS256 with a PS512 key", token: a.ps.token(a.ps.header("RS256"), payload("https://mixed.example")), cause: "alg_not_allowed"},
		{name: "RS256 of a PS256 issuer", token: a.ps.token(a.ps.header("RS256"), payload(psURL)), cause: "alg_not_allowed"},
		{name: "PS256 without salt", token: a.ps.pss(a.ps.header("PS256"), payload(psURL), 0), cause: "bad_signature"},
		{name: "PS256 with a short salt", token: a.ps.pss(a.ps.header("PS256"), payload(psURL), 20), cause: "bad_signature"},
		{name: "PS256 with the longest salt", token: a.ps.pss(a.ps.header("PS256"), payload(psURL), rsa.PSSSaltLengthAuto), cause: "bad_signature"},
	}
}

func (a arena) serializationAttacks(good string, parts []string) []attack {
	flattened := fmt.Sprintf(`{"protected":%q,"payload":%q,"signature":%q}`, parts[0], parts[1], parts[2])
	unprotected := fmt.Sprintf(`{"header":{"alg":"ES256"},"payload":%q,"signature":%q}`, parts[1], parts[2])
	general := fmt.Sprintf(`{"payload":%q,"signatures":[{"protected":%q,"signature":%q}]}`, parts[1], parts[0], parts[2])
	return []attack{
		{name: "JSON serialization, flattened", token: flattened, cause: "not_compact"},
		{name: "JSON serialization, alg unprotected", token: unprotected, cause: "not_compact"},
		{name: "JSON serialization, general", token: general, cause: "not_compact"},
		{name: "padding", token: parts[0] + "==." + parts[1] + "." + parts[2], cause: "bad_base64"},
		{name: "padding at the end", token: good + "=", cause: "bad_base64"},
		{name: "standard base64", token: parts[0] + "." + parts[1] + ".+/" + parts[2][2:], cause: "bad_base64"},
		{name: "space inside", token: parts[0] + ". " + parts[1] + "." + parts[2], cause: "not_compact"},
		{name: "newline inside", token: parts[0] + "\n." + parts[1] + "." + parts[2], cause: "not_compact"},
		{name: "newline after", token: good + "\n", cause: "not_compact"},
		{name: "Bearer before", token: "Bearer " + good, cause: "not_compact"},
		{name: "NUL inside", token: parts[0] + ".\x00" + parts[1] + "." + parts[2], cause: "not_compact"},
		{name: "unused bits set", token: unusedBits(good), cause: "bad_base64"},
		{name: "impossible length", token: parts[0] + "." + parts[1] + ".AAAAA", cause: "bad_base64"},
		{name: "two parts", token: parts[0] + "." + parts[1], code: authz.IssuerUntrusted, cause: "issuer_unknown"},
		{name: "four parts", token: good + ".AA", code: authz.IssuerUntrusted, cause: "issuer_unknown"},
		{name: "encrypted, five parts", token: forge.Part(`{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2147483647}`) + ".AA.AA.AA.AA", code: authz.IssuerUntrusted, cause: "issuer_unknown"},
		{name: "only dots", token: "..", cause: "malformed"},
		{name: "detached payload", token: parts[0] + ".." + parts[2], cause: "malformed"},
		{name: "empty signature", token: parts[0] + "." + parts[1] + ".", cause: "bad_signature"},
		{name: "cut signature", token: good[:len(good)-2], cause: "bad_signature"},
		{name: "100,000 dots", token: strings.Repeat(".", 100_000), cause: "too_large"},
		{name: "16,384 dots", token: strings.Repeat(".", token.MaxTokenBytes), cause: "too_large"},
		{name: "oversize", token: a.es.token(a.es.header("ES256"), payload(esURL, `"x":"`+strings.Repeat("x", 16<<10)+`"`)), cause: "too_large"},
	}
}

// unusedBits spells the same signature bytes with another last character: the
// 64 bytes of ES256 leave four bits of it unused.
func unusedBits(good string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, good[len(good)-1])
	return good[:len(good)-1] + string(alphabet[last|1])
}

func (a arena) headerAttacks(t testing.TB, es string) []attack {
	private := mustJSON(t, jose.JSONWebKey{Key: a.rs.key})
	public := mustJSON(t, jose.JSONWebKey{Key: &a.stranger.key.(*ecdsa.PrivateKey).PublicKey})
	header := func(more ...string) string { return a.es.token(a.es.header("ES256", more...), es) }
	attacks := []attack{
		{name: "header jwk", token: a.stranger.token(a.es.header("ES256", `"jwk":`+public), es), cause: "header_jwk"},
		{name: "header jwk, private RSA", token: header(`"jwk":` + private), cause: "header_jwk"},
		{name: "header jwk, private RSA of 8192 bits", token: header(`"jwk":` + hugeRSA()), cause: "header_jwk"},
		{name: "header jku", token: header(`"jku":"https://attacker.example/keys"`), cause: "header_jku"},
		{name: "header x5u", token: header(`"x5u":"https://attacker.example/cert"`), cause: "header_x5u"},
		{name: "header x5c", token: header(`"x5c":["AA=="]`), cause: "header_x5c"},
		{name: "header zip", token: header(`"zip":"DEF"`), cause: "header_zip"},
		{name: "header b64", token: header(`"b64":false`), cause: "header_b64"},
		{name: "header cty", token: header(`"cty":"JWT"`), cause: "header_member"},
		{name: "header unknown", token: header(`"x":1`), cause: "header_member"},
		{name: "header case variant", token: header(`"ALG":"none"`), cause: "header_member"},
		{name: "crit unknown", token: header(`"crit":["x"]`), cause: "crit"},
		{name: "crit empty", token: header(`"crit":[]`), cause: "crit"},
		{name: "crit b64", token: header(`"crit":["b64"]`, `"b64":true`), cause: "crit"},
		{name: "duplicate alg", token: header(`"alg":"ES256"`), cause: "duplicate_member"},
		{name: "duplicate alg, escaped", token: header(`"\u0061lg":"none"`), cause: "duplicate_member"},
		{name: "header not an object", token: a.es.token(`["ES256"]`, es), cause: "malformed"},
		{name: "header null", token: a.es.token(`null`, es), cause: "malformed"},
		{name: "header not JSON", token: a.es.token(`{"alg":`, es), cause: "malformed"},
		{name: "header followed by more", token: a.es.token(a.es.header("ES256")+"{}", es), cause: "malformed"},
		{name: "header invalid UTF-8", token: a.es.token(a.es.header("ES256", "\"x\":\"\xff\""), es), cause: "malformed"},
		{name: "header nested", token: header(`"x":` + nest(5_000)), cause: "too_deep"},
		{name: "header huge kid", token: a.es.token(`{"alg":"ES256","typ":"at+jwt","kid":"`+strings.Repeat("k", 257)+`"}`, es), cause: "bad_kid"},
		{name: "kid empty", token: a.es.token(`{"alg":"ES256","typ":"at+jwt","kid":""}`, es), cause: "bad_kid"},
		{name: "kid a number", token: a.es.token(`{"alg":"ES256","typ":"at+jwt","kid":1}`, es), cause: "bad_kid"},
	}
	for name, kid := range map[string]string{
		"a path": "../../../../dev/null", "SQL": "' OR 1=1 --", "NUL": `a\u0000b`, "a URL": "https://attacker.example/k", "a separator": "a/b",
	} {
		attacks = append(attacks, attack{
			name: "kid " + name, token: a.es.token(`{"alg":"ES256","typ":"at+jwt","kid":"`+kid+`"}`, es), cause: "unknown_key",
		})
	}
	return attacks
}

func nest(levels int) string { return strings.Repeat("[", levels) + strings.Repeat("]", levels) }

// hugeRSA looks like a private RSA key whose mere validation costs 100 ms.
func hugeRSA() string {
	number := func(bytes int) string { return forge.Part(strings.Repeat("\xff", bytes)) }
	return fmt.Sprintf(`{"kty":"RSA","n":%q,"e":"AQAB","d":%q,"p":%q,"q":%q}`, number(1024), number(1024), number(512), number(512))
}

func mustJSON(t testing.TB, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func (a arena) typeAttacks() []attack {
	typed := func(iss, typ string) string {
		return a.es.token(fmt.Sprintf(`{"alg":"ES256","kid":%q,"typ":%s}`, a.es.kid, typ), payload(iss))
	}
	attacks := []attack{
		{name: "no typ", token: a.es.token(fmt.Sprintf(`{"alg":"ES256","kid":%q}`, a.es.kid), payload(esURL)), cause: "bad_type"},
		{name: "ID token", token: typed(esURL, `"JWT"`), cause: "bad_type"},
		{name: "typ empty", token: typed(laxURL, `""`), cause: "bad_type"},
		{name: "typ a number", token: typed(laxURL, `1`), cause: "bad_type"},
		{name: "typ of another tree", token: typed(esURL, `"application/x/at+jwt"`), cause: "bad_type"},
	}
	for _, typ := range []string{"dpop+jwt", "secevent+jwt", "logout+jwt", "token-introspection+jwt", "client-authentication+jwt",
		"statuslist+jwt", "wit+jwt", "entity-statement+jwt", "application/DPoP+JWT"} {
		attacks = append(attacks,
			attack{name: "strict issuer, " + typ, token: typed(esURL, `"`+typ+`"`), cause: "bad_type"},
			attack{name: "lax issuer, " + typ, token: typed(laxURL, `"`+typ+`"`), cause: "bad_type"})
	}
	return attacks
}

func (a arena) payloadAttacks() []attack {
	token := func(payload string) string { return a.es.token(a.es.header("ES256"), payload) }
	lax := func(payload string) string {
		return a.es.token(fmt.Sprintf(`{"alg":"ES256","kid":%q}`, a.es.kid), payload)
	}
	return []attack{
		{name: "payload null", token: token(`null`), cause: "malformed"},
		{name: "payload a list", token: token(`[` + payload(esURL) + `]`), cause: "malformed"},
		{name: "payload a string", token: token(`"x"`), cause: "malformed"},
		{name: "payload empty object", token: token(`{}`), cause: "missing_iss"},
		{name: "payload followed by more", token: token(payload(esURL) + `{}`), cause: "malformed"},
		{name: "payload followed by a byte", token: token(payload(esURL) + `x`), cause: "malformed"},
		{name: "payload with a BOM", token: token("\ufeff" + payload(esURL)), cause: "malformed"},
		{name: "payload invalid UTF-8", token: token(payload(esURL, "\"x\":\"\xff\"")), cause: "malformed"},
		{name: "payload lone surrogate", token: token(payload(esURL, `"x":"\ud800"`)), cause: "malformed"},
		{name: "payload nested", token: token(payload(esURL, `"x":`+nest(5_000))), cause: "too_deep"},
		{name: "payload nested, never closed", token: token(`{"x":` + strings.Repeat("[", 10_000)), cause: "too_deep"},
		{name: "brackets in a string do not unlock depth", token: token(payload(esURL, `"x":"]]]\"]]]","y":`+nest(33))), cause: "too_deep"},
		{name: "duplicate sub", token: token(payload(esURL, `"sub":"mu:admin"`)), cause: "duplicate_member"},
		{name: "duplicate sub, escaped", token: token(payload(esURL, `"s\u0075b":"mu:admin"`)), cause: "duplicate_member"},
		{name: "duplicate inside", token: token(payload(esURL, `"x":{"a":1,"a":2}`)), cause: "duplicate_member"},
		{name: "case variant of sub", token: token(fmt.Sprintf(`{"iss":%q,"SUB":"mu:admin","exp":1e9}`, esURL)), cause: "missing_sub"},
		{name: "case variant of exp", token: token(fmt.Sprintf(`{"iss":%q,"sub":"mu:a","EXP":1e9}`, esURL)), cause: "missing_exp"},
		{name: "case variant of iss", token: token(`{"ISS":"` + esURL + `","sub":"mu:a","exp":1e9}`), cause: "missing_iss"},
		{name: "bound to a certificate", token: token(payload(esURL, `"cnf":{"x5t#S256":"A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"}`)), code: authz.TokenBindingMismatch, cause: "certificate_missing"},
		{name: "bound in a way nobody knows", token: token(payload(esURL, `"cnf":{"kid":"k"}`)), code: authz.TokenBindingMismatch, cause: "unsupported_binding"},
		{name: "bound to nothing", token: token(payload(esURL, `"cnf":{}`)), code: authz.TokenBindingMismatch, cause: "unsupported_binding"},
		{name: "bound to null", token: token(payload(esURL, `"cnf":null`)), code: authz.TokenBindingMismatch, cause: "unsupported_binding"},
		{name: "on a status list nobody registered", token: token(payload(esURL, `"status":{"status_list":{"idx":0,"uri":"https://attacker.example/list"}}`)), cause: "status_unchecked"},
		{name: "status of no known kind", token: token(payload(esURL, `"status":null`)), cause: "status_unchecked"},
		{name: "status of another list", token: lax(payload(laxURL, `"status":{"status_list":{"idx":0,"uri":"https://attacker.example/list"}}`)), cause: "status_list_unknown"},
		{name: "status without list", token: lax(payload(laxURL, `"status":{}`)), cause: "bad_status"},
		{name: "status out of any range", token: lax(payload(laxURL, `"status":{"status_list":{"idx":-1,"uri":"https://lax.example/list"}}`)), cause: "bad_status"},
		{name: "status list never fetched", token: lax(payload(laxURL, `"status":{"status_list":{"idx":0,"uri":"https://lax.example/list"}}`)), code: authz.IssuerUnavailable, cause: "status_list_unavailable"},
		{name: "bound to a DPoP key", token: token(payload(esURL, `"cnf":{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}`)), code: authz.TokenBindingMismatch, cause: "proof_missing"},
	}
}

func (a arena) dateAttacks() []attack {
	token := func(claims string) string {
		return a.es.token(a.es.header("ES256"), fmt.Sprintf(`{"iss":%q,"sub":"mu:user-svc"%s}`, esURL, claims))
	}
	return []attack{
		{name: "no exp", token: token(``), cause: "missing_exp"},
		{name: "exp null", token: token(`,"exp":null`), cause: "missing_exp"},
		{name: "exp a string", token: token(`,"exp":"1795341600"`), cause: "claim_type"},
		{name: "exp 1e30", token: token(`,"exp":1e30`), cause: "claim_bounds"},
		{name: "exp 1e999", token: token(`,"exp":1e999`), cause: "claim_bounds"},
		{name: "exp -1e999", token: token(`,"exp":-1e999`), cause: "claim_bounds"},
		{name: "exp the zero time", token: token(`,"exp":-62135596800`), cause: "claim_bounds"},
		{name: "exp 2^53 + 2", token: token(`,"exp":9007199254740994`), cause: "claim_bounds"},
		{name: "nbf 9.3e18", token: token(`,"exp":1795341600,"nbf":9300000000000000000`), cause: "claim_bounds"},
		{name: "nbf 9.3e18, short", token: token(`,"exp":1795341600,"nbf":9.3e18`), cause: "claim_bounds"},
		{name: "nbf 1e30", token: token(`,"exp":1795341600,"nbf":1e30`), cause: "claim_bounds"},
		{name: "nbf null", token: token(`,"exp":1795341600,"nbf":null`), cause: "claim_type"},
		{name: "iat a string", token: token(`,"exp":1795341600,"iat":"now"`), cause: "claim_type"},
		{name: "iat true", token: token(`,"exp":1795341600,"iat":true`), cause: "claim_type"},
		{name: "iat -1e18", token: token(`,"exp":1795341600,"iat":-1e18`), cause: "claim_bounds"},
	}
}

func (a arena) issuerAttacks() []attack {
	token := func(iss string) string { return a.es.token(a.es.header("ES256"), payload(iss)) }
	unknown := func(name, iss string) attack {
		return attack{name: "iss " + name, token: token(iss), code: authz.IssuerUntrusted, cause: "issuer_unknown"}
	}
	return []attack{
		{name: "iss of an authority that is asked", token: token("https://introspection.example"), code: authz.IssuerUntrusted, cause: "issuer_kind"},
		{name: "iss of a certificate authority", token: token("https://x509.example"), code: authz.IssuerUntrusted, cause: "issuer_kind"},
		{name: "SPIFFE id of nobody, without iss", token: a.es.token(a.es.header("ES256"), `{"sub":"spiffe://nobody.example/x","exp":1e9}`), code: authz.IssuerUntrusted, cause: "issuer_unknown"},
		unknown("trailing slash", esURL+"/"),
		unknown("upper case", "https://ES.example"),
		unknown("upper case scheme", "HTTPS://es.example"),
		unknown("look-alike", "https://еs.example"), // a Cyrillic letter
		unknown("default port", "https://es.example:443"),
		unknown("dot segments", "https://es.example/."),
		unknown("space after", esURL+" "),
		unknown("empty query", esURL+"?"),
		unknown("prefix", "https://es.exampl"),
		unknown("suffix", "https://es.example.attacker.example"),
		{name: "iss empty", token: token(""), cause: "claim_type"},
		{name: "iss a list", token: a.es.token(a.es.header("ES256"), `{"iss":["`+esURL+`"]}`), cause: "claim_type"},
		{name: "iss null", token: a.es.token(a.es.header("ES256"), `{"iss":null}`), cause: "claim_type"},
		{name: "iss in the header", token: a.es.token(a.es.header("ES256", `"iss":"`+esURL+`"`), `{"sub":"mu:a"}`), cause: "header_member"},
	}
}

func (a arena) keyAttacks(t testing.TB, es string) []attack {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := a.es.token(a.es.header("ES256"), es)
	parts := strings.Split(good, ".")
	elevated := strings.Join([]string{parts[0], forge.Part(payload(esURL, `"tenant":"other"`)), parts[2]}, ".")
	return []attack{
		{name: "another key under the same kid", token: a.stranger.token(a.es.header("ES256"), es), cause: "bad_signature"},
		{name: "another issuer's key and kid", token: a.es.token(a.es.header("RS256"), payload(rsURL)), cause: "unknown_key"},
		{name: "another issuer's kid, our signature", token: a.es.token(a.rs.header("ES256"), es), cause: "unknown_key"},
		{name: "changed payload", token: elevated, cause: "bad_signature"},
		{name: "ES256 by a P-384 key", token: forger{t: t, kid: a.es.kid, key: p384}.p256WithP384(a.es.header("ES256"), es, p384), cause: "bad_signature"},
		{name: "ECDSA r and s zero", token: parts[0] + "." + parts[1] + "." + forge.Part(strings.Repeat("\x00", 64)), cause: "bad_signature"},
		{name: "ECDSA in DER", token: derSigned(t, a.es, a.es.header("ES256"), es), cause: "bad_signature"},
		{name: "ECDSA longer", token: parts[0] + "." + parts[1] + "." + forge.Part(strings.Repeat("\x01", 96)), cause: "bad_signature"},
	}
}

func (f forger) p256WithP384(header, payload string, key *ecdsa.PrivateKey) string {
	input := forge.Part(header) + "." + forge.Part(payload)
	digest := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		f.t.Fatal(err)
	}
	mask := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))
	return input + "." + forge.Part(string(forge.Raw(r.And(r, mask), s.And(s, mask))))
}

func derSigned(t testing.TB, f forger, header, payload string) string {
	t.Helper()
	return forge.DER(t, f.key, forge.Input(header, payload))
}

func TestAttacks(t *testing.T) {
	a := newArena(t)
	for name, good := range map[string]string{
		"ES256":            a.es.token(a.es.header("ES256"), payload(esURL)),
		"RS256":            a.rs.token(a.rs.header("RS256"), payload(rsURL)),
		"PS256":            a.ps.pss(a.ps.header("PS256"), payload(psURL), 32),
		"lax, no typ":      a.es.token(fmt.Sprintf(`{"alg":"ES256","kid":%q}`, a.es.kid), payload(laxURL)),
		"lax, JWT":         a.es.token(fmt.Sprintf(`{"alg":"ES256","kid":%q,"typ":"jwt"}`, a.es.kid), payload(laxURL)),
		"no kid":           a.es.token(`{"alg":"ES256","typ":"AT+JWT"}`, payload(esURL)),
		"whole media type": a.es.token(`{"alg":"ES256","typ":"Application/at+jwt"}`, payload(esURL)),
		"depth 32":         a.es.token(a.es.header("ES256"), payload(esURL, `"x":`+nest(31))),
		"unmapped number":  a.es.token(a.es.header("ES256"), payload(esURL, `"x":123456789012345678901234567890`)),
	} {
		if p := verify(a.v, a.issuers, good); p.Fault != nil {
			t.Fatalf("the arena refuses a good token (%s): %+v", name, p.Fault)
		}
	}
	for _, attack := range a.attacks(t) {
		t.Run(attack.name, func(t *testing.T) {
			code := attack.code
			if code == "" {
				code = authz.TokenInvalid
			}
			p := verify(a.v, a.issuers, attack.token)
			wantFault(t, p, code, attack.cause)
			kind := authz.EvidenceJWT
			if strings.Count(attack.token, ".") != 2 {
				kind = authz.EvidenceOpaque
			}
			if p.Evidence != kind {
				t.Errorf("evidence %q", p.Evidence)
			}
		})
	}
}

// BenchmarkAttack shows what refusing each attack costs: an attacker pays for
// the request, we pay for this.
func BenchmarkAttack(b *testing.B) {
	a := newArena(b)
	for _, attack := range a.attacks(b) {
		b.Run(attack.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if p := verify(a.v, a.issuers, attack.token); p.Fault == nil {
					b.Fatal("accepted")
				}
			}
		})
	}
}
