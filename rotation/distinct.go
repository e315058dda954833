package rotation

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/verdict-pdp/verdict/authz"
)

// checkDistinct returns an error if a new credential shares a name or a key with one that
// it replaces: the use of either would be evidence of the new one, and ending the old one
// would end nothing.
func checkDistinct(made *authz.Credential, accepted []*authz.Credential) error {
	at := "members." + made.MachineUser + "."
	for _, old := range accepted {
		for i, name := range made.Names {
			if isNamed(old, made.Issuer, name) {
				return authz.Invalid(at+"names["+strconv.Itoa(i)+"]", "is a name of "+old.ID+" too, so that either certificate would prove both; name the new certificate by its thumbprint, "+authz.NameThumbprint+"..")
			}
		}
		if sharesKey(old.Keys, made.Keys) {
			return authz.Invalid(at+"keys", "have a key of "+old.ID+", so that it would prove both; make a new key and give its public half alone")
		}
	}
	return nil
}

// isNamed reports whether name, in a certificate of issuer, is one of c's names too.
func isNamed(c *authz.Credential, issuer, name string) bool {
	return slices.Contains(c.Names, name) && (c.Issuer == issuer || strings.HasPrefix(name, authz.NameThumbprint))
}

// publicKey are the members that identify a key (RFC 7638 section 3.2): two JWKs of
// different kid or use may be one key.
type publicKey struct {
	Kty string `json:"kty"`
	Crv string `json:"crv"`
	X   string `json:"x"`
	Y   string `json:"y"`
	N   string `json:"n"`
	E   string `json:"e"`
}

func sharesKey(a, b json.RawMessage) bool {
	old := keysOf(a)
	return slices.ContainsFunc(keysOf(b), func(key publicKey) bool { return slices.Contains(old, key) })
}

// keysOf lists the keys of a JWK Set; none of what is no such set, by which nothing can
// be proved.
func keysOf(document json.RawMessage) []publicKey {
	var set struct {
		Keys []publicKey `json:"keys"`
	}
	if json.Unmarshal(document, &set) != nil {
		return nil
	}
	return set.Keys
}
