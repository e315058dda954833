package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"time"

	jose "github.com/go-jose/go-jose/v3"

	"github.com/verdict-pdp/verdict/authz"
)

// Prover makes proofs of possession (DPoP, RFC 9449) with its key. It is the counterpart
// of the check of proofs, for the demo.
type Prover struct{ private *ecdsa.PrivateKey }

// NewProver takes a P-256 key.
func NewProver(private *ecdsa.PrivateKey) (*Prover, error) {
	if private.Curve != elliptic.P256() {
		return nil, authz.Invalid("", "the key is not on the curve P-256")
	}
	return &Prover{private}, nil
}

// Thumbprint is what a token that is bound to the key has in cnf.jkt (RFC 7638).
func (p *Prover) Thumbprint() (string, error) {
	sum, err := (&jose.JSONWebKey{Key: &p.private.PublicKey}).Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("naming the key: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}

// Prove makes a new proof for a token that is sent with a request: its method, and its
// URL without query and fragment (RFC 9449 section 4.2).
func (p *Prover) Prove(text, method, url string, now time.Time) (string, error) {
	hash := sha256.Sum256([]byte(text))
	claims := map[string]any{
		"jti": rand.Text(), "htm": method, "htu": url, "iat": now.Unix(), "ath": base64.RawURLEncoding.EncodeToString(hash[:]),
	}
	options := (&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt")
	return signClaims(jose.SigningKey{Algorithm: jose.ES256, Key: p.private}, options, claims)
}
