package bundles

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strconv"
	"strings"

	"github.com/verdict-pdp/verdict/authz"
)

// Key is a public key that bundles may be signed with.
type Key struct {
	ID        string // the kid of signatures made with it
	Algorithm string // one of SigningAlgorithms
	PEM       string // PUBLIC KEY, RSA PUBLIC KEY or CERTIFICATE
	Scope     string // scope its signatures must carry, when Verification names none
}

// SigningAlgorithms are those a signature may be made with: asymmetric ones, so
// that who can verify a bundle cannot sign one.
func SigningAlgorithms() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

// minRSABits is the smallest RSA key that is accepted.
const minRSABits = 2048

// validate refuses a key that cannot verify, or that must not. field names the
// key in the error.
func (k Key) validate(field string) error {
	if k.ID == "" {
		return authz.Invalid(field+".id", "is missing; it is the kid of signatures made with the key")
	}
	if !slices.Contains(SigningAlgorithms(), k.Algorithm) {
		return authz.Invalid(field+".algorithm", "must be one of "+strings.Join(SigningAlgorithms(), ", ")+"; keys that both sign and verify are refused")
	}
	public, err := parsePublicKey(k.PEM)
	if err != nil {
		return authz.Invalid(field+".pem", err.Error())
	}
	if want := k.fits(public); want != "" {
		return authz.Invalid(field+".algorithm", "is "+k.Algorithm+", which needs "+want)
	}
	return nil
}

// keyFault is why a PEM text is no public key, without repeating any of it.
type keyFault string

func (f keyFault) Error() string { return string(f) }

func parsePublicKey(text string) (any, error) {
	block, rest := pem.Decode([]byte(text))
	switch {
	case block == nil:
		return nil, keyFault("is not PEM; write -----BEGIN PUBLIC KEY----- and what follows")
	case strings.TrimSpace(string(rest)) != "":
		return nil, keyFault("holds more than one PEM block; give every key an id of its own")
	case strings.Contains(block.Type, "PRIVATE"):
		return nil, keyFault("is a private key, which belongs to whoever signs; write its public key here")
	}
	var public any
	var err error
	switch block.Type {
	case "PUBLIC KEY":
		public, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		public, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		var certificate *x509.Certificate
		if certificate, err = x509.ParseCertificate(block.Bytes); err == nil {
			public = certificate.PublicKey
		}
	default:
		return nil, keyFault("is a " + block.Type + "; write a PUBLIC KEY, RSA PUBLIC KEY or CERTIFICATE")
	}
	if err != nil {
		return nil, keyFault("does not parse as a " + block.Type + ": " + err.Error())
	}
	return public, nil
}

// fits returns what the algorithm needs, when public is not that.
func (k Key) fits(public any) string {
	curve := map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()}[k.Algorithm]
	switch {
	case curve != nil:
		if key, ok := public.(*ecdsa.PublicKey); !ok || key.Curve != curve {
			return "an EC key on " + curve.Params().Name
		}
	case k.Algorithm == "EdDSA":
		if _, ok := public.(ed25519.PublicKey); !ok {
			return "an Ed25519 key"
		}
	default:
		if key, ok := public.(*rsa.PublicKey); !ok || key.N.BitLen() < minRSABits {
			return "an RSA key of at least " + strconv.Itoa(minRSABits) + " bits"
		}
	}
	return ""
}
