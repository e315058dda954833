package token

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/verdict-pdp/verdict/authz"
)

// maxAuthorities is how many certificate authorities one issuer may have. It
// bounds, with maxChain, what verifying one chain costs.
const maxAuthorities = 64

// parseRoots reads the PEM certificates of an x509 issuer: 1 to 64 certificate
// authorities. The error is an *authz.Error about the field roots.
func parseRoots(text string) ([]*x509.Certificate, error) {
	var roots []*x509.Certificate
	rest := []byte(text)
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if len(roots) == maxAuthorities {
			return nil, authz.Invalid("roots", "have more than "+strconv.Itoa(maxAuthorities)+" certificates")
		}
		root, problem := readRoot(block)
		if problem != "" {
			return nil, authz.Invalid("roots", "certificate "+strconv.Itoa(len(roots)+1)+" "+problem)
		}
		roots = append(roots, root)
	}
	switch {
	case strings.Count(text, "-----BEGIN ") != len(roots): // the decoder passes over what it cannot read
		return nil, authz.Invalid("roots", "have a PEM block that is damaged")
	case len(roots) == 0:
		return nil, authz.Invalid("roots", "have no PEM block; write the certificates of the authority as -----BEGIN CERTIFICATE-----")
	}
	return roots, nil
}

func readRoot(block *pem.Block) (root *x509.Certificate, problem string) {
	switch {
	case strings.HasSuffix(block.Type, "PRIVATE KEY"):
		return nil, "is a private key; register certificates only, and replace this key"
	case block.Type != "CERTIFICATE":
		return nil, "is a PEM block of another type; only CERTIFICATE has a place here"
	case len(block.Bytes) > maxCertificateBytes:
		return nil, "is larger than 16 kB"
	}
	root, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, "is not an X.509 certificate in DER"
	}
	return root, authorityProblem(root)
}

// authorityProblem says what keeps a certificate from being a trust anchor, or "".
func authorityProblem(c *x509.Certificate) string {
	switch {
	case !c.BasicConstraintsValid || !c.IsCA:
		return "is not a certificate authority (basic constraints cA); register the authority, not what it issued"
	case c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageCertSign == 0:
		return "may not sign certificates (its key usage lacks keyCertSign)"
	}
	return weakness(c.PublicKey)
}

// parseBundle reads the X.509 authorities of a SPIFFE bundle (SPIFFE Trust Domain
// and Bundle section 4.2): the keys with use x509-svid, each with exactly one
// certificate, which is a sound authority and holds the very key. ignored counts
// those with that use that are not; keys for other uses count nowhere. The error
// means that the document is no JWK Set, or has too many authorities; an empty
// set is a trust domain that vouches for nobody.
func parseBundle(document []byte) (authorities []*x509.Certificate, ignored int, err error) {
	elements, err := readKeys(document)
	if err != nil {
		return nil, 0, err
	}
	for i, element := range elements {
		jwk, err := readObject(element)
		if err != nil {
			continue // no object, so no use
		}
		if _, forX509 := svidUse(jwk); !forX509 {
			continue
		}
		authority, ok := readAuthority(jwk)
		if !ok {
			ignored++
			continue
		}
		if len(authorities) == maxAuthorities {
			return nil, 0, authz.Invalid("keys["+strconv.Itoa(i)+"]", "is one authority more than the "+strconv.Itoa(maxAuthorities)+" a bundle may have")
		}
		authorities = append(authorities, authority)
	}
	return authorities, ignored, nil
}

// readAuthority reads the certificate of a JWK (RFC 7517 section 4.7).
func readAuthority(jwk object) (*x509.Certificate, bool) {
	if checkPublic(jwk) != nil {
		return nil, false
	}
	public, _, problem := readPublic(jwk)
	if problem != nil {
		return nil, false
	}
	der, ok := onlyCertificate(jwk.get("x5c"))
	if !ok {
		return nil, false
	}
	c, err := x509.ParseCertificate(der)
	if err != nil || authorityProblem(c) != "" {
		return nil, false
	}
	key, ok := c.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	return c, ok && key.Equal(public)
}

// onlyCertificate decodes an x5c of one certificate: base64, not base64url.
func onlyCertificate(x5c jsontext.Value) (der []byte, ok bool) {
	certificates, ok := texts(x5c)
	if !ok || len(certificates) != 1 || len(certificates[0]) > base64.StdEncoding.EncodedLen(maxCertificateBytes) {
		return nil, false
	}
	der, err := base64.StdEncoding.DecodeString(certificates[0])
	return der, err == nil
}
