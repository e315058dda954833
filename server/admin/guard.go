package admin

import (
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/wire"
)

func (h *Handler) mountGuards(e *echo.Echo) {
	e.GET(api.PathGuards, h.listGuards)
	e.POST(api.PathGuards+"/:name/mode", h.setMode)
}

func (h *Handler) listGuards(c echo.Context) error {
	if _, err := policyReader(c.Request().Context()); err != nil {
		return err
	}
	if _, err := parameters(c); err != nil {
		return err
	}
	ctx, done, err := h.task(c)
	if err != nil {
		return err
	}
	defer done()
	guards, err := h.Policies.Guards(ctx)
	if err != nil {
		return taskError(c, err)
	}
	return wire.WriteJSON(c.Response(), http.StatusOK, authz.GuardList{Items: guards})
}

func (h *Handler) setMode(c echo.Context) error {
	ctx := c.Request().Context()
	caller, err := writer(ctx)
	if err != nil {
		return err
	}
	guard := c.Param("name")
	if err := authz.ValidateID("name", guard); err != nil {
		return err
	}
	var body api.ModeRequest
	if err := h.readPolicyBody(c, &body); err != nil {
		return err
	}
	if !slices.Contains(authz.Modes(), body.Mode) {
		return authz.Invalid("mode", "must be off, observe, flag or enforce")
	}
	if err := validateMessage(body.Message); err != nil {
		return err
	}
	active, err := h.Policies.SetMode(ctx, guard, body.Mode, caller.ID, body.Message)
	if err != nil {
		return err
	}
	return wire.WriteJSON(c.Response(), http.StatusOK, active)
}
