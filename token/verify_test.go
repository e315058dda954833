package token_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/token"
)

const demoURL = "https://demo.brightfold.example"

var now = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

// registry is the registered issuers, by URL. As a directory it has no
// credentials.
type registry map[string]*authz.Issuer

func (r registry) IssuerByURL(url string) (*authz.Issuer, bool, error) {
	issuer, ok := r[url]
	return issuer, ok, nil
}

func (r registry) IssuerByID(id string) (*authz.Issuer, bool, error) {
	for _, issuer := range r {
		if issuer.ID == id {
			return issuer, true, nil
		}
	}
	return nil, false, nil
}

func (r registry) IssuersOf(kind string) ([]*authz.Issuer, error) {
	var all []*authz.Issuer
	for _, issuer := range r {
		if issuer.Kind == kind {
			all = append(all, issuer)
		}
	}
	slices.SortFunc(all, func(a, b *authz.Issuer) int { return strings.Compare(a.ID, b.ID) })
	return all, nil
}

func (registry) Credential(string) (*authz.Credential, bool, error)   { return nil, false, nil }
func (registry) CredentialsOf(string) ([]*authz.Credential, error)    { return nil, nil }
func (registry) CredentialsNamed(string) ([]*authz.Credential, error) { return nil, nil }

// directory is a registry with credentials, which may change between questions.
type directory struct {
	registry
	credentials []*authz.Credential
}

func (d *directory) add(c authz.Credential) *authz.Credential {
	c.Normalize()
	d.credentials = append(d.credentials, &c)
	return &c
}

func (d *directory) Credential(id string) (*authz.Credential, bool, error) {
	for _, c := range d.credentials {
		if c.ID == id {
			return c, true, nil
		}
	}
	return nil, false, nil
}

func (d *directory) CredentialsOf(machineUser string) ([]*authz.Credential, error) {
	of := d.those(func(c *authz.Credential) bool { return c.MachineUser == machineUser })
	slices.SortStableFunc(of, func(a, b *authz.Credential) int { return b.Generation - a.Generation })
	return of, nil
}

func (d *directory) CredentialsNamed(name string) ([]*authz.Credential, error) {
	return d.those(func(c *authz.Credential) bool { return slices.Contains(c.Names, name) }), nil
}

func (d *directory) those(fits func(*authz.Credential) bool) (all []*authz.Credential) {
	for _, c := range d.credentials {
		if fits(c) {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b *authz.Credential) int { return strings.Compare(a.ID, b.ID) })
	return all
}

var errDisk = errors.New("disk is gone")

// brokenRegistry cannot be read.
type brokenRegistry struct{}

func (brokenRegistry) IssuerByURL(string) (*authz.Issuer, bool, error)      { return nil, false, errDisk }
func (brokenRegistry) IssuerByID(string) (*authz.Issuer, bool, error)       { return nil, false, errDisk }
func (brokenRegistry) IssuersOf(string) ([]*authz.Issuer, error)            { return nil, errDisk }
func (brokenRegistry) Credential(string) (*authz.Credential, bool, error)   { return nil, false, errDisk }
func (brokenRegistry) CredentialsOf(string) ([]*authz.Credential, error)    { return nil, errDisk }
func (brokenRegistry) CredentialsNamed(string) ([]*authz.Credential, error) { return nil, errDisk }

// present verifies evidence at now.
func present(v *token.Verifier, d authz.Directory, e authz.Evidence) authz.Principal {
	return v.Verify(context.Background(), authz.Presentation{Evidence: e, Directory: d, Now: now, Source: "10.4.2.19", Caller: "pep-1"})
}

func newVerifier(t testing.TB, config token.Config) *token.Verifier {
	t.Helper()
	v, err := token.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func newSigner(t testing.TB, alg string) *token.Signer {
	t.Helper()
	s, err := token.NewSigner(alg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func publicSet(t testing.TB, s *token.Signer) []byte {
	t.Helper()
	set, err := s.PublicSet()
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func sign(t testing.TB, s *token.Signer, header, claims map[string]any) string {
	t.Helper()
	signed, err := s.Sign(header, claims)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// demoIssuer is registered with the public key of s.
func demoIssuer(t testing.TB, s *token.Signer) *authz.Issuer {
	t.Helper()
	issuer := &authz.Issuer{
		Header:     authz.Header{ID: "demo", Revision: 7},
		URL:        demoURL,
		Keys:       publicSet(t, s),
		Algorithms: []string{s.Algorithm()},
		Audiences:  []string{"brightfold"},
		LeewayS:    5,
		Own:        true,
	}
	issuer.Normalize()
	if err := issuer.Validate(); err != nil {
		t.Fatal(err)
	}
	if err := token.CheckIssuer(issuer); err != nil {
		t.Fatal(err)
	}
	return issuer
}

// good is the claims of a good token; with changes them, nil removing one.
func good() map[string]any {
	return map[string]any{
		"iss": demoURL, "sub": "mu:user-svc", "aud": "brightfold", "jti": "j-1",
		"iat": now.Unix(), "exp": now.Add(10 * time.Minute).Unix(),
	}
}

func with(changes map[string]any) map[string]any {
	claims := good()
	for name, value := range changes {
		if value == nil {
			delete(claims, name)
			continue
		}
		claims[name] = value
	}
	return claims
}

func verify(v *token.Verifier, d authz.Directory, text string) authz.Principal {
	return present(v, d, authz.Evidence{Token: text})
}

func wantFault(t *testing.T, p authz.Principal, code authz.ReasonCode, cause string) {
	t.Helper()
	if p.Fault == nil {
		t.Fatalf("no fault, subject %q; want %s %s", p.Subject, code, cause)
	}
	if p.Fault.Code != code || p.Fault.Cause != cause {
		t.Errorf("fault %s %s (%s); want %s %s", p.Fault.Code, p.Fault.Cause, p.Fault.Message, code, cause)
	}
	if p.Subject != "" || p.Token != nil || p.Level != 0 {
		t.Errorf("a faulty principal proves something: %+v", p)
	}
	if p.Fault.Message == "" || p.Fault.Fix == "" {
		t.Errorf("fault %s without message or fix", p.Fault.Cause)
	}
}

func TestVerifyReadsEveryClaim(t *testing.T) {
	for _, alg := range authz.Algorithms() {
		t.Run(alg, func(t *testing.T) {
			signer := newSigner(t, alg)
			v := newVerifier(t, token.Config{})
			issuers := &directory{registry: registry{demoURL: demoIssuer(t, signer)}}
			issuers.add(authz.Credential{Header: authz.Header{ID: "cred-81", CreatedAt: now}, MachineUser: "mu:user-svc", Kind: authz.KindSharedSecret})
			text := sign(t, signer, nil, with(map[string]any{
				"aud": []string{"brightfold", "svc:email"}, "nbf": now.Unix() - 1, "tenant": "acme", "env": "prod",
				"scope": "email.send email.read", "amr": []string{"hwk"}, "credential_id": "cred-81", "ignored": 1e300,
			}))
			want := authz.Principal{
				Subject: "mu:user-svc", Evidence: authz.EvidenceJWT, Level: 3, Freshness: authz.Fresh,
				Credential: &authz.Proved{ID: "cred-81", Type: authz.KindSharedSecret, State: authz.CredentialActive, Generation: 1, MadeAt: now},
				Token: &authz.Token{
					ID: authz.TokenID(demoURL, "j-1"), Issuer: "demo", IssuerURL: demoURL,
					KeyID: authz.IssuerKeyID(demoURL, signer.KeyID()), Subject: "mu:user-svc",
					Audiences: []string{"brightfold", "svc:email"}, AcceptedAudiences: []string{"brightfold"},
					IssuedAt: now, NotBefore: now.Add(-time.Second), ExpiresAt: now.Add(10 * time.Minute), Leeway: 5 * time.Second,
					Tenant: "acme", Env: "prod", Scopes: []string{"email.send", "email.read"}, Methods: []string{"hwk"},
					Credential: "cred-81", Own: true,
				},
			}
			if diff := cmp.Diff(want, verify(v, issuers, text)); diff != "" {
				t.Errorf("verified: %s", diff)
			}
			if diff := cmp.Diff(want, verify(v, issuers, text)); diff != "" {
				t.Errorf("remembered: %s", diff)
			}
		})
	}
}

// A header may name the certificate of its key, as well-known issuers do: keys
// are found by kid only, so whatever it names changes nothing.
func TestCertificateHintIsIgnored(t *testing.T) {
	signer := newSigner(t, "ES256")
	v := newVerifier(t, token.Config{})
	issuers := registry{demoURL: demoIssuer(t, signer)}
	hinted := sign(t, signer, map[string]any{"x5t": "AA", "x5t#S256": "BB"}, good())
	if p := verify(v, issuers, hinted); p.Fault != nil || p.Subject != "mu:user-svc" {
		t.Errorf("principal %+v, fault %+v; want mu:user-svc: x5t is ignored", p, p.Fault)
	}
	other := newSigner(t, "ES256")
	forged := sign(t, other, map[string]any{"x5t": "AA", "kid": signer.KeyID()}, good())
	wantFault(t, verify(v, issuers, forged), authz.TokenInvalid, "bad_signature")
}
