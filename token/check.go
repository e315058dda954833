package token

import (
	"errors"
	"slices"
	"strconv"

	"github.com/verdict-pdp/verdict/authz"
)

// CheckIssuer returns an error if an issuer must not be stored. Its types must be types
// of access tokens, and its keys, authorities or roots, if it has any, public, strong,
// of one algorithm each and distinguished by kid. It complements Issuer.Validate and
// expects a normalized issuer. The error is an *authz.Error that names the field.
func CheckIssuer(issuer *authz.Issuer) error {
	if err := checkTypes(issuer); err != nil {
		return err
	}
	if issuer.Kind == authz.IssuerX509 {
		_, err := parseRoots(issuer.Roots)
		return err
	}
	if err := checkAlgorithms(issuer); err != nil {
		return err
	}
	if issuer.JWKSURL != "" || issuer.Kind == authz.IssuerIntrospection && len(issuer.Keys) == 0 {
		return nil
	}
	set, err := readSet(issuer, issuer.Keys)
	if err != nil {
		return inKeys(err)
	}
	if set.unsafeKey != nil {
		return inKeys(set.unsafeKey)
	}
	if len(set.keys)+len(set.authorities) == 0 {
		return authz.Invalid("keys", "has no key that verifies with the issuer's algorithms")
	}
	return nil
}

func checkTypes(issuer *authz.Issuer) error {
	for i, typ := range issuer.Types {
		field := "types[" + strconv.Itoa(i) + "]"
		if slices.Contains(foreignTypes(), mediaType(typ)) {
			return authz.Invalid(field, "is "+strconv.Quote(typ)+", which is never an access token")
		}
		if issuer.Kind == authz.IssuerSPIFFE && typ != "" && typ != "JWT" && typ != "JOSE" {
			return authz.Invalid(field, "is "+strconv.Quote(typ)+"; the typ of a JWT-SVID is JWT, JOSE or absent")
		}
	}
	return nil
}

// checkAlgorithms requires algorithms if there are keys, and only those that the kind
// of issuer signs with.
func checkAlgorithms(issuer *authz.Issuer) error {
	signs := issuer.JWKSURL != "" || len(issuer.Keys) > 0
	if signs && len(issuer.Algorithms) == 0 {
		return authz.Invalid("algorithms", "is required with keys; name the ones the issuer signs with")
	}
	if at := slices.Index(issuer.Algorithms, "EdDSA"); at >= 0 && issuer.Kind == authz.IssuerSPIFFE {
		return authz.Invalid("algorithms["+strconv.Itoa(at)+"]", "is EdDSA, which no JWT-SVID is signed with")
	}
	return nil
}

// inKeys returns an error about a JWK Set as one about the issuer's member keys.
func inKeys(err error) error {
	var of *authz.Error
	if !errors.As(err, &of) {
		return err
	}
	moved := *of
	moved.Field = "keys"
	if of.Field != "" {
		moved.Field += "." + of.Field
	}
	return &moved
}

// CheckCredential returns an error if a credential must not be stored. The keys of a
// public key must be public, strong, of one algorithm each and distinguished by kid;
// the names of a certificate must have the spelling that certificates are looked up by.
// It complements Credential.Validate. The error is an *authz.Error that names the
// field. A credential without keys or names proves no subject here, but tokens of an
// issuer that verifies it may name it.
func CheckCredential(c *authz.Credential) error {
	switch c.Kind {
	case authz.KindPublicKey:
		return checkKeys(c.Keys)
	case authz.KindCertificate:
		return checkNames(c.Names)
	}
	return nil
}

func checkKeys(document []byte) error {
	if len(document) == 0 {
		return nil // its issuer verifies it; here, tokens that were issued for it name it
	}
	set, err := parseSet(document, authz.Algorithms())
	switch {
	case err != nil:
		return inKeys(err)
	case set.unsafeKey != nil:
		return inKeys(set.unsafeKey)
	case len(set.keys) == 0:
		return authz.Invalid("keys", "has no key that client assertions can be verified with")
	}
	return nil
}

func checkNames(names []string) error {
	for i, name := range names {
		if problem := checkName(name); problem != "" {
			return authz.Invalid("names["+strconv.Itoa(i)+"]", problem)
		}
	}
	return nil
}
