package token

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"slices"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
)

// maxSPIFFEID is the longest SPIFFE ID, in bytes (SPIFFE-ID section 2.3).
const maxSPIFFEID = 2048

// Uses of the keys of a SPIFFE bundle (SPIFFE Trust Domain and Bundle section 4.2.2).
const (
	useJWTSVID  = "jwt-svid"
	useX509SVID = "x509-svid"
)

// svidUse says what a key of a SPIFFE bundle verifies: JWT-SVIDs, X.509-SVIDs or,
// as for uses not known here or none at all, nothing.
func svidUse(jwk object) (forJWT, forX509 bool) {
	use, ok := text(jwk.get("use"))
	return ok && use == useJWTSVID, ok && use == useX509SVID
}

// claimsSPIFFE says whether a certificate sets out to be an X.509-SVID: it has a
// URI SAN of the scheme spiffe, so the rules of X509-SVID hold for it.
func claimsSPIFFE(leaf *x509.Certificate) bool {
	for _, uri := range leaf.URIs {
		if uri.Scheme == "spiffe" {
			return true
		}
	}
	return false
}

// svidOf reads the SPIFFE ID of an X.509-SVID leaf and holds the leaf to the
// X509-SVID specification, sections 2 to 4. Its chain is not looked at.
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
