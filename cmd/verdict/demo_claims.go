package main

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/demo"
	"github.com/verdict-pdp/verdict/ijson"
	"github.com/verdict-pdp/verdict/token"
)

// demoToken is a token to mint, and how to spoil it.
type demoToken struct {
	audience    string
	tenant      string
	env         string
	ttl         time.Duration
	age         time.Duration
	methods     []string
	kid         string
	expired     bool
	notYetValid bool
	algNone     bool
	tamper      bool
}

func (d *demoToken) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&d.audience, "audience", demo.Audience, "who it is for (aud)")
	f.StringVar(&d.tenant, "tenant", "", "tenant it acts for")
	f.StringVar(&d.env, "env", "prod", "environment of the machine user")
	f.DurationVar(&d.ttl, "ttl", 5*time.Minute, "how long it is good from now on")
	f.DurationVar(&d.age, "age", 0, "how long ago it was issued")
	f.StringArrayVar(&d.methods, "method", nil, "how the subject authenticated (amr); pwd means a shared secret (repeatable)")
	f.StringVar(&d.kid, "kid", "", "name another signing key in its header")
	f.BoolVar(&d.expired, "expired", false, "spoil it: it expired a minute ago")
	f.BoolVar(&d.notYetValid, "not-yet-valid", false, "spoil it: it becomes valid in an hour")
	f.BoolVar(&d.algNone, "alg-none", false, "spoil it: not signed, alg none")
	f.BoolVar(&d.tamper, "tamper", false, "spoil it: the signature is of other bytes")
	cmd.MarkFlagsMutuallyExclusive("alg-none", "tamper")
	cmd.MarkFlagsMutuallyExclusive("alg-none", "kid")
	cmd.MarkFlagsMutuallyExclusive("expired", "not-yet-valid")
}

// claims are those of an RFC 9068 access token.
func (d *demoToken) claims(subject string, now time.Time) map[string]any {
	issued, expires := now.Add(-d.age), now.Add(d.ttl)
	if d.expired {
		expires = now.Add(-time.Minute)
		issued = expires.Add(-d.ttl - d.age)
	}
	claims := map[string]any{
		"iss": demo.IssuerURL, "sub": subject, "client_id": subject, "aud": d.audience, "env": d.env,
		"jti": rand.Text(), "iat": issued.Unix(), "exp": expires.Unix(),
	}
	if d.notYetValid {
		claims["nbf"] = now.Add(time.Hour).Unix()
		claims["exp"] = now.Add(time.Hour + d.ttl).Unix()
	}
	if d.tenant != "" {
		claims["tenant"] = d.tenant
	}
	if len(d.methods) > 0 {
		claims["amr"] = d.methods
	}
	return claims
}

func (d *demoToken) mint(signer *token.Signer, subject string, now time.Time) (string, error) {
	claims := d.claims(subject, now)
	if d.algNone {
		return unsigned(claims)
	}
	extra := map[string]any{}
	if d.kid != "" {
		extra["kid"] = d.kid
	}
	text, err := signer.Sign(extra, claims)
	if err != nil {
		return "", err
	}
	if d.tamper {
		return tampered(text)
	}
	return text, nil
}

// unsigned is a token with alg none (RFC 7519 section 6), which no server may take.
func unsigned(claims map[string]any) (string, error) {
	payload, err := ijson.Marshal(claims)
	if err != nil {
		return "", err
	}
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none","typ":"at+jwt"}`)) + "." + encode(payload) + ".", nil
}

// tampered flips one bit of the signature of a compact token.
func tampered(text string) (string, error) {
	dot := strings.LastIndexByte(text, '.')
	signature, err := base64.RawURLEncoding.DecodeString(text[dot+1:])
	if err != nil {
		return "", fmt.Errorf("reading the signature just made: %w", err)
	}
	signature[len(signature)/2] ^= 1
	return text[:dot+1] + base64.RawURLEncoding.EncodeToString(signature), nil
}
