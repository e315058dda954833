package token_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	jose "github.com/go-jose/go-jose/v3"

	"github.com/verdict-pdp/verdict/test/forge"
	"github.com/verdict-pdp/verdict/token"
)

// forger signs whatever bytes it is given, the way no issuer would.
type forger struct {
	t   testing.TB
	kid string
	key any
}

func forgerOf(t testing.TB, s *token.Signer) forger {
	t.Helper()
	data, err := s.MarshalPrivate()
	if err != nil {
		t.Fatal(err)
	}
	var jwk jose.JSONWebKey
	if err := json.Unmarshal(data, &jwk); err != nil {
		t.Fatal(err)
	}
	return forger{t: t, kid: s.KeyID(), key: jwk.Key}
}

// token signs header and payload as they are.
func (f forger) token(header, payload string) string {
	return f.signed(forge.Input(header, payload))
}

// signed adds a good signature over input, by the key's SHA-256 algorithm.
func (f forger) signed(input string) string {
	f.t.Helper()
	return forge.Sign(f.t, f.key, input)
}

// pss signs with a salt of the given length.
func (f forger) pss(header, payload string, salt int) string {
	f.t.Helper()
	return forge.PSS(f.t, f.key, forge.Input(header, payload), salt)
}

// header is a good header for the forger's key, with more members appended.
func (f forger) header(alg string, more ...string) string {
	members := append([]string{fmt.Sprintf(`"alg":%q`, alg), fmt.Sprintf(`"kid":%q`, f.kid), `"typ":"at+jwt"`}, more...)
	return "{" + strings.Join(members, ",") + "}"
}
