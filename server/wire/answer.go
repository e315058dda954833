package wire

import (
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

// WriteProblem answers r with what err means (RFC 9457). A 401 carries the challenge (RFC 9110 section 11.6.1), a 503 when to
// try again.
func WriteProblem(w http.ResponseWriter, r *http.Request, err error) error {
	f := explain(err)
	data, failed := ijson.Marshal(api.Problem{
		Type:      "about:blank",
		Title:     http.StatusText(f.status),
		Status:    f.status,
		Detail:    f.detail,
		Instance:  r.URL.EscapedPath(),
		Code:      f.code,
		Field:     f.field,
		RequestID: reqctx.From(r.Context()).ID,
	})
	if failed != nil {
		return failed
	}
	h := w.Header()
	h["Content-Type"] = typeProblem
	h.Del("ETag")
	switch f.status {
	case Status(authz.CodeUnauthenticated):
		h["Www-Authenticate"] = challenge
	case Status(authz.CodeUnavailable):
		h["Retry-After"] = retrySoon
	}
	w.WriteHeader(f.status)
	_, failed = w.Write(data)
	return failed
}
