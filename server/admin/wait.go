package admin

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/reqctx"
)

// awaiting returns a context to wait with: it ends with the request, when the server
// begins to shut down, and after wait. The deadlines of the connection are extended as
// long. HEAD does not wait.
func (h *Handler) awaiting(c echo.Context, wait time.Duration) (context.Context, context.CancelFunc, error) {
	if isHead(c) {
		wait = 0
	}
	return h.within(c, wait)
}

// isHead reports whether only the headers of an answer are wanted.
func isHead(c echo.Context) bool { return c.Request().Method == http.MethodHead }

// headersOnly answers HEAD without a Content-Length, where the content would take long to
// make.
func headersOnly(c echo.Context, contentType string) error {
	c.Response().Header().Set("Content-Type", contentType)
	return c.NoContent(http.StatusOK)
}

func (h *Handler) within(c echo.Context, wait time.Duration) (context.Context, context.CancelFunc, error) {
	if err := h.extend(c.Response(), wait); err != nil {
		return nil, nil, err
	}
	ctx := c.Request().Context()
	waiting, cancel := context.WithTimeout(ctx, wait)
	stopping := reqctx.From(ctx).Stopping
	if stopping == nil {
		return waiting, cancel, nil
	}
	forget := context.AfterFunc(stopping, cancel)
	return waiting, func() { forget(); cancel() }, nil
}

// task returns a context for work that may take TaskTime and changes nothing when it is
// cancelled. Its errors go through taskError.
func (h *Handler) task(c echo.Context) (context.Context, context.CancelFunc, error) {
	return h.within(c, h.taskTime())
}

// taskError returns the error of a task for the response: a cancellation by the shutdown
// is not one by the caller.
func taskError(c echo.Context, err error) error {
	ctx := c.Request().Context()
	stopping := reqctx.From(ctx).Stopping
	if errors.Is(err, context.Canceled) && ctx.Err() == nil && stopping != nil && stopping.Err() != nil {
		return authz.Errorf(authz.CodeUnavailable, "the server is shutting down and gave this up, with nothing changed; send it again")
	}
	return err
}
