package authz

import (
	"errors"
	"fmt"
	"strconv"
)

// ErrorCode classifies an Error. It is stable and part of the wire contract;
// server/wire maps it to HTTP statuses.
type ErrorCode string

// The error codes. An error always means that no decision was made.
const (
	CodeInvalid          ErrorCode = "invalid_request"        // the caller can fix the request
	CodeTooLarge         ErrorCode = "too_large"              // body, depth or count over a limit
	CodeUnauthenticated  ErrorCode = "unauthenticated"        // no valid API key
	CodeForbidden        ErrorCode = "forbidden"              // API key lacks the role
	CodeNotFound         ErrorCode = "not_found"              // no such entity
	CodeConflict         ErrorCode = "conflict"               // exists already, or another writer holds it
	CodePrecondition     ErrorCode = "precondition_failed"    // If-Match or If-None-Match did not hold
	CodeGone             ErrorCode = "gone"                   // the part of the change feed asked for was compacted
	CodeBehind           ErrorCode = "data_behind"            // at_least was not reached within the wait
	CodeUnavailable      ErrorCode = "unavailable"            // shutting down, closed or overloaded
	CodeUnsupportedMedia ErrorCode = "unsupported_media_type" // body is not application/json
	CodeInternal         ErrorCode = "internal"               // a fault of the server
)

// Error is the one error that crosses rooms. Message (and Field) are safe to
// show to a caller; the wrapped cause is only logged.
type Error struct {
	Code    ErrorCode
	Message string
	Field   string // JSON path, line or parameter at fault; empty when none
	Cause   error
	// Problems are what the message lists, by file and line; usually nil.
	Problems []Problem
}

// Error returns the message with its field, never the cause.
func (e *Error) Error() string {
	if e.Field != "" {
		return e.Field + " " + e.Message
	}
	return e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Invalid returns the error for a field the caller can fix. The message continues
// the field's name: "tier must be 0 to 3".
func Invalid(field, message string) *Error {
	return &Error{Code: CodeInvalid, Field: field, Message: message}
}

// Errorf returns an Error of code without a field.
func Errorf(code ErrorCode, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// InItem returns err with item i of a list of questions named in its field. An error
// other than *Error is returned as it is.
func InItem(i int, err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	located := *e
	located.Field = "items[" + strconv.Itoa(i) + "]"
	if e.Field != "" {
		located.Field += "." + e.Field
	}
	return &located
}

// CodeOf returns the code of the first Error in err's chain, CodeInternal when there
// is none, and "" for nil.
func CodeOf(err error) ErrorCode {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}
