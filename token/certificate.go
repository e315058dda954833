package token

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"math/big"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/verdict-pdp/verdict/authz"
)

// Bounds of a client certificate.
const (
	maxChain            = 5        // certificates: the leaf and its intermediates
	maxCertificateBytes = 16 << 10 // of one certificate's DER
	maxSANs             = 64       // URI and DNS SANs of a leaf, each a name to look up

	// A signature is checked for every issuer that a name allows.
	maxNamesakes             = 16 // authorities, where key ids do not tell them apart
	maxIntermediateNamesakes = 2  // intermediates of one path
)

const (
	fixCertificate = "Have the client use a certificate that its registered issuer made, and send the leaf first and then its intermediates."
	fixSVID        = "Have the trust domain issue X.509-SVIDs as its specification says, one SPIFFE ID each."
)

// trust is an issuer that may vouch for certificates, with its authorities as
// they stand now.
type trust struct {
	standing
	issuer      *authz.Issuer
	authorities []*x509.Certificate
	set         setID // names the authorities
}

// peer is a client certificate that led to a registered issuer. It is immutable.
type peer struct {
	thumbprint string // x5t#S256
	id         string // authz.CertificateID
	// names are what the leaf may be registered as, as in authz.Credential.Names,
	// best first: the SPIFFE ID alone if it has one, else its thumbprint, URI and
	// DNS names.
	names               []string
	domain              string // SPIFFE ID of its trust domain; empty when it is no X.509-SVID
	notBefore, notAfter time.Time

	issuer      string    // id of the issuer that vouches; empty while none does
	from, until time.Time // while the whole path to that issuer is valid
}

// presented is the chain of a client certificate that has been read, and not been
// verified.
type presented struct {
	peer
	chain []*x509.Certificate
}

// readPeer reads the chain of a client certificate, which checkBounds found to be
// within them.
func readPeer(ders [][]byte) (*presented, *authz.Fault) {
	chain, fault := parseChain(ders)
	if fault != nil {
		return nil, fault
	}
	leaf := chain[0]
	if fault := checkLeaf(leaf); fault != nil {
		return nil, fault
	}
	p := &presented{peer: peerOf(leaf), chain: chain}
	if !claimsSPIFFE(leaf) {
		p.names = namesOf(leaf, p.thumbprint)
		return p, nil
	}
	id, err := svidOf(leaf)
	if err != nil {
		return nil, invalid("certificate_svid", "The client certificate is not a valid X.509-SVID: "+err.Error()+".", fixSVID)
	}
	p.names, p.domain = []string{id.String()}, id.TrustDomain().IDString()
	return p, nil
}

// peerOf is what a leaf says of itself, without names.
func peerOf(leaf *x509.Certificate) peer {
	return peer{
		thumbprint: Thumbprint(leaf.Raw), id: authz.CertificateID(leaf.Issuer.String(), leaf.SerialNumber.Text(16)),
		notBefore: leaf.NotBefore.UTC(), notAfter: leaf.NotAfter.UTC(),
	}
}

// verify verifies the chain (RFC 5280 section 6) against the authorities of
// candidates, of whom the first that vouches is the peer's issuer. A leaf with a
// SPIFFE ID is an X.509-SVID: only the issuer that is its trust domain may vouch for
// it; for every other leaf only x509 issuers may.
//
// A leaf out of its validity, whose chain was good within it, is a peer too: its
// dates are a fact that policies judge, at the time of the question. Everything
// else that is wrong is a fault.
//
// The cost is bounded: keys before any signature is checked, and signatures by
// following one path of at most 5 certificates. An authority whose name or key id
// nobody of the chain names costs no signature check.
func (p *presented) verify(candidates []trust, now time.Time) (*peer, *authz.Fault) {
	at := p.within(now)
	for _, candidate := range candidates {
		if !p.mayBeOf(candidate.issuer) {
			continue
		}
		if path := vouches(candidate.authorities, p.chain, at); path != nil {
			known := p.peer
			known.issuer = candidate.issuer.ID
			known.from, known.until = validity(path)
			return &known, nil
		}
	}
	return nil, untrusted(p.chain[0])
}

// mayBeOf says whether an issuer may vouch for the certificate.
func (p *peer) mayBeOf(issuer *authz.Issuer) bool {
	if p.domain == "" {
		return issuer.Kind == authz.IssuerX509
	}
	return issuer.Kind == authz.IssuerSPIFFE && issuer.URL == p.domain
}

// within is the moment of the certificate's validity that is nearest to now.
func (p *peer) within(now time.Time) time.Time {
	switch {
	case now.Before(p.notBefore):
		return p.notBefore
	case now.After(p.notAfter):
		return p.notAfter
	}
	return now
}

// validity is when all certificates of a path are valid.
func validity(path []*x509.Certificate) (from, until time.Time) {
	from, until = path[0].NotBefore, path[0].NotAfter
	for _, c := range path[1:] {
		if c.NotBefore.After(from) {
			from = c.NotBefore
		}
		if c.NotAfter.Before(until) {
			until = c.NotAfter
		}
	}
	return from, until
}

// checkBounds holds a chain to its bounds before anything reads it.
func checkBounds(ders [][]byte) *authz.Fault {
	if len(ders) == 0 || len(ders) > maxChain {
		return malformed("The client certificate's chain does not have 1 to " + strconv.Itoa(maxChain) + " certificates.")
	}
	for _, der := range ders {
		if len(der) > maxCertificateBytes {
			return malformed("The client certificate's chain has a certificate larger than 16 kB.")
		}
	}
	return nil
}

func parseChain(ders [][]byte) ([]*x509.Certificate, *authz.Fault) {
	chain := make([]*x509.Certificate, 0, len(ders))
	for _, der := range ders {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, malformed("The client certificate's chain has a part that is not an X.509 certificate in DER.")
		}
		if problem := weakness(c.PublicKey); problem != "" {
			return nil, invalid("certificate_weak", "A certificate of the client certificate's chain "+problem+".", fixCertificate)
		}
		chain = append(chain, c)
	}
	return chain, nil
}

// checkLeaf holds a leaf to what every client certificate is.
func checkLeaf(leaf *x509.Certificate) *authz.Fault {
	switch {
	case leaf.NotAfter.Before(leaf.NotBefore):
		return malformed("The client certificate ends before it begins.")
	case len(leaf.URIs)+len(leaf.DNSNames) > maxSANs:
		return malformed("The client certificate has more than " + strconv.Itoa(maxSANs) + " names.")
	case claimsSPIFFE(leaf):
		return nil // svidOf says the rest
	case leaf.IsCA:
		return invalid("certificate_ca", "The client certificate is a certificate authority's.", fixCertificate)
	}
	return nil
}

func malformed(message string) *authz.Fault {
	return invalid("certificate_malformed", message, fixCertificate)
}

func untrusted(leaf *x509.Certificate) *authz.Fault {
	if !forClients(leaf) {
		return invalid("certificate_usage", "The client certificate is not made for clients: its extended key usage lacks clientAuth.", fixCertificate)
	}
	return invalid("certificate_untrusted", "The client certificate does not lead to an authority of a registered issuer that may vouch for it.",
		"Register the certificate's issuer (kind spiffe or x509), and send the leaf first and then its intermediates.")
}

func forClients(leaf *x509.Certificate) bool {
	unrestricted := len(leaf.ExtKeyUsage) == 0 && len(leaf.UnknownExtKeyUsage) == 0
	return unrestricted || slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageClientAuth) || slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageAny)
}

// vouches gives the path by which the chain leads to one of the authorities, all of
// it valid at a time; nil when there is none. crypto/x509 checks signatures (SHA-1 and MD5 are refused), dates,
// constraints and critical extensions, and that every certificate may be used for
// client authentication. It is given one path only, because it would try every
// path that names allow.
func vouches(authorities, chain []*x509.Certificate, at time.Time) []*x509.Certificate {
	path, roots := pathTo(authorities, chain, at)
	if len(path) == 0 {
		return nil
	}
	last, anchors, intermediates := path[len(path)-1], x509.NewCertPool(), x509.NewCertPool()
	anchored := false
	for _, root := range roots {
		if last.CheckSignatureFrom(root) == nil {
			anchors.AddCert(root)
			anchored = true
		}
	}
	if !anchored {
		return nil // before any signature is checked with a key the sender chose
	}
	for _, c := range path[1:] {
		intermediates.AddCert(c)
	}
	paths, err := path[0].Verify(x509.VerifyOptions{
		Roots: anchors, Intermediates: intermediates, CurrentTime: at,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return nil
	}
	return paths[0]
}

// pathTo follows names and key ids, which conforming certificates have (RFC 5280
// sections 4.2.1.1 and 4.2.1.2), from the leaf over intermediates to the first
// authorities there are; path is empty when that leads nowhere, or to more than is
// worth its signature checks.
func pathTo(authorities, chain []*x509.Certificate, at time.Time) (path, roots []*x509.Certificate) {
	path, rest := chain[:1:1], slices.Clone(chain[1:])
	for {
		last := path[len(path)-1]
		for _, authority := range authorities {
			if couldIssue(authority, last) && !at.Before(authority.NotBefore) && !at.After(authority.NotAfter) {
				roots = append(roots, authority)
			}
		}
		if len(roots) > maxNamesakes {
			return nil, nil
		}
		if len(roots) > 0 {
			return path, roots
		}
		next := slices.IndexFunc(rest, func(c *x509.Certificate) bool { return couldIssue(c, last) })
		if next < 0 || namesakes(path[1:], rest[next]) == maxIntermediateNamesakes {
			return nil, nil
		}
		path = append(path, rest[next])
		rest = slices.Delete(rest, next, next+1)
	}
}

// namesakes counts the certificates with c's subject.
func namesakes(certificates []*x509.Certificate, c *x509.Certificate) (n int) {
	for _, other := range certificates {
		if bytes.Equal(other.RawSubject, c.RawSubject) {
			n++
		}
	}
	return n
}

// couldIssue says whether names and key ids let issuer be the issuer of c. The
// authorities of a trust domain commonly share one name.
func couldIssue(issuer, c *x509.Certificate) bool {
	return bytes.Equal(issuer.RawSubject, c.RawIssuer) &&
		(len(c.AuthorityKeyId) == 0 || len(issuer.SubjectKeyId) == 0 || bytes.Equal(c.AuthorityKeyId, issuer.SubjectKeyId))
}

// weakness continues "the certificate" with what makes its key one that is not
// accepted; "" when it is. The bounds are those of keys in JWK Sets.
func weakness(public crypto.PublicKey) string {
	switch key := public.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minRSABits || bits > maxRSABits || key.N.Bit(0) == 0 {
			return "has an RSA key that is not of " + strconv.Itoa(minRSABits) + " to " + strconv.Itoa(maxRSABits) + " bits"
		}
		if e := big.NewInt(int64(key.E)); e.BitLen() > 31 || key.E < 3 || key.E%2 == 0 {
			return "has an RSA key whose exponent is not an odd number from 3 to 2147483647"
		}
		return ""
	case *ecdsa.PublicKey:
		if !slices.Contains([]elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()}, key.Curve) {
			return "has a key of a curve other than P-256, P-384 and P-521"
		}
		return ""
	case ed25519.PublicKey:
		if len(key) != ed25519.PublicKeySize || !soundEd25519(key) {
			return "has an Ed25519 key that anybody can sign for"
		}
		return ""
	}
	return "has a key of a kind that is not accepted; use RSA, ECDSA or Ed25519"
}

// namesOf lists the names a certificate without SPIFFE ID may be registered as.
// Wildcards name nobody.
func namesOf(leaf *x509.Certificate, thumbprint string) []string {
	names := []string{authz.NameThumbprint + thumbprint}
	for _, uri := range leaf.URIs {
		if name := uri.String(); validURI(name) {
			names = append(names, authz.NameURI+name)
		}
	}
	for _, host := range leaf.DNSNames {
		if name := strings.ToLower(host); validHost(name) {
			names = append(names, authz.NameDNS+name)
		}
	}
	return names
}

// checkName says what keeps a name from being one a certificate is registered as,
// or "". A name has exactly the spelling that namesOf and svidOf give.
func checkName(name string) (problem string) {
	prefix, rest, _ := strings.Cut(name, ":")
	switch prefix + ":" {
	case authz.NameThumbprint:
		if !isSHA256(rest) {
			return "is not x5t: and the 43 base64url characters of a SHA-256"
		}
	case authz.NameDNS:
		if !validHost(rest) {
			return "is not dns: and a host name in lower case, without wildcard and final dot"
		}
	case authz.NameURI:
		if !validURI(rest) {
			return "is not uri: and an absolute URI as certificates have it, other than a SPIFFE ID"
		}
	default:
		if id, err := spiffeid.FromString(name); err != nil || !namesWorkload(id) {
			return "is not a name of a certificate: spiffe://domain/path, x5t:thumbprint, uri:URI or dns:host"
		}
	}
	return ""
}

// validURI accepts an absolute URI in the spelling crypto/x509 gives it.
func validURI(text string) bool {
	uri, err := url.Parse(text)
	return err == nil && uri.IsAbs() && uri.Scheme != "spiffe" && uri.String() == text
}

// validHost accepts a host name (RFC 1123 section 2.1) in lower case.
func validHost(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		if strings.ContainsFunc(label, func(r rune) bool { return !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-' || r == '_') }) {
			return false
		}
	}
	return true
}
