package pdptest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"math/big"
	"testing"

	jose "github.com/go-jose/go-jose/v3"
)

// Forger signs whatever bytes it is given, the way nobody honest would.
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
	return f.Signed(Part(header) + "." + Part(payload))
}

// Signed adds a good signature to what is signed.
func (f *Forger) Signed(input string) string {
	f.t.Helper()
	digest := sha256.Sum256([]byte(input))
	switch key := f.Key.(type) {
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
		if err != nil {
			f.t.Fatal(err)
		}
		return input + "." + Part(string(joined(r, s)))
	case *rsa.PrivateKey:
		signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
		if err != nil {
			f.t.Fatal(err)
		}
		return input + "." + Part(string(signature))
	}
	f.t.Fatalf("cannot forge with a %T", f.Key)
	return ""
}

// PSS signs by RSASSA-PSS with SHA-256 and a salt of some length.
func (f *Forger) PSS(header, payload string, salt int) string {
	f.t.Helper()
	input := Part(header) + "." + Part(payload)
	digest := sha256.Sum256([]byte(input))
	signature, err := rsa.SignPSS(rand.Reader, f.Key.(*rsa.PrivateKey), crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: salt})
	if err != nil {
		f.t.Fatal(err)
	}
	return input + "." + Part(string(signature))
}

// DER signs by ECDSA with the signature in ASN.1, as X.509 has it and JWS has not.
func (f *Forger) DER(header, payload string) string {
	f.t.Helper()
	input := Part(header) + "." + Part(payload)
	digest := sha256.Sum256([]byte(input))
	signature, err := ecdsa.SignASN1(rand.Reader, f.Key.(*ecdsa.PrivateKey), digest[:])
	if err != nil {
		f.t.Fatal(err)
	}
	return input + "." + Part(string(signature))
}

// HMAC signs by HS256 with a secret that is none.
func HMAC(header, payload string, secret []byte) string {
	input := Part(header) + "." + Part(payload)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(input))
	return input + "." + Part(string(mac.Sum(nil)))
}

// Part is base64url without padding: one part of a compact serialization.
func Part(data string) string { return base64.RawURLEncoding.EncodeToString([]byte(data)) }

func joined(r, s *big.Int) []byte {
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return signature
}
