package pdptest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v3"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/token"
)

// Prover holds a key that tokens are bound to by DPoP (RFC 9449).
type Prover struct {
	t   testing.TB
	Key *ecdsa.PrivateKey
}

// NewProver makes a prover with an ES256 key.
func NewProver(t testing.TB) *Prover {
	t.Helper()
	return &Prover{t: t, Key: newECKey(t)}
}

// Thumbprint is the jkt of its key.
func (p *Prover) Thumbprint() string {
	p.t.Helper()
	sum, err := (&jose.JSONWebKey{Key: &p.Key.PublicKey}).Thumbprint(crypto.SHA256)
	if err != nil {
		p.t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(sum)
}

// The request that proofs are made for.
const (
	ProofMethod = "POST"
	ProofURL    = "https://email.brightfold.example/v1/send"
)

// Proof is a new proof for a token, made now.
func (p *Prover) Proof(text string, now time.Time) *authz.Proof {
	p.t.Helper()
	return &authz.Proof{JWT: p.Sign(p.ProofClaims(text, now)), Method: ProofMethod, URL: ProofURL}
}

// ProofClaims are those of a new proof, for a test to change.
func (p *Prover) ProofClaims(text string, now time.Time) map[string]any {
	ath := sha256.Sum256([]byte(text))
	return map[string]any{
		"jti": rid(), "htm": ProofMethod, "htu": ProofURL, "iat": now.Unix(),
		"ath": base64.RawURLEncoding.EncodeToString(ath[:]),
	}
}

// Sign signs a proof's claims with the key, which its header has.
func (p *Prover) Sign(claims map[string]any) string {
	p.t.Helper()
	options := (&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: p.Key}, options)
	if err != nil {
		p.t.Fatal(err)
	}
	signed, err := signer.Sign(encode(p.t, claims))
	if err != nil {
		p.t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		p.t.Fatal(err)
	}
	return text
}

// Client is a machine user with a key of its own (private_key_jwt, RFC 7523).
type Client struct {
	ID string

	t      testing.TB
	Signer *token.Signer
}

// NewClient makes a client with an ES256 key.
func NewClient(t testing.TB, machineUser string) *Client {
	t.Helper()
	signer, err := token.NewSigner("ES256")
	if err != nil {
		t.Fatal(err)
	}
	return &Client{ID: machineUser, t: t, Signer: signer}
}

// Credential is its public key, to be registered.
func (c *Client) Credential(id string, generation int) *authz.Credential {
	c.t.Helper()
	keys, err := c.Signer.PublicSet()
	if err != nil {
		c.t.Fatal(err)
	}
	return &authz.Credential{
		Header: authz.Header{ID: id}, MachineUser: c.ID, Kind: authz.KindPublicKey, Generation: generation, State: authz.CredentialActive, Keys: keys,
	}
}

// Assertion is a new one, made out to Verdict now.
func (c *Client) Assertion(now time.Time) string { return c.Sign(c.AssertionClaims(now)) }

// AssertionClaims are those of a new assertion, for a test to change.
func (c *Client) AssertionClaims(now time.Time) map[string]any {
	return map[string]any{
		"iss": c.ID, "sub": c.ID, "aud": AssertionAudience, "jti": rid(), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	}
}

// AssertionAudience is what Verdict is called in assertions by default.
const AssertionAudience = "verdict"

// Sign signs an assertion's claims.
func (c *Client) Sign(claims map[string]any) string {
	c.t.Helper()
	text, err := c.Signer.Sign(map[string]any{"typ": "client-authentication+jwt"}, claims)
	if err != nil {
		c.t.Fatal(err)
	}
	return text
}

// Wire is evidence as it is sent: the credential of a question.
func Wire(t testing.TB, e authz.Evidence) map[string]any {
	t.Helper()
	sent := api.Credential{
		Token: e.Token, Issuer: e.Issuer, Claims: e.Claims,
		ClientID: e.ClientID, ClientSecret: e.ClientSecret, ClientAssertion: e.Assertion,
	}
	switch c := e.Certificate; {
	case c == nil:
	case c.Thumbprint != "":
		sent.CertificateThumbprint = c.Thumbprint
	default:
		for _, der := range c.Chain {
			sent.Certificate += derPEM(der)
		}
	}
	if e.Proof != nil {
		sent.DPoP = &api.DPoP{Proof: e.Proof.JWT, Method: e.Proof.Method, URL: e.Proof.URL}
	}
	wire := map[string]any{}
	if err := json.Unmarshal(encode(t, sent), &wire); err != nil {
		t.Fatal(err)
	}
	return wire
}
