package test

import (
	"testing"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/demo"
	"github.com/verdict-pdp/verdict/test/pdptest"
)

// corpusWorld is who there is in a case beside the demo data.
type corpusWorld struct {
	Authorities  map[string]corpusAuthority   `yaml:"authorities"`  // :: issuer id ->
	Secrets      map[string]corpusSecret      `yaml:"secrets"`      // :: credential id ->
	Keys         map[string]corpusKey         `yaml:"keys"`         // :: credential id ->
	Certificates map[string]corpusCertificate `yaml:"certificates"` // :: name within the case ->
}

type corpusAuthority struct {
	Kind        string         `yaml:"kind"`
	With        map[string]any `yaml:"with"`
	ReachedAgoS int            `yaml:"reached_ago_s"`
	Gone        bool           `yaml:"gone"`
	Statuses    []byte         `yaml:"statuses"`
}

type corpusSecret struct {
	MachineUser string `yaml:"machine_user"`
}

type corpusKey struct {
	MachineUser string `yaml:"machine_user"`
	Generation  int    `yaml:"generation"`
	State       string `yaml:"state"`
}

type corpusCertificate struct {
	By       string   `yaml:"by"`
	SPIFFEID string   `yaml:"spiffe_id"`
	DNS      []string `yaml:"dns"`
}

// corpusEvidence is what the caller of a case presents.
type corpusEvidence struct {
	Token       corpusToken `yaml:"token"`
	Secret      string      `yaml:"secret"`    // the id of one of the case's secrets
	WrongFor    string      `yaml:"wrong_for"` // a machine user, whose secret is guessed
	Assertion   string      `yaml:"assertion"` // the id of one of the case's keys
	Twice       bool        `yaml:"twice"`
	Certificate string      `yaml:"certificate"` // the name of one of the case's certificates
	Proof       bool        `yaml:"proof"`
}

type corpusToken struct {
	Subject    string   `yaml:"subject"`
	Issuer     string   `yaml:"issuer"`
	Opaque     bool     `yaml:"opaque"`
	Key        string   `yaml:"key"`
	ID         string   `yaml:"id"`
	Audience   []string `yaml:"audience"`
	IssuedAgoS *int     `yaml:"issued_ago_s"`
	ExpiresInS *int     `yaml:"expires_in_s"`
	Tenant     string   `yaml:"tenant"`
	Env        string   `yaml:"env"`
	Methods    []string `yaml:"methods"`
	Credential string   `yaml:"credential"`
	BoundTo    string   `yaml:"bound_to"`
	Status     *int     `yaml:"status"`
}

// boundToProof is what a token is bound to that is bound by DPoP.
const boundToProof = "proof"

// peopled reports whether there is more than the demo data.
func (w corpusWorld) peopled() bool {
	return len(w.Authorities)+len(w.Secrets)+len(w.Keys)+len(w.Certificates) > 0
}

// lead is how long before its time a case begins: when its authorities were last
// reached, and a minute at least.
func (w corpusWorld) lead() time.Duration {
	lead := time.Minute
	for _, a := range w.Authorities {
		lead = max(lead, time.Duration(a.ReachedAgoS)*time.Second)
	}
	return lead
}

// world is a case under way.
type world struct {
	corpusCase
	t *testing.T
	p *pdptest.PDP

	authorities  map[string]*pdptest.Authority   // :: issuer id ->
	certifying   map[string]*pdptest.CA          // :: issuer id ->
	secrets      map[string]string               // :: credential id -> secret
	clients      map[string]*pdptest.Client      // :: credential id ->
	certificates map[string]*pdptest.Certificate // :: name ->
	prover       *pdptest.Prover
	token        string
	assertion    string // the one presented again and again; else one is made each time
}

// begin brings a case to its time: everybody is registered, the changes are made,
// who is gone is gone.
func (c corpusCase) begin(t *testing.T, p *pdptest.PDP) *world {
	t.Helper()
	w := &world{
		corpusCase: c, t: t, p: p, prover: pdptest.NewProver(t),
		authorities: map[string]*pdptest.Authority{}, certifying: map[string]*pdptest.CA{},
		secrets: map[string]string{}, clients: map[string]*pdptest.Client{}, certificates: map[string]*pdptest.Certificate{},
	}
	w.people()
	c.change(t, p)
	w.token = w.mint()
	for id, a := range w.authorities {
		w.reach(c.Authorities[id], a)
	}
	p.Clock.Set(c.Time)
	if c.Twice {
		w.assertion = w.clients[c.Assertion].Assertion(c.Time)
		w.ask()
	}
	return w
}

func (w *world) people() {
	for id, a := range w.Authorities {
		w.register(id, a)
	}
	for id, s := range w.Secrets {
		_, w.secrets[id] = w.p.NewSecret(s.MachineUser, id)
	}
	for id, k := range w.Keys {
		w.clients[id] = pdptest.NewClient(w.t, k.MachineUser)
		credential := w.clients[id].Credential(id, k.Generation)
		if k.State != "" {
			credential.State = k.State
		}
		w.p.Put(credential)
	}
	for name, c := range w.corpusWorld.Certificates {
		ca := w.certifying[c.By]
		if ca == nil {
			w.t.Fatalf("certificate %s is by %q, which certifies nobody", name, c.By)
		}
		if c.SPIFFEID != "" {
			w.certificates[name] = ca.SVID(c.SPIFFEID)
		} else {
			w.certificates[name] = ca.Client(name, c.DNS...)
		}
	}
}

func (w *world) register(id string, a corpusAuthority) {
	w.t.Helper()
	var issuer *authz.Issuer
	switch a.Kind {
	case authz.IssuerX509, authz.IssuerSPIFFE:
		ca := pdptest.NewCA(w.t, id, w.Time)
		w.certifying[id] = ca
		issuer = ca.Issuer(id)
		if a.Kind == authz.IssuerSPIFFE {
			issuer = ca.TrustDomain(id, "")
		}
	case authz.IssuerIntrospection:
		w.p.KeepSecret()
		w.authorities[id] = pdptest.NewAuthority(w.t, id)
		issuer = w.authorities[id].Introspected()
	case "", authz.IssuerJWT:
		authority := pdptest.NewAuthority(w.t, id)
		w.authorities[id] = authority
		issuer = authority.Issuer()
		if a.Statuses != nil {
			authority.List(w.p.Clock.Now(), a.Statuses...)
			issuer.StatusLists = []string{authority.ListURL()}
		}
	default:
		w.t.Fatalf("authority %s is of kind %q", id, a.Kind)
	}
	convert(w.t, a.With, issuer)
	w.p.Register(issuer)
}

// reach lets an authority answer for the last time when the case says it did, and
// then go if it is gone.
func (w *world) reach(a corpusAuthority, authority *pdptest.Authority) {
	w.p.Clock.Set(w.Time.Add(-time.Duration(a.ReachedAgoS) * time.Second))
	if a.Kind == authz.IssuerIntrospection && a.ReachedAgoS > 0 {
		w.ask()
	}
	if a.Gone {
		authority.Stop()
	}
}

// ask presents the evidence once, for what it leaves behind.
func (w *world) ask() {
	w.t.Helper()
	if _, err := w.p.Decide(w.t.Context(), inProcess(w.t, w.Request, w.evidence())); err != nil {
		w.t.Fatal(err)
	}
}

// evidence is what is presented. What may be used once is made anew each time,
// unless the case presents it twice.
func (w *world) evidence() authz.Evidence {
	e := authz.Evidence{Token: w.token}
	if w.Secret != "" {
		e.ClientID, e.ClientSecret = w.Secrets[w.Secret].MachineUser, w.secrets[w.Secret]
	}
	if w.WrongFor != "" {
		e.ClientID, e.ClientSecret = w.WrongFor, "vs_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	}
	if w.Assertion != "" {
		if e.Assertion = w.assertion; e.Assertion == "" {
			e.Assertion = w.clients[w.Assertion].Assertion(w.Time)
		}
	}
	if w.Certificate != "" {
		e.Certificate = w.certificates[w.Certificate].Presented()
	}
	if w.Proof {
		e.Proof = w.prover.Proof(w.token, w.Time)
	}
	return e
}

// mint makes the case's token, if it has one.
func (w *world) mint() string {
	w.t.Helper()
	c := w.Token
	if c.Subject == "" {
		return ""
	}
	claims := w.claims()
	authority := w.authorities[c.Issuer]
	switch {
	case authority == nil && c.Issuer != "" && c.Issuer != demo.IssuerID:
		w.t.Fatalf("there is no authority %q", c.Issuer)
	case authority == nil:
		return w.p.Sign(claims)
	case c.Opaque:
		return authority.Opaque(claims)
	case c.Key == "unknown":
		kid := authority.AddKey("ES256")
		defer authority.Withdraw(kid)
	}
	return authority.Sign(nil, claims)
}

func (w *world) claims() map[string]any {
	c := w.Token
	claims := w.p.Claims(c.Subject)
	delete(claims, "env")
	if authority := w.authorities[c.Issuer]; authority != nil {
		claims["iss"] = authority.URL
	}
	claims["iat"] = w.Time.Unix() - int64(orDefault(c.IssuedAgoS, 30))
	claims["exp"] = w.Time.Unix() + int64(orDefault(c.ExpiresInS, 300))
	if c.Audience != nil {
		claims["aud"] = c.Audience
	}
	for name, value := range map[string]string{"jti": c.ID, "tenant": c.Tenant, "env": c.Env, "credential_id": c.Credential} {
		if value != "" {
			claims[name] = value
		}
	}
	if c.Methods != nil {
		claims["amr"] = c.Methods
	}
	if c.Status != nil {
		claims["status"] = map[string]any{"status_list": map[string]any{"idx": *c.Status, "uri": w.authorities[c.Issuer].ListURL()}}
	}
	switch c.BoundTo {
	case "":
	case boundToProof:
		claims["cnf"] = map[string]any{"jkt": w.prover.Thumbprint()}
	default:
		claims["cnf"] = map[string]any{"x5t#S256": w.certificates[c.BoundTo].Thumbprint()}
	}
	return claims
}

func orDefault(n *int, fallback int) int {
	if n == nil {
		return fallback
	}
	return *n
}
