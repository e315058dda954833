package admin

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/verdict-pdp/verdict/server/wire"
)

// stream reads a request's body and writes its response with a deadline for each read and
// write instead of one for the whole.
type stream struct {
	request  *http.Request
	response http.ResponseWriter
	handler  *Handler
}

func (h *Handler) streamOf(c echo.Context) *stream {
	return &stream{request: c.Request(), response: c.Response(), handler: h}
}

// Read implements io.Reader. Its errors but io.EOF are fit for the response.
func (s *stream) Read(p []byte) (int, error) {
	if err := s.extend(); err != nil {
		return 0, err
	}
	n, err := s.request.Body.Read(p)
	if err == nil || errors.Is(err, io.EOF) {
		return n, err
	}
	// The deadline for reading may have passed; the response still needs one.
	if failed := s.handler.extendAnswer(s.response, 0); failed != nil {
		return n, failed
	}
	return n, wire.ReadError(err)
}

// Write implements io.Writer.
func (s *stream) Write(p []byte) (int, error) {
	if err := s.extend(); err != nil {
		return 0, err
	}
	return s.response.Write(p)
}

// upload is a stream that is read to its end for work that takes TaskTime.
type upload struct{ *stream }

func (h *Handler) uploadOf(c echo.Context) upload { return upload{h.streamOf(c)} }

// Read implements io.Reader.
func (u upload) Read(p []byte) (int, error) {
	n, err := u.stream.Read(p)
	if errors.Is(err, io.EOF) {
		if failed := u.handler.extend(u.response, u.handler.taskTime()); failed != nil {
			return n, failed
		}
	}
	return n, err
}

// download is a stream that is written in steps TaskTime apart at most.
type download struct{ *stream }

func (h *Handler) downloadOf(c echo.Context) download { return download{h.streamOf(c)} }

// Write implements io.Writer.
func (d download) Write(p []byte) (int, error) {
	n, err := d.stream.Write(p)
	if err != nil {
		return n, err
	}
	return n, d.handler.extend(d.response, d.handler.taskTime())
}

// extend moves the deadlines for the next read or write and the response after it.
func (s *stream) extend() error { return s.handler.extend(s.response, 0) }

// extend moves the deadlines of a connection to StreamIdle after wait. Both of
// them: when a read deadline passes, net/http cancels the request as if its caller had
// left.
func (h *Handler) extend(w http.ResponseWriter, wait time.Duration) error {
	if err := http.NewResponseController(w).SetReadDeadline(h.deadlineAfter(wait)); err != nil {
		return err
	}
	return h.extendAnswer(w, wait)
}

// extendAnswer is extend for a connection that is no longer read.
func (h *Handler) extendAnswer(w http.ResponseWriter, wait time.Duration) error {
	return http.NewResponseController(w).SetWriteDeadline(h.deadlineAfter(wait))
}

// deadlineAfter uses the system's clock, as the network does, and not Handler.Now.
func (h *Handler) deadlineAfter(wait time.Duration) time.Time {
	return time.Now().Add(wait + h.streamIdle())
}
