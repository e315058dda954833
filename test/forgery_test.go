package test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v3"

	"github.com/verdict-pdp/verdict/test/forge"
	"github.com/verdict-pdp/verdict/test/pdptest"
)

// jsonObject is a JSON object as it is written, members in order.
type jsonObject []jsonMember

type jsonMember struct{ name, value string }

func (o jsonObject) String() string {
	written := make([]string, len(o))
	for i, m := range o {
		written[i] = strconv.Quote(m.name) + ":" + m.value
	}
	return "{" + strings.Join(written, ",") + "}"
}

// with replaces a member, or adds it.
func (o jsonObject) with(name, value string) jsonObject {
	return append(o.without(name), jsonMember{name, value})
}

// plus adds a member, though there may be one of the name.
func (o jsonObject) plus(name, value string) jsonObject {
	return append(slices.Clone(o), jsonMember{name, value})
}

func (o jsonObject) without(name string) jsonObject {
	return slices.DeleteFunc(slices.Clone(o), func(m jsonMember) bool { return m.name == name })
}

func (o jsonObject) value(name string) string {
	for _, m := range o {
		if m.name == name {
			return m.value
		}
	}
	return ""
}

// shape is a kind of signed JWT that a caller presents: what a good one is made of,
// and how it is sent. Every attack spoils one thing of it.
type shape struct {
	name       string
	forger     *pdptest.Forger
	header     jsonObject
	payload    func() jsonObject // a new one each time
	times      []string          // members of the payload that are times
	credential func(text string) map[string]any
}

func (s shape) good() string { return s.forger.Token(s.header.String(), s.payload().String()) }

// forged is the text of an attack.
type forged struct{ name, text string }

func (a *arena) tokenHeader() jsonObject {
	return jsonObject{{"alg", `"ES256"`}, {"kid", `"es"`}, {"typ", `"at+jwt"`}}
}

func (a *arena) tokenPayload() jsonObject {
	return jsonObject{
		{"iss", strconv.Quote(strictURL)}, {"sub", strconv.Quote(arenaUser)}, {"aud", `"brightfold"`},
		{"iat", fmt.Sprint(sunday.Unix())}, {"exp", fmt.Sprint(sunday.Unix() + 300)}, {"jti", newID()},
	}
}

func (a *arena) assertionPayload() jsonObject {
	return jsonObject{
		{"iss", strconv.Quote(arenaUser)}, {"sub", strconv.Quote(arenaUser)}, {"aud", strconv.Quote(pdptest.AssertionAudience)},
		{"iat", fmt.Sprint(sunday.Unix())}, {"exp", fmt.Sprint(sunday.Unix() + 60)}, {"jti", newID()},
	}
}

func (a *arena) proofPayload() jsonObject {
	ath := sha256.Sum256([]byte(a.bound))
	return jsonObject{
		{"htm", strconv.Quote(pdptest.ProofMethod)}, {"htu", strconv.Quote(pdptest.ProofURL)},
		{"ath", strconv.Quote(base64.RawURLEncoding.EncodeToString(ath[:]))},
		{"iat", fmt.Sprint(sunday.Unix())}, {"jti", newID()},
	}
}

var issued atomic.Int64

// newID is a jti no other JWT of these tests has.
func newID() string {
	return fmt.Sprintf(`"forged-%d"`, issued.Add(1))
}

// shapes are the signed JWTs that callers present.
func (a *arena) shapes(t testing.TB) []shape {
	t.Helper()
	return []shape{
		{
			name: "token", forger: a.es, header: a.tokenHeader(), payload: a.tokenPayload,
			times: []string{"exp", "iat", "nbf"}, credential: sending("token"),
		}, {
			name: "assertion", forger: a.client, header: jsonObject{{"alg", `"ES256"`}, {"kid", `"client"`}, {"typ", `"client-authentication+jwt"`}},
			payload: a.assertionPayload, times: []string{"exp", "iat", "nbf"}, credential: sending("client_assertion"),
		}, {
			name: "proof", forger: a.prover, header: jsonObject{{"alg", `"ES256"`}, {"jwk", publicJWK(t, a.prover)}, {"typ", `"dpop+jwt"`}},
			payload: a.proofPayload, times: []string{"iat"}, credential: a.proving,
		},
	}
}

// proving sends the bound token with a proof.
func (a *arena) proving(proof string) map[string]any {
	return map[string]any{"token": a.bound, "dpop": map[string]any{"proof": proof, "method": pdptest.ProofMethod, "url": pdptest.ProofURL}}
}

// forged is everything that can be wrong with a JWT of the shape.
func (s shape) forged(t testing.TB, stranger *pdptest.Forger) []forged {
	return slices.Concat(
		s.algorithms(t, stranger), s.serializations(), s.headers(t, stranger), s.types(), s.payloads(), s.dates(), s.forgeries(stranger),
	)
}

// algorithms are the attacks on alg.
func (s shape) algorithms(t testing.TB, stranger *pdptest.Forger) []forged {
	public, err := x509.MarshalPKIXPublicKey(s.forger.Key.Public())
	if err != nil {
		t.Fatal(err)
	}
	key := s.forger.Key.Public().(*ecdsa.PublicKey)
	point, err := key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	alg := func(value string) string { return s.header.with("alg", value).String() }
	signed := func(value string) string { return s.forger.Token(alg(value), s.payload().String()) }
	unsigned := func(value string) string {
		return forge.Part(alg(value)) + "." + forge.Part(s.payload().String()) + "."
	}
	hmac := func(secret []byte) string { return forge.HMAC(alg(`"HS256"`), s.payload().String(), secret) }
	return []forged{
		{"alg none", unsigned(`"none"`)},
		{"alg None", unsigned(`"None"`)},
		{"alg noNe", unsigned(`"noNe"`)},
		{"alg none with a signature", signed(`"none"`)},
		{"alg none with a NUL", unsigned(`"none\u0000"`)},
		{"alg none with a space", unsigned(`" none"`)},
		{"alg missing", s.forger.Token(s.header.without("alg").String(), s.payload().String())},
		{"alg missing and unsigned", forge.Part(s.header.without("alg").String()) + "." + forge.Part(s.payload().String()) + "."},
		{"alg empty", signed(`""`)},
		{"alg null", signed(`null`)},
		{"alg a number", signed(`256`)},
		{"alg a list", signed(`["ES256"]`)},
		{"alg an object", signed(`{"name":"ES256"}`)},
		{"alg in lower case", signed(`"es256"`)},
		{"alg with a space", signed(`"ES256 "`)},
		{"alg of another curve", signed(`"ES384"`)},
		{"alg secp256k1", signed(`"ES256K"`)},
		{"alg ML-DSA", signed(`"ML-DSA-44"`)},
		{"alg RS256 with an EC key", signed(`"RS256"`)},
		{"alg EdDSA with an EC key", signed(`"EdDSA"`)},
		{"alg HS256 with the key's DER", hmac(public)},
		{"alg HS256 with the key's PEM", hmac(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))},
		{"alg HS256 with the key's point", hmac(point)},
		{"alg HS256 with the key's JWK", hmac([]byte(publicJWK(t, s.forger)))},
		{"alg HS256 with no secret", hmac(nil)},
		{"alg HS256 with a known secret", hmac([]byte("your-256-bit-secret"))},
		{"alg ES256 by a stranger", stranger.Token(s.header.String(), s.payload().String())},
	}
}

// serializations are the attacks on how a JWT is written down.
func (s shape) serializations() []forged {
	good := s.good()
	parts := strings.Split(good, ".")
	header, payload, signature := parts[0], parts[1], parts[2]
	return []forged{
		{"JSON, flattened", fmt.Sprintf(`{"protected":%q,"payload":%q,"signature":%q}`, header, payload, signature)},
		{"JSON, general", fmt.Sprintf(`{"payload":%q,"signatures":[{"protected":%q,"signature":%q}]}`, payload, header, signature)},
		{"JSON, alg unprotected", fmt.Sprintf(`{"header":{"alg":"ES256","kid":"es"},"payload":%q,"signature":%q}`, payload, signature)},
		{"JSON, two signatures", fmt.Sprintf(`{"payload":%q,"signatures":[{"protected":%q,"signature":"AA"},{"protected":%q,"signature":%q}]}`, payload, header, header, signature)},
		{"padding of the header", header + "==." + payload + "." + signature},
		{"padding of the payload", header + "." + payload + "=." + signature},
		{"padding at the end", good + "=="},
		{"percent-encoded padding", good + "%3D"},
		{"standard base64", header + "." + payload + ".+/" + signature[2:]},
		{"a space inside", header + ". " + payload + "." + signature},
		{"a newline inside", header + "\n." + payload + "." + signature},
		{"a newline after", good + "\n"},
		{"a space before", " " + good},
		{"a tab inside the signature", header + "." + payload + "." + signature[:9] + "\t" + signature[9:]},
		{"a NUL inside", header + ".\x00" + payload + "." + signature},
		{"a zero-width space", header + "\u200b." + payload + "." + signature},
		{"a full-width dot", strings.ReplaceAll(good, ".", "\uff0e")},
		{"Bearer before", "Bearer " + good},
		{"quoted", `"` + good + `"`},
		{"unused bits set", good[:len(good)-1] + laterLetter(good[len(good)-1])},
		{"a base64 length that cannot be", header + "." + payload + ".AAAAA"},
		{"two parts", header + "." + payload},
		{"four parts", good + "." + signature},
		{"five parts, PBES2 with 2^31 rounds", forge.Part(`{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2147483647,"p2s":"AA"}`) + ".AA.AA.AA.AA"},
		{"five parts, RSA1_5", forge.Part(`{"alg":"RSA1_5","enc":"A128CBC-HS256","zip":"DEF"}`) + ".AA.AA.AA.AA"},
		{"five parts, dir", forge.Part(`{"alg":"dir","enc":"A128GCM"}`) + "..AA.AA.AA"},
		{"only dots", ".."},
		{"one dot", "."},
		{"one letter", "a"},
		{"detached payload", header + ".." + signature},
		{"no header", "." + payload + "." + signature},
		{"no signature", header + "." + payload + "."},
		{"a signature cut off", good[:len(good)-2]},
		{"a signature of zeros", header + "." + payload + "." + forge.Part(strings.Repeat("\x00", 64))},
		{"a signature of ones", header + "." + payload + "." + forge.Part(strings.Repeat("\xff", 64))},
		{"a longer signature", header + "." + payload + "." + forge.Part(strings.Repeat("\x01", 96))},
		{"a signature in ASN.1", s.forger.DER(s.header.String(), s.payload().String())},
		{"100,000 dots", strings.Repeat(".", 100_000)},
		{"half a megabyte", strings.Repeat("A", 500_000)},
		{"half a megabyte in three parts", strings.Repeat("A", 150_000) + "." + strings.Repeat("A", 150_000) + "." + strings.Repeat("A", 150_000)},
		{"a signature of 15 kB", header + "." + payload + "." + strings.Repeat("A", 15_000)},
	}
}

// laterLetter spells the same last byte of 64 in another way: four of the six bits of
// its letter are unused.
func laterLetter(last byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, last)|1])
}

// headers are the attacks by other members of the header.
func (s shape) headers(t testing.TB, stranger *pdptest.Forger) []forged {
	by := func(f *pdptest.Forger, header string) string { return f.Token(header, s.payload().String()) }
	plus := func(name, value string) string { return by(s.forger, s.header.plus(name, value).String()) }
	strange := publicJWK(t, stranger)
	list := []forged{
		{"a key in the header", by(stranger, s.header.with("jwk", strange).String())},
		{"a key in the header and no kid", by(stranger, s.header.without("kid").with("jwk", strange).String())},
		{"two keys in the header", plus("jwk", strange)},
		{"a private RSA key in the header", by(s.forger, s.header.with("jwk", hugeRSA(256)).String())},
		{"a private RSA key of 8192 bits in the header", by(s.forger, s.header.with("jwk", hugeRSA(1024)).String())},
		{"a public RSA key of 16,384 bits in the header", by(s.forger, s.header.with("alg", `"RS256"`).with("jwk", `{"kty":"RSA","e":"AQAB","n":"`+forge.Part(strings.Repeat("\xff", 2048))+`"}`).String())},
		{"a secret in the header", forge.HMAC(s.header.with("alg", `"HS256"`).with("jwk", `{"kty":"oct","k":"c2VjcmV0"}`).String(), s.payload().String(), []byte("secret"))},
		{"jku", plus("jku", `"https://attacker.example/jwks"`)},
		{"x5u", plus("x5u", `"https://attacker.example/certificate"`)},
		{"x5c", plus("x5c", `["AA=="]`)},
		{"zip", plus("zip", `"DEF"`)},
		{"b64", plus("b64", `false`)},
		{"b64 critical", by(s.forger, s.header.plus("b64", `false`).plus("crit", `["b64"]`).String())},
		{"crit unknown", plus("crit", `["x"]`)},
		{"crit empty", plus("crit", `[]`)},
		{"crit null", plus("crit", `null`)},
		{"crit a string", plus("crit", `"b64"`)},
		{"alg twice", plus("alg", `"ES256"`)},
		{"alg twice, none last", plus("alg", `"none"`)},
		{"alg twice, one escaped", by(s.forger, strings.Replace(s.header.String(), `{`, `{"\u0061lg":"none",`, 1))},
		{"typ twice", plus("typ", s.header.value("typ"))},
		{"ALG", plus("ALG", `"none"`)},
		{"an unknown member", plus("unknown", `1`)},
		{"no object", by(s.forger, `["ES256"]`)},
		{"null", by(s.forger, `null`)},
		{"empty object", by(s.forger, `{}`)},
		{"not JSON", by(s.forger, `{"alg":`)},
		{"followed by more", by(s.forger, s.header.String()+"{}")},
		{"with a BOM", by(s.forger, "\ufeff"+s.header.String())},
		{"not UTF-8", by(s.forger, s.header.plus("x", "\"\xff\"").String())},
		{"nested 5,000 deep", plus("x", nested(5_000))},
		{"nested and never closed", by(s.forger, `{"x":`+strings.Repeat("[", 10_000))},
		{"a member of 10 kB", plus("x", `"`+strings.Repeat("x", 10_000)+`"`)},
		{"2,000 members", by(s.forger, manyMembers(s.header, 2_000).String())},
	}
	for name, kid := range map[string]string{
		"a path": `"../../../../dev/null"`, "SQL": `"' OR 1=1 --"`, "a NUL": `"es\u0000"`, "a URL": `"https://attacker.example/k"`, "a slash": `"es/es"`,
		"empty": `""`, "a number": `1`, "null": `null`, "a list": `["es"]`, "long": `"` + strings.Repeat("k", 10_000) + `"`, "in upper case": `"ES"`,
		"of another kind": `"rs"`, "with a newline": `"es\n"`, "a shell": `"es|/usr/bin/id"`,
	} {
		list = append(list, forged{"kid " + name, by(s.forger, s.header.with("kid", kid).String())})
	}
	return list
}

func manyMembers(o jsonObject, n int) jsonObject {
	for i := range n {
		o = o.plus("m"+strconv.Itoa(i), "1")
	}
	return o
}

func nested(levels int) string { return strings.Repeat("[", levels) + strings.Repeat("]", levels) }

// hugeRSA looks like a private RSA key of so many bytes, whose mere validation costs
// many milliseconds.
func hugeRSA(bytes int) string {
	number := func(n int) string { return forge.Part(strings.Repeat("\xff", n)) }
	return fmt.Sprintf(`{"kty":"RSA","n":%q,"e":"AQAB","d":%q,"p":%q,"q":%q}`, number(bytes), number(bytes), number(bytes/2), number(bytes/2))
}

// types are JWTs of another kind, signed with the right key.
func (s shape) types() []forged {
	var list []forged
	for _, typ := range []string{
		"at+jwt", "JWT", "dpop+jwt", "secevent+jwt", "logout+jwt", "token-introspection+jwt", "client-authentication+jwt",
		"statuslist+jwt", "wit+jwt", "entity-statement+jwt", "application/DPoP+JWT", "application/secevent+jwt", "x/at+jwt", "",
	} {
		if strings.EqualFold(strconv.Quote(typ), s.header.value("typ")) || s.takes(typ) {
			continue
		}
		list = append(list, forged{"typ " + typ, s.forger.Token(s.header.with("typ", strconv.Quote(typ)).String(), s.payload().String())})
	}
	return append(list,
		forged{"typ a number", s.forger.Token(s.header.with("typ", `1`).String(), s.payload().String())},
		forged{"typ a list", s.forger.Token(s.header.with("typ", `["at+jwt"]`).String(), s.payload().String())},
	)
}

// takes says which types are good beside the one in the header.
func (s shape) takes(typ string) bool {
	switch s.name {
	case "assertion":
		return typ == "JWT"
	case "proof":
		return strings.EqualFold(typ, "application/dpop+jwt")
	case "event":
		return typ == "application/secevent+jwt"
	}
	return false
}

// payloads are the attacks by what a JWT says.
func (s shape) payloads() []forged {
	sign := func(payload string) string { return s.forger.Token(s.header.String(), payload) }
	good := s.payload()
	list := []forged{
		{"payload null", sign(`null`)},
		{"payload true", sign(`true`)},
		{"payload a number", sign(`1`)},
		{"payload a string", sign(`"x"`)},
		{"payload a list", sign(`[` + good.String() + `]`)},
		{"payload an empty object", sign(`{}`)},
		{"payload nothing", sign(``)},
		{"payload followed by more", sign(good.String() + `{}`)},
		{"payload followed by a byte", sign(good.String() + `x`)},
		{"payload followed by a NUL", sign(good.String() + "\x00")},
		{"payload with a BOM", sign("\ufeff" + good.String())},
		{"payload not UTF-8", sign(good.plus("x", "\"\xff\"").String())},
		{"payload in UTF-16", sign("\xfe\xff\x00{\x00}")},
		{"payload with a lone surrogate", sign(good.plus("x", `"\ud800"`).String())},
		{"payload nested 5,000 deep", sign(good.plus("x", nested(5_000)).String())},
		{"payload nested and never closed", sign(`{"x":` + strings.Repeat("[", 10_000))},
		{"payload with a comment", sign(strings.Replace(good.String(), "{", "{/**/", 1))},
		{"payload with single quotes", sign(strings.ReplaceAll(good.String(), `"`, `'`))},
	}
	for _, m := range good {
		list = append(list,
			forged{m.name + " twice", sign(good.plus(m.name, m.value).String())},
			forged{m.name + " twice, another one last", sign(good.plus(m.name, `"mu:user-svc"`).String())},
			forged{m.name + " null", sign(good.with(m.name, `null`).String())},
			forged{m.name + " an object", sign(good.with(m.name, `{}`).String())},
			forged{m.name + " true", sign(good.with(m.name, `true`).String())},
			forged{m.name + " a list of lists", sign(good.with(m.name, `[["x"]]`).String())},
			forged{m.name + " of 10 kB", sign(good.with(m.name, `"`+strings.Repeat("x", 10_000)+`"`).String())},
		)
		if s.requires(m.name) {
			list = append(list,
				forged{m.name + " missing", sign(good.without(m.name).String())},
				forged{"the name " + m.name + " in upper case", sign(good.without(m.name).plus(strings.ToUpper(m.name), m.value).String())},
			)
		}
	}
	return list
}

// requires says which members a good one cannot do without.
func (s shape) requires(name string) bool {
	switch s.name {
	case "token":
		return name != "jti"
	case "assertion":
		return name != "iat"
	}
	return true
}

// dates are the attacks by times.
func (s shape) dates() []forged {
	var list []forged
	for _, date := range s.times {
		for name, value := range map[string]string{
			"as text": `"1795341600"`, "1e30": `1e30`, "1e400": `1e400`, "beyond int64": `9.3e18`, "2^63": `9223372036854775808`,
			"2^64 and now": fmt.Sprintf("1844674407370955%d", 1616+sunday.Unix()%1000), "negative": `-1`, "-1e30": `-1e30`,
			"NaN": `NaN`, "infinite": `Infinity`, "hexadecimal": `0x7fffffff`, "octal": `01795341600`, "a list": `[1795341600]`,
		} {
			list = append(list, forged{date + " " + name, s.forger.Token(s.header.String(), s.payload().with(date, value).String())})
		}
	}
	past, future := fmt.Sprint(sunday.Add(-time.Hour).Unix()), fmt.Sprint(sunday.Add(time.Hour).Unix())
	wrong := map[string]string{"exp": past, "iat": future, "nbf": future}
	for _, date := range s.times {
		list = append(list, forged{date + " at the wrong time", s.forger.Token(s.header.String(), s.payload().with(date, wrong[date]).String())})
	}
	return list
}

// forgeries change what was signed.
func (s shape) forgeries(stranger *pdptest.Forger) []forged {
	good, other := strings.Split(s.good(), "."), strings.Split(s.good(), ".")
	changed := forge.Part(s.payload().plus("admin", "true").String())
	return []forged{
		{"a changed payload", good[0] + "." + changed + "." + good[2]},
		{"a changed header", forge.Part(s.header.String()+" ") + "." + good[1] + "." + good[2]},
		{"the signature of another", good[0] + "." + good[1] + "." + other[2]},
		{"a stranger's signature", good[0] + "." + good[1] + "." + strings.Split(stranger.Signed(good[0]+"."+good[1]), ".")[2]},
	}
}

func keySet(t testing.TB, keys ...jose.JSONWebKey) json.RawMessage {
	t.Helper()
	return marshal(t, jose.JSONWebKeySet{Keys: keys})
}

// publicJWK is a key as a DPoP proof has it: bare.
func publicJWK(t testing.TB, f *pdptest.Forger) string {
	t.Helper()
	return text(t, jose.JSONWebKey{Key: f.Key.Public()})
}

func privateJWK(f *pdptest.Forger) jose.JSONWebKey {
	return jose.JSONWebKey{Key: f.Key, KeyID: f.ID, Algorithm: "ES256"}
}

func thumbprint(t testing.TB, f *pdptest.Forger) string {
	t.Helper()
	key := jose.JSONWebKey{Key: f.Key.Public()}
	sum, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(sum)
}

// weakRSA is the key set of a 1024-bit key, which crypto/rsa makes only on request.
func weakRSA(t testing.TB) string {
	t.Helper()
	t.Setenv("GODEBUG", "rsa1024min=0")
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	return string(keySet(t, jose.JSONWebKey{Key: &key.PublicKey, KeyID: "k", Algorithm: "RS256"}))
}
