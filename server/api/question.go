package api

import (
	"bytes"
	"time"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
)

// timeMember is the member of context that only a simulation may give.
const timeMember = "time"

// question reads the body of a decide.
func question(body *api.DecideRequest, caller authz.Caller) (authz.Request, error) {
	request, err := requestOf(body, caller)
	if err != nil {
		return authz.Request{}, err
	}
	if err := askable(&request); err != nil {
		return authz.Request{}, err
	}
	return request, nil
}

// hypothesis reads the body of a simulation. The time it is judged at leaves
// the context; without one it is judged now.
func hypothesis(body *api.DecideRequest, caller authz.Caller) (authz.Request, error) {
	request, err := requestOf(body, caller)
	if err != nil {
		return authz.Request{}, err
	}
	request.Simulated = true
	if given, ok := request.Context[timeMember]; ok {
		if request.At, err = judgedAt(given); err != nil {
			return authz.Request{}, err
		}
		delete(request.Context, timeMember)
	}
	return request, nil
}

// requestOf is what decide and simulate read alike.
func requestOf(body *api.DecideRequest, caller authz.Caller) (authz.Request, error) {
	evidence, err := evidenceOf(body.Credential)
	if err != nil {
		return authz.Request{}, err
	}
	request := authz.Request{
		Caller:   caller,
		Evidence: evidence,
		Subject:  (*authz.Subject)(body.Subject),
		Context:  body.Context,
		AtLeast:  body.AtLeast,
		Explain:  authz.Explain(body.Explain),
	}
	if body.Action != nil {
		request.Action = authz.Action(*body.Action)
	}
	if body.Resource != nil {
		request.Resource = authz.Resource(*body.Resource)
	}
	return request, request.Validate()
}

func evidenceOf(credential *api.Credential) (authz.Evidence, error) {
	if credential == nil {
		return authz.Evidence{}, nil
	}
	claims := credential.Claims
	if bytes.Equal(claims, []byte("null")) {
		claims = nil
	}
	if len(claims) > 0 && claims[0] != '{' {
		return authz.Evidence{}, authz.Invalid("credential.claims", "must be an object, the claims by name")
	}
	if len(claims) == 0 && credential.Token == "" {
		return authz.Evidence{}, authz.Invalid("credential", "is empty; give token or claims, or leave it out")
	}
	return authz.Evidence{Token: credential.Token, Claims: claims}, nil
}

// askable holds what is not hypothetical to its stricter rules.
func askable(request *authz.Request) error {
	if len(request.Evidence.Claims) > 0 && !request.Caller.Has(authz.RoleAssertClaims) {
		return &authz.Error{
			Code:    authz.CodeForbidden,
			Field:   "credential.claims",
			Message: "need the role " + string(authz.RoleAssertClaims) + ", which API key " + request.Caller.ID + " does not have; send the token",
		}
	}
	if _, ok := request.Context[timeMember]; ok {
		return authz.Invalid("context."+timeMember, "is refused here: only "+api.PathSimulate+" takes a time")
	}
	return nil
}

// The times a simulation may be judged at: those that nanoseconds since 1970 in
// 64 bits can hold, which is what policies compute with.
var (
	earliest = time.Unix(0, 0)
	latest   = time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC)
)

func judgedAt(given any) (time.Time, error) {
	const field = "context." + timeMember
	text, ok := given.(string)
	if !ok {
		return time.Time{}, authz.Invalid(field, "must be a string such as 2026-11-22T10:00:00Z (RFC 3339)")
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}, authz.Invalid(field, "is not a time such as 2026-11-22T10:00:00Z (RFC 3339)")
	}
	if at.Before(earliest) || !at.Before(latest) {
		return time.Time{}, authz.Invalid(field, "must lie between 1970 and 2262")
	}
	return at.UTC(), nil
}
