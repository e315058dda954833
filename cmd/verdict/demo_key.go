package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"

	"github.com/verdict-pdp/verdict/ijson"
)

// demoKey is the key a machine user of the demo binds its tokens to and makes DPoP
// proofs with: P-256, in a PEM file (PKCS #8) such as openssl makes.
type demoKey struct{ private *ecdsa.PrivateKey }

// demoKeyAt reads the key at path, or makes one there when there is none.
func demoKeyAt(path string) (*demoKey, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeDemoKey(path)
	}
	if err != nil {
		return nil, usage("reading "+inputName(path)+": "+reason(err), "Name a file that is yours to read, or a new one.")
	}
	if block, _ := pem.Decode(data); block != nil {
		parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if private, ok := parsed.(*ecdsa.PrivateKey); err == nil && ok && private.Curve == elliptic.P256() {
			return &demoKey{private}, nil
		}
	}
	return nil, usage("there is no P-256 key in "+inputName(path), "Name a file that is not there yet, and a key is made.")
}

func makeDemoKey(path string) (*demoKey, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	file, err := createOut(path, false)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return &demoKey{private}, file.finish(string(text))
}

// jwk is the public key with the members that its thumbprint is made of.
func (k *demoKey) jwk() (map[string]string, error) {
	point, err := k.private.PublicKey.Bytes() // 4, x, y
	if err != nil {
		return nil, err
	}
	half := 1 + len(point)/2
	encode := base64.RawURLEncoding.EncodeToString
	return map[string]string{"kty": "EC", "crv": "P-256", "x": encode(point[1:half]), "y": encode(point[half:])}, nil
}

// thumbprint is that of RFC 7638, which a token bound to the key has in cnf.jkt.
func (k *demoKey) thumbprint() (string, error) {
	jwk, err := k.jwk()
	if err != nil {
		return "", err
	}
	canonical, err := ijson.Marshal(jwk) // members in the order of their names
	return hashText(canonical), err
}

// sign makes a JWT (RFC 7515, compact) with exactly this header, and alg ES256.
func (k *demoKey) sign(header, claims map[string]any) (string, error) {
	header["alg"] = "ES256"
	var text string
	for _, part := range []map[string]any{header, claims} {
		data, err := ijson.Marshal(part)
		if err != nil {
			return "", err
		}
		if text != "" {
			text += "."
		}
		text += base64.RawURLEncoding.EncodeToString(data)
	}
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, k.private, sum[:])
	if err != nil {
		return "", err
	}
	signature := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// hashText is the base64url SHA-256 that thumbprints and hashes of tokens are.
func hashText(data []byte) string {
	sum := sha256.Sum256(data)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
