package admin

import (
	"math"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/wire"
)

// maxCompared bounds how many records one comparison takes.
const maxCompared = 10_000_000

// maxGeneration bounds the numbers of generations.
const maxGeneration = math.MaxInt64

func (h *Handler) mountGenerations(e *echo.Echo) {
	one := api.PathGenerations + "/:generation"
	e.GET(api.PathGenerations, h.listGenerations)
	e.GET(one, h.generation)
	e.GET(one+"/diff/:other", h.diffGenerations)
	e.POST(one+"/activate", h.activate)
	e.POST(api.PathRollback, h.rollback)
	e.GET(api.PathPolicyStatus, h.policyStatus)
}

func generationPath(number uint64) string {
	return api.PathGenerations + "/" + strconv.FormatUint(number, 10)
}

func (h *Handler) listGenerations(c echo.Context) error {
	if _, err := policyReader(c.Request().Context()); err != nil {
		return err
	}
	query, err := parameters(c, "limit")
	if err != nil {
		return err
	}
	limit, err := number(query, "limit", 1, maxLimit, defaultLimit)
	if err != nil {
		return err
	}
	items := h.Policies.List()
	if uint64(len(items)) > limit {
		items = items[:limit]
	}
	return wire.WriteJSON(c.Response(), http.StatusOK, authz.GenerationList{Items: items, Active: h.Policies.Active().Number})
}

func (h *Handler) generation(c echo.Context) error {
	if _, err := policyReader(c.Request().Context()); err != nil {
		return err
	}
	if _, err := parameters(c); err != nil {
		return err
	}
	number, err := generationParam(c, "generation")
	if err != nil {
		return err
	}
	generation, err := h.Policies.Get(number)
	if err != nil {
		return err
	}
	return wire.WriteJSON(c.Response(), http.StatusOK, generation)
}

// generationParam is the number of a generation in the path.
func generationParam(c echo.Context, name string) (uint64, error) {
	text := c.Param(name)
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != text {
		return 0, authz.Invalid(name, "must be the number of a generation; "+api.PathGenerations+" lists them")
	}
	return n, nil
}

func (h *Handler) diffGenerations(c echo.Context) error {
	if _, err := policyReader(c.Request().Context()); err != nil {
		return err
	}
	query, err := parameters(c, "last")
	if err != nil {
		return err
	}
	last, err := number(query, "last", 0, maxCompared, 0)
	if err != nil {
		return err
	}
	from, err := generationParam(c, "generation")
	if err != nil {
		return err
	}
	to, err := generationParam(c, "other")
	if err != nil {
		return err
	}
	compared := int(last)
	if isHead(c) {
		compared = 0
	}
	ctx, done, err := h.task(c)
	if err != nil {
		return err
	}
	defer done()
	difference, err := h.Policies.Diff(ctx, from, to, compared)
	if err != nil {
		return taskError(c, err)
	}
	if uint64(compared) != last {
		return headersOnly(c, api.TypeJSON)
	}
	return wire.WriteJSON(c.Response(), http.StatusOK, difference)
}

func (h *Handler) activate(c echo.Context) error {
	ctx := c.Request().Context()
	caller, err := author(ctx)
	if err != nil {
		return err
	}
	number, err := generationParam(c, "generation")
	if err != nil {
		return err
	}
	var body api.ActivateRequest
	if err := h.readPolicyBody(c, &body); err != nil {
		return err
	}
	if err := validateMessage(body.Message); err != nil {
		return err
	}
	active, err := h.Policies.Activate(ctx, number, caller.ID, body.Message)
	if err != nil {
		return err
	}
	return wire.WriteJSON(c.Response(), http.StatusOK, active)
}

func (h *Handler) rollback(c echo.Context) error {
	ctx := c.Request().Context()
	caller, err := author(ctx)
	if err != nil {
		return err
	}
	var body api.RollbackRequest
	if err := h.readPolicyBody(c, &body); err != nil {
		return err
	}
	if body.To > maxGeneration {
		return authz.Invalid("to", "must be the number of a generation, or left out for the one before")
	}
	if err := validateMessage(body.Message); err != nil {
		return err
	}
	active, err := h.Policies.Rollback(ctx, body.To, caller.ID, body.Message)
	if err != nil {
		return err
	}
	return wire.WriteJSON(c.Response(), http.StatusOK, active)
}

// readPolicyBody reads the body of a request whose caller was let in.
func (h *Handler) readPolicyBody(c echo.Context, body any) error {
	if _, err := parameters(c); err != nil {
		return err
	}
	if err := wire.ReadJSON(c.Response(), c.Request(), h.bodyLimit(), body); err != nil {
		return err
	}
	// What follows may compile policies.
	return h.extend(c.Response(), h.taskTime())
}

func (h *Handler) policyStatus(c echo.Context) error {
	if _, err := policyReader(c.Request().Context()); err != nil {
		return err
	}
	if _, err := parameters(c); err != nil {
		return err
	}
	return wire.WriteJSON(c.Response(), http.StatusOK, h.Policies.Status())
}
