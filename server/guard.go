package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"go.opentelemetry.io/otel/trace"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/reqctx"
	"github.com/verdict-pdp/verdict/server/wire"
)

// guard is the middleware between Echo and the rooms of one listener. It is one middleware
// and not several, because Echo builds its chain anew for every request.
type guard struct {
	server   *Server
	listener *listener
	routes   map[string]*routeMetrics // :: Echo route path -> its counters; fixed after learnRoutes
}

// unmatched is the route of requests that match none, in logs and metrics.
const unmatched = "unmatched"

// learnRoutes makes the counters of every mounted route.
func (g *guard) learnRoutes() {
	g.routes = map[string]*routeMetrics{unmatched: g.server.metrics.route(g.listener.Name, unmatched)}
	for _, route := range g.listener.echo.Routes() {
		if g.routes[route.Path] == nil {
			g.routes[route.Path] = g.server.metrics.route(g.listener.Name, route.Path)
		}
	}
}

func (g *guard) middleware(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := g.server.config.Now()
		err := g.serve(c, next)
		// Judged before the answer to err: that commits as well.
		cut := err != nil && c.Response().Committed
		if err != nil && !cut {
			g.answer(c, err)
		}
		if err == nil {
			err = reqctx.From(c.Request().Context()).Failed
		}
		g.record(c, g.server.config.Now().Sub(start), err, cut)
		if cut {
			panic(http.ErrAbortHandler) // net/http closes the connection and logs nothing
		}
		return nil
	}
}

// serve authenticates the caller and calls the room. A panic of the room becomes its
// error.
func (g *guard) serve(c echo.Context, next echo.HandlerFunc) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{value: p, stack: debug.Stack()}
		}
	}()
	r := c.Request()
	if !plainPath(r) {
		return errOddPath
	}
	if deeper(c.ParamValues()) {
		next = echo.NotFoundHandler
	}
	if !g.listener.public[c.Path()] {
		caller, err := g.server.config.Keys.Authenticate(r.Context(), r.Header["Authorization"])
		if err != nil {
			return err
		}
		reqctx.From(r.Context()).Caller = caller
	}
	return next(c)
}

// deeper reports whether Echo matched a path that is deeper than its route: the last
// parameter of a route takes the rest of the path, slashes and all.
func deeper(params []string) bool {
	return slices.ContainsFunc(params, func(param string) bool { return strings.Contains(param, "/") })
}

// panicError is a panic of a handler. Its text is for the log.
type panicError struct {
	value any
	stack []byte
}

// Error implements error.
func (p *panicError) Error() string { return fmt.Sprintf("panic: %v\n%s", p.value, p.stack) }

// answer writes the response to err.
func (g *guard) answer(c echo.Context, err error) {
	if failed := wire.WriteProblem(c.Response(), c.Request(), err); failed != nil {
		g.server.config.Logger.DebugContext(c.Request().Context(), "writing an answer", "error", failed)
	}
}

// record counts and logs a request that was answered, or cut off.
func (g *guard) record(c echo.Context, took time.Duration, err error, cut bool) {
	route := c.Path()
	counters, known := g.routes[route]
	if !known || errors.Is(err, echo.ErrNotFound) {
		route, counters = unmatched, g.routes[unmatched]
	}
	status := c.Response().Status
	counters.observe(c.Request().Method, status, took)

	ctx := c.Request().Context()
	if g.server.config.Tracer != nil {
		trace.SpanFromContext(ctx).SetName(c.Request().Method + " " + route)
	}
	g.log(c.Request(), route, status, took, err, cut)
}

// log writes one line. It never has a body, a header or the path as it was sent:
// those carry secrets and any text of the caller.
func (g *guard) log(r *http.Request, route string, status int, took time.Duration, err error, cut bool) {
	ctx := r.Context()
	level := g.level(status, cut && ctx.Err() == nil)
	if err != nil && !cut && status < 400 { // told within the answer
		level = g.level(wire.ProblemOf(r, err).Status, false)
	}
	logger := g.server.config.Logger
	if !logger.Enabled(ctx, level) {
		return
	}
	request := reqctx.From(ctx)
	attrs := []slog.Attr{
		slog.String("listener", g.listener.Name),
		slog.String("method", boundedMethod(r.Method)),
		slog.String("route", route),
		slog.Int("status", status),
		slog.Duration("duration", took),
		slog.String("request_id", request.ID),
		slog.String("peer", request.Peer),
		slog.String("caller", request.Caller.ID),
	}
	if cut {
		attrs = append(attrs, slog.Bool("cut_off", true))
	}
	if err != nil {
		attrs = append(attrs, slog.String("code", wire.Code(err)))
	}
	if err != nil && level >= slog.LevelWarn {
		attrs = append(attrs, slog.String("error", cause(err)))
	}
	logger.LogAttrs(ctx, level, "http request", attrs...)
}

// level is how much a request matters. broken is set when a response was cut off
// though its caller was still connected.
func (g *guard) level(status int, broken bool) slog.Level {
	switch {
	case status == http.StatusInternalServerError || broken:
		return slog.LevelError
	case status > http.StatusInternalServerError:
		return slog.LevelWarn
	case status < 400 && g.listener.Quiet:
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// cause returns an error with the cause that its message hides from callers.
func cause(err error) string {
	var ours *authz.Error
	if errors.As(err, &ours) && ours.Cause != nil {
		return ours.Error() + ": " + ours.Cause.Error()
	}
	return err.Error()
}
