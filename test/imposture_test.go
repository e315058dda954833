package test

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/verdict-pdp/verdict/test/forge"
	"github.com/verdict-pdp/verdict/test/pdptest"
)

// token sends a forged access token.
func (a *arena) token(name, text string) attack {
	return attack{"token: " + name, map[string]any{"token": text}}
}

// keyConfusion uses a key of the issuer for what it is not for.
func (a *arena) keyConfusion(t testing.TB) []attack {
	t.Helper()
	public := a.rs.Key.Public().(*rsa.PublicKey)
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	payload := a.tokenPayload().String()
	header := func(alg, kid string) string {
		return a.tokenHeader().with("alg", strconv.Quote(alg)).with("kid", strconv.Quote(kid)).String()
	}
	return []attack{
		a.token("HS256 with the RSA key's DER", forge.HMAC(header("HS256", "rs"), payload, der)),
		a.token("HS256 with the RSA key's PEM", forge.HMAC(header("HS256", "rs"), payload, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))),
		a.token("HS256 with the RSA key's PKCS #1 PEM", forge.HMAC(header("HS256", "rs"), payload, pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(public)}))),
		a.token("HS256 with the RSA modulus", forge.HMAC(header("HS256", "rs"), payload, public.N.Bytes())),
		a.token("HS256 with the RSA modulus as published", forge.HMAC(header("HS256", "rs"), payload, []byte(base64.RawURLEncoding.EncodeToString(public.N.Bytes())))),
		a.token("RS256 by a PS512 key", a.ps.Token(header("RS256", "ps"), payload)),
		a.token("PS256 by a PS512 key", a.ps.PSS(header("PS256", "ps"), payload, 32)),
		a.token("PS512 made with SHA-256", a.ps.PSS(header("PS512", "ps"), payload, 64)),
		a.token("PS512 without a salt", a.ps.PSS(header("PS512", "ps"), payload, 0)),
		a.token("PS256 by an RS256 key", a.rs.PSS(header("PS256", "rs"), payload, rsa.PSSSaltLengthAuto)),
		a.token("ES256 with the kid of an RSA key", a.es.Token(header("ES256", "rs"), payload)),
		a.token("RS256 with the kid of an EC key", a.rs.Token(header("RS256", "es"), payload)),
		a.token("an RSA signature of ones", strings.Join([]string{forge.Part(header("RS256", "rs")), forge.Part(payload), forge.Part(strings.Repeat("\xff", 256))}, ".")),
		a.token("an RSA signature of 15 kB", strings.Join([]string{forge.Part(header("RS256", "rs")), forge.Part(payload), strings.Repeat("A", 15_000)}, ".")),
		a.token("no kid, though there are several keys", a.es.Token(a.tokenHeader().without("kid").String(), payload)),
		a.token("the key of the machine user", a.client.Token(header("ES256", "client"), payload)),
		a.token("the key of the demo issuer", a.p.Sign(map[string]any{"iss": strictURL, "sub": arenaUser, "aud": "brightfold", "iat": sunday.Unix(), "exp": sunday.Unix() + 300})),
	}
}

// lookAlikes name somebody who looks like an issuer, an audience or a machine user.
func (a *arena) lookAlikes() []attack {
	var list []attack
	sign := func(name string, payload jsonObject) {
		list = append(list, a.token(name, a.es.Token(a.tokenHeader().String(), payload.String())))
	}
	for name, iss := range map[string]string{
		"a slash more": strictURL + "/", "in upper case": strings.ToUpper(strictURL), "a Cyrillic a": strings.Replace(strictURL, "a", "\u0430", 1),
		"a port": strictURL + ":443", "a fragment": strictURL + "#", "a query": strictURL + "?", "a space more": strictURL + " ", "a NUL more": strictURL + "\u0000",
		"percent-encoded": strings.Replace(strictURL, "a", "%61", 1), "plain http": strings.Replace(strictURL, "https", "http", 1), "a user": strings.Replace(strictURL, "//", "//a@", 1),
		"a dot more": strictURL + ".", "a suffix": strictURL + ".attacker.example", "a prefix": "https://x" + strings.TrimPrefix(strictURL, "https://"), "dot segments": strictURL + "/./",
		"zero-width": strictURL + "\u200b", "its id": "arena", "another issuer's": "https://issuer.brightfold.example", "of an issuer that is asked": a.authority.URL, "of an authority for certificates": "https://" + partnersCA + ".example",
		"attacker's": "https://attacker.example", "a file": "file:///etc/passwd", "an instance's metadata": "http://169.254.169.254/latest/meta-data",
	} {
		sign("iss "+name, a.tokenPayload().with("iss", quoted(iss)))
	}
	for name, aud := range map[string]string{
		"a part": `"bright"`, "longer": `"brightfold.attacker.example"`, "in upper case": `"BRIGHTFOLD"`, "a space more": `"brightfold "`, "joined": `"other brightfold"`,
		"an empty list": `[]`, "of empty": `[""]`, "a pattern": `"*"`, "a look-alike": `"bright\u0192old"`, "another service": `"svc:ledger"`, "Verdict": `"verdict"`,
		"a thousand": `[` + strings.Repeat(`"x",`, 1000) + `"brightfold"]`, "nested": `[["brightfold"]]`, "mixed": `["brightfold",1]`,
	} {
		sign("aud "+name, a.tokenPayload().with("aud", aud))
	}
	for name, sub := range map[string]string{
		"in upper case": "MU:ARENA", "a slash": "mu:arena/svc:arena", "dot segments": "../mu:arena", "a space more": "mu:arena ", "a NUL more": "mu:arena\u0000", "a look-alike": "mu:\u0430rena",
		"a path": "../../machine_users/mu:arena", "empty": "", "unknown": "mu:nobody", "a service": "svc:arena", "a pattern": "mu:*", "a SPIFFE id": "spiffe://prod.brightfold.example/arena",
	} {
		sign("sub "+name, a.tokenPayload().with("sub", quoted(sub)))
	}
	sign("cnf unknown", a.tokenPayload().plus("cnf", `{"kid":"k"}`))
	sign("cnf empty", a.tokenPayload().plus("cnf", `{}`))
	sign("cnf null", a.tokenPayload().plus("cnf", `null`))
	sign("cnf a string", a.tokenPayload().plus("cnf", `"x5t#S256"`))
	sign("cnf to nothing", a.tokenPayload().plus("cnf", `{"x5t#S256":""}`))
	sign("cnf with a key", a.tokenPayload().plus("cnf", `{"jwk":{"kty":"EC"}}`))
	sign("a status list nobody registered", a.tokenPayload().plus("status", `{"status_list":{"idx":0,"uri":"https://attacker.example/list"}}`))
	sign("expired for ever", a.tokenPayload().with("exp", `0`))
	return list
}

// quoted is text as a JSON string.
func quoted(text string) string {
	if strings.Contains(text, "\u0000") {
		return `"` + strings.ReplaceAll(text, "\u0000", `\u0000`) + `"`
	}
	return `"` + text + `"`
}

// wrongPurposes present one kind of JWT as another, each good in itself.
func (a *arena) wrongPurposes(t testing.TB) []attack {
	t.Helper()
	good := map[string]string{}
	for _, s := range a.shapes(t) {
		good[s.name] = s.good()
	}
	typed := func(typ, payload string) string {
		return a.es.Token(a.tokenHeader().with("typ", strconv.Quote(typ)).String(), payload)
	}
	token := a.tokenPayload().with("iss", strconv.Quote(laxURL))
	list := []attack{
		a.token("a client assertion", good["assertion"]),
		a.token("a DPoP proof", good["proof"]),
		{"assertion: an access token", map[string]any{"client_assertion": good["token"]}},
		{"assertion: a DPoP proof", map[string]any{"client_assertion": good["proof"]}},
		{"proof: an access token", a.proving(good["token"])},
		{"proof: a client assertion", a.proving(good["assertion"])},
		{"secret: an access token", map[string]any{"client_id": arenaUser, "client_secret": good["token"]}},
		{"opaque: an access token", map[string]any{"token": good["token"], "issuer": opaqueIssuer}},
		{"opaque: an access token, its issuer named", map[string]any{"token": good["token"], "issuer": "arena"}},
		a.token("a security event", typed("secevent+jwt", jsonObject{{"iss", strconv.Quote(laxURL)}, {"aud", `"brightfold"`}, {"iat", fmt.Sprint(sunday.Unix())}, {"jti", newID()},
			{"sub_id", `{"format":"opaque","id":"mu:arena"}`}, {"events", `{"https://schemas.openid.net/secevent/caep/event-type/session-revoked":{}}`}}.String())),
		a.token("an introspection answer", typed("token-introspection+jwt", jsonObject{{"iss", strconv.Quote(laxURL)}, {"aud", `"brightfold"`}, {"iat", fmt.Sprint(sunday.Unix())}, {"token_introspection", token.String()}}.String())),
	}
	for _, typ := range []string{"dpop+jwt", "secevent+jwt", "logout+jwt", "token-introspection+jwt", "client-authentication+jwt", "statuslist+jwt", "wit+jwt", "entity-statement+jwt", "application/WIT+JWT"} {
		list = append(list, a.token("of a lax issuer, typ "+typ, typed(typ, token.String())))
	}
	return list
}

// assertions are what only client assertions can have wrong.
func (a *arena) assertions() []attack {
	header := jsonObject{{"alg", `"ES256"`}, {"kid", `"client"`}, {"typ", `"client-authentication+jwt"`}}
	var list []attack
	say := func(name string, payload jsonObject, more map[string]any) {
		text := a.client.Token(header.String(), payload.String())
		list = append(list, attack{"assertion: " + name, and(map[string]any{"client_assertion": text}, more)})
	}
	good := a.assertionPayload
	say("another client's", good().with("sub", `"mu:user-svc"`), nil)
	say("by another client", good().with("iss", `"mu:user-svc"`), nil)
	say("of a client without a key", good().with("iss", `"mu:user-svc"`).with("sub", `"mu:user-svc"`), nil)
	say("of nobody", good().with("iss", `"mu:nobody"`).with("sub", `"mu:nobody"`), nil)
	say("client_id of another", good(), map[string]any{"client_id": "mu:user-svc"})
	say("aud a list", good().with("aud", `["verdict"]`), nil)
	say("aud a list of two", good().with("aud", `["verdict","https://attacker.example"]`), nil)
	say("aud the attacker's", good().with("aud", `"https://attacker.example/token"`), nil)
	say("aud a part", good().with("aud", `"verdic"`), nil)
	say("aud in upper case", good().with("aud", `"VERDICT"`), nil)
	say("aud with a slash", good().with("aud", `"verdict/"`), nil)
	say("aud of access tokens", good().with("aud", `"brightfold"`), nil)
	say("good for an hour", good().with("exp", fmt.Sprint(sunday.Add(time.Hour).Unix())), nil)
	say("good for an hour, made long ago", good().with("iat", fmt.Sprint(sunday.Add(-time.Hour).Unix())), nil)
	say("from before the start", good().with("iat", fmt.Sprint(sunday.Add(-2*time.Minute).Unix())), nil)
	say("beside a secret", good(), map[string]any{"client_id": arenaUser, "client_secret": "vs_x"})
	return list
}

// proofs are what only DPoP proofs can have wrong.
func (a *arena) proofs(t testing.TB) []attack {
	t.Helper()
	header := jsonObject{{"alg", `"ES256"`}, {"jwk", publicJWK(t, a.prover)}, {"typ", `"dpop+jwt"`}}
	sign := func(payload jsonObject) string { return a.prover.Token(header.String(), payload.String()) }
	good := a.proofPayload
	said := func(name string, payload jsonObject) attack {
		return attack{"proof: " + name, a.proving(sign(payload))}
	}
	dpop := func(proof, method, url string) map[string]any {
		return map[string]any{"token": a.bound, "dpop": map[string]any{"proof": proof, "method": method, "url": url}}
	}
	strange := a.stranger.Token(header.with("jwk", publicJWK(t, a.stranger)).String(), good().String())
	return []attack{
		{"proof: none", map[string]any{"token": a.bound}},
		{"proof: a stranger's, with its key", a.proving(strange)},
		{"proof: a certificate instead", map[string]any{"token": a.bound, "certificate": a.ca.Client("arena", "arena.brightfold.example").PEM()}},
		{"proof: alone", map[string]any{"dpop": map[string]any{"proof": sign(good()), "method": "POST", "url": pdptest.ProofURL}}},
		{"proof: beside an unbound token", map[string]any{"token": a.es.Token(a.tokenHeader().String(), a.tokenPayload().String()), "dpop": map[string]any{"proof": sign(good()), "method": "POST", "url": pdptest.ProofURL}}},
		{"proof: beside a secret", map[string]any{"client_id": arenaUser, "client_secret": "vs_x", "dpop": map[string]any{"proof": sign(good()), "method": "POST", "url": pdptest.ProofURL}}},
		{"proof: for another method", dpop(sign(good()), "GET", pdptest.ProofURL)},
		{"proof: for another path", dpop(sign(good()), "POST", pdptest.ProofURL+"/all")},
		{"proof: for another host", dpop(sign(good()), "POST", strings.Replace(pdptest.ProofURL, "email", "ledger", 1))},
		{"proof: for a user of the host", dpop(sign(good()), "POST", strings.Replace(pdptest.ProofURL, "//", "//a@", 1))},
		{"proof: without a URL", dpop(sign(good()), "POST", "")},
		{"proof: without a method", dpop(sign(good()), "", pdptest.ProofURL)},
		said("made an hour ago", good().with("iat", fmt.Sprint(sunday.Add(-time.Hour).Unix()))),
		said("made in 61 seconds", good().with("iat", fmt.Sprint(sunday.Unix()+61))),
		said("of another token", good().with("ath", `"fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"`)),
		said("htm in lower case", good().with("htm", `"post"`)),
		said("htu with a backslash", good().with("htu", `"https:\\\\email.brightfold.example\\v1\\send"`)),
		said("htu without a scheme", good().with("htu", `"//email.brightfold.example/v1/send"`)),
	}
}

// opaques are opaque tokens nobody issued, and what is no token.
func (a *arena) opaques(t testing.TB) []attack {
	t.Helper()
	var list []attack
	for name, text := range map[string]string{
		"unknown": "at_opaque_unknown", "one letter": "a", "a path": "../../etc/passwd", "form injection": "x&active=true", "a newline": "x\r\nHost: attacker.example", "not ASCII": "t\u00f6ken",
		"8 kB": strings.Repeat("a", 8<<10), "half a megabyte": strings.Repeat("a", 500_000), "equals signs": "====", "JSON": `{"active":true}`, "a space": " ", "a NUL": "\x00",
	} {
		list = append(list, attack{"opaque: " + name, map[string]any{"token": text, "issuer": opaqueIssuer}})
	}
	now := sunday.Unix()
	for name, answer := range map[string]map[string]any{
		"of another issuer":      {"iss": strictURL},
		"of nobody":              {"sub": "mu:nobody"},
		"without a subject":      {"sub": nil},
		"expired":                {"exp": now - 1},
		"of the future":          {"nbf": now + 3600},
		"for somebody else":      {"aud": "other"},
		"with a broken audience": {"aud": []any{[]any{"brightfold"}}},
		"bound to a key":         {"cnf": map[string]any{"jkt": thumbprint(t, a.prover)}},
		"bound to nobody knows":  {"cnf": map[string]any{"kid": "k"}},
	} {
		claims := map[string]any{"iss": a.authority.URL, "sub": arenaUser, "aud": "brightfold", "iat": now, "exp": now + 300}
		list = append(list, attack{"opaque: " + name, map[string]any{"token": a.authority.Opaque(and(claims, answer)), "issuer": opaqueIssuer}})
	}
	return list
}

// certificates are client certificates of nobody, or of somebody else's making.
func (a *arena) certificates(t testing.TB) []attack {
	t.Helper()
	name := "arena.brightfold.example"
	own := func(change func(*x509.Certificate)) string {
		return a.ca.Issue("arena", func(c *x509.Certificate) {
			c.DNSNames = []string{name}
			change(c)
		}).PEM()
	}
	good := a.ca.Client("arena", name)
	der, err := x509.MarshalECPrivateKey(good.Key)
	if err != nil {
		t.Fatal(err)
	}
	bits := []byte(good.PEM())
	block, _ := pem.Decode(bits)
	changed := append([]byte(nil), block.Bytes...)
	changed[len(changed)-9] ^= 1
	certificate := func(what, text string) attack {
		return attack{"certificate: " + what, map[string]any{"certificate": text}}
	}
	return []attack{
		certificate("of another authority with this name", pdptest.NewCA(t, partnersCA, sunday).Client("arena", name).PEM()),
		certificate("of a name nobody has", a.ca.Client("nobody", "nobody.brightfold.example").PEM()),
		certificate("with a name in its subject only", a.ca.Client(name).PEM()),
		certificate("of a pattern", a.ca.Client("arena", "*.brightfold.example").PEM()),
		certificate("for servers", own(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })),
		certificate("of an authority itself", own(func(c *x509.Certificate) { c.IsCA = true; c.KeyUsage = x509.KeyUsageCertSign })),
		certificate("expired", own(func(c *x509.Certificate) { c.NotAfter = sunday.Add(-time.Hour) })),
		certificate("of the future", own(func(c *x509.Certificate) { c.NotBefore = sunday.Add(time.Hour) })),
		certificate("with a changed signature", pemOf("CERTIFICATE", changed)),
		certificate("cut off", pemOf("CERTIFICATE", block.Bytes[:len(block.Bytes)/2])),
		certificate("and its private key", good.PEM()+pemOf("EC PRIVATE KEY", der)),
		certificate("twenty times", strings.Repeat(good.PEM(), 20)),
		certificate("six times", strings.Repeat(good.PEM(), 6)),
		certificate("no PEM", "arena"),
		certificate("an empty block", pemOf("CERTIFICATE", nil)),
		certificate("half a megabyte", pemOf("CERTIFICATE", make([]byte, 350_000))),
		certificate("base64 of noise", base64.StdEncoding.EncodeToString([]byte(strings.Repeat("\x30\x82", 500)))),
		{"certificate: by its thumbprint alone", map[string]any{"certificate_thumbprint": good.Thumbprint()}},
		{"certificate: of a connection without one", map[string]any{"connection": true}},
	}
}

func pemOf(kind string, content []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}))
}

// ambiguous proves somebody in two ways, or in none.
func (a *arena) ambiguous(t testing.TB) []attack {
	t.Helper()
	token := func() map[string]any {
		return map[string]any{"token": a.es.Token(a.tokenHeader().String(), a.tokenPayload().String())}
	}
	assertion := a.client.Token(`{"alg":"ES256","kid":"client"}`, a.assertionPayload().String())
	other := a.p.Token("mu:user-svc")
	return []attack{
		{"ambiguous: nothing", map[string]any{}},
		{"ambiguous: an empty token", map[string]any{"token": ""}},
		{"ambiguous: a client id alone", map[string]any{"client_id": arenaUser}},
		{"ambiguous: a secret alone", map[string]any{"client_secret": "vs_x"}},
		{"ambiguous: a token and a secret", and(token(), map[string]any{"client_id": arenaUser, "client_secret": "vs_x"})},
		{"ambiguous: a token and an assertion", and(token(), map[string]any{"client_assertion": assertion})},
		{"ambiguous: a token and claims", and(token(), map[string]any{"claims": map[string]any{"iss": strictURL, "sub": arenaUser}})},
		{"ambiguous: claims without the role", map[string]any{"claims": map[string]any{"iss": strictURL, "sub": arenaUser, "aud": "brightfold", "iat": sunday.Unix(), "exp": sunday.Unix() + 300}}},
		{"ambiguous: two certificates", map[string]any{"certificate": a.ca.Client("a", "a.example").PEM(), "certificate_thumbprint": "x"}},
		{"ambiguous: another's token and our certificate", map[string]any{"token": other, "certificate": a.ca.Client("arena", "arena.brightfold.example").PEM()}},
		{"ambiguous: an unknown member", and(token(), map[string]any{"admin": true})},
		{"ambiguous: a guessed secret", map[string]any{"client_id": arenaUser, "client_secret": "vs_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}},
		{"ambiguous: a secret of half a megabyte", map[string]any{"client_id": arenaUser, "client_secret": strings.Repeat("a", 500_000)}},
		{"ambiguous: a client id of half a megabyte", map[string]any{"client_id": strings.Repeat("a", 500_000), "client_secret": "vs_x"}},
	}
}
