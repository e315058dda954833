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
	"slices"
	"strconv"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// Limits of a client certificate.
const (
	maxChain            = 5        // certificates: the leaf and its intermediates
	maxCertificateBytes = 16 << 10 // of one certificate's DER
	maxSANs             = 64       // URI and DNS SANs of a leaf, each a name to look up

	// A signature is checked for every possible issuer with the right name.
	maxNamesakes             = 16 // authorities that key ids do not distinguish
	maxIntermediateNamesakes = 2  // intermediates of one path
)

const (
	fixCertificate = "Have the client use a certificate that its registered issuer made, and send the leaf first and then its intermediates."
	fixSVID        = "Have the trust domain issue X.509-SVIDs as its specification says, one SPIFFE ID each."
)

// certificateChain is the chain of a client certificate, parsed but not verified.
type certificateChain struct {
	peer
	chain []*x509.Certificate
}

// readPeer parses the chain of a client certificate that passed checkBounds.
func readPeer(ders [][]byte) (*certificateChain, *authz.Fault) {
	chain, fault := parseChain(ders)
	if fault != nil {
		return nil, fault
	}
	leaf := chain[0]
	if fault := checkLeaf(leaf); fault != nil {
		return nil, fault
	}
	p := &certificateChain{peer: peerOf(leaf), chain: chain}
	if !hasSPIFFEID(leaf) {
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

// peerOf returns what a leaf says of itself, without its names.
func peerOf(leaf *x509.Certificate) peer {
	return peer{
		thumbprint: Thumbprint(leaf.Raw), id: authz.CertificateID(leaf.Issuer.String(), leaf.SerialNumber.Text(16)),
		notBefore: leaf.NotBefore.UTC(), notAfter: leaf.NotAfter.UTC(),
	}
}

// verify verifies the chain (RFC 5280 section 6) against the authorities of candidates.
// The first that it leads to is the peer's issuer. A leaf with a SPIFFE ID is an
// X.509-SVID, which only its own trust domain may issue; all other leaves only x509
// issuers may.
//
// A leaf outside its validity whose chain was good within it is accepted too: policies
// judge its dates, at the time of the question. Everything else that is wrong is a
// fault.
//
// The cost is limited: keys are checked before any signature is, and signatures on one
// path of at most 5 certificates only. An authority that no certificate of the chain
// names costs no signature check.
func (p *certificateChain) verify(candidates []trustAnchor, now time.Time) (*peer, *authz.Fault) {
	at := p.nearestValidTime(now)
	for _, candidate := range candidates {
		if !p.mayBeOf(candidate.issuer) {
			continue
		}
		if path := findPath(candidate.authorities, p.chain, at); path != nil {
			known := p.peer
			known.issuer = candidate.issuer.ID
			known.from, known.until = validity(path)
			return &known, nil
		}
	}
	return nil, untrusted(p.chain[0])
}

// mayBeOf reports whether an issuer may have issued the certificate.
func (p *peer) mayBeOf(issuer *authz.Issuer) bool {
	if p.domain == "" {
		return issuer.Kind == authz.IssuerX509
	}
	return issuer.Kind == authz.IssuerSPIFFE && issuer.URL == p.domain
}

// nearestValidTime returns the time within the certificate's validity that is nearest
// to now.
func (p *peer) nearestValidTime(now time.Time) time.Time {
	switch {
	case now.Before(p.notBefore):
		return p.notBefore
	case now.After(p.notAfter):
		return p.notAfter
	}
	return now
}

// validity returns the period in which all certificates of a path are valid.
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

// checkBounds checks the size of a chain before it is parsed.
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

// checkLeaf checks what holds for every client certificate.
func checkLeaf(leaf *x509.Certificate) *authz.Fault {
	switch {
	case leaf.NotAfter.Before(leaf.NotBefore):
		return malformed("The client certificate ends before it begins.")
	case len(leaf.URIs)+len(leaf.DNSNames) > maxSANs:
		return malformed("The client certificate has more than " + strconv.Itoa(maxSANs) + " names.")
	case hasSPIFFEID(leaf):
		return nil // svidOf checks the rest
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

// findPath returns the path from the leaf to one of the authorities, all of it valid at
// the given time, or nil if there is none. crypto/x509 checks signatures (it refuses
// SHA-1 and MD5), dates, constraints and critical extensions, and that every
// certificate may be used for client authentication. It gets one path only, because it
// would try all that names allow.
func findPath(authorities, chain []*x509.Certificate, at time.Time) []*x509.Certificate {
	path, roots := candidatePath(authorities, chain, at)
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

// candidatePath follows names and key ids, which conforming certificates have (RFC 5280
// sections 4.2.1.1 and 4.2.1.2), from the leaf over intermediates to the first
// authorities there are. path is empty if there is no such path, or if there are too
// many candidates to check the signatures of.
func candidatePath(authorities, chain []*x509.Certificate, at time.Time) (path, roots []*x509.Certificate) {
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

// couldIssue reports whether issuer may be the issuer of c by names and key ids. The
// authorities of a trust domain commonly share one name.
func couldIssue(issuer, c *x509.Certificate) bool {
	return bytes.Equal(issuer.RawSubject, c.RawIssuer) &&
		(len(c.AuthorityKeyId) == 0 || len(issuer.SubjectKeyId) == 0 || bytes.Equal(c.AuthorityKeyId, issuer.SubjectKeyId))
}

// weakness returns why a certificate's key is not accepted, as text that continues "the
// certificate", or "". The limits are those of keys in JWK Sets.
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
