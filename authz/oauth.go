package authz

import "strings"

// GrantClientCredentials is the one grant of our token service (RFC 6749 section 4.4).
const GrantClientCredentials = "client_credentials"

// TokenClient is a machine user that authenticates itself to our token service. Its
// evidence is a secret, an assertion or the client certificate of its connection.
type TokenClient struct {
	Evidence Evidence
	ID       string // who it says it is; empty leaves that to an assertion
	Source   string // address its connection comes from
}

// TokenRequest asks for a token. Empty means that a parameter was not given.
type TokenRequest struct {
	Client    TokenClient
	GrantType string
	// Audiences are the values of resource (RFC 8707) and audience: one service.
	Audiences []string
	Scope     string
	// Subject is whom the token is to be on behalf of: "user:<id>" or "tenant:<id>".
	Subject string
}

// IssuedToken is the answer to a request (RFC 6749 section 5.1). It is secret.
type IssuedToken struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"` // Bearer, also when it is bound to a certificate (RFC 8705)
	ExpiresIn   int    `json:"expires_in"` // seconds
}

// String and GoString keep the token out of logs and errors.
func (IssuedToken) String() string   { return "[token]" }
func (IssuedToken) GoString() string { return "[token]" }

// Introspected is what is known of a token of ours (RFC 7662 section 2.2). Of one that is
// not active nothing else is said.
type Introspected struct {
	Active       bool          `json:"active"`
	ClientID     string        `json:"client_id,omitempty"`
	TokenType    string        `json:"token_type,omitempty"`
	ExpiresAt    int64         `json:"exp,omitzero"`
	IssuedAt     int64         `json:"iat,omitzero"`
	Subject      string        `json:"sub,omitempty"`
	Audience     []string      `json:"aud,omitempty"`
	Issuer       string        `json:"iss,omitempty"`
	ID           string        `json:"jti,omitempty"`
	Confirmation *Confirmation `json:"cnf,omitempty"`
}

// Confirmation is the key a token is bound to (RFC 8705 section 3.1).
type Confirmation struct {
	Thumbprint string `json:"x5t#S256"`
}

// OAuthCode is the error of an OAuth error answer.
type OAuthCode string

// The codes of RFC 6749 sections 4.1.2.1 and 5.2, of RFC 8707 section 2, and one of
// ours.
const (
	OAuthInvalidRequest       OAuthCode = "invalid_request"
	OAuthInvalidClient        OAuthCode = "invalid_client"      // the evidence proves no client
	OAuthUnauthorizedClient   OAuthCode = "unauthorized_client" // it does, and the policy denies
	OAuthUnsupportedGrantType OAuthCode = "unsupported_grant_type"
	OAuthInvalidScope         OAuthCode = "invalid_scope"
	OAuthInvalidTarget        OAuthCode = "invalid_target"
	OAuthUnavailable          OAuthCode = "temporarily_unavailable" // nothing was decided
	OAuthRateLimited          OAuthCode = "rate_limited"            // ours: too often, try again later
)

// OAuthError is why a request was refused. Everything but Cause is safe to show.
type OAuthError struct {
	Code OAuthCode
	// Description names what to do, in the characters RFC 6749 section 5.2 allows.
	Description string
	// Reasons are those of the decision that denied; nil when none did.
	Reasons []ReasonCode
	Cause   error
}

// Error returns code and description, never the cause.
func (e *OAuthError) Error() string { return string(e.Code) + ": " + e.Description }

// Unwrap returns the cause.
func (e *OAuthError) Unwrap() error { return e.Cause }

// RefuseOAuth returns an error with a code and a description, which is shortened to what
// RFC 6749 allows: see MaxOAuthDescription.
func RefuseOAuth(code OAuthCode, description string) *OAuthError {
	return &OAuthError{Code: code, Description: describable(description)}
}

// MaxOAuthDescription bounds a description, in bytes. All codes are in
// OAuthError.Reasons.
const MaxOAuthDescription = 499

// cut is how a description ends that was longer.
const cut = "..."

// describable keeps text to what error_description may hold: printable ASCII but for
// quotes and backslashes.
func describable(text string) string {
	allowed := strings.Map(func(r rune) rune {
		switch {
		case r == '"' || r == '\\':
			return '\''
		case r < ' ' || r > '~':
			return ' '
		}
		return r
	}, text)
	if len(allowed) > MaxOAuthDescription {
		return allowed[:MaxOAuthDescription-len(cut)] + cut
	}
	return allowed
}
