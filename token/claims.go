package token

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// Bounds of what a token may say.
const (
	maxDate       = 1 << 53 // NumericDate, in seconds: what every reader of JSON holds exactly
	maxListed     = 100     // audiences, scopes, methods
	maxClaimBytes = 2000    // one audience, scope, method or jti
)

// claims reads mapped claims out of a payload and keeps the first fault.
type claims struct {
	object
	fault *authz.Fault
}

// readClaims maps the payload's claims to what policies judge. jti names the
// token; fallback does when it has none.
func readClaims(payload object, issuer *authz.Issuer, fallback string) (*authz.Token, *authz.Fault) {
	c := claims{object: payload}
	mapping := issuer.Claims
	t := &authz.Token{
		Issuer:            issuer.ID,
		IssuerURL:         issuer.URL,
		ID:                authz.TokenID(issuer.URL, c.name("jti", fallback)),
		ExpiresAt:         c.expiry(),
		NotBefore:         c.date("nbf", math.Ceil),
		IssuedAt:          c.date("iat", math.Floor),
		Subject:           c.subject(mapping.Subject),
		Audiences:         c.audiences(),
		AcceptedAudiences: slices.Clip(issuer.Audiences),
		Leeway:            time.Duration(issuer.LeewayS) * time.Second,
		Tenant:            c.id(mapping.Tenant),
		Env:               c.id(mapping.Env),
		Scopes:            c.scopes(mapping.Scope),
		Methods:           c.strings(mapping.Methods),
		Credential:        c.id(mapping.Credential),
		Own:               issuer.Own,
	}
	if c.fault != nil {
		return nil, c.fault
	}
	return t, nil
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

// text reads an optional string claim, "" when absent.
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

func (c *claims) name(claim, fallback string) string {
	if s := c.text(claim); s != "" {
		return s
	}
	return fallback
}

// id reads an optional claim that policies look facts up by.
func (c *claims) id(claim string) string {
	s := c.text(claim)
	if s != "" && authz.ValidateID(claim, s) != nil {
		c.outOfBounds(claim, "is not an id: letters, digits and . _ : @ -, at most 200 bytes")
	}
	return s
}

func (c *claims) subject(claim string) string {
	if c.get(claim) == nil {
		c.fail("missing_sub", "The token names no subject: it has no claim "+strconv.Quote(claim)+".", fixIssuerClaims)
		return ""
	}
	return c.id(claim)
}

// date reads a NumericDate (RFC 7519 section 2) in whole seconds; round goes
// to the stricter side. Dates before 1970 are refused: nothing was issued then,
// and one of them is Go's zero time, which means an absent claim.
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

// audiences reads aud: one string, or an array of them (RFC 7519 section 4.1.3).
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
	return slices.Clip(list) // what one caller appends must not reach another
}

// issuerURL reads iss, which comes before everything else a payload says.
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
