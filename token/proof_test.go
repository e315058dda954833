package token_test

import (
	"crypto/elliptic"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	jose "github.com/go-jose/go-jose/v3"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/test/forge"
	"github.com/verdict-pdp/verdict/test/vectors"
	"github.com/verdict-pdp/verdict/token"
)

const (
	boundToken  = "a.b.c"
	proofMethod = "POST"
	proofURL    = "https://api.example/v1/mail"
)

// prover is a client with a key for DPoP proofs.
type prover struct {
	forger
	jwk string
	jkt string
}

func newProver(t testing.TB, alg string) prover {
	t.Helper()
	p := prover{forger: forgerOf(t, newSigner(t, alg))}
	public := jose.JSONWebKey{Key: p.key}
	public = public.Public()
	data, err := json.Marshal(public)
	if err != nil {
		t.Fatal(err)
	}
	p.jwk = string(data)
	if p.jkt, err = token.KeyThumbprint(p.jwk); err != nil {
		t.Fatal(err)
	}
	return p
}

func newProofVerifier(t testing.TB, started time.Time) *token.Possession {
	t.Helper()
	p, err := token.NewPossession(started)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (p prover) proofHeader(alg string) string {
	return fmt.Sprintf(`{"typ":"dpop+jwt","alg":%q,"jwk":%s}`, alg, p.jwk)
}

// proofPayload is a good proof's payload, changes being members replaced, or with
// "" removed.
func proofPayload(jti string, at time.Time, changes map[string]string) string {
	members := map[string]string{
		"jti": fmt.Sprintf("%q", jti), "htm": `"POST"`, "htu": fmt.Sprintf("%q", proofURL),
		"iat": fmt.Sprint(at.Unix()), "ath": fmt.Sprintf("%q", token.Thumbprint([]byte(boundToken))),
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

func proofOf(jwt string) *authz.Proof {
	return &authz.Proof{JWT: jwt, Method: proofMethod, URL: proofURL}
}

func wantProofFault(t *testing.T, fault *authz.Fault, cause string) {
	t.Helper()
	switch {
	case cause == "":
		if fault != nil {
			t.Errorf("fault %+v, want none", fault)
		}
	case fault == nil:
		t.Errorf("accepted; want %s", cause)
	case fault.Code != authz.TokenBindingMismatch || fault.Cause != cause || fault.Message == "" || fault.Fix == "":
		t.Errorf("%+v; want %s", fault, cause)
	}
}

func TestProof(t *testing.T) {
	p, stranger, rs := newProver(t, "ES256"), newProver(t, "ES256"), newProver(t, "RS256")
	started := judged.Add(-time.Hour)
	claim := func(name, value string) string {
		return p.token(p.proofHeader("ES256"), proofPayload("j", judged, map[string]string{name: value}))
	}
	head := func(header string) string { return p.token(header, proofPayload("j", judged, nil)) }
	withKey := func(jwk string) string { return head(`{"typ":"dpop+jwt","alg":"ES256","jwk":` + jwk + `}`) }
	and := func(member string) string { return strings.TrimSuffix(p.jwk, "}") + "," + member + "}" }
	at := func(offset time.Duration) string {
		return p.token(p.proofHeader("ES256"), proofPayload("j", judged.Add(offset), nil))
	}
	good := claim("nonce", `"ignored"`)
	parts := strings.Split(good, ".")
	private, err := json.Marshal(jose.JSONWebKey{Key: p.key})
	if err != nil {
		t.Fatal(err)
	}
	weak, err := json.Marshal(jose.JSONWebKey{Key: rsaKey(t, 1024).Public()})
	if err != nil {
		t.Fatal(err)
	}
	p384, err := json.Marshal(jose.JSONWebKey{Key: ecKey(t, elliptic.P384()).Public()})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		proof *authz.Proof
		jkt   string // p's when empty
		cause string
	}{
		"good":                        {proof: proofOf(good)},
		"good, RSA":                   {proof: proofOf(rs.token(rs.proofHeader("RS256"), proofPayload("j", judged, nil))), jkt: rs.jkt},
		"good, typ as media type":     {proof: proofOf(head(`{"typ":"application/DPoP+jwt","alg":"ES256","jwk":` + p.jwk + `}`))},
		"good, jwk with metadata":     {proof: proofOf(withKey(and(`"alg":"ES256","use":"sig","kid":"a","key_ops":["verify"],"ext":true`)))},
		"good, htu spelled otherwise": {proof: proofOf(claim("htu", `"HTTPS://API.example:443/v1/./x/%2e%2E/%6dail"`))},
		"good, URL with query":        {proof: &authz.Proof{JWT: good, Method: "POST", URL: proofURL + "?page=2#top"}},

		"empty":                 {proof: proofOf(""), cause: "proof_malformed"},
		"too large":             {proof: proofOf(claim("x", `"`+strings.Repeat("a", 8<<10)+`"`)), cause: "proof_malformed"},
		"no JWT":                {proof: proofOf("proof"), cause: "proof_malformed"},
		"padded":                {proof: proofOf(good + "="), cause: "proof_malformed"},
		"JSON serialization":    {proof: proofOf(fmt.Sprintf(`{"protected":%q,"payload":%q,"signature":%q}`, parts[0], parts[1], parts[2])), cause: "proof_malformed"},
		"kid in the header":     {proof: proofOf(head(strings.TrimSuffix(p.proofHeader("ES256"), "}") + `,"kid":"a"}`)), cause: "proof_malformed"},
		"crit in the header":    {proof: proofOf(head(strings.TrimSuffix(p.proofHeader("ES256"), "}") + `,"crit":[]}`)), cause: "proof_malformed"},
		"two jwks":              {proof: proofOf(head(strings.TrimSuffix(p.proofHeader("ES256"), "}") + `,"jwk":{}}`)), cause: "proof_malformed"},
		"header a list":         {proof: proofOf(head(`[]`)), cause: "proof_malformed"},
		"payload a list":        {proof: proofOf(p.token(p.proofHeader("ES256"), `[]`)), cause: "proof_malformed"},
		"payload's claim twice": {proof: proofOf(p.token(p.proofHeader("ES256"), strings.TrimSuffix(proofPayload("j", judged, nil), "}")+`,"htm":"GET"}`)), cause: "proof_malformed"},

		"typ missing":    {proof: proofOf(head(`{"alg":"ES256","jwk":` + p.jwk + `}`)), cause: "proof_type"},
		"typ at+jwt":     {proof: proofOf(head(`{"typ":"at+jwt","alg":"ES256","jwk":` + p.jwk + `}`)), cause: "proof_type"},
		"typ a number":   {proof: proofOf(head(`{"typ":1,"alg":"ES256","jwk":` + p.jwk + `}`)), cause: "proof_type"},
		"alg missing":    {proof: proofOf(head(`{"typ":"dpop+jwt","jwk":` + p.jwk + `}`)), cause: "proof_algorithm"},
		"alg none":       {proof: proofOf(forge.Part(p.proofHeader("none")) + "." + parts[1] + "."), cause: "proof_algorithm"},
		"alg symmetric":  {proof: proofOf(forge.HMAC(p.proofHeader("HS256"), proofPayload("j", judged, nil), []byte(p.jwk))), cause: "proof_algorithm"},
		"alg of another": {proof: proofOf(head(p.proofHeader("ES384"))), cause: "proof_algorithm"},
		"alg not jwk's":  {proof: proofOf(withKey(and(`"alg":"ES384"`))), cause: "proof_algorithm"},

		"jwk missing":        {proof: proofOf(head(`{"typ":"dpop+jwt","alg":"ES256"}`)), cause: "proof_key"},
		"jwk a string":       {proof: proofOf(withKey(`"a"`)), cause: "proof_key"},
		"jwk private":        {proof: proofOf(withKey(string(private))), cause: "proof_key"},
		"jwk symmetric":      {proof: proofOf(withKey(`{"kty":"oct","k":"AAAA"}`)), cause: "proof_key"},
		"jwk weak":           {proof: proofOf(withKey(string(weak))), cause: "proof_key"},
		"jwk off the curve":  {proof: proofOf(withKey(`{"kty":"EC","crv":"P-256","x":"` + strings.Repeat("A", 43) + `","y":"` + strings.Repeat("A", 43) + `"}`)), cause: "proof_key"},
		"jwk for encryption": {proof: proofOf(withKey(and(`"use":"enc"`))), cause: "proof_key"},
		"jwk with x5c":       {proof: proofOf(withKey(and(`"x5c":["AAAA"]`))), cause: "proof_key"},
		"jwk with x5u":       {proof: proofOf(withKey(and(`"x5u":"https://evil.example"`))), cause: "proof_key"},
		"jwk of P-384":       {proof: proofOf(withKey(string(p384))), cause: "proof_algorithm"},

		"another's key":       {proof: proofOf(stranger.token(stranger.proofHeader("ES256"), proofPayload("j", judged, nil))), cause: "proof_key_mismatch"},
		"no binding":          {proof: proofOf(good), jkt: "-", cause: "proof_key_mismatch"},
		"another's signature": {proof: proofOf(stranger.token(p.proofHeader("ES256"), proofPayload("j", judged, nil))), cause: "proof_signature"},
		"signature missing":   {proof: proofOf(parts[0] + "." + parts[1] + "."), cause: "proof_signature"},

		"method of another":  {proof: &authz.Proof{JWT: good, Method: "GET", URL: proofURL}, cause: "proof_method"},
		"method in lower":    {proof: proofOf(claim("htm", `"post"`)), cause: "proof_method"},
		"method missing":     {proof: &authz.Proof{JWT: claim("htm", ""), URL: proofURL}, cause: "proof_method"},
		"method a list":      {proof: proofOf(claim("htm", `["POST"]`)), cause: "proof_malformed"},
		"URL of another":     {proof: &authz.Proof{JWT: good, Method: "POST", URL: proofURL + "/"}, cause: "proof_url"},
		"URL missing":        {proof: &authz.Proof{JWT: claim("htu", ""), Method: "POST"}, cause: "proof_url"},
		"URL with user":      {proof: proofOf(claim("htu", `"https://a@api.example/v1/mail"`)), cause: "proof_url"},
		"URL not encrypted":  {proof: proofOf(claim("htu", `"http://api.example/v1/mail"`)), cause: "proof_url"},
		"ath of another":     {proof: proofOf(claim("ath", fmt.Sprintf("%q", token.Thumbprint([]byte("x"))))), cause: "proof_token"},
		"ath missing":        {proof: proofOf(claim("ath", "")), cause: "proof_token"},
		"ath padded":         {proof: proofOf(claim("ath", fmt.Sprintf("%q", token.Thumbprint([]byte(boundToken))+"="))), cause: "proof_token"},
		"iat missing":        {proof: proofOf(claim("iat", "")), cause: "proof_time"},
		"iat a string":       {proof: proofOf(claim("iat", `"1"`)), cause: "proof_malformed"},
		"iat beyond numbers": {proof: proofOf(claim("iat", `1e300`)), cause: "proof_malformed"},
		"a minute old":       {proof: proofOf(at(-60 * time.Second))},
		"more than a minute": {proof: proofOf(at(-61 * time.Second)), cause: "proof_time"},
		"ten seconds ahead":  {proof: proofOf(at(10 * time.Second))},
		"further ahead":      {proof: proofOf(at(11 * time.Second)), cause: "proof_time"},
		"jti missing":        {proof: proofOf(claim("jti", "")), cause: "proof_malformed"},
		"jti empty":          {proof: proofOf(claim("jti", `""`)), cause: "proof_malformed"},
		"jti long":           {proof: proofOf(claim("jti", `"`+strings.Repeat("j", 256)+`"`))},
		"jti too long":       {proof: proofOf(claim("jti", `"`+strings.Repeat("j", 257)+`"`)), cause: "proof_malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			jkt := c.jkt
			if jkt == "" {
				jkt = p.jkt
			}
			s := newProofVerifier(t, started)
			wantProofFault(t, s.CheckProof(c.proof, boundToken, jkt, judged, true), c.cause)
			wantProofFault(t, s.CheckProof(c.proof, boundToken, jkt, judged, false), c.cause)
			again := c.cause
			if again == "" {
				again = "proof_replayed"
			}
			wantProofFault(t, s.CheckProof(c.proof, boundToken, jkt, judged, true), again)
			wantProofFault(t, s.CheckProof(c.proof, boundToken, jkt, judged, false), again)
		})
	}
}

// A proof that fails uses nothing up, and an id belongs to its key.
func TestProofUsesItsIDLast(t *testing.T) {
	p, other := newProver(t, "ES256"), newProver(t, "ES256")
	s := newProofVerifier(t, judged.Add(-time.Hour))
	good := proofOf(p.token(p.proofHeader("ES256"), proofPayload("j", judged, nil)))
	wantProofFault(t, s.CheckProof(&authz.Proof{JWT: good.JWT, Method: "GET", URL: proofURL}, boundToken, p.jkt, judged, false), "proof_method")
	wantProofFault(t, s.CheckProof(good, boundToken, p.jkt, judged.Add(time.Hour), false), "proof_time")
	wantProofFault(t, s.CheckProof(proofOf(other.token(other.proofHeader("ES256"), proofPayload("j", judged, nil))), boundToken, other.jkt, judged, false), "")
	wantProofFault(t, s.CheckProof(good, boundToken, p.jkt, judged, false), "")
	later := proofOf(p.token(p.proofHeader("ES256"), proofPayload("j", judged.Add(30*time.Second), nil)))
	wantProofFault(t, s.CheckProof(later, boundToken, p.jkt, judged.Add(30*time.Second), false), "proof_replayed")
}

func TestProofMadeBeforeTheStart(t *testing.T) {
	p := newProver(t, "ES256")
	proof := proofOf(p.token(p.proofHeader("ES256"), proofPayload("j", judged, nil)))
	for _, rehearsal := range []bool{true, false} {
		wantProofFault(t, newProofVerifier(t, judged.Add(time.Second)).CheckProof(proof, boundToken, p.jkt, judged.Add(2*time.Second), rehearsal), "before_start")
		wantProofFault(t, newProofVerifier(t, judged).CheckProof(proof, boundToken, p.jkt, judged, rehearsal), "")
	}
}

func TestProofIsAcceptedOnceAmongMany(t *testing.T) {
	p := newProver(t, "ES256")
	s := newProofVerifier(t, judged)
	proof := proofOf(p.token(p.proofHeader("ES256"), proofPayload("j", judged, nil)))
	var accepted atomic.Int64
	var callers sync.WaitGroup
	for range 16 {
		callers.Go(func() {
			if s.CheckProof(proof, boundToken, p.jkt, judged, false) == nil {
				accepted.Add(1)
			}
		})
	}
	callers.Wait()
	if accepted.Load() != 1 {
		t.Errorf("accepted %d times", accepted.Load())
	}
}

// RFC 9449 figures 2 and 13, and RFC 7638 section 3.1.
func TestRFC9449Proofs(t *testing.T) {
	var e struct {
		RFC7638 struct {
			JWK        json.RawMessage `json:"jwk"`
			Thumbprint string          `json:"sha256_thumbprint"`
		} `json:"rfc7638"`
		RFC9449 struct {
			AccessToken string `json:"access_token"`
			JKT         string `json:"jkt"`
			Proofs      []struct {
				Method string `json:"htm"`
				URL    string `json:"htu"`
				At     int64  `json:"iat"`
				Proof  string `json:"proof"`
				Hashed bool   `json:"has_ath"`
			} `json:"proofs"`
		} `json:"rfc9449"`
	}
	if err := json.Unmarshal(vectors.Read(t, "jose/rfc-examples.json"), &e); err != nil {
		t.Fatal(err)
	}
	if named, err := token.KeyThumbprint(string(e.RFC7638.JWK)); err != nil || named != e.RFC7638.Thumbprint {
		t.Errorf("RFC 7638: %q %v", named, err)
	}
	if len(e.RFC9449.Proofs) != 2 {
		t.Fatalf("%d proofs", len(e.RFC9449.Proofs))
	}
	for _, example := range e.RFC9449.Proofs {
		at := time.Unix(example.At, 0)
		proof := &authz.Proof{JWT: example.Proof, Method: example.Method, URL: example.URL}
		check := func(now time.Time, jkt string) *authz.Fault {
			return newProofVerifier(t, at).CheckProof(proof, e.RFC9449.AccessToken, jkt, now, false)
		}
		want := ""
		if !example.Hashed { // made for the token endpoint
			want = "proof_token"
		}
		wantProofFault(t, check(at.Add(2*time.Second), e.RFC9449.JKT), want)
		wantProofFault(t, check(at, e.RFC7638.Thumbprint), "proof_key_mismatch")
		if example.Hashed {
			wantProofFault(t, check(at.Add(time.Hour), e.RFC9449.JKT), "proof_time")
		}
	}
}

func TestSameTarget(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"https://a.example", "https://a.example/", true},
		{"https://a.example/x?y#z", "https://a.example/x", true},
		{"HTTPS://A.Example:443/x", "https://a.example/x", true},
		{"http://a.example:80", "http://a.example", true},
		{"https://a.example:/x", "https://a.example/x", true},
		{"https://a.example:80/x", "https://a.example/x", false},
		{"https://[::1]:443/", "https://[::1]/", true},
		{"https://a.example/a/b/../c/./d", "https://a.example/a/c/d", true},
		{"https://a.example/a/..", "https://a.example/", true},
		{"https://a.example/a/.", "https://a.example/a/", true},
		{"https://a.example/../../a", "https://a.example/a", true},
		{"https://a.example/a//b", "https://a.example/a/b", false},
		{"https://a.example/a//..", "https://a.example/a/", true},
		{"https://a.example/%7euser/%c3%a4", "https://a.example/~user/%C3%A4", true},
		{"https://a.example/a%2fb", "https://a.example/a%2Fb", true},
		{"https://a.example/a%2fb", "https://a.example/a/b", false},
		{"https://a.example/A", "https://a.example/a", false},
		{"https://a.example/a/", "https://a.example/a", false},
		{"https://a.example./", "https://a.example/", false},
		// Not even equal to themselves.
		{"https://u@a.example/", "https://u@a.example/", false},
		{"https://a.example/ x", "https://a.example/ x", false},
		{"https://a.example/\\x", "https://a.example/\\x", false},
		{"https://a.example/ä", "https://a.example/ä", false},
		{"https://a%2eexample/", "https://a%2eexample/", false},
		{"https://a.example/%zz", "https://a.example/%zz", false},
		{"https:a.example", "https:a.example", false},
		{"//a.example/", "//a.example/", false},
		{"/x", "/x", false},
		{"ftp://a.example/", "ftp://a.example/", false},
		{"https:///x", "https:///x", false},
		{"", "", false},
	} {
		if got := token.SameTarget(c.a, c.b); got != c.same {
			t.Errorf("%q and %q: %v", c.a, c.b, got)
		}
		if got := token.SameTarget(c.b, c.a); got != c.same {
			t.Errorf("%q and %q: %v", c.b, c.a, got)
		}
	}
}

// Every URL is its own target, whatever its query and fragment.
func TestSameTargetProperties(t *testing.T) {
	part := rapid.StringMatching(`[A-Za-z0-9._~!$&'()*+,;=:@%-]{0,8}`).Filter(func(s string) bool { return !strings.Contains(s, "%") })
	escape := rapid.StringMatching(`%[0-9A-Fa-f]{2}`)
	segment := rapid.OneOf(part, escape, rapid.SampledFrom([]string{".", "..", "", "%2e%2E"}))
	rapid.Check(t, func(t *rapid.T) {
		host := rapid.StringMatching(`[a-zA-Z][a-zA-Z0-9-]{0,8}(\.[a-z]{1,5})?`).Draw(t, "host")
		port := rapid.SampledFrom([]string{"", ":443", ":80", ":8443"}).Draw(t, "port")
		path := ""
		for _, s := range rapid.SliceOfN(segment, 0, 6).Draw(t, "segments") {
			path += "/" + s
		}
		scheme := rapid.SampledFrom([]string{"https://", "http://"}).Draw(t, "scheme")
		base := scheme + host + port + path
		if !token.SameTarget(base, base) {
			t.Fatalf("%q is not its own target", base)
		}
		query, fragment := part.Draw(t, "query"), part.Draw(t, "fragment")
		for _, other := range []string{base + "?" + query, base + "#" + fragment, base + "?" + query + "#" + fragment, strings.ToUpper(scheme+host) + port + path} {
			if !token.SameTarget(base, other) || !token.SameTarget(other, base) {
				t.Fatalf("%q and %q", base, other)
			}
		}
		if token.SameTarget(base, scheme+"x"+host+port+path) {
			t.Fatalf("%q is the target of another host", base)
		}
	})
}

// FuzzProof signs arbitrary headers and payloads with the bound key: nothing
// panics, and what is accepted is accepted once and says what RFC 9449 asks.
func FuzzProof(f *testing.F) {
	p := newProver(f, "ES256")
	good := proofPayload("j", judged, nil)
	f.Add("", good)
	f.Add(`{"typ":"dpop+jwt","alg":"ES256"}`, good)
	f.Add(`{"typ":"dpop+jwt","alg":"ES256","jwk":{"kty":"oct","k":"AA"}}`, good)
	f.Add("", `{"htu":"https://api.example/v1/mail","htm":"POST"}`)
	f.Fuzz(func(t *testing.T, header, payload string) {
		signer := p
		signer.t = t
		if header == "" {
			header = p.proofHeader("ES256")
		}
		s := newProofVerifier(t, judged.Add(-time.Hour))
		proof := proofOf(signer.token(header, payload))
		fault := s.CheckProof(proof, boundToken, p.jkt, judged, false)
		if fault != nil {
			if fault.Code != authz.TokenBindingMismatch || fault.Cause == "" || fault.Message == "" || fault.Fix == "" {
				t.Errorf("says too little: %+v", fault)
			}
			return
		}
		var said map[string]any
		if err := json.Unmarshal([]byte(payload), &said); err != nil || said["htm"] != proofMethod || said["jti"] == "" || said["ath"] != token.Thumbprint([]byte(boundToken)) {
			t.Errorf("accepted %q: %v", payload, err)
		}
		if again := s.CheckProof(proof, boundToken, p.jkt, judged, false); again == nil || again.Cause != "proof_replayed" {
			t.Errorf("again: %+v", again)
		}
	})
}
