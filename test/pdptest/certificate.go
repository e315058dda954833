package pdptest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v3"

	"github.com/verdict-pdp/verdict/authz"
)

// CA is a certificate authority. Its certificates are valid from a month before the
// time it was made at to a year after it. It is safe for concurrent use.
type CA struct {
	t    testing.TB
	at   time.Time
	root *x509.Certificate
	key  *ecdsa.PrivateKey

	mu     sync.Mutex
	serial int64 // guarded by mu
}

// NewCA makes an authority of this name.
func NewCA(t testing.TB, name string, at time.Time) *CA {
	t.Helper()
	ca := &CA{t: t, at: at, key: newECKey(t)}
	template := ca.template(name)
	template.IsCA = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, &ca.key.PublicKey, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	if ca.root, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return ca
}

func newECKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (ca *CA) template(name string) *x509.Certificate {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	ca.serial++
	return &x509.Certificate{
		SerialNumber:          big.NewInt(ca.serial),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             ca.at.AddDate(0, -1, 0),
		NotAfter:              ca.at.AddDate(1, 0, 0),
		BasicConstraintsValid: true,
	}
}

// Certificate is a certificate and its private key.
type Certificate struct {
	Leaf *x509.Certificate
	Key  *ecdsa.PrivateKey
}

// Client makes a client certificate with DNS SANs.
func (ca *CA) Client(name string, dns ...string) *Certificate {
	return ca.Issue(name, func(c *x509.Certificate) { c.DNSNames = dns })
}

// SVID makes an X.509-SVID of a SPIFFE id.
func (ca *CA) SVID(id string) *Certificate {
	ca.t.Helper()
	uri, err := url.Parse(id)
	if err != nil {
		ca.t.Fatal(err)
	}
	return ca.Issue("", func(c *x509.Certificate) { c.URIs = []*url.URL{uri} })
}

// Issue makes a client certificate that change, if any, has changed.
func (ca *CA) Issue(name string, change func(*x509.Certificate)) *Certificate {
	ca.t.Helper()
	template := ca.template(name)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if change != nil {
		change(template)
	}
	key := newECKey(ca.t)
	der, err := x509.CreateCertificate(rand.Reader, template, ca.root, &key.PublicKey, ca.key)
	if err != nil {
		ca.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		ca.t.Fatal(err)
	}
	return &Certificate{Leaf: leaf, Key: key}
}

// server makes a certificate for a listener on the loopback address.
func (ca *CA) server() *Certificate {
	return ca.Issue("127.0.0.1", func(c *x509.Certificate) {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	})
}

// Issuer is the authority as an x509 issuer.
func (ca *CA) Issuer(id string) *authz.Issuer {
	return &authz.Issuer{
		Header: authz.Header{ID: id}, Kind: authz.IssuerX509, URL: "https://" + id + ".example", Roots: derPEM(ca.root.Raw),
	}
}

// TrustDomain is the authority as that of a SPIFFE trust domain, by its bundle.
func (ca *CA) TrustDomain(id, domain string) *authz.Issuer {
	ca.t.Helper()
	return &authz.Issuer{Header: authz.Header{ID: id}, Kind: authz.IssuerSPIFFE, URL: domain, Keys: Bundle(ca.t, ca.root.Raw)}
}

// Bundle is the SPIFFE bundle of a trust domain with one authority for X.509-SVIDs.
func Bundle(t testing.TB, der []byte) json.RawMessage {
	t.Helper()
	authority, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	key := jose.JSONWebKey{Key: authority.PublicKey, Use: "x509-svid", Certificates: []*x509.Certificate{authority}}
	return encode(t, map[string]any{"keys": []any{key}})
}

func (ca *CA) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.root)
	return pool
}

// PEM is the certificate without its key.
func (c *Certificate) PEM() string { return derPEM(c.Leaf.Raw) }

// Thumbprint is its x5t#S256 (RFC 8705).
func (c *Certificate) Thumbprint() string {
	sum := sha256.Sum256(c.Leaf.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Presented is the certificate as a PEP asserts it.
func (c *Certificate) Presented() *authz.Certificate {
	return &authz.Certificate{Chain: [][]byte{c.Leaf.Raw}, Asserted: true}
}

func (c *Certificate) tls() tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{c.Leaf.Raw}, PrivateKey: c.Key, Leaf: c.Leaf}
}

// keyPEM is the private key, as a listener reads it.
func (c *Certificate) keyPEM(t testing.TB) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.Key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func derPEM(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
