package client

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

// TokenClient is a machine user as it authenticates itself to the token service: with a
// Secret, or with an Assertion (RFC 7523), which is good once, or with neither by the
// certificate in Config.TLS (RFC 8705). An API key is not presented.
type TokenClient struct {
	ID, Secret, Assertion string
}

// assertionType is the client_assertion_type of RFC 7523 section 2.2.
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// prove adds the client's evidence to a call with a form.
func (t TokenClient) prove(op *operation) {
	op.keyless = true
	switch {
	case t.Secret != "":
		op.header = http.Header{"Authorization": {t.basic()}}
		return
	case t.Assertion != "":
		op.form.Set("client_assertion_type", assertionType)
		op.form.Set("client_assertion", t.Assertion)
	}
	if t.ID != "" {
		op.form.Set("client_id", t.ID)
	}
}

// basic is client_secret_basic: both form-encoded first (RFC 6749 section 2.3.1),
// because an id may have a colon.
func (t TokenClient) basic() string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(t.ID)+":"+url.QueryEscape(t.Secret)))
}

// TokenRequest asks for a token of the token service (RFC 6749 section 4.4).
type TokenRequest struct {
	Client   TokenClient
	Audience string // the service it is for
	Subject  string // whom to act for, user:ID or tenant:ID; empty: the machine user itself
}

// Token gets a token. Why there is none is in Error.OAuthCode.
func (c *Client) Token(ctx context.Context, r TokenRequest) (authz.IssuedToken, error) {
	op := operation{method: http.MethodPost, path: api.PathToken, form: query(
		"grant_type", authz.GrantClientCredentials, "audience", r.Audience, "subject", r.Subject)}
	r.Client.prove(&op)
	return ask(ctx, c, op, func(t *authz.IssuedToken) error {
		if t.AccessToken == "" {
			return errors.New("it has no access_token")
		}
		return nil
	})
}

// RevokeOwnToken ends a token that the client was given (RFC 7009).
func (c *Client) RevokeOwnToken(ctx context.Context, by TokenClient, token string) error {
	op := operation{method: http.MethodPost, path: api.PathRevokeOwn, form: url.Values{"token": {token}}}
	by.prove(&op)
	return c.done(ctx, op)
}

// Introspect asks whether a token of the token service is active (RFC 7662).
func (c *Client) Introspect(ctx context.Context, token string) (known authz.Introspected, err error) {
	op := operation{method: http.MethodPost, path: api.PathIntrospect, form: url.Values{"token": {token}}, idempotent: true}
	err = c.read(ctx, op, func(body []byte) error {
		var said struct {
			Active *bool `json:"active"`
		}
		if err := ijson.UnmarshalOpen(body, &said); err != nil {
			return err
		}
		if said.Active == nil {
			return errors.New("it does not say whether the token is active")
		}
		return c.decode(body, &known)
	})
	return known, err
}

// ReplaceTokenKeys drops every key the token service has signed with.
func (c *Client) ReplaceTokenKeys(ctx context.Context) error {
	return c.done(ctx, operation{method: http.MethodPost, path: api.PathReplaceKeys})
}

// JWKS reads the public keys of the token service, a JWK Set.
func (c *Client) JWKS(ctx context.Context) (json.RawMessage, error) {
	return ask[json.RawMessage](ctx, c, public(api.PathJWKS), nil)
}

// Metadata reads what the token service says of itself (RFC 8414).
func (c *Client) Metadata(ctx context.Context) (api.Metadata, error) {
	return ask[api.Metadata](ctx, c, public(api.PathMetadata), nil)
}

// public is a call that needs no key.
func public(path string) operation {
	op := get(path)
	op.keyless = true
	return op
}
