package tokenservice

import (
	"net/http"
	"slices"
	"strings"

	"github.com/verdict-pdp/verdict/authz"
)

// Code is the error of an OAuth error answer.
type Code string

// The codes of RFC 6749 sections 4.1.2.1 and 5.2, of RFC 8707 section 2, and one of
// ours.
const (
	InvalidRequest         Code = "invalid_request"
	InvalidClient          Code = "invalid_client"      // the evidence proves nobody
	UnauthorizedClient     Code = "unauthorized_client" // it does, and the policy denies
	UnsupportedGrantType   Code = "unsupported_grant_type"
	InvalidScope           Code = "invalid_scope"
	InvalidTarget          Code = "invalid_target"
	TemporarilyUnavailable Code = "temporarily_unavailable" // nothing was decided
	RateLimited            Code = "rate_limited"            // ours: too often, try again later
)

// Error is why there is no token. Everything but Cause is safe to show.
type Error struct {
	Code Code
	// Description names what to do, in the characters RFC 6749 section 5.2 allows.
	Description string
	// Reasons are those of the decision that denied; nil when none did.
	Reasons []authz.ReasonCode
	Cause   error
}

// Error returns code and description, never the cause.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Description }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Refuse is an error of code that says description.
func Refuse(code Code, description string) *Error {
	return &Error{Code: code, Description: describable(description)}
}

// unavailable is an error of ours or of what we depend on.
func unavailable(cause error) *Error {
	return &Error{Code: TemporarilyUnavailable, Description: "This cannot be decided now; try again shortly.", Cause: cause}
}

// denied is the error for a decision that did not allow.
func denied(d authz.Decision) *Error {
	refusal := Refuse(codeOf(d.Reasons), describe(d.Reasons))
	for _, r := range d.Reasons {
		refusal.Reasons = append(refusal.Reasons, r.Code)
	}
	return refusal
}

// describe is what the first reasons say, as many as there is room for: each whole,
// but for a first one that is too long by itself.
func describe(reasons []authz.Reason) (said string) {
	for _, r := range reasons {
		longer := strings.TrimSpace(said + " " + strings.TrimSpace(r.Message+" "+r.Fix))
		if said != "" && len(longer) > maxDescription {
			break
		}
		said = longer
	}
	return said
}

// codeOf tells apart who can help: the client by other evidence, somebody who changes
// what is declared, or time alone. Only reasons that all pass by themselves are worth
// trying again.
func codeOf(reasons []authz.Reason) Code {
	has := func(is func(authz.Reason) bool) bool { return slices.ContainsFunc(reasons, is) }
	switch {
	case has(provesNobody):
		return InvalidClient
	case len(reasons) == 0 || has(func(r authz.Reason) bool { return !passes(r) }):
		return UnauthorizedClient
	case has(func(r authz.Reason) bool { return r.Status == http.StatusServiceUnavailable }):
		return TemporarilyUnavailable
	}
	return RateLimited
}

func provesNobody(r authz.Reason) bool {
	return r.Status == http.StatusUnauthorized || r.Code == authz.SubjectMismatch
}

func passes(r authz.Reason) bool {
	return r.Status == http.StatusServiceUnavailable || r.Status == http.StatusTooManyRequests
}

// maxDescription bounds a description, in bytes. All codes are in Error.Reasons.
const maxDescription = 499

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
	if len(allowed) > maxDescription {
		return allowed[:maxDescription-len(cut)] + cut
	}
	return allowed
}
