package wire

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

// ReadJSON reads the body of r, at most limit bytes of it, into v. The error
// says what to change: CodeUnsupportedMedia for another media type, CodeTooLarge
// over the limit (the connection is then closed), CodeInvalid with the member
// for what ijson refuses. Nothing in v refers to the bytes read.
func ReadJSON(w http.ResponseWriter, r *http.Request, limit int64, v any) error {
	if err := RequireType(r.Header, api.TypeJSON); err != nil {
		return err
	}
	buffer := bodies.Get().(*bytes.Buffer)
	defer release(buffer)
	if _, err := buffer.ReadFrom(http.MaxBytesReader(w, r.Body, limit)); err != nil {
		return readError(err)
	}
	return ijson.Unmarshal(buffer.Bytes(), v)
}

// RequireType says whether a body sent with header h is of the media type want,
// with no parameter but charset=utf-8 and no content encoding.
func RequireType(h http.Header, want string) error {
	if encoding := h.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return unsupported("Content-Encoding", "is "+strconv.Quote(encoding)+"; send the body as it is")
	}
	got := h["Content-Type"]
	if len(got) == 1 && got[0] == want {
		return nil
	}
	if len(got) != 1 {
		return unsupported("Content-Type", "must be given once, as "+want)
	}
	mediaType, params, err := mime.ParseMediaType(got[0])
	if err != nil || mediaType != want {
		return unsupported("Content-Type", "is "+strconv.Quote(got[0])+"; send "+want)
	}
	for name, value := range params {
		if name != "charset" || !strings.EqualFold(value, "utf-8") {
			return unsupported("Content-Type", "has the parameter "+strconv.Quote(name+"="+value)+"; only charset=utf-8 is known")
		}
	}
	return nil
}

func unsupported(header, message string) error {
	return &authz.Error{Code: authz.CodeUnsupportedMedia, Field: header, Message: message}
}

func readError(err error) error {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return authz.Errorf(authz.CodeTooLarge, "the body is larger than %d bytes", tooLarge.Limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &authz.Error{Code: authz.CodeUnavailable, Message: "the body did not arrive in time; send it again", Cause: err}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &authz.Error{Code: authz.CodeInvalid, Message: "the body ended before its stated length", Cause: err}
	}
	return &authz.Error{Code: authz.CodeInvalid, Message: "the body could not be read", Cause: err}
}

// bodies keeps the buffers of requests served, so that a request usually
// allocates none.
var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// maxKept keeps one large body from staying in memory for good.
const maxKept = 64 << 10

func release(buffer *bytes.Buffer) {
	if buffer.Cap() > maxKept {
		return
	}
	clear(buffer.Bytes()) // bodies carry tokens
	buffer.Reset()
	bodies.Put(buffer)
}
