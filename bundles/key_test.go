package bundles_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"strings"
	"testing"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
)

func publicPEM(t *testing.T, public any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return pemOf("PUBLIC KEY", der)
}

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func TestValidate(t *testing.T) {
	rsaSigner, ec, ed := signerOf(t, "RS256"), signerOf(t, "ES256"), signerOf(t, "EdDSA")
	private := rsaSigner.private.(*rsa.PrivateKey)
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "acme"}}, &x509.Certificate{SerialNumber: big.NewInt(1)}, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs1 := pemOf("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&private.PublicKey))
	secret := "hunter2-hunter2-hunter2-hunter2-"
	for name, test := range map[string]struct {
		keys []bundles.Key
		want string
	}{
		"none":                       {nil, ""},
		"RSA":                        {[]bundles.Key{rsaSigner.key}, ""},
		"RSA in PKCS #1":             {[]bundles.Key{{ID: "k", Algorithm: "PS512", PEM: pkcs1}}, ""},
		"a certificate":              {[]bundles.Key{{ID: "k", Algorithm: "RS384", PEM: pemOf("CERTIFICATE", certificate)}}, ""},
		"EC":                         {[]bundles.Key{ec.key}, ""},
		"EC on P-384":                {[]bundles.Key{{ID: "k", Algorithm: "ES384", PEM: publicPEM(t, p384.Public())}}, ""},
		"Ed25519":                    {[]bundles.Key{ed.key}, ""},
		"several":                    {[]bundles.Key{rsaSigner.key, ec.key, ed.key}, ""},
		"no id":                      {[]bundles.Key{{Algorithm: "RS256", PEM: rsaSigner.key.PEM}}, "keys[0].id is missing"},
		"an id twice":                {[]bundles.Key{rsaSigner.key, rsaSigner.key}, `keys[1].id "rsa" stands twice`},
		"HS256":                      {[]bundles.Key{{ID: "k", Algorithm: "HS256", PEM: secret}}, "keys[0].algorithm must be one of"},
		"HS512 with a public key":    {[]bundles.Key{{ID: "k", Algorithm: "HS512", PEM: rsaSigner.key.PEM}}, "keys[0].algorithm must be one of"},
		"none as algorithm":          {[]bundles.Key{{ID: "k", Algorithm: "none", PEM: rsaSigner.key.PEM}}, "keys[0].algorithm must be one of"},
		"no algorithm":               {[]bundles.Key{{ID: "k", PEM: rsaSigner.key.PEM}}, "keys[0].algorithm must be one of"},
		"an algorithm in lower case": {[]bundles.Key{{ID: "k", Algorithm: "rs256", PEM: rsaSigner.key.PEM}}, "keys[0].algorithm must be one of"},
		"a shared secret":            {[]bundles.Key{{ID: "k", Algorithm: "RS256", PEM: secret}}, "keys[0].pem is not PEM"},
		"no key":                     {[]bundles.Key{{ID: "k", Algorithm: "RS256"}}, "keys[0].pem is not PEM"},
		"a private key":              {[]bundles.Key{{ID: "k", Algorithm: "RS256", PEM: rsaSigner.privateFile}}, "keys[0].pem is a private key"},
		"a private key in PKCS #1":   {[]bundles.Key{{ID: "k", Algorithm: "RS256", PEM: pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(private))}}, "keys[0].pem is a private key"},
		"two keys in one":            {[]bundles.Key{{ID: "k", Algorithm: "RS256", PEM: rsaSigner.key.PEM + pkcs1}}, "keys[0].pem holds more than one PEM block"},
		"another kind of PEM":        {[]bundles.Key{{ID: "k", Algorithm: "RS256", PEM: pemOf("X509 CRL", []byte("x"))}}, "keys[0].pem is a X509 CRL"},
		"broken":                     {[]bundles.Key{{ID: "k", Algorithm: "RS256", PEM: pemOf("PUBLIC KEY", []byte("x"))}}, "keys[0].pem does not parse"},
		"a small RSA key":            {[]bundles.Key{{ID: "k", Algorithm: "RS256", PEM: publicPEM(t, small.Public())}}, "keys[0].algorithm is RS256, which needs an RSA key of at least 2048 bits"},
		"RSA with an EC key":         {[]bundles.Key{{ID: "k", Algorithm: "RS256", PEM: ec.key.PEM}}, "which needs an RSA key"},
		"EC with an RSA key":         {[]bundles.Key{{ID: "k", Algorithm: "ES256", PEM: rsaSigner.key.PEM}}, "which needs an EC key on P-256"},
		"EC on another curve":        {[]bundles.Key{{ID: "k", Algorithm: "ES256", PEM: publicPEM(t, p384.Public())}}, "which needs an EC key on P-256"},
		"EdDSA with an RSA key":      {[]bundles.Key{{ID: "k", Algorithm: "EdDSA", PEM: rsaSigner.key.PEM}}, "which needs an Ed25519 key"},
	} {
		t.Run(name, func(t *testing.T) {
			v := bundles.Verification{Keys: test.keys}
			err := v.Validate()
			if test.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantRefused(t, err, test.want)
			if authz.CodeOf(err) != authz.CodeInvalid || strings.Contains(err.Error(), secret) {
				t.Errorf("code %q: %v", authz.CodeOf(err), err)
			}
			if _, err := readTar(t, tarred(t, entries(acme())...)).Verify(v, bundles.Accepted{}); err == nil {
				t.Error("Verify takes keys that are not valid")
			}
		})
	}
}

// TestHMACOfOPA holds bundles signed with a shared secret to being refused even
// where the key configured is the secret's own text.
func TestHMACOfOPA(t *testing.T) {
	key := signerOf(t, "RS256").key
	dir := writeFolder(t, acme())
	opa(t, dir, "sign", "--bundle", ".", "--signing-alg", "HS256", "--signing-key", key.PEM)
	signed, err := bundles.ReadFolder(os.DirFS(dir), bundles.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(signed.Signatures, []byte("eyJhbGciOiJIUzI1NiI")) {
		t.Fatalf("opa did not sign with HS256: %s", signed.Signatures)
	}
	_, err = signed.Verify(bundles.Verification{Keys: []bundles.Key{key}}, bundles.Accepted{})
	wantRefused(t, err, `its algorithm is "HS256", not RS256`)
}
