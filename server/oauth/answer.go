package oauth

import (
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/wire"
)

// refusal is the body of an error answer (RFC 6749 section 5.2).
type refusal struct {
	Error       authz.OAuthCode    `json:"error"`
	Description string             `json:"error_description,omitempty"`
	Reasons     []authz.ReasonCode `json:"reasons,omitempty"` // of the decision
}

// challenge is in every 401 (RFC 9110 section 11.6.1).
const challenge = `Basic realm="verdict", charset="UTF-8"`

// When to try again, in seconds. A client may try one wrong secret in this time.
const (
	retryLater = "10" // after 429
	retrySoon  = "1"  // after 503
)

// refuse responds with err. Any other error than a refusal is returned.
func refuse(c echo.Context, err error) error {
	var why *authz.OAuthError
	if !errors.As(err, &why) {
		return err
	}
	status := statusOf(why.Code)
	h := c.Response().Header()
	switch status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", challenge)
	case http.StatusTooManyRequests:
		h.Set("Retry-After", retryLater)
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", retrySoon)
	}
	keepNowhere(c)
	return wire.WriteJSON(c.Response(), status, &refusal{Error: why.Code, Description: why.Description, Reasons: why.Reasons})
}

func statusOf(code authz.OAuthCode) int {
	switch code {
	case authz.OAuthInvalidClient:
		return http.StatusUnauthorized
	case authz.OAuthRateLimited:
		return http.StatusTooManyRequests
	case authz.OAuthUnavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusBadRequest
}
