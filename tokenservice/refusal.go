package tokenservice

import (
	"net/http"
	"slices"
	"strings"

	"github.com/verdict-pdp/verdict/authz"
)

// unavailable is an error of ours or of what we depend on.
func unavailable(cause error) *authz.OAuthError {
	return &authz.OAuthError{Code: authz.OAuthUnavailable, Description: "This cannot be decided now; try again shortly.", Cause: cause}
}

// denied is the error for a decision that did not allow.
func denied(d authz.Decision) *authz.OAuthError {
	refusal := authz.RefuseOAuth(codeOf(d.Reasons), describe(d.Reasons))
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
		if said != "" && len(longer) > authz.MaxOAuthDescription {
			break
		}
		said = longer
	}
	return said
}

// codeOf depends on who can help: the client by other evidence, an operator who changes
// what is declared, or time alone. Only reasons that all pass by themselves are worth
// trying again.
func codeOf(reasons []authz.Reason) authz.OAuthCode {
	has := func(is func(authz.Reason) bool) bool { return slices.ContainsFunc(reasons, is) }
	switch {
	case has(provesNobody):
		return authz.OAuthInvalidClient
	case len(reasons) == 0 || has(func(r authz.Reason) bool { return !passes(r) }):
		return authz.OAuthUnauthorizedClient
	case has(func(r authz.Reason) bool { return r.Status == http.StatusServiceUnavailable }):
		return authz.OAuthUnavailable
	}
	return authz.OAuthRateLimited
}

func provesNobody(r authz.Reason) bool {
	return r.Status == http.StatusUnauthorized || r.Code == authz.SubjectMismatch
}

func passes(r authz.Reason) bool {
	return r.Status == http.StatusServiceUnavailable || r.Status == http.StatusTooManyRequests
}
