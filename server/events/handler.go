package events

import (
	"cmp"
	"context"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/reqctx"
	"github.com/verdict-pdp/verdict/server/route"
	"github.com/verdict-pdp/verdict/server/wire"
)

// DefaultBodyLimit is the default of Handler.BodyLimit.
const DefaultBodyLimit = 64 << 10

// Receiver takes security event tokens. When Receive returns nil the event is done,
// durably. An *authz.EventRefusal says that the token is at fault; any other error, that
// it could not be taken.
type Receiver interface {
	Receive(ctx context.Context, text string) error
}

// Handler serves the push endpoint. Receiver is required.
type Handler struct {
	Receiver Receiver
	// BodyLimit bounds one token, in bytes; 0 means DefaultBodyLimit.
	BodyLimit int64
}

// Mount adds the route to e. The caller is authenticated before it runs.
func (h *Handler) Mount(e *echo.Echo) { route.Table{Rows: h.Rows()}.Mount(e) }

// Rows is the one route.
func (h *Handler) Rows() []route.Row {
	return []route.Row{{
		Method: "POST", Path: api.PathEvents, ID: "receiveEvent", Roles: []authz.Role{authz.RoleTransmit}, Takes: []string{api.TypeEvent},
		Answers: []route.Answer{{Status: http.StatusAccepted, Body: route.NoBody}, {Status: http.StatusBadRequest, Body: refusal{}}}, Handler: route.Elsewhere(h.receive),
	}}
}

func (h *Handler) receive(c echo.Context) error {
	r := c.Request()
	if _, err := reqctx.Require(r.Context(), authz.RoleTransmit); err != nil {
		return err
	}
	if err := wire.RequireType(r.Header, api.TypeEvent); err != nil {
		return err
	}
	text, err := readToken(c.Response(), r, h.limit())
	if err != nil {
		return err
	}
	err = h.Receiver.Receive(r.Context(), text)
	if err == nil {
		c.Response().WriteHeader(http.StatusAccepted)
		return nil
	}
	var fault *authz.EventRefusal
	if errors.As(err, &fault) {
		return writeRefusal(c.Response(), fault)
	}
	return err
}

func (h *Handler) limit() int64 { return cmp.Or(h.BodyLimit, DefaultBodyLimit) }
