package api

import (
	"time"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
)

// timeMember is the member of context that only a simulation may give.
const timeMember = "time"

// question reads the body of a decide.
func question(body *api.DecideRequest, from sender) (authz.Request, error) {
	request, err := requestOf(body, from)
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
func hypothesis(body *api.DecideRequest, from sender) (authz.Request, error) {
	request, err := requestOf(body, from)
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
func requestOf(body *api.DecideRequest, from sender) (authz.Request, error) {
	evidence, err := evidenceOf(body.Credential, from)
	if err != nil {
		return authz.Request{}, err
	}
	request := authz.Request{
		Caller:   from.caller,
		Evidence: evidence,
		Subject:  body.Subject,
		Context:  body.Context,
		AtLeast:  body.AtLeast,
		Explain:  body.Explain,
	}
	if body.Action != nil {
		request.Action = *body.Action
	}
	if body.Resource != nil {
		request.Resource = *body.Resource
	}
	return request, request.Validate()
}

// askable holds what is not hypothetical to its stricter rules.
func askable(request *authz.Request) error {
	if len(request.Evidence.Claims) > 0 && !request.Caller.Has(authz.RoleAssertClaims) {
		return lacks(request.Caller, authz.RoleAssertClaims, "credential.claims", "send the token")
	}
	if c := request.Evidence.Certificate; c != nil && c.Asserted && !request.Caller.Has(authz.RoleAssertCertificates) {
		return lacks(request.Caller, authz.RoleAssertCertificates, "credential.certificate", "ask with a key that has it")
	}
	if _, ok := request.Context[timeMember]; ok {
		return authz.Invalid("context."+timeMember, "is refused here: only "+api.PathSimulate+" takes a time")
	}
	return nil
}

// lacks is the error of a caller that may not say what it said in field.
func lacks(caller authz.Caller, role authz.Role, field, instead string) error {
	return &authz.Error{
		Code:    authz.CodeForbidden,
		Field:   field,
		Message: "needs the role " + string(role) + ", which API key " + caller.ID + " does not have; " + instead,
	}
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
