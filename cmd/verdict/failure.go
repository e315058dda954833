package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/client"
	"github.com/verdict-pdp/verdict/cmd/config"
	"github.com/verdict-pdp/verdict/ijson"
)

// failure is why a command did not do what was asked, and what to do about it.
// It holds no secret.
type failure struct {
	status    exitStatus
	message   string
	fix       string // one or two whole sentences
	code      authz.ErrorCode
	field     string
	requestID string
	frames    string // the lines of files at fault, for people; may be empty
	raw       []byte // the server's own problem document, when there is one
	quiet     bool   // all has been said on standard output
	cause     error
}

// Error returns the message.
func (f *failure) Error() string { return f.message }

// Unwrap returns the cause.
func (f *failure) Unwrap() error { return f.cause }

func usage(message, fix string) *failure {
	return &failure{status: exitUsage, code: authz.CodeInvalid, message: message, fix: fix}
}

// silent ends a command whose output already says why it exits with status.
func silent(status exitStatus) *failure { return &failure{status: status, quiet: true} }

// failureOf finds the exit status and the fix for any error of a command.
func failureOf(err error) *failure {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	var failed *client.Error
	if errors.As(err, &failed) {
		return failureOfCall(err, failed)
	}
	var ours *authz.Error
	if errors.As(err, &ours) {
		return &failure{status: statusOf(ours.Code), code: ours.Code, message: err.Error(), field: ours.Field, cause: err}
	}
	if errors.Is(err, context.Canceled) {
		return &failure{status: exitError, code: authz.CodeUnavailable, message: "interrupted before it was done", cause: err}
	}
	return &failure{status: exitError, code: authz.CodeInternal, message: err.Error(), cause: err}
}

// fixOfUnreachable is what to do about a server that gave no answer.
func fixOfUnreachable(of *client.Error) string {
	var unverified *tls.CertificateVerificationError
	var expired x509.CertificateInvalidError
	switch err := of.Cause; {
	case errors.As(err, new(x509.HostnameError)):
		return "Name the server in --server by a name that its certificate is made out to."
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return "Name the PEM file of the authority that signed its certificate with --ca or $" + envCA + ", or add that authority to the roots of the system."
	case errors.As(err, &expired) && expired.Reason == x509.Expired:
		return "The server needs a new certificate, in the files of tls.cert and tls.key (decisions) or admin_tls.cert and admin_tls.key (admin); or the clock here is off."
	case errors.As(err, &unverified):
		return "The server needs another certificate: tls.cert and tls.key (decisions) or admin_tls.cert and admin_tls.key (admin) name its files."
	case errors.Is(err, http.ErrSchemeMismatch):
		return "Write http:// in --server: this listener has no TLS."
	case of.PresentedCertificate:
		return "The server may not accept the certificate of --cert: an authority of its admin_tls.client_ca has to have signed it, for clients, and it must not have expired."
	case of.AskedCertificate:
		return "The server asked for a client certificate. When it needs one, as with admin_tls.client_ca, name it with --cert and --key, or $" + envCert + " and $" + envCertKey + "."
	case strings.HasPrefix(of.Server, "unix:") && errors.Is(err, fs.ErrPermission):
		return "The mode of the socket says who reaches it: run as the user of the server, or have the server open it for others, as in unix:/path|0660."
	case strings.HasPrefix(of.Server, "unix:"):
		return "Start a server with this socket as its listen or admin_listen, or name the one that runs with --server."
	}
	return "Start one with `verdict serve`, or name the one that runs with --server."
}

func failureOfCall(err error, e *client.Error) *failure {
	switch {
	case e.NoAnswer():
		return &failure{status: exitUnreachable, code: authz.CodeUnavailable, message: err.Error(), cause: err, fix: fixOfUnreachable(e)}
	case e.Unreadable():
		return unreadable(e.Cause)
	}
	f := &failure{
		status: statusOf(e.Code), code: e.Code, message: e.Error(), fix: e.Fix,
		field: e.Field, requestID: e.RequestID, raw: e.Document, cause: e,
	}
	if e.Code == "" {
		f.status = statusOfHTTP(e.Status)
	}
	if f.fix == "" {
		f.fix = fixOf(e.Code)
	}
	return f
}

// unreadable is the failure of an answer that is not what the contract says.
func unreadable(err error) *failure {
	return &failure{status: exitError, code: authz.CodeInternal, message: "the server's answer cannot be read: " + err.Error(),
		fix: "Check that --server names a Verdict server, and the right one of its two listeners.", cause: err}
}

// fixes are what helps where an error came from, by its code.
type fixes map[authz.ErrorCode]string

// of is err with the fix that helps; nil for nil. What a server says itself stays.
func (by fixes) of(err error) error {
	if err == nil {
		return nil
	}
	f := *failureOf(err)
	if fix, ok := by[f.code]; ok && f.fix == fixOf(f.code) {
		f.fix = fix
	}
	return &f
}

// codeUnknownPath is the code of a listener that does not serve the path at all,
// which is not the same as an entity it does not have.
const codeUnknownPath authz.ErrorCode = "unknown_path"

func statusOf(code authz.ErrorCode) exitStatus {
	switch code {
	case authz.CodeNotFound:
		return exitNotFound
	case authz.CodeConflict, authz.CodePrecondition:
		return exitConflict
	case authz.CodeUnauthenticated, authz.CodeForbidden:
		return exitForbidden
	case authz.CodeUnavailable, authz.CodeBehind:
		return exitUnreachable
	}
	return exitError
}

// statusOfHTTP is for answers that carry no code: something between us and the
// server, or another server.
func statusOfHTTP(status int) exitStatus {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return exitForbidden
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout, http.StatusTooManyRequests:
		return exitUnreachable
	}
	return exitError
}

// fixOf is what to do about an error whose server did not say.
func fixOf(code authz.ErrorCode) string {
	switch code {
	case authz.CodeUnauthenticated:
		return "Check that the key belongs to this server: --data names its data directory, --key-file another key."
	case authz.CodeForbidden:
		return "Use a key that has the role: `verdict key create NAME --role ROLE` makes one, --key-file names it."
	case codeUnknownPath:
		defaults := config.Default()
		return "Check that --server names the right one of the two listeners: decide, token get and token introspect call the decisions listener ($" + envServer +
			", by default http://" + defaults.Listen + "), the other commands the admin listener ($" + envAdminServer + ", by default http://" + defaults.AdminListen + ")."
	case authz.CodeNotFound:
		return "`verdict entity list COLLECTION` shows what there is."
	case authz.CodeConflict, authz.CodePrecondition:
		return "Read what is there with `verdict entity get`; then repeat the change with --if-match and its revision, or without --create."
	case authz.CodeBehind:
		return "The server has not reached that revision yet; ask again, or ask without --at-least."
	case authz.CodeUnavailable:
		return "Mend what the message names, if anything; then try again."
	}
	return ""
}

// write writes f to w: as text, or in JSON as the problem document.
func (f *failure) write(w io.Writer, output format) {
	if f.quiet {
		return
	}
	text := f.text()
	if output == formatJSON {
		text = string(f.document()) + "\n"
	}
	// Standard error is the last place to report to: when it is gone, the exit
	// status still tells.
	fmt.Fprint(w, text)
}

func (f *failure) text() string {
	text := "verdict: " + printableLines(f.message) + "\n" + printableLines(f.frames)
	for _, line := range []struct{ name, value string }{{"field", f.field}, {"fix", f.fix}, {"request", f.requestID}} {
		if line.value != "" {
			text += fmt.Sprintf("  %-8s %s\n", line.name+":", printable(line.value))
		}
	}
	return text
}

// document is f as a problem document: the server's own where there is one, with
// the fix when that is ours.
func (f *failure) document() []byte {
	members := map[string]any{"code": f.code, "detail": f.message}
	if f.field != "" {
		members["field"] = f.field
	}
	if f.raw != nil {
		members = map[string]any{}
		if err := ijson.UnmarshalOpen(f.raw, &members); err != nil || f.fix == "" || members["fix"] != nil {
			return f.raw
		}
	}
	if f.fix != "" {
		members["fix"] = f.fix
	}
	data, err := ijson.Marshal(members)
	if err != nil { // not valid UTF-8 in a message of the operating system
		return []byte(`{"code":"internal","detail":"the error cannot be written as JSON; repeat with --output text"}`)
	}
	return data
}

// reason is err without the operation and path the message names already.
func reason(err error) string {
	var of *fs.PathError
	if errors.As(err, &of) {
		return of.Err.Error()
	}
	return err.Error()
}

// exitStatus is what the process exits with, stable for scripts. The package
// comment and `verdict help exit-codes` list them.
type exitStatus int

const (
	exitOK          exitStatus = 0
	exitError       exitStatus = 1
	exitUsage       exitStatus = 2
	exitDeny        exitStatus = 3
	exitNotFound    exitStatus = 4
	exitConflict    exitStatus = 5
	exitForbidden   exitStatus = 6
	exitUnreachable exitStatus = 7
	exitNotFresh    exitStatus = 8
	exitNotRotated  exitStatus = 9
	exitFlips       exitStatus = 10
	exitUnwell      exitStatus = 11
)

// exitMeaning is one row of the list of exit codes.
type exitMeaning struct {
	status  exitStatus
	meaning string
}

func exitMeanings() []exitMeaning {
	return []exitMeaning{
		{exitOK, "done; for decide, every decision is allow"},
		{exitError, "it did not work: an invalid request, a bad line of an import, a refused bundle, a failed policy test, a decision log that is not whole"},
		{exitUsage, "the command line or the configuration cannot be understood; nothing was done"},
		{exitDeny, "decide: a decision is deny; token introspect: the token is not active"},
		{exitNotFound, "there is no such entity, bundle, generation or decision"},
		{exitConflict, "it exists already, was changed since the revision named, is in use by another process, or is not in a state for it"},
		{exitForbidden, "there is no API key or credential, or it is not accepted or lacks the role"},
		{exitUnreachable, "the server cannot be reached or cannot answer now; trying again later may work"},
		{exitNotFresh, "issuer list --check only: an issuer is not fresh"},
		{exitNotRotated, "rotate only: the rotation has not ended, as the watching stopped first, or it was aborted"},
		{exitFlips, "replay --fail-on-flip only: a recorded decision would be decided otherwise"},
		{exitUnwell, "status only: something is wrong with the server, and the output says what"},
	}
}
