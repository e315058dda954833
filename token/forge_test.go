package token_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"

	jose "github.com/go-jose/go-jose/v3"

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

func encode(data string) string { return base64.RawURLEncoding.EncodeToString([]byte(data)) }

// token signs header and payload as they are.
func (f forger) token(header, payload string) string {
	return f.signed(encode(header) + "." + encode(payload))
}

// signed adds a good signature over input, by the key's SHA-256 algorithm.
func (f forger) signed(input string) string {
	f.t.Helper()
	digest := sha256.Sum256([]byte(input))
	switch key := f.key.(type) {
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
		if err != nil {
			f.t.Fatal(err)
		}
		return input + "." + encode(string(joinRS(r, s)))
	case *rsa.PrivateKey:
		signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
		if err != nil {
			f.t.Fatal(err)
		}
		return input + "." + encode(string(signature))
	}
	f.t.Fatalf("cannot forge with %T", f.key)
	return ""
}

func joinRS(r, s *big.Int) []byte {
	joined := make([]byte, 64)
	r.FillBytes(joined[:32])
	s.FillBytes(joined[32:])
	return joined
}

// pss signs with a salt of the given length.
func (f forger) pss(header, payload string, salt int) string {
	f.t.Helper()
	input := encode(header) + "." + encode(payload)
	digest := sha256.Sum256([]byte(input))
	signature, err := rsa.SignPSS(rand.Reader, f.key.(*rsa.PrivateKey), crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: salt})
	if err != nil {
		f.t.Fatal(err)
	}
	return input + "." + encode(string(signature))
}

// hmacToken signs with a secret made of public bytes.
func hmacToken(header, payload string, secret []byte) string {
	input := encode(header) + "." + encode(payload)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(input))
	return input + "." + encode(string(mac.Sum(nil)))
}

// header is a good header for the forger's key, with more members appended.
func (f forger) header(alg string, more ...string) string {
	members := append([]string{fmt.Sprintf(`"alg":%q`, alg), fmt.Sprintf(`"kid":%q`, f.kid), `"typ":"at+jwt"`}, more...)
	return "{" + strings.Join(members, ",") + "}"
}
