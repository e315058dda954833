package wire

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"slices"
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
	return readJSON(http.MaxBytesReader(w, r.Body, limit), v)
}

// ReadJSONPart is ReadJSON for one part of a body of several. The caller has
// looked at the part's media type.
func ReadJSONPart(w http.ResponseWriter, part io.Reader, limit int64, v any) error {
	return readJSON(http.MaxBytesReader(w, io.NopCloser(part), limit), v)
}

func readJSON(r io.Reader, v any) error {
	buffer := bodies.Get().(*bytes.Buffer)
	defer release(buffer)
	if _, err := buffer.ReadFrom(r); err != nil {
		return ReadError(err)
	}
	return ijson.Unmarshal(buffer.Bytes(), v)
}

// RequireType returns an error unless a body sent with header h is of one of the media types
// of want, with no parameter but charset=utf-8 and no content encoding.
func RequireType(h http.Header, want ...string) error {
	if encoding := h.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return unsupported("Content-Encoding", "is "+strconv.Quote(encoding)+"; send the body as it is")
	}
	got := h["Content-Type"]
	if len(got) == 1 && slices.Contains(want, got[0]) {
		return nil
	}
	if len(got) != 1 {
		return unsupported("Content-Type", "must be given once, as "+strings.Join(want, " or "))
	}
	mediaType, params, err := mime.ParseMediaType(got[0])
	if err != nil || !slices.Contains(want, mediaType) {
		return unsupported("Content-Type", "is "+strconv.Quote(got[0])+"; send "+strings.Join(want, " or "))
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

// ReadError is what an error of reading a body, other than io.EOF, means to who
// sent it.
func ReadError(err error) error {
	var ours *authz.Error
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &ours):
		return ours
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
