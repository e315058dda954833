package oauth

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/reqctx"
	"github.com/verdict-pdp/verdict/server/route"
	"github.com/verdict-pdp/verdict/server/wire"
)

// Service issues tokens. *tokenservice.Service implements it. Its errors are *authz.OAuthError.
type Service interface {
	Issuer() string
	// KeySet returns the JWK Set that tokens are verified with, and for how long it may be
	// cached. It is shared and not changed.
	KeySet() (document []byte, keep time.Duration)
	Token(ctx context.Context, r authz.TokenRequest) (authz.IssuedToken, error)
	// Introspect returns whether a token of ours is active, and what is in it.
	Introspect(ctx context.Context, text string) (authz.Introspected, error)
	// Revoke revokes a token of the client's own.
	Revoke(ctx context.Context, client authz.TokenClient, text string) error
}

// Handler serves the token service. Service is required.
type Handler struct {
	Service Service
}

// Mount adds the routes to e. Only at api.PathIntrospect is the caller
// authenticated before; see PublicPaths.
func (h *Handler) Mount(e *echo.Echo) { route.Table{Rows: h.Rows()}.Mount(e) }

// Rows are the routes of the token service.
func (h *Handler) Rows() []route.Row {
	form := []string{api.TypeForm}
	return []route.Row{
		{Method: "POST", Path: api.PathToken, ID: "token", Public: true, Takes: form, Shows: authz.IssuedToken{}, Fault: refusal{}, Handler: route.Elsewhere(h.token)},
		{Method: "POST", Path: api.PathRevokeOwn, ID: "revokeOwnToken", Public: true, Takes: form, Answers: []route.Answer{{Status: http.StatusOK, Body: route.NoBody}}, Fault: refusal{}, Handler: route.Elsewhere(h.revoke)},
		{Method: "POST", Path: api.PathIntrospect, ID: "introspect", Roles: []authz.Role{authz.RoleDecide}, Takes: form, Shows: authz.Introspected{}, Fault: refusal{}, Handler: route.Elsewhere(h.introspect)},
		{Method: "GET", Path: api.PathJWKS, ID: "jwks", Public: true, Shows: map[string]any{},
			Answers: []route.Answer{{Status: http.StatusOK, Headers: []string{"ETag"}}, {Status: http.StatusNotModified, Headers: []string{"ETag"}, Body: route.NoBody}}, Handler: route.Elsewhere(h.keySet)},
		{Method: "GET", Path: api.PathMetadata, ID: "metadata", Public: true, Shows: api.Metadata{},
			Answers: []route.Answer{{Status: http.StatusOK, Headers: []string{"ETag"}}, {Status: http.StatusNotModified, Headers: []string{"ETag"}, Body: route.NoBody}}, Handler: route.Elsewhere(h.metadata)},
	}
}

// PublicPaths lists the paths for callers without an API key: what is published, and
// where machine users authenticate themselves.
func (h *Handler) PublicPaths() []string {
	return route.Public(h.Rows())
}

// AssertionAudiences are the aud values a client assertion may have, each as the only
// one (RFC 7523 section 3): the issuer, as its clients should write it, and the token
// endpoint, as many do.
func AssertionAudiences(issuer string) []string { return []string{issuer, issuer + api.PathToken} }

func (h *Handler) token(c echo.Context) error {
	form, client, err := readClient(c)
	if err != nil {
		return refuse(c, err)
	}
	issued, err := h.Service.Token(c.Request().Context(), authz.TokenRequest{
		Client:    client,
		GrantType: form.get("grant_type"),
		Audiences: append(form.all("resource"), form.all("audience")...),
		Scope:     form.get("scope"),
		Subject:   form.get("subject"),
	})
	if err != nil {
		return refuse(c, err)
	}
	keepNowhere(c)
	return wire.WriteJSON(c.Response(), http.StatusOK, &issued)
}

func (h *Handler) revoke(c echo.Context) error {
	form, client, err := readClient(c)
	if err != nil {
		return refuse(c, err)
	}
	if err := h.Service.Revoke(c.Request().Context(), client, form.get("token")); err != nil {
		return refuse(c, err)
	}
	keepNowhere(c)
	return c.NoContent(http.StatusOK)
}

func (h *Handler) introspect(c echo.Context) error {
	ctx := c.Request().Context()
	if _, err := reqctx.Require(ctx, authz.RoleDecide); err != nil {
		return err
	}
	form, err := readForm(c.Response(), c.Request())
	if err != nil {
		return refuse(c, err)
	}
	if form.get("token") == "" {
		return refuse(c, authz.RefuseOAuth(authz.OAuthInvalidRequest, "token is required: the token to look at."))
	}
	said, err := h.Service.Introspect(ctx, form.get("token"))
	if err != nil {
		return refuse(c, err)
	}
	keepNowhere(c)
	return wire.WriteJSON(c.Response(), http.StatusOK, &said)
}

// readClient reads the body and the client that sent it.
func readClient(c echo.Context) (form, authz.TokenClient, error) {
	f, err := readForm(c.Response(), c.Request())
	if err != nil {
		return nil, authz.TokenClient{}, err
	}
	client, err := clientOf(c.Request(), f)
	return f, client, err
}

// keepNowhere forbids caches to store a response (RFC 6749 section 5.1).
func keepNowhere(c echo.Context) {
	h := c.Response().Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
}
