package token

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/token/statuslist"
)

// Limits of claims.
const (
	maxDate       = 1 << 53 // NumericDate, in seconds: the largest that every JSON parser represents exactly
	maxListed     = 100     // audiences, scopes, methods
	maxClaimBytes = 2000    // one audience, scope, method or jti
)

// claims reads the mapped claims of a payload. It keeps the first fault.
type claims struct {
	object
	fault *authz.Fault
}

// readClaims reads the claims of a JWT, or asserted claims. fallback is the name of a
// token without jti.
func readClaims(payload object, issuer *authz.Issuer, fallback string) (*tokenClaims, *authz.Fault) {
	c := claims{object: payload}
	s := c.read(issuer, fallback)
	s.token.ExpiresAt = c.expiry()
	c.statusReference(s, issuer)
	if issuer.Kind == authz.IssuerSPIFFE {
		c.checkSVID(s, issuer)
	}
	if c.fault != nil {
		return nil, c.fault
	}
	return s, nil
}

// readIntrospectionClaims reads an issuer's answer about an opaque token (RFC 7662
// section 2.2). exp is optional there. A status claim is ignored: the answer itself is
// the token's status.
func readIntrospectionClaims(payload object, issuer *authz.Issuer, fallback string) (*tokenClaims, *authz.Fault) {
	c := claims{object: payload}
	s := c.read(issuer, fallback)
	s.token.ExpiresAt = c.date("exp", math.Floor)
	if c.fault != nil {
		return nil, c.fault
	}
	return s, nil
}

// read maps the payload's claims to those that policies see.
func (c *claims) read(issuer *authz.Issuer, fallback string) *tokenClaims {
	mapping := issuer.Claims
	s := &tokenClaims{token: authz.Token{
		Issuer:            issuer.ID,
		IssuerURL:         issuer.URL,
		ID:                authz.TokenID(issuer.URL, c.textOr("jti", fallback)),
		NotBefore:         c.date("nbf", math.Ceil),
		IssuedAt:          c.date("iat", math.Floor),
		Audiences:         c.audiences(),
		AcceptedAudiences: slices.Clip(issuer.Audiences),
		Leeway:            time.Duration(issuer.LeewayS) * time.Second,
		Tenant:            c.id(mapping.Tenant),
		Env:               c.id(mapping.Env),
		Scopes:            c.scopes(mapping.Scope),
		Methods:           c.strings(mapping.Methods),
		Credential:        c.id(mapping.Credential),
		Own:               issuer.Own,
	}}
	c.subject(s, issuer)
	c.onBehalfOf(s, issuer)
	c.binding(s)
	return s
}

func (c *claims) fail(cause, message, fix string) {
	if c.fault == nil {
		c.fault = invalid(cause, message, fix)
	}
}

func (c *claims) wrongType(claim, want string) {
	c.fail("claim_type", "The claim "+claim+" is not "+want+".", "Ask the issuer to correct the claim, or map another one in the issuer's claims.")
}

func (c *claims) outOfBounds(claim, why string) {
	c.fail("claim_bounds", "The claim "+claim+" "+why+".", "Ask the issuer to correct the claim, or map another one in the issuer's claims.")
}

// text returns an optional string claim, "" if it is absent.
func (c *claims) text(claim string) string {
	value := c.get(claim)
	if value == nil {
		return ""
	}
	s, ok := text(value)
	switch {
	case !ok:
		c.wrongType(claim, "a string")
	case s == "":
		c.outOfBounds(claim, "is empty")
	case len(s) > maxClaimBytes:
		c.outOfBounds(claim, "is longer than "+strconv.Itoa(maxClaimBytes)+" bytes")
	}
	return s
}

func (c *claims) textOr(claim, fallback string) string {
	if s := c.text(claim); s != "" {
		return s
	}
	return fallback
}

// id returns an optional claim that is an entity id, because policies look facts up by
// it.
func (c *claims) id(claim string) string {
	s := c.text(claim)
	if s != "" && authz.ValidateID(claim, s) != nil {
		c.outOfBounds(claim, "is not an id: letters, digits and . _ : @ -, at most 200 bytes")
	}
	return s
}

// subject reads the claim for the subject: a machine user, or the issuer's own name for
// one.
func (c *claims) subject(s *tokenClaims, issuer *authz.Issuer) {
	claim := issuer.Claims.Subject
	switch {
	case c.get(claim) == nil:
		c.fail("missing_sub", "The token names no subject: it has no claim "+strconv.Quote(claim)+".", fixIssuerClaims)
	case issuer.SubjectIs == authz.SubjectIsFederated:
		s.federatedName = c.text(claim)
	default:
		s.token.Subject = c.id(claim)
	}
}

// defaultSubject is the claim for whom a token was issued, if another one names the
// machine user.
const defaultSubject = "sub"

// onBehalfOf reads sub in our own tokens that name the machine user elsewhere: the user
// or tenant that they were issued for, as "user:<id>" or "tenant:<id>".
func (c *claims) onBehalfOf(s *tokenClaims, issuer *authz.Issuer) {
	if !issuer.Own || issuer.Claims.Subject == defaultSubject || c.get(defaultSubject) == nil {
		return
	}
	sub := c.text(defaultSubject)
	if sub == "" || sub == s.token.Subject || sub == s.federatedName {
		return
	}
	typ, id, _ := strings.Cut(sub, ":")
	if typ != authz.OnBehalfOfUser && typ != authz.OnBehalfOfTenant || authz.ValidateID("sub", id) != nil {
		c.fail("bad_on_behalf_of", "The claim sub is neither the machine user nor user:<id> nor tenant:<id>.", fixIssuerClaims)
		return
	}
	s.token.OnBehalfOf = &authz.OnBehalfOf{Type: typ, ID: id}
}

// binding reads cnf: the keys that the token is bound to.
func (c *claims) binding(s *tokenClaims) {
	confirmation, bound, fault := readConfirmation(c.object)
	if fault != nil && c.fault == nil {
		c.fault = fault
	}
	if bound {
		s.confirmation = confirmation
	}
}

// statusReference reads status: the token's place in one of its issuer's status lists.
func (c *claims) statusReference(s *tokenClaims, issuer *authz.Issuer) {
	value := c.get("status")
	if value == nil {
		return
	}
	if len(issuer.StatusLists) == 0 {
		c.fail("status_unchecked", "The token says where its status is listed, and no status list of its issuer is registered.", "Register the issuer's status_lists.")
		return
	}
	reference, err := statuslist.ParseReference(value)
	if err != nil {
		c.fail("bad_status", "The claim status is no reference to a status list.", fixIssuerClaims)
		return
	}
	if !slices.Contains(issuer.StatusLists, reference.URI) {
		c.fail("status_list_unknown", "The token's status is in a list its issuer is not registered with.", "Add the list to the issuer's status_lists if it is the issuer's.")
		return
	}
	s.statusRef = &reference
}

// checkSVID checks the claims as the JWT-SVID specification, section 3, says.
func (c *claims) checkSVID(s *tokenClaims, issuer *authz.Issuer) {
	if domain, ok := trustDomain(c.object); !ok || domain != issuer.URL || s.federatedName == "" {
		c.fail("bad_spiffe_id", "The token's subject is not a SPIFFE id of its trust domain.", fixNewToken)
	}
	if len(s.token.Audiences) == 0 {
		c.fail("missing_aud", "The token has no audience, which a JWT-SVID must have.", "Ask the issuer for a token made for an audience.")
	}
}

// date reads a NumericDate (RFC 7519 section 2) in whole seconds; round is towards the
// stricter side. Dates before 1970 are refused: no token was issued then, and one of
// them is Go's zero time, which stands for an absent claim.
func (c *claims) date(claim string, round func(float64) float64) time.Time {
	value := c.get(claim)
	if value == nil {
		return time.Time{}
	}
	if value.Kind() != '0' {
		c.wrongType(claim, "a number of seconds")
		return time.Time{}
	}
	seconds, err := strconv.ParseFloat(string(value), 64)
	if err != nil || seconds < 0 || seconds > maxDate {
		c.outOfBounds(claim, "is not a time in seconds since 1970")
		return time.Time{}
	}
	return time.Unix(int64(round(seconds)), 0).UTC()
}

func (c *claims) expiry() time.Time {
	if value := c.get("exp"); value == nil || value.Kind() == 'n' {
		c.fail("missing_exp", "The token never expires: it has no claim exp.", "Ask the issuer to put exp in its tokens.")
		return time.Time{}
	}
	return c.date("exp", math.Floor)
}

// audiences reads aud: one string, or an array of strings (RFC 7519 section 4.1.3).
func (c *claims) audiences() []string {
	if value := c.get("aud"); value.Kind() == '"' {
		return []string{c.text("aud")}
	}
	return c.strings("aud")
}

// scopes reads a space-separated list (RFC 8693 section 4.2).
func (c *claims) scopes(claim string) []string {
	value := c.get(claim)
	if value == nil {
		return nil
	}
	s, ok := text(value)
	if !ok {
		c.wrongType(claim, "a string")
		return nil
	}
	return c.bounded(claim, strings.FieldsFunc(s, func(r rune) bool { return r == ' ' }))
}

func (c *claims) strings(claim string) []string {
	value := c.get(claim)
	if value == nil {
		return nil
	}
	list, ok := texts(value)
	if !ok {
		c.wrongType(claim, "a list of strings")
		return nil
	}
	return c.bounded(claim, list)
}

func (c *claims) bounded(claim string, list []string) []string {
	if len(list) > maxListed {
		c.outOfBounds(claim, "has more than "+strconv.Itoa(maxListed)+" entries")
		return nil
	}
	for _, s := range list {
		if s == "" || len(s) > maxClaimBytes {
			c.outOfBounds(claim, "has an entry that is empty or longer than "+strconv.Itoa(maxClaimBytes)+" bytes")
			return nil
		}
	}
	return slices.Clip(list) // so that appending cannot change another caller's list
}

// issuerURL reads iss, which is read before all other claims.
func issuerURL(payload object) (string, *authz.Fault) {
	value := payload.get("iss")
	if value == nil {
		return "", invalid("missing_iss", "The token names no issuer: it has no claim iss.", "Ask the issuer to put iss in its tokens.")
	}
	url, ok := text(value)
	if !ok || url == "" || len(url) > maxClaimBytes {
		return "", invalid("claim_type", "The claim iss is not a string of 1 to "+strconv.Itoa(maxClaimBytes)+" bytes.", fixNewToken)
	}
	return url, nil
}
