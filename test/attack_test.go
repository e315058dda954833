package test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/config"
	"github.com/verdict-pdp/verdict/test/forge"
	"github.com/verdict-pdp/verdict/test/pdptest"
)

// attack is evidence that must not be believed, as it is sent.
type attack struct {
	name       string
	credential map[string]any
}

// arena is a Verdict with whom attackers pretend to be: a machine user that may call
// a service which asks for no level at all, so that nothing but the evidence itself
// can be what refuses an attack.
type arena struct {
	p *pdptest.PDP

	es, rs, ps *pdptest.Forger // the issuer's keys: ES256, RS256, PS512
	client     *pdptest.Forger // the machine user's own key
	prover     *pdptest.Forger // the key of its DPoP proofs
	stranger   *pdptest.Forger // nobody's key
	authority  *pdptest.Authority
	ca         *pdptest.CA
	bound      string // an access token bound to the prover's key
	secret     string
}

// The issuers of the arena. The lax one takes several kinds of JWTs, signed with the
// same key.
const (
	strictURL = "https://arena.brightfold.example"
	laxURL    = "https://lax.brightfold.example"
	arenaUser = "mu:arena"
)

func newArena(t testing.TB, log io.Writer) *arena {
	t.Helper()
	a := &arena{
		p: pdptest.Start(t, pdptest.Settings{Demo: true, At: sunday.Add(-time.Minute), Log: log, Change: func(c *config.Config) {
			c.TokenService.Issuer, c.TokenService.Service = "https://verdict.brightfold.example", "svc:ours"
		}}),
		es:        pdptest.NewForger(t, "es"),
		rs:        pdptest.NewRSAForger(t, "rs"),
		ps:        pdptest.NewRSAForger(t, "ps"),
		client:    pdptest.NewForger(t, "client"),
		prover:    pdptest.NewForger(t, ""),
		stranger:  pdptest.NewForger(t, "es"),
		authority: pdptest.NewAuthority(t, opaqueIssuer),
		ca:        pdptest.NewCA(t, partnersCA, sunday),
	}
	a.p.Clock.Set(sunday)
	a.p.KeepSecret()
	a.registerIssuers(t)
	none := 0
	a.p.Put(&authz.Service{Header: authz.Header{ID: "svc:arena"}, Tier: 3, Owner: "test", RequiredLevel: authz.RequiredLevel{Internal: &none}})
	a.p.Put(&authz.MachineUser{Header: authz.Header{ID: arenaUser}, Kind: "service", Origin: "internal", Owner: "test", Tier: 3})
	a.p.Put(&authz.Edge{From: arenaUser, To: "svc:arena", Actions: []string{"thing.do"}, Owner: "test"})
	a.p.Put(&authz.Service{Header: authz.Header{ID: "svc:ours"}, Tier: 3, Owner: "test", RequiredLevel: authz.RequiredLevel{Internal: &none}})
	a.p.Put(&authz.Edge{From: arenaUser, To: "svc:ours", Actions: []string{"token.issue"}, Owner: "test"})
	a.p.Put(&authz.Credential{
		Header: authz.Header{ID: "arena-key"}, MachineUser: arenaUser, Kind: authz.KindPublicKey, Keys: keySet(t, a.client.JWK("ES256")),
	})
	a.p.Put(&authz.Credential{
		Header: authz.Header{ID: "arena-certificate"}, MachineUser: arenaUser, Kind: authz.KindCertificate,
		Issuer: partnersCA, Names: []string{authz.NameDNS + "arena.brightfold.example"},
	})
	_, a.secret = a.p.NewSecret(arenaUser, "")
	confirmation := fmt.Sprintf(`{"jkt":%q}`, thumbprint(t, a.prover))
	a.bound = a.es.Token(a.tokenHeader().String(), a.tokenPayload().with("cnf", confirmation).String())
	return a
}

func (a *arena) registerIssuers(t testing.TB) {
	t.Helper()
	keys := keySet(t, a.es.JWK("ES256"), a.rs.JWK("RS256"), a.ps.JWK("PS512"))
	strict := &authz.Issuer{
		Header: authz.Header{ID: "arena"}, URL: strictURL, Own: true, Keys: keys,
		Algorithms: []string{"ES256", "RS256", "PS512"}, Audiences: []string{"brightfold"},
		Events: &authz.EventStream{Audience: "events"},
	}
	lax := *strict
	lax.ID, lax.URL, lax.Types = "lax", laxURL, []string{"at+jwt", "JWT", ""}
	opaque := a.authority.Introspected()
	opaque.Own = true
	for _, issuer := range []*authz.Issuer{strict, &lax, opaque, a.ca.Issuer(partnersCA)} {
		a.p.Register(issuer)
	}
}

// ask sends evidence over HTTP.
func (a *arena) ask(t testing.TB, credential map[string]any) pdptest.Answer {
	t.Helper()
	body := marshal(t, map[string]any{
		"credential": credential,
		"action":     map[string]any{"name": "thing.do"},
		"resource":   map[string]any{"type": "service", "id": "svc:arena"},
	})
	return a.p.Call(http.MethodPost, a.p.DecisionsURL()+api.PathDecide, a.p.Asserting(), body)
}

// attacks is the whole list.
func (a *arena) attacks(t testing.TB) []attack {
	t.Helper()
	var all []attack
	for _, s := range a.shapes(t) {
		for _, forged := range s.forged(t, a.stranger) {
			all = append(all, attack{s.name + ": " + forged.name, s.credential(forged.text)})
		}
	}
	return slices.Concat(all, a.keyConfusion(t), a.lookAlikes(), a.wrongPurposes(t), a.assertions(), a.proofs(t), a.opaques(t), a.certificates(t), a.ambiguous(t))
}

// TestAttacks sends every attack over HTTP: each is denied, or refused as a question
// that cannot be asked, and none shakes the server.
func TestAttacks(t *testing.T) {
	t.Parallel()
	a := newArena(t, nil)
	a.believesTheGood(t)
	attacks := a.attacks(t)
	if len(attacks) < 800 {
		t.Fatalf("only %d attacks", len(attacks))
	}
	names := map[string]bool{}
	for _, attack := range attacks {
		if names[attack.name] {
			t.Errorf("two attacks are called %s", attack.name)
		}
		names[attack.name] = true
		t.Run(attack.name, func(t *testing.T) {
			answer := a.ask(t, attack.credential)
			if answer.Status != http.StatusOK {
				if answer.Status < 400 || answer.Status > 499 {
					t.Errorf("got status %d, body %s; want status 4xx", answer.Status, answer.Body)
				}
				return
			}
			var d api.Decision
			unmarshal(t, answer.Body, &d)
			if d.Outcome != api.Deny || len(d.Reasons) == 0 {
				t.Errorf("believed: %+v", d)
			}
			for _, r := range d.Reasons {
				if r.Code == authz.IssuerUnavailable || strings.HasPrefix(string(r.Code), "POLICY_") || r.Status < 400 || r.Status > 499 {
					t.Errorf("the attack is not what is blamed: %+v", r)
				}
			}
		})
	}
	a.believesTheGood(t)
}

// believesTheGood: what the attacks imitate is allowed.
func (a *arena) believesTheGood(t testing.TB) {
	t.Helper()
	good := map[string]map[string]any{
		"opaque token": {"token": a.authority.Opaque(a.authority.Claims(arenaUser, sunday)), "issuer": opaqueIssuer},
		"certificate":  {"certificate": a.ca.Client("arena", "arena.brightfold.example").PEM()},
		"secret":       {"client_id": arenaUser, "client_secret": a.secret},
		"RS256 token":  {"token": a.rs.Token(`{"alg":"RS256","kid":"rs","typ":"at+jwt"}`, a.tokenPayload().String())},
		"lax token":    {"token": a.es.Token(`{"alg":"ES256","kid":"es","typ":"JWT"}`, a.tokenPayload().with("iss", strconv.Quote(laxURL)).String())},
	}
	for _, s := range a.shapes(t) {
		good[s.name] = s.credential(s.good())
	}
	for name, credential := range good {
		if d := a.decision(t, credential); d.Outcome != api.Allow {
			t.Fatalf("the arena refuses a good %s: %+v", name, d.Reasons)
		}
	}
}

func (a *arena) decision(t testing.TB, credential map[string]any) api.Decision {
	t.Helper()
	answer := a.ask(t, credential)
	if answer.Status != http.StatusOK {
		t.Fatalf("got status %d, body %s; want status 200", answer.Status, answer.Body)
	}
	var d api.Decision
	unmarshal(t, answer.Body, &d)
	return d
}

// BenchmarkAttacks is what refusing each attack costs, in CPU time of the whole
// process: the server and the client that sends it.
func BenchmarkAttacks(b *testing.B) {
	a := newArena(b, io.Discard)
	for _, attack := range a.attacks(b) {
		b.Run(attack.name, func(b *testing.B) {
			a.ask(b, attack.credential)
			began := cpu(b)
			for b.Loop() {
				a.ask(b, attack.credential)
			}
			b.ReportMetric(float64((cpu(b)-began).Microseconds())/1000/float64(b.N), "cpu-ms/op")
		})
	}
}

// cpu is the CPU time this process has used.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestKeysThatMustNotBeRegistered: what would let everybody sign, or somebody forge,
// is refused before any token is seen.
func TestKeysThatMustNotBeRegistered(t *testing.T) {
	p := pdptest.Start(t, pdptest.Settings{Demo: true, At: sunday})
	es, weak := pdptest.NewForger(t, "k"), weakRSA(t)
	good := string(keySet(t, es.JWK("ES256")))
	issuer := func(algorithms, keys string) string {
		return fmt.Sprintf(`{"url":"https://weak.example","algorithms":%s,"keys":%s}`, algorithms, keys)
	}
	secret := func(k string) string {
		return issuer(`["HS256"]`, `{"keys":[{"kty":"oct","alg":"HS256","kid":"k","k":"`+forge.Part(k)+`"}]}`)
	}
	private := text(t, map[string]any{"keys": []any{privateJWK(es)}})
	tests := map[string]struct{ path, body string }{
		"a known HMAC secret, your-256-bit-secret": {"issuers/weak", secret("your-256-bit-secret")},
		"a known HMAC secret, 32 bytes":            {"issuers/weak", secret("secretsecretsecretsecretsecretse")},
		"a known HMAC secret, of RFC 7515":         {"issuers/weak", issuer(`["HS256"]`, `{"keys":[{"kty":"oct","alg":"HS256","kid":"k","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}]}`)},
		"a secret among public keys":               {"issuers/weak", issuer(`["ES256"]`, `{"keys":[`+strings.TrimSuffix(strings.TrimPrefix(good, `{"keys":[`), `]}`)+`,{"kty":"oct","k":"c2VjcmV0"}]}`)},
		"a public key for HS256":                   {"issuers/weak", issuer(`["HS256"]`, good)},
		"a public key for none":                    {"issuers/weak", issuer(`["none"]`, good)},
		"a private key":                            {"issuers/weak", issuer(`["ES256"]`, private)},
		"RSA of 1024 bits":                         {"issuers/weak", issuer(`["RS256"]`, weak)},
		"RSA of 16,384 bits":                       {"issuers/weak", issuer(`["RS256"]`, `{"keys":[{"kty":"RSA","alg":"RS256","kid":"k","e":"AQAB","n":"`+forge.Part(strings.Repeat("\xff", 2048))+`"}]}`)},
		"RSA with exponent 1":                      {"issuers/weak", issuer(`["RS256"]`, `{"keys":[{"kty":"RSA","alg":"RS256","kid":"k","e":"AQ","n":"`+forge.Part(strings.Repeat("\xff", 256))+`"}]}`)},
		"Ed25519 of low order":                     {"issuers/weak", issuer(`["EdDSA"]`, `{"keys":[{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","kid":"k","x":"`+forge.Part("\x01"+strings.Repeat("\x00", 31))+`"}]}`)},
		"a point off the curve":                    {"issuers/weak", issuer(`["ES256"]`, `{"keys":[{"kty":"EC","crv":"P-256","alg":"ES256","kid":"k","x":"`+forge.Part(strings.Repeat("\x01", 32))+`","y":"`+forge.Part(strings.Repeat("\x01", 32))+`"}]}`)},
		"two keys of one kid":                      {"issuers/weak", issuer(`["ES256"]`, string(keySet(t, es.JWK("ES256"), pdptest.NewForger(t, "k").JWK("ES256"))))},
		"keys from a plain http URL":               {"issuers/weak", `{"url":"https://weak.example","algorithms":["ES256"],"jwks_url":"http://weak.example/jwks"}`},
		"keys from a file":                         {"issuers/weak", `{"url":"https://weak.example","algorithms":["ES256"],"jwks_url":"file:///etc/passwd"}`},
		"a type that is never an access token":     {"issuers/weak", `{"url":"https://weak.example","algorithms":["ES256"],"types":["dpop+jwt"],"keys":` + good + `}`},
		"a private key of a machine user":          {"credentials/weak", `{"machine_user":"mu:user-svc","kind":"public_key","keys":` + private + `}`},
		"a secret as a public key":                 {"credentials/weak", `{"machine_user":"mu:user-svc","kind":"public_key","keys":{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}}`},
		"a secret in plain text":                   {"credentials/weak", `{"machine_user":"mu:user-svc","kind":"shared_secret","secret_hash":"hunter2"}`},
		"a hash that costs a gigabyte":             {"credentials/weak", `{"machine_user":"mu:user-svc","kind":"shared_secret","secret_hash":"$argon2id$v=19$m=1048576,t=3,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			answer := p.Call(http.MethodPut, p.AdminURL()+api.PathV1+test.path, p.Operator(), []byte(test.body))
			if answer.Status < 400 || answer.Status > 499 {
				t.Errorf("got status %d, body %s; want status 4xx", answer.Status, answer.Body)
			}
			after := p.Call(http.MethodGet, p.AdminURL()+api.PathV1+test.path, p.Operator(), nil)
			if after.Status != http.StatusNotFound {
				t.Errorf("stored: %d %s", after.Status, after.Body)
			}
		})
	}
	if answer := p.Call(http.MethodPut, p.AdminURL()+"/v1/issuers/weak", p.Operator(), []byte(issuer(`["ES256"]`, good))); answer.Status != http.StatusCreated {
		t.Fatalf("a good issuer is refused: %d %s", answer.Status, answer.Body)
	}
}

// sending is a credential of one member.
func sending(name string) func(string) map[string]any {
	return func(text string) map[string]any { return map[string]any{name: text} }
}

// and adds members to a credential.
func and(credential, more map[string]any) map[string]any {
	all := maps.Clone(credential)
	maps.Copy(all, more)
	return all
}
