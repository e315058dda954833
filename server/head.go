package server

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"
)

// maxHeadContent is how much content is made, after its first part, only to say how
// long it is.
const maxHeadContent = 1 << 20

// errHeadersDone ends a handler whose headers are known and whose content is not wanted.
var errHeadersDone = errors.New("the content of an answer to HEAD is not wanted")

// headOf answers HEAD by what answers GET: the same status and headers, without the
// content. Content-Length is there when the handler says it or its whole content
// was small; a longer stream is ended instead of read to the end for it (RFC 9110
// section 9.3.2 lets a server leave out what only the content would tell).
func headOf(get echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		response := c.Response()
		w := &headWriter{ResponseWriter: response.Writer}
		response.Writer = w
		defer func() { response.Writer = w.ResponseWriter }()
		if err := get(c); err != nil && !w.done || w.status == 0 {
			return err
		}
		w.send()
		return nil
	}
}

// headWriter keeps the headers of an answer back until it is known how long the
// content would be.
type headWriter struct {
	http.ResponseWriter
	status int
	size   int  // of the content so far
	done   bool // no more of it is taken
}

// Unwrap serves http.ResponseController.
func (w *headWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w *headWriter) WriteHeader(status int) {
	if status < http.StatusOK {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	if w.status == 0 {
		w.status = status
	}
}

// Write implements io.Writer. It takes the content until enough is known.
func (w *headWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.Header().Get("Content-Length") != "" || w.size > 0 && w.size+len(p) > maxHeadContent {
		w.done = true
	}
	if w.done {
		return 0, errHeadersDone
	}
	w.size += len(p)
	return len(p), nil
}

// FlushError serves http.ResponseController: what is flushed is a stream.
func (w *headWriter) FlushError() error {
	w.WriteHeader(http.StatusOK)
	w.done = true
	return nil
}

// send sends the headers.
func (w *headWriter) send() {
	if w.size > 0 && !w.done {
		w.Header().Set("Content-Length", strconv.Itoa(w.size))
	}
	w.ResponseWriter.WriteHeader(w.status)
}
