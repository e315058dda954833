package test

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/config"
	"github.com/verdict-pdp/verdict/test/pdptest"
)

// ladder says for each kind of evidence the trust level it reaches, and whether that
// is enough for a service of tier 0, 1, 2 and 3: "a" allows, "-" is too weak. Callers
// from inside need 4, 3, 3, 2 and from outside 5, 4, 4, 3. It is written by hand.
var ladder = []struct {
	kind            string
	level           int
	inside, outside string
	present         func(c *caller, service string) authz.Evidence
}{
	{"client secret", 1, "----", "----", (*caller).byOwnSecret},
	{"opaque token", 2, "---a", "----", (*caller).byOpaqueToken},
	{"long-lived JWT", 2, "---a", "----", (*caller).byLongToken},
	{"token of our service, got with a secret", 2, "---a", "----", (*caller).byServiceToken},
	{"short-lived JWT", 3, "-aaa", "---a", (*caller).byShortToken},
	{"client assertion", 3, "-aaa", "---a", (*caller).byAssertion},
	{"client certificate", 4, "aaaa", "-aaa", (*caller).byCertificate},
	{"JWT bound to a certificate", 4, "aaaa", "-aaa", (*caller).byCertificateBoundToken},
	{"JWT bound to a DPoP key", 4, "aaaa", "-aaa", (*caller).byProofBoundToken},
	{"X.509-SVID of an attested workload", 5, "aaaa", "aaaa", (*caller).byAttestedSVID},
}

// required is the level asked for by origin and tier.
var required = map[string][authz.Tiers]int{"internal": {4, 3, 3, 2}, "external": {5, 4, 4, 3}}

// TestAssurance asks with every kind of evidence, from inside and outside, for a
// service of every tier.
func TestAssurance(t *testing.T) {
	t.Parallel()
	a := newAssured(t)
	asked := 0
	for _, c := range a.callers {
		for _, rung := range ladder {
			enough := map[string]string{"internal": rung.inside, "external": rung.outside}[c.origin]
			for tier := range authz.Tiers {
				asked++
				t.Run(fmt.Sprintf("%s, %s, tier %d", rung.kind, c.origin, tier), func(t *testing.T) {
					service := serviceOfTier(tier)
					d := a.p.AskAsserting(map[string]any{
						"credential": pdptest.Wire(t, rung.present(c, service)),
						"action":     map[string]any{"name": "thing.do"},
						"resource":   map[string]any{"type": "service", "id": service},
						"context":    map[string]any{"source_ip": "192.0.2.1"},
					})
					got := verdict{d.Outcome, pdptest.Codes(d.Reasons), d.Trust}
					want := verdict{api.Allow, []string{}, api.Trust{Level: rung.level, Required: required[c.origin][tier], Freshness: authz.Fresh}}
					if enough[tier] != 'a' {
						want.Decision, want.Codes = api.Deny, []string{"AUTH_TOO_WEAK"}
					}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("(-want +got):\n%s\ngot %+v", diff, d.Reasons)
					}
				})
			}
		}
	}
	if asked != 10*2*4 {
		t.Errorf("%d questions; 10 kinds of evidence, 2 origins and 4 tiers make 80", asked)
	}
}

// verdict is what the test compares of a decision.
type verdict struct {
	Decision api.Outcome
	Codes    []string
	Trust    api.Trust
}

func serviceOfTier(tier int) string { return fmt.Sprintf("svc:tier-%d", tier) }

// The authorities of the assured world.
const (
	partnersCA   = "partners"
	attestedID   = "prod"
	attestedURL  = "spiffe://prod.brightfold.example"
	opaqueIssuer = "opaque"
)

// assured is a world with a machine user inside and one outside, each with every
// kind of credential, and a service of each tier that both may call.
type assured struct {
	p         *pdptest.PDP
	partners  *pdptest.CA
	attesting *pdptest.CA
	opaque    *pdptest.Authority
	callers   []*caller
}

// caller is a machine user with all it can prove itself by.
type caller struct {
	*assured
	id, origin  string
	secret      string
	client      *pdptest.Client
	certificate *pdptest.Certificate
	svid        *pdptest.Certificate
	prover      *pdptest.Prover
}

func newAssured(t *testing.T) *assured {
	t.Helper()
	p := pdptest.Start(t, pdptest.Settings{Demo: true, At: sunday, Change: func(c *config.Config) {
		c.TokenService.Issuer = "https://verdict.brightfold.example"
		c.TokenService.Service = "svc:ours"
	}})
	a := &assured{
		p: p, partners: pdptest.NewCA(t, partnersCA, sunday), attesting: pdptest.NewCA(t, attestedID, sunday),
		opaque: pdptest.NewAuthority(t, opaqueIssuer),
	}
	p.KeepSecret()
	opaque := a.opaque.Introspected()
	opaque.Own = true // so that no machine user has to list it
	attested := a.attesting.TrustDomain(attestedID, attestedURL)
	attested.Attested = true
	for _, issuer := range []*authz.Issuer{opaque, attested, a.partners.Issuer(partnersCA)} {
		p.Register(issuer)
	}
	for tier := range authz.Tiers {
		outside := required["external"][tier]
		p.Put(&authz.Service{Header: authz.Header{ID: serviceOfTier(tier)}, Tier: tier, Owner: "test", RequiredLevel: authz.RequiredLevel{External: &outside}})
	}
	least := 1 // who has a secret may get a token
	p.Put(&authz.Service{Header: authz.Header{ID: "svc:ours"}, Tier: 3, Owner: "test", RequiredLevel: authz.RequiredLevel{Internal: &least, External: &least}})
	a.callers = []*caller{a.newCaller(t, "mu:inside", "internal", "service"), a.newCaller(t, "mx:outside", "external", "partner")}
	return a
}

func (a *assured) newCaller(t *testing.T, id, origin, kind string) *caller {
	t.Helper()
	c := &caller{assured: a, id: id, origin: origin, client: pdptest.NewClient(t, id), prover: pdptest.NewProver(t)}
	a.p.Put(&authz.MachineUser{Header: authz.Header{ID: id}, Kind: kind, Origin: origin, Owner: "test", Tier: 3})
	for tier := range authz.Tiers {
		a.p.Put(&authz.Edge{From: id, To: serviceOfTier(tier), Actions: []string{"thing.do"}, Owner: "test"})
	}
	a.p.Put(&authz.Edge{From: id, To: "svc:ours", Actions: []string{"token.issue"}, Owner: "test"})
	_, c.secret = a.p.NewSecret(id, "")

	name := id[3:]
	a.p.Put(c.client.Credential(name+"-key", 1))
	c.certificate = a.partners.Client(name, name+".brightfold.example")
	c.svid = a.attesting.SVID(attestedURL + "/" + name)
	certificate := func(credential, issuer, known string) {
		a.p.Put(&authz.Credential{
			Header: authz.Header{ID: credential}, MachineUser: id, Kind: authz.KindCertificate, Issuer: issuer, Names: []string{known},
		})
	}
	certificate(name+"-certificate", partnersCA, authz.NameDNS+name+".brightfold.example")
	certificate(name+"-svid", attestedID, attestedURL+"/"+name)
	return c
}

func (c *caller) byOwnSecret(string) authz.Evidence {
	return authz.Evidence{ClientID: c.id, ClientSecret: c.secret}
}

func (c *caller) byOpaqueToken(string) authz.Evidence {
	claims := c.opaque.Claims(c.id, c.p.Clock.Now())
	return authz.Evidence{Token: c.opaque.Opaque(claims)}
}

// token is of the demo issuer, for so long and with this confirmation, if any.
func (c *caller) token(life time.Duration, confirmation map[string]any) string {
	claims := c.p.Claims(c.id)
	delete(claims, "env")
	claims["exp"] = c.p.Clock.Now().Add(life).Unix()
	if confirmation != nil {
		claims["cnf"] = confirmation
	}
	return c.p.Sign(claims)
}

func (c *caller) byLongToken(string) authz.Evidence {
	return authz.Evidence{Token: c.token(2*time.Hour, nil)}
}

func (c *caller) byShortToken(string) authz.Evidence {
	return authz.Evidence{Token: c.token(5*time.Minute, nil)}
}

// byServiceToken gets a token for the service from ours with the secret.
func (c *caller) byServiceToken(service string) authz.Evidence {
	c.p.T.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "audience": {service}, "client_id": {c.id}, "client_secret": {c.secret}}
	answer := c.p.Call(http.MethodPost, c.p.DecisionsURL()+api.PathToken, "", []byte(form.Encode()), "Content-Type", api.TypeForm)
	var issued struct {
		AccessToken string `json:"access_token"`
	}
	if answer.Status != http.StatusOK {
		c.p.T.Fatalf("no token: %d %s", answer.Status, answer.Body)
	}
	pdptest.Decode(c.p.T, answer.Body, &issued)
	return authz.Evidence{Token: issued.AccessToken}
}

func (c *caller) byAssertion(string) authz.Evidence {
	return authz.Evidence{Assertion: c.client.Assertion(c.p.Clock.Now())}
}

func (c *caller) byCertificate(string) authz.Evidence {
	return authz.Evidence{Certificate: c.certificate.Presented()}
}

func (c *caller) byCertificateBoundToken(string) authz.Evidence {
	bound := map[string]any{"x5t#S256": c.certificate.Thumbprint()}
	return authz.Evidence{
		Token:       c.token(5*time.Minute, bound),
		Certificate: &authz.Certificate{Thumbprint: c.certificate.Thumbprint(), Asserted: true},
	}
}

func (c *caller) byProofBoundToken(string) authz.Evidence {
	text := c.token(5*time.Minute, map[string]any{"jkt": c.prover.Thumbprint()})
	return authz.Evidence{Token: text, Proof: c.prover.Proof(text, c.p.Clock.Now())}
}

func (c *caller) byAttestedSVID(string) authz.Evidence {
	return authz.Evidence{Certificate: c.svid.Presented()}
}
