package token

import (
	"context"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// Limits of a client assertion.
const (
	maxAssertionBytes = 8 << 10
	maxAssertionLife  = 5 * time.Minute
)

const (
	fixAssertion = "Sign a new client assertion (RFC 7523): iss and sub the machine user's id, aud our identifier as its only value, a new jti, exp at most 5 minutes ahead."
	fixClientKey = "Sign with a key registered as a public_key credential of the machine user, and name it by its kid."
)

// checkAssertion verifies a client assertion and finds the machine user whose key
// signed it.
func (v *Verifier) checkAssertion(ctx context.Context, p *authz.Presentation) (proven, *authz.Fault) {
	credentialsOf := func(machineUser string) ([]*authz.Credential, *authz.Fault) {
		all, err := p.Directory.CredentialsOf(machineUser)
		if err != nil {
			return nil, v.lookupFault(ctx, causeCredentialLookup, err)
		}
		return all, nil
	}
	a, fault := v.verifyAssertion(p.Evidence.Assertion, p.Evidence.ClientID, credentialsOf, v.identifiers, p.Now, p.Rehearsal)
	if fault != nil {
		return proven{}, fault
	}
	return proven{
		Principal:  authz.Principal{Subject: a.machineUser, Evidence: authz.EvidenceAssertion, Freshness: authz.Fresh},
		credential: a.credential,
	}, nil
}

// credentialID is one revision of a credential.
type credentialID struct {
	id       string
	revision uint64
}

// assertion is a verified client assertion (private_key_jwt).
type assertion struct {
	machineUser string
	// credential is the public key it is signed with, in any state: policies judge
	// whether that state is accepted.
	credential *authz.Credential
	issuedAt   time.Time // zero if it has no iat
	expiresAt  time.Time
}

// verifyAssertion verifies a client assertion (RFC 7523 section 3), more strictly than
// the RFC: its aud is one string, it is valid for 5 minutes at most, and its jti can be
// used once. clientID may be empty; otherwise it must be the assertion's iss and sub.
// credentials returns the credentials of a machine user; its fault is passed on.
// audiences are our own identifiers, compared byte for byte: that of our issuer, and
// the URL of our token endpoint, which RFC 7523 names.
//
// An assertion that no registered key signed is CREDENTIAL_UNKNOWN; one that is
// malformed, expired, for another audience or used before is TOKEN_INVALID. The jti is
// used last, so only by an assertion that passed everything else. A rehearsal checks
// whether it was used, and does not use it.
func (s *proofVerifier) verifyAssertion(text, clientID string, credentials func(machineUser string) ([]*authz.Credential, *authz.Fault), audiences []string, now time.Time, rehearsal bool) (*assertion, *authz.Fault) {
	c, h, fault := readAssertion(text)
	if fault != nil {
		return nil, fault
	}
	payload, err := readObject(c.payload)
	if err != nil {
		return nil, invalid("assertion_malformed", "The client assertion's payload is not one JSON object with each member once.", fixAssertion)
	}
	claims := claims{object: payload}
	machineUser, fault := claims.client(clientID)
	if fault != nil {
		return nil, fault
	}
	known, fault := credentials(machineUser)
	if fault != nil {
		return nil, fault
	}
	credential, fault := s.signerOf(c, h, known, now)
	if fault != nil {
		return nil, fault
	}
	a := &assertion{machineUser: machineUser, credential: credential}
	if fault := s.checkClaims(a, &claims, audiences, now); fault != nil {
		return nil, fault
	}
	if fault := s.useAssertion(a, &claims, now, rehearsal); fault != nil {
		return nil, fault
	}
	return a, nil
}

// readAssertion parses an assertion and checks its header. It may have the header
// members that a token may have.
func readAssertion(text string) (compact, header, *authz.Fault) {
	if len(text) > maxAssertionBytes {
		return compact{}, header{}, invalid("assertion_malformed", "The client assertion is larger than 8 kB.", fixAssertion)
	}
	c, fault := parseCompact(text)
	if fault != nil {
		return compact{}, header{}, invalid("assertion_malformed", "The client assertion is not a signed JWT in compact form.", fixAssertion)
	}
	h, fault := parseHeader(c.header)
	if fault != nil {
		return compact{}, header{}, invalid("assertion_header", "The client assertion's header is refused ("+fault.Cause+").", fixAssertion)
	}
	if !slices.Contains(authz.Algorithms(), h.alg) {
		return compact{}, header{}, invalid("assertion_algorithm", "The client assertion's alg is not an accepted asymmetric signature algorithm.", fixAssertion)
	}
	if h.typ != nil && !slices.Contains([]string{"client-authentication+jwt", "jwt"}, mediaType(*h.typ)) {
		return compact{}, header{}, invalid("assertion_type", "The client assertion's typ is neither client-authentication+jwt nor JWT.", fixAssertion)
	}
	return c, h, nil
}

// client returns the machine user that made the assertion: iss and sub must be the same
// (RFC 7523 section 3).
func (c *claims) client(clientID string) (string, *authz.Fault) {
	issuer, subject := c.id("iss"), c.id("sub")
	switch {
	case c.fault != nil || subject == "":
		return "", invalid("assertion_subject", "The client assertion's sub is not a machine user's id.", fixAssertion)
	case issuer != subject:
		return "", invalid("assertion_subject", "The client assertion's iss and sub are not the same.", fixAssertion)
	case clientID != "" && clientID != subject:
		return "", invalid("assertion_subject", "The client assertion is another client's than client_id says.", "Leave client_id out, or send the machine user's id.")
	}
	return subject, nil
}

// signerOf returns the public key credential that signed. Credentials that are accepted
// now come before those accepted at another time, and these before all others.
func (s *proofVerifier) signerOf(c compact, h header, credentials []*authz.Credential, now time.Time) (*authz.Credential, *authz.Fault) {
	var groups [3][]*authz.Credential
	for _, credential := range credentials {
		switch {
		case credential.Kind != authz.KindPublicKey:
		case credential.AcceptedAt(now):
			groups[0] = append(groups[0], credential)
		case credential.Accepted():
			groups[1] = append(groups[1], credential)
		default:
			groups[2] = append(groups[2], credential)
		}
	}
	fault := unknownKey("no_key", "The machine user has no registered public key that the client assertion names.")
	for _, group := range groups {
		credential, why := s.signerAmong(c, h, group)
		if credential != nil {
			return credential, nil
		}
		if why != nil && fault.Cause == "no_key" {
			fault = why
		}
	}
	return nil, fault
}

// signerAmong tries the keys that the header names, in the order of their credentials.
// The fault says why none of them signed; it is nil if there is none.
func (s *proofVerifier) signerAmong(c compact, h header, credentials []*authz.Credential) (*authz.Credential, *authz.Fault) {
	named := s.keysNamed(h.kid, credentials)
	if h.kid == nil && len(named) > 1 {
		return nil, unknownKey("kid_required", "The machine user has more than one registered public key, and the client assertion has no kid.")
	}
	var fault *authz.Fault
	for _, n := range named {
		switch {
		case n.key.alg != h.alg:
			fault = unknownKey("key_algorithm", "The client assertion is signed with another algorithm than its key is for.")
		case n.key.verify(c) != nil:
			fault = unknownKey("bad_signature", "The client assertion's signature does not verify with the registered key.")
		default:
			return n.credential, nil
		}
	}
	return nil, fault
}

// credentialKey is one key of a public key credential.
type credentialKey struct {
	credential *authz.Credential
	key        *key
}

// keysNamed returns the keys with a kid, at most one of each credential, or all keys
// for nil.
func (s *proofVerifier) keysNamed(kid *string, credentials []*authz.Credential) (named []credentialKey) {
	for _, credential := range credentials {
		for name, key := range s.credentialKeys(credential) {
			if kid == nil || *kid == name {
				named = append(named, credentialKey{credential: credential, key: key})
			}
		}
	}
	return named
}

// credentialKeys returns the keys of a credential, which are parsed once while they are
// cached.
func (s *proofVerifier) credentialKeys(c *authz.Credential) map[string]*key {
	id := credentialID{id: c.ID, revision: c.Revision}
	if set, ok := s.keys.Get(id); ok {
		return set.keys
	}
	set, err := parseSet(c.Keys, authz.Algorithms())
	if err != nil {
		return nil // CheckCredential lets no such credential be stored
	}
	s.keys.Add(id, set)
	return set.keys
}

// checkClaims checks audience and times of a signed assertion.
func (s *proofVerifier) checkClaims(a *assertion, c *claims, audiences []string, now time.Time) *authz.Fault {
	audience, isText := text(c.get("aud"))
	a.expiresAt, a.issuedAt = c.date("exp", math.Floor), c.date("iat", math.Floor)
	notBefore := c.date("nbf", math.Ceil)
	switch {
	case c.fault != nil:
		return invalid("assertion_claim", "The client assertion is malformed. "+c.fault.Message, fixAssertion)
	case !isText || !slices.Contains(audiences, audience):
		return invalid("assertion_audience", "The client assertion's aud is not our identifier, as one string.", fixAssertion)
	case a.expiresAt.IsZero():
		return invalid("assertion_exp", "The client assertion never expires: it has no exp.", fixAssertion)
	case !now.Before(a.expiresAt):
		return invalid("assertion_expired", "The client assertion has expired.", fixAssertion)
	case a.issuedAt.After(now.Add(maxLead)) || notBefore.After(now.Add(maxLead)):
		return invalid("assertion_early", "The client assertion's iat or nbf lies in the future.", "Set the client's clock.")
	case a.expiresAt.Sub(now) > maxAssertionLife, !a.issuedAt.IsZero() && a.expiresAt.Sub(a.issuedAt) > maxAssertionLife:
		return invalid("assertion_life", "The client assertion lives longer than 5 minutes.", fixAssertion)
	case a.earliest().Before(s.replay.started):
		return invalid("before_start", "The client assertion was made, or without iat may have been made, before this node started, so it may have been used already.", fixAgain)
	}
	return nil
}

// earliest returns the earliest time at which the assertion can have been made.
func (a *assertion) earliest() time.Time {
	if a.issuedAt.IsZero() {
		return a.expiresAt.Add(-maxAssertionLife)
	}
	return a.issuedAt
}

// useAssertion uses the assertion's jti.
func (s *proofVerifier) useAssertion(a *assertion, c *claims, now time.Time, rehearsal bool) *authz.Fault {
	jti := c.text("jti")
	if jti == "" || len(jti) > maxJTIBytes {
		return invalid("assertion_jti", "The client assertion's jti is not a string of 1 to "+strconv.Itoa(maxJTIBytes)+" bytes.", fixAssertion)
	}
	switch s.use("assertion:"+a.machineUser, jti, a.expiresAt, now, rehearsal) {
	case firstUse:
		return nil
	case replayFull:
		return invalid("replay_full", "No more client assertions can be remembered just now, so none is accepted.", fixLater)
	}
	return invalid("assertion_replayed", "The client assertion was used before; each may be used once.", fixAssertion)
}

func unknownKey(cause, message string) *authz.Fault {
	return &authz.Fault{Code: authz.CredentialUnknown, Cause: cause, Message: message, Fix: fixClientKey}
}
