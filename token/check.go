package token

import (
	"errors"
	"slices"
	"strconv"

	"github.com/verdict-pdp/verdict/authz"
)

// CheckIssuer says whether an issuer may be stored: its types are those of
// access tokens, and the keys it carries, if any, are public, strong, pinned to
// one algorithm each and told apart by kid. It complements Issuer.Validate and
// expects a normalized issuer. The error is an *authz.Error that names the field.
func CheckIssuer(issuer *authz.Issuer) error {
	for i, typ := range issuer.Types {
		if slices.Contains(foreignTypes(), mediaType(typ)) {
			return authz.Invalid("types["+strconv.Itoa(i)+"]", "is "+strconv.Quote(typ)+", which is never an access token")
		}
	}
	if issuer.JWKSURL != "" {
		return nil
	}
	set, err := parseSet(issuer.Keys, issuer.Algorithms)
	if err != nil {
		return inKeys(err)
	}
	if set.refusal != nil {
		return inKeys(set.refusal)
	}
	if len(set.keys) == 0 {
		return authz.Invalid("keys", "has no key that verifies with the issuer's algorithms")
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
