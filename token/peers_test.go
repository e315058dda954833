package token_test

import (
	"crypto/elliptic"
	"crypto/x509"
	"fmt"
	"testing"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/token"
)

// counted counts how often issuers are listed.
type counted struct {
	*directory
	listed int
}

func (c *counted) IssuersOf(kind string) ([]*authz.Issuer, error) {
	c.listed++
	return c.directory.IssuersOf(kind)
}

func rootsOf(t testing.TB, id string, authorities ...certified) *authz.Issuer {
	t.Helper()
	var pem string
	for _, authority := range authorities {
		pem += pemOf("CERTIFICATE", authority.Raw)
	}
	issuer := &authz.Issuer{Header: authz.Header{ID: id, Revision: 1}, URL: id, Kind: authz.IssuerX509, Roots: pem}
	issuer.Normalize()
	if err := token.CheckIssuer(issuer); err != nil {
		t.Fatal(err)
	}
	return issuer
}

// A certificate that was verified before is looked at anew as soon as anything that
// decided may have changed.
func TestRememberedCertificate(t *testing.T) {
	ca, other := newCA(t, nil, "partners", nil), newCA(t, nil, "partners", nil)
	leaf := issue(t, &ca, ecKey(t, elliptic.P256()), leafTemplate(nil))
	dns := authz.NameDNS + "user.example.com"
	world := func() (*directory, *authz.Issuer) {
		roots := rootsOf(t, "partners", ca)
		d := &directory{registry: registry{"partners": roots}}
		d.add(authz.Credential{Header: authz.Header{ID: "c"}, MachineUser: "mx:a", Kind: authz.KindCertificate, Issuer: "partners", Names: []string{dns}})
		d.add(authz.Credential{Header: authz.Header{ID: "e"}, MachineUser: "mx:e", Kind: authz.KindCertificate, Issuer: "earlier", Names: []string{dns}})
		return d, roots
	}
	for name, test := range map[string]struct {
		change func(*directory, *authz.Issuer)
		code   authz.ReasonCode
		cause  string
	}{
		"nothing":                           {func(*directory, *authz.Issuer) {}, "", ""},
		"other roots":                       {func(_ *directory, i *authz.Issuer) { i.Roots, i.Revision = rootsOf(t, "x", other).Roots, 2 }, authz.TokenInvalid, "certificate_untrusted"},
		"its issuer removed":                {func(d *directory, _ *authz.Issuer) { delete(d.registry, "partners") }, authz.TokenInvalid, "certificate_untrusted"},
		"its issuer of another kind":        {func(_ *directory, i *authz.Issuer) { i.Kind = authz.IssuerJWT }, authz.TokenInvalid, "certificate_untrusted"},
		"another issuer that comes first":   {func(d *directory, _ *authz.Issuer) { d.registry["earlier"] = rootsOf(t, "earlier", ca) }, "mx:e", ""},
		"its credential removed":            {func(d *directory, _ *authz.Issuer) { d.credentials = nil }, authz.CredentialUnknown, "certificate_unknown"},
		"its credential, of another issuer": {func(d *directory, _ *authz.Issuer) { d.credentials[0].Issuer = "else" }, authz.CredentialUnknown, "certificate_unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVerifier(t, token.Config{})
			d, roots := world()
			e := authz.Evidence{Certificate: evidenceOf(leaf)}
			for range 2 {
				if p := present(v, d, e); p.Fault != nil || p.Subject != "mx:a" {
					t.Fatalf("fault %+v, want mx:a", p.Fault)
				}
			}
			test.change(d, roots)
			for range 2 {
				p := present(v, d, e)
				switch {
				case test.cause != "":
					wantFault(t, p, test.code, test.cause)
				case test.code != "":
					if p.Subject != string(test.code) {
						t.Errorf("subject %s, fault %+v; want the subject of the test", p.Subject, p.Fault)
					}
				case p.Fault != nil:
					t.Errorf("fault %+v, want none", p.Fault)
				}
			}
		})
	}
	// Another chain with the same leaf is another certificate.
	v := newVerifier(t, token.Config{})
	d, _ := world()
	if p := present(v, d, authz.Evidence{Certificate: evidenceOf(leaf)}); p.Fault != nil {
		t.Fatalf("fault %+v, want none", p.Fault)
	}
	wantFault(t, present(v, d, authz.Evidence{Certificate: &authz.Certificate{Chain: [][]byte{leaf.Raw, {1}}}}), authz.TokenInvalid, "certificate_malformed")
	wantFault(t, present(v, brokenRegistry{}, authz.Evidence{Certificate: evidenceOf(leaf)}), authz.IssuerUnavailable, "issuer_lookup")
}

// What leads to the issuer may end before the certificate does: what is remembered
// ends with it.
func TestRememberedCertificateOutlivesNoneOfItsPath(t *testing.T) {
	during := func(from, to time.Duration) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.NotBefore, c.NotAfter = judged.Add(from), judged.Add(to) }
	}
	long, short := during(-10*lifetime, 10*lifetime), during(-time.Hour, time.Hour)
	for name, made := range map[string][2]func(*x509.Certificate){"its root": {short, long}, "its intermediate": {long, short}} {
		root := newCA(t, nil, "root", made[0])
		between := newCA(t, &root, "between", made[1])
		leaf := issue(t, &between, ecKey(t, elliptic.P256()), leafTemplate(long))
		d := &directory{registry: registry{"partners": rootsOf(t, "partners", root)}}
		d.add(authz.Credential{Header: authz.Header{ID: "c"}, MachineUser: "mx:a", Kind: authz.KindCertificate, Issuer: "partners", Names: []string{authz.NameDNS + "user.example.com"}})
		v := newVerifier(t, token.Config{})
		at := func(d2 time.Duration) authz.Principal {
			return v.Verify(t.Context(), authz.Presentation{Evidence: authz.Evidence{Certificate: evidenceOf(leaf, between)}, Directory: d, Now: judged.Add(d2)})
		}
		if p := at(0); p.Fault != nil {
			t.Fatalf("%s: fault %+v, want none", name, p.Fault)
		}
		wantFault(t, at(time.Hour+time.Second), authz.TokenInvalid, "certificate_untrusted")
		wantFault(t, at(-time.Hour-time.Second), authz.TokenInvalid, "certificate_untrusted")
		if p := at(time.Hour); p.Fault != nil {
			t.Errorf("%s: fault %+v, want none: the path is valid still", name, p.Fault)
		}
	}
}

// The issuers of others are not looked at for an X.509-SVID.
func TestSVIDIsOfItsTrustDomainAlone(t *testing.T) {
	b := newBound(t)
	d := &counted{directory: b.d}
	for range 2 {
		if p := present(b.v, d, authz.Evidence{Certificate: evidenceOf(b.svid)}); p.Fault != nil {
			t.Fatalf("fault %+v, want none", p.Fault)
		}
	}
	if d.listed != 0 {
		t.Errorf("issuers were listed %d times", d.listed)
	}
	jwt := *b.domain // whose keys were never fetched
	jwt.Kind, jwt.Keys, jwt.JWKSURL, jwt.Revision = authz.IssuerJWT, nil, "https://prod.example/keys", 9
	b.d.registry[prodDomain] = &jwt
	wantFault(t, present(b.v, d, authz.Evidence{Certificate: evidenceOf(b.svid)}), authz.TokenInvalid, "certificate_untrusted")
}

// BenchmarkPeer is a decision's certificate: verified, and remembered, among so many
// issuers of certificates.
func BenchmarkPeer(b *testing.B) {
	authority := newCA(b, nil, "prod", nil)
	signer := newSigner(b, "ES256")
	svid := issue(b, &authority, ecKey(b, elliptic.P256()), svidTemplate(userSVID, nil))
	client := issue(b, &authority, ecKey(b, elliptic.P256()), leafTemplate(nil))
	for _, issuers := range []int{1, 20} {
		d := &directory{registry: registry{prodDomain: trustDomainOf(b, signer, authority)}}
		for i := range issuers {
			id := fmt.Sprintf("partner-%02d", i)
			d.registry[id] = rootsOf(b, id, newCA(b, nil, id, nil))
		}
		d.registry["prod-ca"] = rootsOf(b, "prod-ca", authority)
		d.add(authz.Credential{Header: authz.Header{ID: "a"}, MachineUser: "mu:a", Kind: authz.KindCertificate, Issuer: "prod", Names: []string{userSVID}})
		d.add(authz.Credential{Header: authz.Header{ID: "b"}, MachineUser: "mu:a", Kind: authz.KindCertificate, Issuer: "prod-ca", Names: []string{authz.NameDNS + "user.example.com"}})
		for name, leaf := range map[string]certified{"SVID": svid, "x509": client} {
			for kept, size := range map[string]int{"verified": -1, "remembered": 0} {
				b.Run(fmt.Sprintf("%s/%d/%s", name, issuers, kept), func(b *testing.B) {
					v := newVerifier(b, token.Config{CacheSize: size})
					e := authz.Evidence{Certificate: evidenceOf(leaf)}
					b.ReportAllocs()
					for b.Loop() {
						if p := present(v, d, e); p.Fault != nil {
							b.Fatalf("got p.Fault %+v; want p.Fault nil", p.Fault)
						}
					}
				})
			}
		}
	}
}
