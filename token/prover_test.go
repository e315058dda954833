package token_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"testing"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/token"
)

// TestProver: what it proves is taken once, and for the request and token it was made
// for alone.
func TestProver(t *testing.T) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	prover, err := token.NewProver(private)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	jkt, err := prover.Thumbprint()
	if err != nil {
		t.Fatal(err)
	}
	text, err := prover.Prove(boundToken, proofMethod, proofURL, now)
	if err != nil {
		t.Fatal(err)
	}
	verifier := newProofVerifier(t, now.Add(-time.Hour))
	proof := &authz.Proof{JWT: text, Method: proofMethod, URL: proofURL}
	for name, test := range map[string]struct {
		proof      *authz.Proof
		token, jkt string
	}{
		"of another token":   {proof, "x.y.z", jkt},
		"of another key":     {proof, boundToken, "another"},
		"of another request": {&authz.Proof{JWT: text, Method: "GET", URL: proofURL}, boundToken, jkt},
	} {
		if fault := verifier.CheckProof(test.proof, test.token, test.jkt, now, true); fault == nil {
			t.Errorf("%s: the proof was taken", name)
		}
	}
	if fault := verifier.CheckProof(proof, boundToken, jkt, now, false); fault != nil {
		t.Errorf("the proof was refused: %+v", fault)
	}
	if fault := verifier.CheckProof(proof, boundToken, jkt, now, false); fault == nil {
		t.Error("the proof was taken twice")
	}
	large, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := token.NewProver(large); err == nil {
		t.Error("a key of P-384 was taken")
	}
}
