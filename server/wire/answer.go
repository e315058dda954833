package wire

import (
	"io"
	"net/http"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
	"github.com/verdict-pdp/verdict/server/reqctx"
)

// Header values that every answer shares. They are assigned instead of set,
// which saves an allocation each; nothing appends to them.
var (
	typeJSON    = []string{api.TypeJSON}
	typeProblem = []string{api.TypeProblem}
	retrySoon   = []string{"1"}
	challenge   = []string{"Bearer"}
)

// WriteJSON answers with status and v. An error means that nothing was written
// when v cannot be JSON, or that the peer is gone.
func WriteJSON(w http.ResponseWriter, status int, v any) error {
	data, err := ijson.Marshal(v)
	if err != nil {
		return err
	}
	w.Header()["Content-Type"] = typeJSON
	w.WriteHeader(status)
	_, err = w.Write(data)
	return err
}

// WriteLine writes v as one line of NDJSON, in one Write.
func WriteLine(w io.Writer, v any) error {
	data, err := ijson.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(data, '\n'))
	return err
}

// Code is the code of what err means, as ProblemOf has it.
func Code(err error) string { return explain(err).code }

// ProblemOf is what err means to the caller of r (RFC 9457).
func ProblemOf(r *http.Request, err error) api.Problem {
	f := explain(err)
	return api.Problem{
		Type:      "about:blank",
		Title:     http.StatusText(f.status),
		Status:    f.status,
		Detail:    f.detail,
		Instance:  r.URL.EscapedPath(),
		Code:      f.code,
		Field:     f.field,
		RequestID: reqctx.From(r.Context()).ID,
		Errors:    f.errors,
	}
}

// WriteProblem answers r with what err means. A 401 carries the challenge (RFC 9110 section 11.6.1), a 503 when to
// try again.
func WriteProblem(w http.ResponseWriter, r *http.Request, err error) error {
	problem := ProblemOf(r, err)
	data, failed := ijson.Marshal(problem)
	if failed != nil {
		return failed
	}
	h := w.Header()
	h["Content-Type"] = typeProblem
	for _, name := range []string{"ETag", "Content-Length", "Content-Disposition"} {
		h.Del(name) // of the answer there would have been
	}
	switch problem.Status {
	case Status(authz.CodeUnauthenticated):
		h["Www-Authenticate"] = challenge
	case Status(authz.CodeUnavailable):
		h["Retry-After"] = retrySoon
	}
	w.WriteHeader(problem.Status)
	_, failed = w.Write(data)
	return failed
}
