package token

import (
	"crypto/x509"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// What tests of proofs, assertions and certificates need of the inside.
type (
	Possession   = proofVerifier
	Trust        = trustAnchor
	Peer         = peer
	Assertion    = assertion
	Confirmation = confirmation
	Replay       = replayCache
	UseResult    = useResult
)

const (
	Used  = replayed
	Full  = replayFull
	First = firstUse

	MaxUsedIDs = maxUsedIDs
)

var (
	NewPossession = newProofVerifier
	NewReplay     = newReplayCache
	ParseRoots    = parseRoots
	ParseBundle   = parseBundle
	SameTarget    = sameTarget
)

func NewTrust(issuer *authz.Issuer, authorities ...*x509.Certificate) Trust {
	return trustAnchor{issuer: issuer, authorities: authorities}
}

// VerifyPeer reads and verifies a client certificate.
func VerifyPeer(c *authz.Certificate, candidates []Trust, now time.Time) (*Peer, *authz.Fault) {
	if fault := checkBounds(c.Chain); fault != nil {
		return nil, fault
	}
	read, fault := readPeer(c.Chain)
	if fault != nil {
		return nil, fault
	}
	return read.verify(candidates, now)
}

func (p *peer) Names() []string    { return p.names }
func (p *peer) ID() string         { return p.id }
func (p *peer) Thumbprint() string { return p.thumbprint }
func (p *peer) IssuerID() string   { return p.issuer }

func (c confirmation) Named() (thumbprint, jkt string) { return c.thumbprint, c.jkt }

func (a *assertion) Says() (machineUser, credential string, issuedAt, expiresAt time.Time) {
	return a.machineUser, a.credential.ID, a.issuedAt, a.expiresAt
}

func (s *proofVerifier) CheckProof(p *authz.Proof, token, jkt string, now time.Time, rehearsal bool) *authz.Fault {
	return s.checkProof(p, token, jkt, now, rehearsal)
}

func (s *proofVerifier) VerifyAssertion(text, clientID string, credentials func(string) ([]*authz.Credential, *authz.Fault), audiences []string, now time.Time, rehearsal bool) (*Assertion, *authz.Fault) {
	return s.verifyAssertion(text, clientID, credentials, audiences, now, rehearsal)
}

func (r *replayCache) Use(scope, id string, expires, now time.Time) UseResult {
	return r.use(scope, id, expires, now)
}

func (r *replayCache) WouldUse(scope, id string, expires time.Time) UseResult {
	return r.check(scope, id, expires)
}

// ReadConfirmation reads the cnf of a payload's JSON.
func ReadConfirmation(payload string) (Confirmation, bool, *authz.Fault) {
	o, err := readObject([]byte(payload))
	if err != nil {
		return confirmation{}, false, jsonFault("payload", err)
	}
	return readConfirmation(o)
}

// SVIDProblem says what keeps a certificate from being an X.509-SVID leaf.
func SVIDProblem(leaf *x509.Certificate) error {
	_, err := svidOf(leaf)
	return err
}

// SVIDUse says what a JWK of a SPIFFE bundle is for.
func SVIDUse(jwk string) (forJWT, forX509 bool) {
	o, err := readObject([]byte(jwk))
	if err != nil {
		return false, false
	}
	return svidUse(o)
}

// KeyThumbprint is the RFC 7638 thumbprint of a JWK.
func KeyThumbprint(jwk string) (string, error) {
	o, err := readObject([]byte(jwk))
	if err != nil {
		return "", err
	}
	public, _, problem := readPublic(o)
	if problem != nil {
		return "", authz.Invalid(problem.member, problem.message)
	}
	return keyThumbprint(public)
}
