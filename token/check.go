package token

import (
	"errors"
	"slices"
	"strconv"

	"github.com/verdict-pdp/verdict/authz"
)

// CheckIssuer says whether an issuer may be stored: its types are those of its
// tokens, and the keys, authorities or roots it carries, if any, are public, strong,
// pinned to one algorithm each and told apart by kid. It complements
// Issuer.Validate and expects a normalized issuer. The error is an *authz.Error that
// names the field.
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
	if set.refusal != nil {
		return inKeys(set.refusal)
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

// checkAlgorithms wants a list wherever there are keys, and only what the kind
// signs with.
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

// inKeys moves an error about a JWK Set under the issuer's member keys.
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
