package admin

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/wire"
)

// Shadow lets a candidate judge live traffic without effect.
type Shadow interface {
	// StartShadow starts one, in place of one that runs. by is the id of the API key
	// that asks. CodeNotFound when the generation is not kept.
	StartShadow(ctx context.Context, r api.ShadowRequest, by string) (authz.ShadowReport, error)
	// StopShadow ends it and gives its last report; CodeNotFound when none runs.
	StopShadow(ctx context.Context) (authz.ShadowReport, error)
	// ShadowReport is how it stands, or stood when it was stopped; CodeNotFound when
	// none was started.
	ShadowReport(ctx context.Context) (authz.ShadowReport, error)
}

func (h *Handler) mountShadow(e *echo.Echo) {
	e.GET(api.PathShadow, h.shadowReport)
	e.POST(api.PathShadow, h.startShadow)
	e.DELETE(api.PathShadow, h.stopShadow)
}

func (h *Handler) shadowReport(c echo.Context) error {
	ctx := c.Request().Context()
	if _, err := policyReader(ctx); err != nil {
		return err
	}
	if _, err := parameters(c); err != nil {
		return err
	}
	report, err := h.Shadow.ShadowReport(ctx)
	if err != nil {
		return err
	}
	return wire.WriteJSON(c.Response(), http.StatusOK, report)
}

func (h *Handler) startShadow(c echo.Context) error {
	ctx := c.Request().Context()
	caller, err := author(ctx)
	if err != nil {
		return err
	}
	var body api.ShadowRequest
	if err := h.readPolicyBody(c, &body); err != nil {
		return err
	}
	if body.Generation == 0 {
		return authz.Invalid("generation", "is required: the number of the candidate; "+api.PathGenerations+" lists them")
	}
	if body.Sample < 0 || body.Sample > 1 {
		return authz.Invalid("sample", "must be above 0 and at most 1, or left out for all decisions")
	}
	report, err := h.Shadow.StartShadow(ctx, body, caller.ID)
	if err != nil {
		return err
	}
	return wire.WriteJSON(c.Response(), http.StatusOK, report)
}

func (h *Handler) stopShadow(c echo.Context) error {
	ctx := c.Request().Context()
	if _, err := author(ctx); err != nil {
		return err
	}
	if _, err := parameters(c); err != nil {
		return err
	}
	report, err := h.Shadow.StopShadow(ctx)
	if err != nil {
		return err
	}
	return wire.WriteJSON(c.Response(), http.StatusOK, report)
}
