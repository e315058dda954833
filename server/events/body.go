package events

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/wire"
)

// readToken reads the body, at most limit bytes of it. Space around the token, such as
// the line end of a file, is not part of it.
func readToken(w http.ResponseWriter, r *http.Request, limit int64) (string, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return "", authz.Errorf(authz.CodeTooLarge, "the body is larger than %d bytes", tooLarge.Limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "", &authz.Error{Code: authz.CodeUnavailable, Message: "the body did not arrive in time; send it again", Cause: err}
	case err != nil:
		return "", &authz.Error{Code: authz.CodeInvalid, Message: "the body could not be read", Cause: err}
	}
	return strings.TrimSpace(string(body)), nil
}

// refusal is the body of an error answer (RFC 8935 section 2.3).
type refusal struct {
	Err         string `json:"err"`
	Description string `json:"description"`
}

func writeRefusal(w http.ResponseWriter, fault *authz.EventRefusal) error {
	w.Header().Set("Content-Language", "en")
	return wire.WriteJSON(w, http.StatusBadRequest, refusal(*fault))
}
