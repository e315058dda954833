package question

import (
	"crypto/tls"
	"time"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
)

// Sender is who sent a question, and over what.
type Sender struct {
	Caller authz.Caller
	// Certificates are the DER of the client certificate of its TLS connection, leaf
	// first; empty when it presented none. The verifier decides
	// whether they are valid.
	Certificates [][]byte
}

// SenderOf is caller on a TLS connection, which is nil for one without TLS.
func SenderOf(caller authz.Caller, connection *tls.ConnectionState) Sender {
	from := Sender{Caller: caller}
	if connection != nil {
		for _, certificate := range connection.PeerCertificates {
			from.Certificates = append(from.Certificates, certificate.Raw)
		}
	}
	return from
}

// timeMember is the member of context that only a simulation may give.
const timeMember = "time"

// Of reads a question that is not simulated.
func Of(body *api.DecideRequest, from Sender) (authz.Request, error) {
	request, err := requestOf(body, from)
	if err != nil {
		return authz.Request{}, err
	}
	if _, ok := request.Context[timeMember]; ok {
		return authz.Request{}, authz.Invalid("context."+timeMember, "is refused here: only "+api.PathSimulate+" takes a time")
	}
	return request, nil
}

// Simulation reads a hypothetical question. The time to judge it at is taken out of its
// context; without one it is judged now.
func Simulation(body *api.DecideRequest, from Sender) (authz.Request, error) {
	request, err := requestOf(body, from)
	if err != nil {
		return authz.Request{}, err
	}
	request.Simulated = true
	if given, ok := request.Context[timeMember]; ok {
		if request.At, err = JudgedAt(given); err != nil {
			return authz.Request{}, err
		}
		delete(request.Context, timeMember)
	}
	return request, nil
}

// requestOf reads what both kinds have in common.
func requestOf(body *api.DecideRequest, from Sender) (authz.Request, error) {
	evidence, err := Evidence(body.Credential, from)
	if err != nil {
		return authz.Request{}, err
	}
	request := authz.Request{
		Caller:   from.Caller,
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

// The times a simulation may be judged at: those that nanoseconds since 1970 in
// 64 bits can hold, which is what policies compute with.
var (
	earliest = time.Unix(0, 0)
	latest   = time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC)
)

// JudgedAt reads the time that a simulation gives in its context.
func JudgedAt(given any) (time.Time, error) {
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
