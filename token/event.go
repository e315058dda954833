package token

import (
	"context"
	"encoding/json"
	"math"
	"slices"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// securityEventType is the typ of a Security Event Token.
const securityEventType = "secevent+jwt"

// Values of authz.EventRefusal.Err: RFC 8935 section 2.4.
const (
	EventInvalidRequest  = "invalid_request"  // it is no SET, or not one that is accepted
	EventInvalidKey      = "invalid_key"      // it is not signed by a key of its issuer
	EventInvalidIssuer   = "invalid_issuer"   // its issuer's events are not accepted
	EventInvalidAudience = "invalid_audience" // it is for another audience
)

// VerifyEvent verifies a Security Event Token (SET) that an issuer pushed. Its typ must
// be secevent+jwt, its issuer registered with events, and its audience the one
// registered there. It must have jti, iat, sub_id and exactly one event, and neither
// sub nor exp: the Shared Signals Framework forbids these so that no SET passes as an
// access token. now is used for the freshness of fetched keys only; times and
// repetitions are left to the caller.
//
// The error is an *authz.EventRefusal, for which pushing again does not help, or an
// *authz.Error of CodeUnavailable.
func (v *Verifier) VerifyEvent(ctx context.Context, dir authz.Directory, text string, now time.Time) (authz.SecurityEvent, error) {
	signed, header, payload, err := readEvent(text)
	if err != nil {
		return authz.SecurityEvent{}, err
	}
	issuer, err := v.eventIssuer(ctx, dir, payload)
	if err != nil {
		return authz.SecurityEvent{}, err
	}
	if err := v.checkEventSignature(signed, header, issuer, now); err != nil {
		return authz.SecurityEvent{}, err
	}
	return eventOf(payload, issuer)
}

func badEvent(description string) error {
	return &authz.EventRefusal{Err: EventInvalidRequest, Description: description}
}

// readEvent parses a SET without verifying its signature.
func readEvent(text string) (compact, header, object, error) {
	refuse := func(description string) (compact, header, object, error) {
		return compact{}, header{}, nil, badEvent(description)
	}
	if len(text) > MaxTokenBytes {
		return refuse("The security event token is larger than 16 kB.")
	}
	signed, fault := parseCompact(text)
	if fault != nil {
		return refuse(fault.Message)
	}
	h, fault := parseHeader(signed.header)
	if fault != nil {
		return refuse(fault.Message)
	}
	if h.typ == nil || mediaType(*h.typ) != securityEventType {
		return refuse("The token's typ is not " + securityEventType + ".")
	}
	payload, err := readObject(signed.payload)
	if err != nil {
		return refuse(jsonFault("token's payload", err).Message)
	}
	return signed, h, payload, nil
}

// eventIssuer returns the issuer of a SET, and checks that the SET is for us.
func (v *Verifier) eventIssuer(ctx context.Context, dir authz.Directory, payload object) (*authz.Issuer, error) {
	url, fault := issuerURL(payload)
	if fault != nil {
		return nil, badEvent(fault.Message)
	}
	issuer, fault := v.issuerByURL(ctx, dir, url)
	switch {
	case fault != nil:
		return nil, authz.Errorf(authz.CodeUnavailable, "the registered issuers cannot be read; push the event again")
	case issuer == nil:
		return nil, &authz.EventRefusal{Err: EventInvalidIssuer, Description: "The token's iss is not the URL of a registered issuer."}
	case issuer.Events == nil || issuer.Kind == authz.IssuerX509 || issuer.JWKSURL == "" && len(issuer.Keys) == 0:
		return nil, &authz.EventRefusal{Err: EventInvalidIssuer, Description: "The token's issuer is not registered with events and keys."}
	}
	c := claims{object: payload}
	audiences := c.audiences()
	if c.fault != nil {
		return nil, badEvent(c.fault.Message)
	}
	if !slices.Contains(audiences, issuer.Events.Audience) {
		return nil, &authz.EventRefusal{Err: EventInvalidAudience, Description: "The token's aud is not the audience registered with its issuer's events."}
	}
	return issuer, nil
}

func (v *Verifier) checkEventSignature(signed compact, h header, issuer *authz.Issuer, now time.Time) error {
	badKey := func(description string) error {
		return &authz.EventRefusal{Err: EventInvalidKey, Description: description}
	}
	if !h.allowedBy(issuer) {
		return badKey("The token is signed with an algorithm its issuer is not registered with.")
	}
	keys, fault := v.issuerKeys(issuer, now)
	if fault != nil {
		return authz.Errorf(authz.CodeUnavailable, "the issuer's keys cannot be had; push the event again")
	}
	key, fault := v.findKey(keys, issuer, h)
	switch {
	case fault != nil && fault.Code == authz.IssuerUnavailable:
		return authz.Errorf(authz.CodeUnavailable, "the issuer's keys are stale and lack the token's key; push the event again")
	case fault != nil:
		return badKey(fault.Message)
	}
	if fault := key.verify(signed); fault != nil {
		return badKey(fault.Message)
	}
	return nil
}

// eventOf reads the claims of a SET (RFC 8417 section 2.2, SSF 1.0 section 4.2).
func eventOf(payload object, issuer *authz.Issuer) (authz.SecurityEvent, error) {
	for _, forbidden := range []string{"sub", "exp"} {
		if payload.get(forbidden) != nil {
			return authz.SecurityEvent{}, badEvent("The token has " + forbidden + ", which a security event token must not have.")
		}
	}
	c := claims{object: payload}
	event := authz.SecurityEvent{Issuer: issuer, JTI: c.text("jti"), IssuedAt: c.date("iat", math.Floor)}
	if c.fault != nil {
		return authz.SecurityEvent{}, badEvent(c.fault.Message)
	}
	if event.JTI == "" || event.IssuedAt.IsZero() {
		return authz.SecurityEvent{}, badEvent("The token lacks jti or iat.")
	}
	subject := payload.get("sub_id")
	if subject.Kind() != '{' {
		return authz.SecurityEvent{}, badEvent("The token's sub_id is missing or not an object.")
	}
	events, err := readObject(payload.get("events"))
	if err != nil || len(events) != 1 || events[0].name == "" || events[0].value.Kind() != '{' {
		return authz.SecurityEvent{}, badEvent("The token's events is not an object with exactly one event.")
	}
	event.SubjectID = json.RawMessage(slices.Clone(subject))
	event.Type, event.Payload = events[0].name, json.RawMessage(slices.Clone(events[0].value))
	return event, nil
}
