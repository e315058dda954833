package wire

import (
	"context"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
)

// Codes that arise in HTTP alone and so are not in the vocabulary of authz.
const (
	codeMethod = "method_not_allowed"
	codePath   = "unknown_path"
	codeGone   = "client_closed_request"
	codeHTTP   = "http_error"
)

// statusClientClosed is for the log: the client is gone.
const statusClientClosed = 499

// statuses is the table from error code to HTTP status.
var statuses = map[authz.ErrorCode]int{
	authz.CodeInvalid:          http.StatusBadRequest,
	authz.CodeTooLarge:         http.StatusRequestEntityTooLarge,
	authz.CodeUnauthenticated:  http.StatusUnauthorized,
	authz.CodeForbidden:        http.StatusForbidden,
	authz.CodeNotFound:         http.StatusNotFound,
	authz.CodeConflict:         http.StatusConflict,
	authz.CodePrecondition:     http.StatusPreconditionFailed,
	authz.CodeGone:             http.StatusGone,
	authz.CodeBehind:           http.StatusServiceUnavailable,
	authz.CodeUnavailable:      http.StatusServiceUnavailable,
	authz.CodeUnsupportedMedia: http.StatusUnsupportedMediaType,
	authz.CodeInternal:         http.StatusInternalServerError,
}

// Status is the HTTP status of an error code, 500 for one it does not know.
func Status(code authz.ErrorCode) int {
	if status, ok := statuses[code]; ok {
		return status
	}
	return http.StatusInternalServerError
}

// fault is what an error means over HTTP.
type fault struct {
	status int
	code   string
	field  string
	detail string
	errors []api.FileError
}

// explain reads an error. Only the message of an *authz.Error is shown, and not
// even that for a fault of ours.
func explain(err error) fault {
	if errors.Is(err, context.Canceled) {
		return fault{status: statusClientClosed, code: codeGone, detail: "the caller went away"}
	}
	var ours *authz.Error
	if errors.As(err, &ours) && ours.Code != authz.CodeInternal {
		return fault{status: Status(ours.Code), code: string(ours.Code), field: ours.Field, detail: ours.Error(), errors: ours.Problems}
	}
	var routing *echo.HTTPError
	if errors.As(err, &routing) && routing.Code < 500 {
		return routingFault(routing.Code)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fault{status: http.StatusServiceUnavailable, code: string(authz.CodeUnavailable), detail: "this took too long and was given up; try again"}
	}
	return fault{
		status: http.StatusInternalServerError,
		code:   string(authz.CodeInternal),
		detail: "an internal error; the log has its cause under this request_id",
	}
}

func routingFault(status int) fault {
	switch status {
	case http.StatusNotFound:
		return fault{status: status, code: codePath, detail: "there is nothing at this path; " + api.PathOpenAPI + " lists what there is"}
	case http.StatusMethodNotAllowed:
		return fault{status: status, code: codeMethod, detail: "this path does not take this method; the Allow header lists those it takes"}
	}
	return fault{status: status, code: codeHTTP, detail: http.StatusText(status)}
}
