package pdptest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"testing"

	jose "github.com/go-jose/go-jose/v3"

	"github.com/verdict-pdp/verdict/test/forge"
)

// Forger signs whatever bytes it is given, as an attacker would.
type Forger struct {
	t   testing.TB
	Key crypto.Signer // *ecdsa.PrivateKey on P-256 or *rsa.PrivateKey
	ID  string        // kid
}

// NewForger makes a forger with a new P-256 key.
func NewForger(t testing.TB, kid string) *Forger {
	t.Helper()
	return &Forger{t: t, Key: newECKey(t), ID: kid}
}

// NewRSAForger makes a forger with a new RSA key.
func NewRSAForger(t testing.TB, kid string) *Forger {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return &Forger{t: t, Key: key, ID: kid}
}

// JWK is the public key, for one algorithm.
func (f *Forger) JWK(alg string) jose.JSONWebKey {
	return jose.JSONWebKey{Key: f.Key.Public(), KeyID: f.ID, Algorithm: alg, Use: "sig"}
}

// Token signs a header and a payload as they are, by ES256 or RS256.
func (f *Forger) Token(header, payload string) string {
	return f.Signed(forge.Input(header, payload))
}

// Signed adds a good signature to what is signed.
func (f *Forger) Signed(input string) string {
	f.t.Helper()
	return forge.Sign(f.t, f.Key, input)
}

// PSS signs by RSASSA-PSS with SHA-256 and a salt of some length.
func (f *Forger) PSS(header, payload string, salt int) string {
	f.t.Helper()
	return forge.PSS(f.t, f.Key, forge.Input(header, payload), salt)
}

// DER signs by ECDSA with the signature in ASN.1, as X.509 has it and JWS has not.
func (f *Forger) DER(header, payload string) string {
	f.t.Helper()
	return forge.DER(f.t, f.Key, forge.Input(header, payload))
}
