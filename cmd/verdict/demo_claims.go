package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/authz"
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
	dpopKey     string // file of the key to bind it to
	certificate string // file of the certificate to bind it to
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
	f.StringVar(&d.dpopKey, "dpop-key", "", "bind it to the key in this PEM file, made when it is not there (DPoP)")
	f.StringVar(&d.certificate, "certificate", "", "bind it to the client certificate in this PEM file (mTLS)")
	cmd.MarkFlagsMutuallyExclusive("dpop-key", "certificate")
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

func (d *demoToken) mint(signer *token.Signer, subject string, binding map[string]string, now time.Time) (string, error) {
	claims := d.claims(subject, now)
	if binding != nil {
		claims["cnf"] = binding
	}
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

// binding is the cnf claim of a token that only the holder of a key may use; nil for
// one that its bearer may use.
func (d *demoToken) binding(c *cli) (map[string]string, error) {
	switch {
	case d.dpopKey != "":
		key, err := demoKeyAt(d.dpopKey)
		if err != nil {
			return nil, err
		}
		jkt, err := key.Thumbprint()
		return map[string]string{authz.BindingProof: jkt}, err
	case d.certificate != "":
		chain, err := c.readCertificates(d.certificate)
		if err != nil {
			return nil, err
		}
		thumbprint := sha256.Sum256(chain[0].Bytes)
		return map[string]string{authz.BindingCertificate: base64.RawURLEncoding.EncodeToString(thumbprint[:])}, nil
	}
	return nil, nil
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
