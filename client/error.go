package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

// maxProblem bounds what is read of an answer that is an error.
const maxProblem = 1 << 20

// Error is why a call failed. Its message is safe to show, and holds no key.
type Error struct {
	// Code is the server's; branch on it. It is authz.CodeUnavailable when no answer
	// came, authz.CodeInternal when a 2xx answer cannot be read, and empty when something
	// other than Verdict answered, or the token service did, see OAuthCode.
	Code    authz.ErrorCode
	Message string
	Field   string // member, parameter or header at fault; may be empty
	Fix     string // what to do, when that is known
	Status  int    // of HTTP; 0 when no answer came
	// RequestID is what the server's log has the request under; may be empty.
	RequestID  string
	RetryAfter time.Duration // 0: the server did not say
	// Problems are the places in files that the message is about.
	Problems []authz.Problem
	// OAuthCode is the error of the token service (RFC 6749 section 5.2).
	OAuthCode authz.OAuthCode
	// Document is the problem as the server sent it; nil when it sent none.
	Document []byte
	Server   string // its URL or socket
	// AskedCertificate is set, when no answer came, if the server asked for a client
	// certificate, and PresentedCertificate if it was given one.
	AskedCertificate, PresentedCertificate bool
	Cause                                  error
}

// Error says what went wrong, with the field at fault.
func (e *Error) Error() string {
	if e.Field != "" && !strings.HasPrefix(e.Message, e.Field) {
		return e.Field + " " + e.Message
	}
	return e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// NoAnswer reports whether the server gave no answer, so that a change may or may not
// have been made.
func (e *Error) NoAnswer() bool { return e.Status == 0 }

// Unreadable reports whether the server answered with success and what it said is not as
// documented.
func (e *Error) Unreadable() bool { return e.Status >= 200 && e.Status < 300 }

// tlsFailure reports whether the two did not agree on a TLS connection, which another
// attempt does not change.
func (e *Error) tlsFailure() bool {
	return e.AskedCertificate || errors.As(e.Cause, new(*tls.CertificateVerificationError)) || errors.Is(e.Cause, http.ErrSchemeMismatch)
}

func (c *Client) unreadable(answer Answer, err error) *Error {
	return &Error{
		Code: authz.CodeInternal, Status: answer.Status, Server: c.name, Cause: err, RequestID: answer.Header.Get(api.HeaderRequestID),
		Message: "the server's answer cannot be read: " + err.Error(),
		Fix:     "Check that this is the address of a Verdict server, and of the right one of its two listeners.",
	}
}

// connectionError explains a connection that failed. The caller's own wish to stop stays what it
// is. limit is the time that was given by us; 0 if none was.
func (c *Client) connectionError(ctx context.Context, limit time.Duration, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return context.Cause(ctx)
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	e := &Error{Code: authz.CodeUnavailable, Server: c.name, Cause: err}
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded) && limit > 0:
		e.Cause = fmt.Errorf("none within %s", limit)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		e.Cause = context.Cause(ctx)
	default:
		e.AskedCertificate, e.PresentedCertificate = c.asked.Load(), c.asked.Load() && c.presents
	}
	e.Message = "the server at " + c.name + " gave no answer: " + e.Cause.Error()
	return e
}

// readProblem makes an Error of an answer of server that is not one of success.
func readProblem(response *http.Response, server string) *Error {
	e := &Error{Status: response.StatusCode, Server: server, RetryAfter: retryAfter(response.Header)}
	if host := response.Request.URL.Host; !strings.HasPrefix(server, "unix:") {
		server = host
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxProblem))
	switch media, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type")); {
	case err != nil:
		break
	case speaksTLS(response, body):
		e.Message = server + " speaks TLS, and was asked without"
		e.Fix = "Write https:// in the address of the server."
		return e
	case media == api.TypeProblem && e.readDocument(body) == nil, media == api.TypeJSON && e.readRefusal(body) == nil:
		e.Status = response.StatusCode
		if e.RequestID == "" {
			e.RequestID = response.Header.Get(api.HeaderRequestID)
		}
		return e
	}
	e.Message = fmt.Sprintf("%s answered %s without saying why", server, response.Status)
	e.Fix = "Check that this is the address of a Verdict server, and of the right one of its two listeners."
	return e
}

// speaksTLS recognises what Go's HTTP server answers on a TLS port to plain HTTP.
func speaksTLS(response *http.Response, body []byte) bool {
	return response.StatusCode == http.StatusBadRequest && response.Request.URL.Scheme == "http" &&
		bytes.HasPrefix(body, []byte("Client sent an HTTP request to an HTTPS server."))
}

// retryAfter reads both forms of Retry-After (RFC 9110 section 10.2.3).
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// readDocument reads a problem document (RFC 9457).
func (e *Error) readDocument(body []byte) error {
	var p struct {
		api.Problem
		Fix string `json:"fix"`
	}
	if err := ijson.UnmarshalOpen(body, &p); err != nil {
		return err
	}
	e.Code, e.Field, e.Fix, e.RequestID = authz.ErrorCode(p.Code), p.Field, p.Fix, p.RequestID
	if e.Message = p.Detail; e.Message == "" {
		e.Message = p.Title
	}
	e.Status, e.Problems = p.Status, p.Errors
	e.Document = bytes.TrimSpace(body)
	return nil
}

// readRefusal reads the error of a token endpoint (RFC 6749 section 5.2). It has no
// code of ours: the status says what kind of error it is.
func (e *Error) readRefusal(body []byte) error {
	var refusal struct {
		Error       authz.OAuthCode `json:"error"`
		Description string          `json:"error_description"`
		Reasons     []string        `json:"reasons"` // of the decision that refused it
	}
	if err := ijson.UnmarshalOpen(body, &refusal); err != nil {
		return err
	}
	if refusal.Error == "" {
		return errors.New("it has no error")
	}
	e.OAuthCode, e.Message = refusal.Error, string(refusal.Error)
	if refusal.Description != "" {
		e.Message += ": " + refusal.Description
	}
	if len(refusal.Reasons) > 0 {
		e.Message += " (" + strings.Join(refusal.Reasons, ", ") + ")"
	}
	e.Document = bytes.TrimSpace(body)
	return nil
}
