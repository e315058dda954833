package token_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net/url"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/token"
)

// certified is a certificate with its private key.
type certified struct {
	*x509.Certificate
	key crypto.Signer
}

// when certificates of these tests are judged, and for how long they are valid
// around it.
var (
	judged   = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	lifetime = 24 * time.Hour
)

// issue makes a certificate of issuer's, or a self-signed one when issuer is nil.
func issue(t testing.TB, issuer *certified, key crypto.Signer, template *x509.Certificate) certified {
	t.Helper()
	if template.SerialNumber == nil {
		template.SerialNumber = big.NewInt(0xbeef)
	}
	if template.NotBefore.IsZero() {
		template.NotBefore, template.NotAfter = judged.Add(-lifetime), judged.Add(lifetime)
	}
	parent, signer := template, key
	if issuer != nil {
		parent, signer = issuer.Certificate, issuer.key
		template.AuthorityKeyId = issuer.SubjectKeyId
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certified{Certificate: parsed, key: key}
}

func ecKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func rsaKey(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// newCA makes an authority; change, if any, spoils it.
func newCA(t testing.TB, issuer *certified, name string, change func(*x509.Certificate)) certified {
	t.Helper()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, BasicConstraintsValid: true, IsCA: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	if change != nil {
		change(template)
	}
	return issue(t, issuer, ecKey(t, elliptic.P256()), template)
}

// leafTemplate is a client certificate's; change, if any, spoils it.
func leafTemplate(change func(*x509.Certificate)) *x509.Certificate {
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "client"}, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		DNSNames: []string{"User.Example.COM", "*.example.com"}, URIs: []*url.URL{{Scheme: "urn", Opaque: "svc:user"}},
	}
	if change != nil {
		change(template)
	}
	return template
}

func svidTemplate(id string, change func(*x509.Certificate)) *x509.Certificate {
	return leafTemplate(func(c *x509.Certificate) {
		uri, err := url.Parse(id)
		if err != nil {
			panic(err)
		}
		c.URIs, c.DNSNames = []*url.URL{uri}, nil
		if change != nil {
			change(c)
		}
	})
}

func evidenceOf(chain ...certified) *authz.Certificate {
	c := &authz.Certificate{}
	for _, link := range chain {
		c.Chain = append(c.Chain, link.Raw)
	}
	return c
}

// pki is what certificates are verified against: an x509 issuer and two trust
// domains, each with an authority of its own and one they share.
type pki struct {
	ca, prod, other, shared certified
	trusts                  []token.Trust
}

func newPKI(t testing.TB) pki {
	t.Helper()
	p := pki{
		ca: newCA(t, nil, "partners", nil), prod: newCA(t, nil, "prod", nil),
		other: newCA(t, nil, "other", nil), shared: newCA(t, nil, "shared", nil),
	}
	issuer := func(id, kind, url string) *authz.Issuer {
		return &authz.Issuer{Header: authz.Header{ID: id}, Kind: kind, URL: url}
	}
	p.trusts = []token.Trust{
		token.NewTrust(issuer("other", authz.IssuerSPIFFE, "spiffe://other.example"), p.other.Certificate, p.shared.Certificate),
		token.NewTrust(issuer("prod", authz.IssuerSPIFFE, "spiffe://prod.example"), p.prod.Certificate, p.shared.Certificate),
		token.NewTrust(issuer("jwt", authz.IssuerJWT, "spiffe://prod.example"), p.ca.Certificate),
		token.NewTrust(issuer("partners", authz.IssuerX509, "https://ca.example"), p.ca.Certificate),
	}
	return p
}

func wantCertificateFault(t *testing.T, p *token.Peer, fault *authz.Fault, cause string) {
	t.Helper()
	if fault == nil {
		t.Fatalf("verified %v; want %s", p.Names(), cause)
	}
	if p != nil || fault.Code != authz.TokenInvalid || fault.Cause != cause || fault.Message == "" || fault.Fix == "" {
		t.Errorf("%v %+v; want %s", p, fault, cause)
	}
}

func TestPeerOfCertificateAuthority(t *testing.T) {
	p := newPKI(t)
	intermediate := newCA(t, &p.ca, "between", nil)
	for name, chain := range map[string][]certified{
		"leaf":                       {issue(t, &p.ca, ecKey(t, elliptic.P384()), leafTemplate(nil))},
		"RSA leaf":                   {issue(t, &p.ca, rsaKey(t, 2048), leafTemplate(nil))},
		"with intermediate":          {issue(t, &intermediate, ecKey(t, elliptic.P256()), leafTemplate(nil)), intermediate},
		"with intermediate and root": {issue(t, &intermediate, ecKey(t, elliptic.P521()), leafTemplate(nil)), intermediate, p.ca},
		"out of order":               {issue(t, &intermediate, ecKey(t, elliptic.P256()), leafTemplate(nil)), p.ca, intermediate},
		"any usage":                  {issue(t, &p.ca, ecKey(t, elliptic.P256()), leafTemplate(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} }))},
		"no usage":                   {issue(t, &p.ca, ecKey(t, elliptic.P256()), leafTemplate(func(c *x509.Certificate) { c.ExtKeyUsage = nil }))},
	} {
		t.Run(name, func(t *testing.T) {
			peer, fault := token.VerifyPeer(evidenceOf(chain...), p.trusts, judged)
			if fault != nil {
				t.Fatalf("fault %+v, want none", fault)
			}
			leaf := chain[0]
			sum := token.Thumbprint(leaf.Raw)
			if diff := cmp.Diff([]string{"x5t:" + sum, "uri:urn:svc:user", "dns:user.example.com"}, peer.Names()); diff != "" {
				t.Error(diff)
			}
			if peer.IssuerID() != "partners" || peer.Thumbprint() != sum {
				t.Errorf("issuer %s, thumbprint %s; want partners, and the leaf's", peer.IssuerID(), peer.Thumbprint())
			}
			if want := authz.CertificateID(leaf.Issuer.String(), "00:BE:EF"); peer.ID() != want {
				t.Errorf("id %s, want %s", peer.ID(), want)
			}
		})
	}
}

func TestPeerOfTrustDomain(t *testing.T) {
	p := newPKI(t)
	id := "spiffe://prod.example/ns/mail/user-svc"
	for name, issuer := range map[string]*certified{"its own authority": &p.prod, "one it shares": &p.shared} {
		leaf := issue(t, issuer, ecKey(t, elliptic.P256()), svidTemplate(id, func(c *x509.Certificate) { c.DNSNames = []string{"user.example.com"} }))
		peer, fault := token.VerifyPeer(evidenceOf(leaf), p.trusts, judged)
		if fault != nil {
			t.Fatalf("%s: fault %+v, want none", name, fault)
		}
		if diff := cmp.Diff([]string{id}, peer.Names()); diff != "" || peer.IssuerID() != "prod" {
			t.Errorf("%s: issuer %s, names %s", name, peer.IssuerID(), diff)
		}
	}
}

// The authorities of a trust domain, and the intermediates under them, commonly
// share one name: key ids tell them apart.
func TestPeerAmongNamesakes(t *testing.T) {
	var roots []certified
	var authorities []*x509.Certificate
	for range 20 {
		roots = append(roots, newCA(t, nil, "SPIFFE", nil))
		authorities = append(authorities, roots[len(roots)-1].Certificate)
	}
	domain := &authz.Issuer{Header: authz.Header{ID: "prod"}, Kind: authz.IssuerSPIFFE, URL: "spiffe://prod.example"}
	trusts := []token.Trust{token.NewTrust(domain, authorities...)}
	upper := newCA(t, &roots[7], "SPIFFE", nil)
	lower := newCA(t, &upper, "SPIFFE", nil)
	leaf := issue(t, &lower, ecKey(t, elliptic.P256()), svidTemplate("spiffe://prod.example/a", nil))
	for _, chain := range [][]certified{{leaf, lower, upper}, {leaf, upper, lower}, {leaf, lower, upper, roots[7]}} {
		if peer, fault := token.VerifyPeer(evidenceOf(chain...), trusts, judged); fault != nil || peer.IssuerID() != "prod" {
			t.Errorf("fault %+v, want a certificate of prod", fault)
		}
	}
	// Without key ids any of twenty could have signed: that many are not tried.
	nameless := *roots[7].Certificate
	nameless.SubjectKeyId = nil
	vague := issue(t, &certified{Certificate: &nameless, key: roots[7].key}, ecKey(t, elliptic.P256()), svidTemplate("spiffe://prod.example/a", nil))
	peer, fault := token.VerifyPeer(evidenceOf(vague), trusts, judged)
	wantCertificateFault(t, peer, fault, "certificate_untrusted")
	if _, fault := token.VerifyPeer(evidenceOf(vague), []token.Trust{token.NewTrust(domain, authorities[4:]...)}, judged); fault != nil {
		t.Errorf("of sixteen: %+v", fault)
	}
}

func TestPeerIsRefused(t *testing.T) {
	p := newPKI(t)
	const id = "spiffe://prod.example/user-svc"
	key := ecKey(t, elliptic.P256())
	byCA := func(change func(*x509.Certificate)) []certified {
		return []certified{issue(t, &p.ca, key, leafTemplate(change))}
	}
	bySPIFFE := func(id string, change func(*x509.Certificate)) []certified {
		return []certified{issue(t, &p.prod, key, svidTemplate(id, change))}
	}
	stranger := newCA(t, nil, "partners", nil) // the name of a registered one
	expiredCA := newCA(t, &p.ca, "expired", func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = judged.Add(-lifetime), judged.Add(-time.Hour)
	})
	serverCA := newCA(t, &p.ca, "servers", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })
	flat := newCA(t, &p.ca, "flat", func(c *x509.Certificate) { c.MaxPathLenZero = true })
	underFlat := newCA(t, &flat, "under flat", nil)
	narrow := newCA(t, &p.ca, "narrow", func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"partner.example"} })
	notCA := issue(t, &p.ca, ecKey(t, elliptic.P256()), leafTemplate(nil))
	between := newCA(t, &p.ca, "between", nil)
	long := []certified{newCA(t, &p.ca, "0", nil)}
	for i := range 4 {
		long = append([]certified{newCA(t, &long[0], strconv.Itoa(i+1), nil)}, long...)
	}
	sameNamed := []certified{newCA(t, &p.ca, "same", nil)}
	for range 2 {
		sameNamed = append([]certified{newCA(t, &sameNamed[0], "same", nil)}, sameNamed...)
	}
	critical := pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}
	names := func(n int) (list []string) {
		for i := range n {
			list = append(list, "h"+strconv.Itoa(i)+".example")
		}
		return list
	}
	for name, c := range map[string]struct {
		chain []certified
		cause string
	}{
		"of nobody":               {[]certified{issue(t, nil, key, leafTemplate(nil))}, "certificate_untrusted"},
		"of a namesake":           {[]certified{issue(t, &stranger, key, leafTemplate(nil))}, "certificate_untrusted"},
		"of a namesake, with it":  {[]certified{issue(t, &stranger, key, leafTemplate(nil)), stranger}, "certificate_untrusted"},
		"intermediate missing":    {[]certified{issue(t, &between, key, leafTemplate(nil))}, "certificate_untrusted"},
		"intermediate expired":    {[]certified{issue(t, &expiredCA, key, leafTemplate(nil)), expiredCA}, "certificate_untrusted"},
		"intermediate no CA":      {[]certified{issue(t, &notCA, key, leafTemplate(nil)), notCA}, "certificate_untrusted"},
		"intermediate of servers": {[]certified{issue(t, &serverCA, key, leafTemplate(nil)), serverCA}, "certificate_untrusted"},
		"path too long for a CA":  {[]certified{issue(t, &underFlat, key, leafTemplate(nil)), underFlat, flat}, "certificate_untrusted"},
		"outside its CA's names":  {[]certified{issue(t, &narrow, key, leafTemplate(nil)), narrow}, "certificate_untrusted"},
		"unknown critical part":   {byCA(func(c *x509.Certificate) { c.ExtraExtensions = []pkix.Extension{critical} }), "certificate_untrusted"},
		"of a trust domain":       {[]certified{issue(t, &p.prod, key, leafTemplate(nil))}, "certificate_untrusted"},
		"more than 5":             {append([]certified{issue(t, &long[0], key, leafTemplate(nil))}, long...), "certificate_malformed"},
		"no certificate":          {nil, "certificate_malformed"},
		"many names":              {byCA(func(c *x509.Certificate) { c.DNSNames = names(64) }), "certificate_malformed"},
		"ends before it begins":   {byCA(func(c *x509.Certificate) { c.NotBefore, c.NotAfter = judged, judged.Add(-time.Second) }), "certificate_malformed"},
		"three CAs of one name":   {[]certified{issue(t, &sameNamed[0], key, leafTemplate(nil)), sameNamed[0], sameNamed[1], sameNamed[2]}, "certificate_untrusted"},
		"a CA":                    {[]certified{between}, "certificate_ca"},
		"a registered root":       {[]certified{p.ca}, "certificate_ca"},
		"for servers only":        {byCA(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), "certificate_usage"},
		"for a purpose unknown": {byCA(func(c *x509.Certificate) {
			c.ExtKeyUsage, c.UnknownExtKeyUsage = nil, []asn1.ObjectIdentifier{{1, 2, 3}}
		}), "certificate_usage"},
		"RSA of 1024 bits":       {[]certified{issue(t, &p.ca, rsaKey(t, 1024), leafTemplate(nil))}, "certificate_weak"},
		"P-224":                  {[]certified{issue(t, &p.ca, ecKey(t, elliptic.P224()), leafTemplate(nil))}, "certificate_weak"},
		"Ed25519 of small order": {[]certified{issue(t, &p.ca, smallOrder{}, leafTemplate(nil))}, "certificate_weak"},

		"SVID of an x509 issuer":          {[]certified{issue(t, &p.ca, key, svidTemplate(id, nil))}, "certificate_untrusted"},
		"SVID of another trust domain":    {[]certified{issue(t, &p.other, key, svidTemplate(id, nil))}, "certificate_untrusted"},
		"SVID of an unknown trust domain": {bySPIFFE("spiffe://test.example/user-svc", nil), "certificate_untrusted"},
		"SVID of a longer trust domain":   {bySPIFFE("spiffe://prod.example.org/user-svc", nil), "certificate_untrusted"},
		"SVID for servers only":           {bySPIFFE(id, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), "certificate_usage"},
		"SVID a CA":                       {bySPIFFE(id, func(c *x509.Certificate) { c.IsCA = true }), "certificate_svid"},
		"SVID signs certificates":         {bySPIFFE(id, func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCertSign; c.BasicConstraintsValid = false }), "certificate_svid"},
		"SVID signs CRLs":                 {bySPIFFE(id, func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCRLSign }), "certificate_svid"},
		"SVID signs nothing":              {bySPIFFE(id, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }), "certificate_svid"},
		"SVID without usage":              {bySPIFFE(id, func(c *x509.Certificate) { c.KeyUsage = 0 }), "certificate_svid"},
		"SVID, usage not critical": {bySPIFFE(id, func(c *x509.Certificate) {
			c.KeyUsage = 0
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 15}, Value: []byte{3, 2, 7, 0x80}}}
		}), "certificate_svid"},
		"SVID with two ids":   {bySPIFFE(id, func(c *x509.Certificate) { c.URIs = append(c.URIs, c.URIs[0]) }), "certificate_svid"},
		"SVID with a URI too": {bySPIFFE(id, func(c *x509.Certificate) { c.URIs = append([]*url.URL{{Scheme: "urn", Opaque: "a"}}, c.URIs...) }), "certificate_svid"},
		"SVID of the domain":  {bySPIFFE("spiffe://prod.example", nil), "certificate_svid"},
		"SVID with final /":   {bySPIFFE("spiffe://prod.example/", nil), "certificate_svid"},
		"SVID with //":        {bySPIFFE("spiffe://prod.example//a", nil), "certificate_svid"},
		"SVID with ..":        {bySPIFFE("spiffe://prod.example/a/../b", nil), "certificate_svid"},
		"SVID with escapes":   {bySPIFFE("spiffe://prod.example/%75ser-svc", nil), "certificate_svid"},
		"SVID with a query":   {bySPIFFE(id+"?a", nil), "certificate_svid"},
		"SVID with a port":    {bySPIFFE("spiffe://prod.example:443/a", nil), "certificate_svid"},
		"SVID with a user":    {bySPIFFE("spiffe://a@prod.example/a", nil), "certificate_svid"},
		"SVID in upper case":  {bySPIFFE("spiffe://PROD.example/a", nil), "certificate_svid"},
	} {
		t.Run(name, func(t *testing.T) {
			peer, fault := token.VerifyPeer(evidenceOf(c.chain...), p.trusts, judged)
			wantCertificateFault(t, peer, fault, c.cause)
		})
	}
	for name, der := range map[string][]byte{
		"no DER": []byte("MIIB"), "empty": {}, "trailing bytes": append(bytes.Clone(notCA.Raw), 0), "too large": make([]byte, 16<<10+1),
	} {
		peer, fault := token.VerifyPeer(&authz.Certificate{Chain: [][]byte{der}}, p.trusts, judged)
		t.Run(name, func(t *testing.T) { wantCertificateFault(t, peer, fault, "certificate_malformed") })
	}
	peer, fault := token.VerifyPeer(evidenceOf(notCA), nil, judged)
	wantCertificateFault(t, peer, fault, "certificate_untrusted")
}

// smallOrder is an Ed25519 "key" of order 1.
type smallOrder struct{ crypto.Signer }

func (smallOrder) Public() crypto.PublicKey {
	return ed25519.PublicKey(append([]byte{1}, make([]byte, 31)...))
}

// Go refuses signatures over SHA-1; this holds it to that.
func TestPeerSignedOverSHA1(t *testing.T) {
	key := rsaKey(t, 2048)
	root := issue(t, nil, key, &x509.Certificate{
		Subject: pkix.Name{CommonName: "old"}, BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign,
	})
	trusts := []token.Trust{token.NewTrust(&authz.Issuer{Kind: authz.IssuerX509}, root.Certificate)}
	good := issue(t, &root, ecKey(t, elliptic.P256()), leafTemplate(nil))
	if _, fault := token.VerifyPeer(evidenceOf(good), trusts, judged); fault != nil {
		t.Fatalf("fault %+v, want none", fault)
	}
	// sha256WithRSAEncryption -> sha1WithRSAEncryption, and a good signature over it.
	prefix := []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01}
	der := bytes.ReplaceAll(good.Raw, append(bytes.Clone(prefix), 0x0b), append(bytes.Clone(prefix), 0x05))
	weak, err := x509.ParseCertificate(der)
	if err != nil || weak.SignatureAlgorithm != x509.SHA1WithRSA {
		t.Fatal(err, weak.SignatureAlgorithm)
	}
	digest := sha1.Sum(weak.RawTBSCertificate)
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA1, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	copy(der[len(der)-len(signature):], signature)
	peer, fault := token.VerifyPeer(&authz.Certificate{Chain: [][]byte{der}}, trusts, judged)
	wantCertificateFault(t, peer, fault, "certificate_untrusted")
}

// A leaf out of its validity is a peer whose dates policies judge, if its chain was
// good while it was valid.
func TestPeerOutOfItsValidity(t *testing.T) {
	p := newPKI(t)
	during := func(from, to time.Duration) *x509.Certificate {
		return leafTemplate(func(c *x509.Certificate) { c.NotBefore, c.NotAfter = judged.Add(from), judged.Add(to) })
	}
	key := ecKey(t, elliptic.P256())
	for name, leaf := range map[string]certified{
		"expired":       issue(t, &p.ca, key, during(-3*time.Hour, -2*time.Hour)),
		"not yet valid": issue(t, &p.ca, key, during(2*time.Hour, 3*time.Hour)),
	} {
		peer, fault := token.VerifyPeer(evidenceOf(leaf), p.trusts, judged)
		if fault != nil || peer.Thumbprint() != token.Thumbprint(leaf.Raw) {
			t.Errorf("%s: fault %+v, want the leaf accepted", name, fault)
		}
	}
	for name, leaf := range map[string]certified{
		"expired after its authority":   issue(t, &p.ca, key, during(-3*time.Hour, 2*lifetime)),
		"expired before its authority":  issue(t, &p.ca, key, during(-3*lifetime, -2*lifetime)),
		"expired, of an unknown issuer": issue(t, nil, key, during(-3*time.Hour, -2*time.Hour)),
	} {
		at := judged
		if name == "expired after its authority" {
			at = judged.Add(3 * lifetime)
		}
		peer, fault := token.VerifyPeer(evidenceOf(leaf), p.trusts, at)
		t.Run(name, func(t *testing.T) { wantCertificateFault(t, peer, fault, "certificate_untrusted") })
	}
}

// FuzzPeer sends arbitrary certificates: nothing panics, and nobody is proved by
// what the authorities did not sign.
func FuzzPeer(f *testing.F) {
	p := newPKI(f)
	key := ecKey(f, elliptic.P256())
	good := issue(f, &p.ca, key, leafTemplate(nil))
	f.Add(good.Raw, p.ca.Raw)
	f.Add(issue(f, &p.prod, key, svidTemplate("spiffe://prod.example/a", nil)).Raw, p.prod.Raw)
	f.Add(issue(f, nil, key, leafTemplate(nil)).Raw, []byte{})
	f.Add([]byte{0x30, 0x80}, []byte{0x30})
	trusted := []certified{p.ca, p.prod, p.other, p.shared}
	f.Fuzz(func(t *testing.T, leaf, intermediate []byte) {
		peer, fault := token.VerifyPeer(&authz.Certificate{Chain: [][]byte{leaf, intermediate}}, p.trusts, judged)
		if (peer == nil) == (fault == nil) {
			t.Fatalf("peer %v, fault %+v; want one of them", peer, fault)
		}
		if fault != nil {
			return
		}
		parsed, err := x509.ParseCertificate(leaf)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(trusted, func(authority certified) bool { return parsed.CheckSignatureFrom(authority.Certificate) == nil }) {
			t.Errorf("proved %v", peer.Names())
		}
	})
}

// BenchmarkPeerWorst verifies the dearest chains there can be: five certificates,
// two intermediates of one name each, which do not say whose key signed them,
// under as many authorities of one name as are tried.
func BenchmarkPeerWorst(b *testing.B) {
	curve := func(c elliptic.Curve) func() crypto.Signer { return func() crypto.Signer { return ecKey(b, c) } }
	for name, newKey := range map[string]func() crypto.Signer{
		"RSA-4096": func() crypto.Signer { return rsaKey(b, 4096) },
		"P-256":    curve(elliptic.P256()),
		"P-384":    curve(elliptic.P384()),
		"P-521":    curve(elliptic.P521()),
	} {
		for _, authorities := range []int{1, 16} {
			b.Run(name+"/"+strconv.Itoa(authorities), func(b *testing.B) {
				evidence, trusts := worstChain(b, newKey, authorities)
				for b.Loop() {
					if _, fault := token.VerifyPeer(evidence, trusts, judged); fault != nil {
						b.Fatalf("got %+v; want fault nil", fault)
					}
				}
			})
		}
	}
}

func worstChain(b *testing.B, newKey func() crypto.Signer, authorities int) (*authz.Certificate, []token.Trust) {
	b.Helper()
	ca := func(name, host string) *x509.Certificate {
		return &x509.Certificate{
			Subject: pkix.Name{CommonName: name}, BasicConstraintsValid: true, IsCA: true,
			KeyUsage: x509.KeyUsageCertSign, DNSNames: []string{host},
		}
	}
	nameless := func(c certified) *certified {
		parent := *c.Certificate
		parent.SubjectKeyId = nil // else what it issues would name its key
		return &certified{Certificate: &parent, key: c.key}
	}
	var roots []*x509.Certificate
	var link certified
	for i := range authorities {
		link = issue(b, nil, newKey(), ca("a", "root"+strconv.Itoa(i)))
		roots = append(roots, link.Certificate)
	}
	var chain []certified
	for i, name := range []string{"b", "b", "c", "c"} {
		link = issue(b, nameless(link), newKey(), ca(name, "i"+strconv.Itoa(i)))
		chain = append([]certified{link}, chain...)
	}
	leaf := issue(b, nameless(link), newKey(), leafTemplate(nil))
	return evidenceOf(append([]certified{leaf}, chain...)...), []token.Trust{token.NewTrust(&authz.Issuer{Kind: authz.IssuerX509}, roots...)}
}
