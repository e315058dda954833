package admin

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/wire"
)

// Rotations moves rotation sets through their steps. by is the id of the API key
// that asks. CodeNotFound when there is no such set; CodeConflict, naming who is
// waited for, when a step has no evidence yet.
type Rotations interface {
	// RotationStatus says how far a set's rotation is.
	RotationStatus(ctx context.Context, set string) (api.Rotation, error)
	// StartRotation makes every member's new generation.
	StartRotation(ctx context.Context, set, by string, material map[string]api.Material) (api.StartedRotation, error)
	// StepRotation takes one step: advance, force, abort or emergency.
	StepRotation(ctx context.Context, set, by, action string) (api.Rotation, error)
}

func (h *Handler) mountRotations(e *echo.Echo) {
	set := api.PathRotationSets + ":id/"
	e.GET(set+"status", h.rotationStatus)
	e.POST(set+authz.RotationStart, h.startRotation)
	for _, action := range []string{authz.RotationAdvance, authz.RotationForce, authz.RotationAbort, authz.RotationEmergency} {
		e.POST(set+action, func(c echo.Context) error { return h.stepRotation(c, action) })
	}
}

func (h *Handler) rotationStatus(c echo.Context) error {
	if _, err := reader(c.Request().Context()); err != nil {
		return err
	}
	set, err := setOf(c)
	if err != nil {
		return err
	}
	rotation, err := h.Rotations.RotationStatus(c.Request().Context(), set)
	if err != nil {
		return err
	}
	return wire.WriteJSON(c.Response(), http.StatusOK, rotation)
}

func (h *Handler) startRotation(c echo.Context) error {
	caller, err := writer(c.Request().Context())
	if err != nil {
		return err
	}
	set, err := setOf(c)
	if err != nil {
		return err
	}
	var body api.StartRotation
	if err := wire.ReadJSON(c.Response(), c.Request(), h.bodyLimit(), &body); err != nil {
		return err
	}
	started, err := h.Rotations.StartRotation(c.Request().Context(), set, caller.ID, body.Members)
	if err != nil {
		return err
	}
	setRevision(c, started.Rotation.Revision)
	return wire.WriteJSON(c.Response(), http.StatusOK, started)
}

func (h *Handler) stepRotation(c echo.Context, action string) error {
	caller, err := writer(c.Request().Context())
	if err != nil {
		return err
	}
	set, err := setOf(c)
	if err != nil {
		return err
	}
	rotation, err := h.Rotations.StepRotation(c.Request().Context(), set, caller.ID, action)
	if err != nil {
		return err
	}
	setRevision(c, rotation.Revision)
	return wire.WriteJSON(c.Response(), http.StatusOK, rotation)
}

// setOf is the id of the rotation set in the path.
func setOf(c echo.Context) (string, error) {
	if _, err := parameters(c); err != nil {
		return "", err
	}
	set := c.Param("id")
	return set, authz.ValidateID("id", set)
}
