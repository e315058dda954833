package token

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"

	"github.com/verdict-pdp/verdict/authz"
)

// maxSPIFFEID is the length of the longest SPIFFE ID, in bytes (SPIFFE-ID section 2.3).
const maxSPIFFEID = 2048

// Uses of the keys of a SPIFFE bundle (SPIFFE Trust Domain and Bundle section 4.2.2).
const (
	useJWTSVID  = "jwt-svid"
	useX509SVID = "x509-svid"
)

// svidUse reports what a key of a SPIFFE bundle verifies: JWT-SVIDs, X.509-SVIDs, or
// neither, if it has another use or none.
func svidUse(jwk object) (forJWT, forX509 bool) {
	use, ok := text(jwk.get("use"))
	return ok && use == useJWTSVID, ok && use == useX509SVID
}

// hasSPIFFEID reports whether a certificate has a URI SAN of the scheme spiffe, so that
// it must be an X.509-SVID.
func hasSPIFFEID(leaf *x509.Certificate) bool {
	for _, uri := range leaf.URIs {
		if uri.Scheme == "spiffe" {
			return true
		}
	}
	return false
}

// svidOf returns the SPIFFE ID of an X.509-SVID leaf. It checks the leaf as the
// X509-SVID specification, sections 2 to 4, says, but not its chain.
func svidOf(leaf *x509.Certificate) (spiffeid.ID, error) {
	id, err := x509svid.IDFromCert(leaf)
	switch {
	case err != nil:
		return spiffeid.ID{}, errors.New("it does not have exactly one URI SAN that is a SPIFFE ID")
	case !namesWorkload(id):
		return spiffeid.ID{}, errors.New("its SPIFFE ID names a trust domain, not a workload, or is longer than 2048 bytes")
	case leaf.IsCA:
		return spiffeid.ID{}, errors.New("it is a certificate authority (cA)")
	case leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return spiffeid.ID{}, errors.New("its key usage lacks digitalSignature")
	case leaf.KeyUsage&(x509.KeyUsageCertSign|x509.KeyUsageCRLSign) != 0:
		return spiffeid.ID{}, errors.New("its key usage has keyCertSign or cRLSign")
	case !keyUsageCritical(leaf):
		return spiffeid.ID{}, errors.New("its key usage is not marked critical")
	}
	return id, nil
}

func namesWorkload(id spiffeid.ID) bool {
	return id.Path() != "" && len(id.String()) <= maxSPIFFEID
}

func keyUsageCritical(leaf *x509.Certificate) bool {
	keyUsage := asn1.ObjectIdentifier{2, 5, 29, 15} // RFC 5280 section 4.2.1.3
	return slices.ContainsFunc(leaf.Extensions, func(extension pkix.Extension) bool {
		return extension.Id.Equal(keyUsage) && extension.Critical
	})
}

// trustDomain returns the SPIFFE ID of the trust domain that the payload's sub is in;
// ok is false if sub is not the SPIFFE ID of a workload.
func trustDomain(payload object) (domain string, ok bool) {
	sub, ok := text(payload.get("sub"))
	if !ok || len(sub) > maxClaimBytes || !isSPIFFEName(sub) {
		return "", false
	}
	id, err := spiffeid.FromString(sub)
	if err != nil || !namesWorkload(id) {
		return "", false
	}
	return id.TrustDomain().IDString(), true
}

func isSPIFFEName(name string) bool { return strings.HasPrefix(name, authz.NameSPIFFE) }

// namesOf returns the names that a certificate without SPIFFE ID may be registered
// under. Wildcards are left out.
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

// checkName returns what is wrong with a name that a certificate is registered under,
// or "". Its spelling must be that of namesOf and svidOf.
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

// validURI reports whether text is an absolute URI, spelled as crypto/x509 spells it.
func validURI(text string) bool {
	uri, err := url.Parse(text)
	return err == nil && uri.IsAbs() && uri.Scheme != "spiffe" && uri.String() == text
}

// validHost reports whether name is a host name (RFC 1123 section 2.1) in lower case.
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
