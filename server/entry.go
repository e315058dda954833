package server

import (
	"net/http"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/propagation"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/reqctx"
)

// entry handles every request first, before it is routed.
type entry struct {
	server *Server
	next   http.Handler
}

// Headers of every response. They are assigned, not set: nothing appends to them.
var (
	noStore   = []string{"no-store"}
	noSniff   = []string{"nosniff"}
	noContent = []string{"default-src 'none'; frame-ancestors 'none'"}
)

// ServeHTTP implements http.Handler.
func (e *entry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	request := &reqctx.Request{ID: e.requestID(r.Header), Peer: peerOf(r), Stopping: e.server.stopping}
	r = r.WithContext(reqctx.With(r.Context(), request))

	h := w.Header()
	h["Cache-Control"] = noStore
	h["X-Content-Type-Options"] = noSniff
	h["Content-Security-Policy"] = noContent
	h[api.HeaderRequestID] = []string{request.ID}

	if r.URL.RawPath != "" && plainPath(r) {
		// The decoded path has one reading. Routes and ids are found in it, not
		// in its spelling.
		r.URL.RawPath = ""
	}
	e.next.ServeHTTP(w, r)
}

// peerOf returns the address of a connection's other end; the peer of a Unix socket has
// none.
func peerOf(r *http.Request) string {
	if r.RemoteAddr == "" || r.RemoteAddr == "@" {
		return "unix"
	}
	return r.RemoteAddr
}

// requestID returns the caller's request id when there is a valid one, and a new one
// otherwise.
func (e *entry) requestID(h http.Header) string {
	if given := h[api.HeaderRequestID]; len(given) == 1 && reqctx.ValidID(given[0]) {
		return given[0]
	}
	return e.server.config.NewID()
}

var errOddPath = authz.Errorf(authz.CodeInvalid, "the path has more than one reading; write it without empty or dot segments, encoded slashes and unusual bytes")

// plainPath reports whether every proxy reads a path in the same way: only bytes of ids and single slashes, no dot segments, and no
// slash that was encoded.
func plainPath(r *http.Request) bool {
	path := r.URL.Path
	if path == "" || path[0] != '/' {
		return false
	}
	start := 1
	for i := 1; i <= len(path); i++ {
		if i < len(path) && path[i] != '/' {
			if !plainByte(path[i]) {
				return false
			}
			continue
		}
		if segment := path[start:i]; segment == "." || segment == ".." || segment == "" && i < len(path) {
			return false
		}
		start = i + 1
	}
	return r.URL.RawPath == "" || slashes(r.URL.RawPath) == slashes(path)
}

func plainByte(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	switch c {
	case '.', '_', ':', '@', '-':
		return true
	}
	return false
}

func slashes(path string) (n int) {
	for i := range len(path) {
		if path[i] == '/' {
			n++
		}
	}
	return n
}

// traced makes a span of every request when tracing is configured. A malformed
// traceparent starts a new trace.
func (s *Server) traced(name string, next http.Handler) http.Handler {
	if s.config.Tracer == nil {
		return next
	}
	return otelhttp.NewHandler(next, name,
		otelhttp.WithTracerProvider(s.config.Tracer),
		otelhttp.WithPropagators(propagation.TraceContext{}),
	)
}
