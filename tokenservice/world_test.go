package tokenservice_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/token"
	"github.com/verdict-pdp/verdict/tokenservice"
)

const (
	issuerURL = "https://verdict.example"
	ownID     = "svc:token"
	emailID   = "svc:email"
	clientID  = "mu:user-svc"
)

var start = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

// world is what a Service stands on: fakes whose failures a test stages, and a
// record of what was asked of them.
type world struct {
	t         testing.TB
	config    tokenservice.Config
	now       time.Time
	decide    authz.DecideFunc // nil allows clientID
	judge     authz.DecideFunc // likewise, of simulated requests
	onPublish func(*authz.Issuer) error
	onRevoke  func(*authz.Revocation) error
	noService error

	asked     []authz.Request
	simulated []authz.Request
	published []*authz.Issuer
	revoked   []*authz.Revocation
	log       bytes.Buffer
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, now: start}
	w.config = tokenservice.Config{
		Issuer:  issuerURL,
		Service: ownID,
		Dir:     t.TempDir(),

		Lifetime:    5 * time.Minute,
		KeyLifetime: 30 * 24 * time.Hour,

		Now: func() time.Time { return w.now },
		Log: slog.New(slog.NewJSONHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Services: func(id string) (bool, error) {
			return id == emailID || id == ownID, w.noService
		},
		Decide: func(ctx context.Context, r authz.Request) (authz.Decision, error) {
			asked, decide := &w.asked, w.decide
			if r.Simulated {
				asked, decide = &w.simulated, w.judge
			}
			*asked = append(*asked, r)
			if decide == nil {
				return allowed, nil
			}
			return decide(ctx, r)
		},
		Publish: func(_ context.Context, issuer *authz.Issuer) error {
			if w.onPublish != nil {
				if err := w.onPublish(issuer); err != nil {
					return err
				}
			}
			if err := issuer.Validate(); err != nil {
				w.t.Errorf("published an issuer that is not valid: %v", err)
			}
			if err := token.CheckIssuer(issuer); err != nil {
				w.t.Errorf("published an issuer that is not sound: %v", err)
			}
			issuer.Revision = uint64(len(w.published) + 1)
			w.published = append(w.published, issuer)
			return nil
		},
		Revoke: func(_ context.Context, r *authz.Revocation) error {
			if w.onRevoke != nil {
				if err := w.onRevoke(r); err != nil {
					return err
				}
			}
			if err := r.Validate(); err != nil {
				w.t.Errorf("stored a revocation that is not valid: %v", err)
			}
			w.revoked = append(w.revoked, r)
			return nil
		},
	}
	return w
}

var allowed = authz.Decision{ID: "01J", Outcome: authz.Allow, Subject: clientID, Credential: "cred-7", Trust: authz.Trust{Level: 3, Required: 1}}

func (w *world) start() *tokenservice.Service {
	w.t.Helper()
	s, err := tokenservice.New(w.t.Context(), w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// issue has a token made for a client that proves itself by a secret.
func (w *world) issue(s *tokenservice.Service, edit func(*authz.TokenRequest)) string {
	w.t.Helper()
	r := request(secret())
	if edit != nil {
		edit(&r)
	}
	issued, err := s.Token(w.t.Context(), r)
	if err != nil {
		w.t.Fatal(err)
	}
	return issued.AccessToken
}

// verify is the token room's view of a token, by an issuer as it was published.
func verify(t testing.TB, text string, issuer *authz.Issuer, now time.Time) authz.Principal {
	t.Helper()
	return verifyEvidence(t, authz.Evidence{Token: text}, issuer, now)
}

func verifyEvidence(t testing.TB, evidence authz.Evidence, issuer *authz.Issuer, now time.Time) authz.Principal {
	t.Helper()
	v, err := token.New(token.Config{CacheSize: -1})
	if err != nil {
		t.Fatal(err)
	}
	return v.Verify(t.Context(), authz.Presentation{Evidence: evidence, Directory: directory{issuer: issuer}, Now: now})
}

// directory knows one issuer and the credential of clientID.
type directory struct {
	authz.Directory
	issuer *authz.Issuer
}

func (d directory) IssuerByURL(url string) (*authz.Issuer, bool, error) {
	return d.issuer, d.issuer.URL == url, nil
}

func (directory) Credential(id string) (*authz.Credential, bool, error) {
	return &authz.Credential{Header: authz.Header{ID: id}, MachineUser: clientID, Kind: authz.KindSharedSecret, Generation: 1, State: authz.CredentialActive}, true, nil
}

func (directory) CredentialsNamed(string) ([]*authz.Credential, error) { return nil, nil }

// claimsOf reads a token's payload.
func claimsOf(t testing.TB, text string) map[string]any {
	t.Helper()
	return part(t, text, 1)
}

func part(t testing.TB, text string, i int) map[string]any {
	t.Helper()
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		t.Fatalf("%d parts", len(parts))
	}
	data, err := base64.RawURLEncoding.DecodeString(parts[i])
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if err := json.Unmarshal(data, &object); err != nil {
		t.Fatal(err)
	}
	return object
}

func request(client authz.TokenClient) authz.TokenRequest {
	return authz.TokenRequest{Client: client, GrantType: "client_credentials", Audiences: []string{emailID}}
}

const clientSecret = "vs_the-client-secret"

func secret() authz.TokenClient {
	return authz.TokenClient{ID: clientID, Source: "10.4.2.19", Evidence: authz.Evidence{ClientID: clientID, ClientSecret: clientSecret}}
}

func assertion() authz.TokenClient {
	return authz.TokenClient{Source: "10.4.2.19", Evidence: authz.Evidence{Assertion: "eyJ.an.assertion"}}
}

func certified(t testing.TB, notAfter time.Time) authz.TokenClient {
	return authz.TokenClient{ID: clientID, Source: "10.4.2.19", Evidence: authz.Evidence{Certificate: &authz.Certificate{Chain: [][]byte{leaf(t, notAfter)}}}}
}

// leaf is a self-signed certificate's DER: who signed it is not this room's to judge.
func leaf(t testing.TB, notAfter time.Time) []byte {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "user-svc"}, NotBefore: start.Add(-time.Hour), NotAfter: notAfter}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func deny(reasons ...authz.Reason) authz.DecideFunc {
	return func(context.Context, authz.Request) (authz.Decision, error) {
		return authz.Decision{ID: "01J", Reasons: reasons}, nil
	}
}
