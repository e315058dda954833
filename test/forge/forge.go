// Package forge signs whatever bytes it is given, as an attacker would.
package forge

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
)

// Part is base64url without padding: one part of a compact serialization.
func Part(data string) string { return base64.RawURLEncoding.EncodeToString([]byte(data)) }

// Input is what is signed of a header and a payload, as they are.
func Input(header, payload string) string { return Part(header) + "." + Part(payload) }

// Sign adds a good signature to an input, by ES256 with an *ecdsa.PrivateKey on P-256
// or by RS256 with an *rsa.PrivateKey.
func Sign(t testing.TB, key any, input string) string {
	t.Helper()
	digest := sha256.Sum256([]byte(input))
	switch key := key.(type) {
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		return input + "." + Part(string(Raw(r, s)))
	case *rsa.PrivateKey:
		signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		return input + "." + Part(string(signature))
	}
	t.Fatalf("cannot forge with a %T", key)
	return ""
}

// PSS signs by RSASSA-PSS with SHA-256 and a salt of some length.
func PSS(t testing.TB, key any, input string, salt int) string {
	t.Helper()
	digest := sha256.Sum256([]byte(input))
	signature, err := rsa.SignPSS(rand.Reader, key.(*rsa.PrivateKey), crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: salt})
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + Part(string(signature))
}

// DER signs by ECDSA with the signature in ASN.1, as X.509 has it and JWS has not.
func DER(t testing.TB, key any, input string) string {
	t.Helper()
	digest := sha256.Sum256([]byte(input))
	signature, err := ecdsa.SignASN1(rand.Reader, key.(*ecdsa.PrivateKey), digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + Part(string(signature))
}

// HMAC signs by HS256 with a secret that is none.
func HMAC(header, payload string, secret []byte) string {
	input := Input(header, payload)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(input))
	return input + "." + Part(string(mac.Sum(nil)))
}

// Raw is an ES256 signature as JWS has it (RFC 7518 section 3.4).
func Raw(r, s *big.Int) []byte {
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return signature
}
