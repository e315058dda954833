package authz

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"
)

// Evidence is what a caller presents as its subject's credential. One of Token,
// Claims, ClientSecret (with ClientID), Assertion and Certificate proves the
// subject; a certificate or a proof beside a token, or a certificate beside
// claims, proves that the sender holds the key the token is bound to. It is
// secret: it never leaves the verifier.
type Evidence struct {
	Token  string          // an access token: a JWT, or opaque to us
	Issuer string          // id of the issuer of an opaque token; empty finds it by the prefix of the token, or takes the only such issuer
	Claims json.RawMessage // already verified by the PEP; needs RoleAssertClaims
	// ClientID names a machine user by its id; with ClientSecret it is a shared
	// secret, with Assertion it is optional and must name the same.
	ClientID, ClientSecret string
	Assertion              string       // private_key_jwt, RFC 7523
	Certificate            *Certificate // client certificate of the subject's TLS connection
	Proof                  *Proof       // DPoP, RFC 9449
}

// Certificate is a client certificate whose private key the TLS handshake
// proved: on a connection of ours, or of a PEP that asserts it, which needs
// RoleAssertCertificates.
type Certificate struct {
	// Chain is the DER of the leaf and then of its intermediates. Verified against
	// the trust roots of registered issuers it proves a subject.
	Chain [][]byte
	// Thumbprint is the base64url SHA-256 of the leaf's DER (x5t#S256), when the PEP
	// knows no more. It proves a binding but no subject.
	Thumbprint string
	// Asserted is set when a PEP sent it; otherwise it is from our own connection.
	Asserted bool
}

// Proof is a DPoP proof (RFC 9449) and the request it was made for, as the
// service that received it saw it.
type Proof struct {
	JWT    string
	Method string
	URL    string
}

// Given reports whether there is any evidence at all.
func (e Evidence) Given() bool { return e.proofs() > 0 || e.Proof != nil }

// SingleUse reports whether some of the evidence may be presented only once.
func (e Evidence) SingleUse() bool { return e.Assertion != "" || e.Proof != nil }

// Equal reports whether two pieces of evidence are the same, byte for byte.
func (e Evidence) Equal(other Evidence) bool {
	return e.Token == other.Token && e.Issuer == other.Issuer && bytes.Equal(e.Claims, other.Claims) &&
		e.ClientID == other.ClientID && e.ClientSecret == other.ClientSecret && e.Assertion == other.Assertion &&
		e.Certificate.equal(other.Certificate) && e.Proof.equal(other.Proof)
}

func (c *Certificate) equal(other *Certificate) bool {
	if c == nil || other == nil {
		return c == other
	}
	return c.Thumbprint == other.Thumbprint && c.Asserted == other.Asserted && slices.EqualFunc(c.Chain, other.Chain, bytes.Equal)
}

func (p *Proof) equal(other *Proof) bool {
	if p == nil || other == nil {
		return p == other
	}
	return *p == *other
}

// proofs counts the members that prove a subject on their own. A certificate
// beside another is a binding.
func (e Evidence) proofs() (n int) {
	for _, given := range []bool{e.Token != "", len(e.Claims) > 0, e.ClientSecret != "", e.Assertion != ""} {
		if given {
			n++
		}
	}
	if n == 0 && e.Certificate != nil {
		n = 1
	}
	return n
}

// validate returns an error for evidence that could be read in two ways.
func (e Evidence) validate() error {
	switch {
	case e.proofs() > 1:
		return Invalid("credential", "proves a subject in more than one way; send one of token, claims, client_secret and client_assertion")
	case e.ClientSecret != "" && e.ClientID == "":
		return Invalid("credential.client_id", "is required with client_secret: the machine user's id")
	case e.ClientID != "" && e.ClientSecret == "" && e.Assertion == "":
		return Invalid("credential.client_secret", "is required with client_id, or client_assertion")
	case e.Issuer != "" && e.Token == "":
		return Invalid("credential.issuer", "belongs to an opaque token, and there is no token")
	case e.Proof != nil && e.Token == "":
		return Invalid("credential.dpop", "proves the key of a token, and there is no token")
	}
	if e.ClientID != "" {
		return ValidateID("credential.client_id", e.ClientID)
	}
	return nil
}

// String and GoString keep evidence out of logs and errors.
func (Evidence) String() string       { return "[evidence]" }
func (Evidence) GoString() string     { return "[evidence]" }
func (*Proof) String() string         { return "[proof]" }
func (*Proof) GoString() string       { return "[proof]" }
func (*Certificate) String() string   { return "[certificate]" }
func (*Certificate) GoString() string { return "[certificate]" }

// Presentation is evidence with the circumstances it was presented in.
type Presentation struct {
	Evidence  Evidence
	Directory Directory // one frozen view
	Now       time.Time
	// Source is the address of the call as the PEP sent it: context.source_ip, or "".
	Source string
	// Caller is the id of the API key that presented it.
	Caller string
	// Rehearsal checks single-use evidence without using it up.
	Rehearsal bool
}
