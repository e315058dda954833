package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	jose "github.com/go-jose/go-jose/v3"

	"github.com/verdict-pdp/verdict/authz"
)

// signerRSABits is the size of the RSA keys of NewSigner.
const signerRSABits = 2048

// Signer signs tokens with its own key. It is the counterpart of a Verifier, for our
// token service, the demo issuer and tests. It is safe for concurrent use.
type Signer struct {
	key jose.JSONWebKey
}

// NewSigner generates a key for one of authz.Algorithms(). Its kid is the key's RFC
// 7638 thumbprint.
func NewSigner(alg string) (*Signer, error) {
	private, err := generate(alg)
	if err != nil {
		return nil, err
	}
	key := jose.JSONWebKey{Key: private, Algorithm: alg, Use: "sig"}
	thumbprint, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("naming the key: %w", err)
	}
	key.KeyID = base64.RawURLEncoding.EncodeToString(thumbprint)
	return &Signer{key: key}, nil
}

func generate(alg string) (crypto.PrivateKey, error) {
	switch {
	case !slices.Contains(authz.Algorithms(), alg):
		return nil, authz.Invalid("alg", "must be one of "+strings.Join(authz.Algorithms(), ", "))
	case alg == "ES256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case alg == "ES384":
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case alg == "ES512":
		return ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case alg == "EdDSA":
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	}
	return rsa.GenerateKey(rand.Reader, signerRSABits) // RS*, PS*
}

// ParseSigner is the inverse of MarshalPrivate.
func ParseSigner(data []byte) (*Signer, error) {
	var s Signer
	if err := json.Unmarshal(data, &s.key); err != nil {
		return nil, authz.Invalid("", "the signing key is not a JWK") // the cause might quote the key
	}
	if s.key.IsPublic() || !s.key.Valid() || s.key.Algorithm == "" || s.key.KeyID == "" {
		return nil, authz.Invalid("", "the signing key is not a private JWK with alg and kid")
	}
	return &s, nil
}

// MarshalPrivate returns the private key as a JWK, to be stored in a file of mode 0600.
func (s *Signer) MarshalPrivate() ([]byte, error) { return json.Marshal(s.key) }

// Algorithm returns the alg of the tokens that it signs.
func (s *Signer) Algorithm() string { return s.key.Algorithm }

// KeyID returns the kid of its key.
func (s *Signer) KeyID() string { return s.key.KeyID }

// PublicSet returns the JWK Set to register as the issuer's keys.
func (s *Signer) PublicSet() ([]byte, error) {
	return json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{s.key.Public()}})
}

// Sign returns a compact token with claims, encoded by encoding/json. Its header has
// alg, kid, typ "at+jwt", and extra, which may replace all but alg.
func (s *Signer) Sign(extra map[string]any, claims any) (string, error) {
	options, err := s.options(extra)
	if err != nil {
		return "", err
	}
	return signClaims(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(s.key.Algorithm), Key: s.key.Key}, options, claims)
}

// signClaims returns a compact JWS of claims, encoded by encoding/json.
func signClaims(key jose.SigningKey, options *jose.SignerOptions, claims any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("writing the claims: %w", err)
	}
	signer, err := jose.NewSigner(key, options)
	if err != nil {
		return "", fmt.Errorf("signing: %w", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("signing: %w", err)
	}
	return signed.CompactSerialize()
}

// Verify returns the payload of a compact token that this key signed and whose kid
// names it; ok is false for any other text, and there is no payload to use then. The
// header must have what Sign writes without extra, or less. Claims and times are not
// checked.
func (s *Signer) Verify(text string) (payload []byte, ok bool) {
	if len(text) > MaxTokenBytes {
		return nil, false
	}
	c, fault := parseCompact(text)
	if fault != nil {
		return nil, false
	}
	h, fault := parseHeader(c.header)
	if fault != nil || h.alg != s.key.Algorithm || h.kid == nil || *h.kid != s.key.KeyID {
		return nil, false
	}
	own := key{alg: s.key.Algorithm, public: s.key.Public().Key}
	return c.payload, own.verify(c) == nil
}

func (s *Signer) options(extra map[string]any) (*jose.SignerOptions, error) {
	if _, ok := extra["alg"]; ok {
		return nil, authz.Invalid("alg", "is settled by the signing key")
	}
	if _, err := json.Marshal(extra); err != nil { // the library panics instead
		return nil, fmt.Errorf("writing the header: %w", err)
	}
	options := (&jose.SignerOptions{}).WithType("at+jwt").WithHeader("kid", s.key.KeyID)
	for name, value := range extra {
		options.WithHeader(jose.HeaderKey(name), value)
	}
	return options, nil
}
