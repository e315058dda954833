package admin

import (
	"math"
	"net/http"
	"slices"
	"strconv"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/route"
)

// Shadow is the generation that judges live traffic without effect. *replay.Shadow
// implements it.
type Shadow interface {
	// Running returns its report so far; CodeNotFound when none runs.
	Running() (authz.ShadowReport, error)
}

const (
	maxCompared   = 10_000_000    // records in one comparison
	maxGeneration = math.MaxInt64 // number of a generation
)

func (h *Handler) generationRows() []route.Row {
	one := api.PathGenerations + "/:generation"
	number := route.Param{Name: "generation", In: route.InPath, Kind: route.Generation, Doc: "generation"}
	other := route.Param{Name: "other", In: route.InPath, Kind: route.Generation}
	last := route.Param{Name: "last", Kind: route.Number, High: maxCompared}
	guard := func(path func(string) string) authz.AuditedChange { return authz.AuditedChange{Guard: path("name")} }
	return []route.Row{
		{Method: "GET", Path: api.PathGenerations, ID: "listGenerations", Roles: policyReaders, Params: []route.Param{limit}, Handler: route.Get(h.listGenerations)},
		{Method: "GET", Path: one, ID: "getGeneration", Roles: policyReaders, Params: []route.Param{number}, Handler: route.Get(h.generation)},
		{Method: "GET", Path: one + "/diff/:other", ID: "diffGenerations", Roles: policyReaders, Params: []route.Param{number, other, last}, Handler: route.Get(h.diffGenerations)},
		{Method: "POST", Path: one + "/activate", ID: "activateGeneration", Change: authz.ChangeActivate, Params: []route.Param{number}, Handler: route.Post(h.activate)},
		{Method: "POST", Path: api.PathRollback, ID: "rollback", Change: authz.ChangeRollback, Handler: route.Post(h.rollback)},
		{Method: "GET", Path: api.PathPolicyStatus, ID: "policyStatus", Roles: policyReaders, Handler: route.Get(h.policyStatus)},
		{Method: "GET", Path: api.PathGuards, ID: "listGuards", Roles: policyReaders, Handler: route.Get(h.listGuards)},
		{Method: "POST", Path: api.PathGuards + "/:name/mode", ID: "setGuardMode", Change: authz.ChangeMode, Of: guard, Handler: route.Post(h.setMode)},
		{Method: "GET", Path: api.PathShadow, ID: "shadowReport", Roles: policyReaders, Handler: route.Get(h.shadowReport)},
		{Method: "POST", Path: api.PathShadow, ID: "startShadow", Change: authz.ChangeShadowStart, Handler: route.Post(h.startShadow)},
		{Method: "DELETE", Path: api.PathShadow, ID: "stopShadow", Change: authz.ChangeShadowStop, Handler: route.Get(h.stopShadow)},
		{Method: "POST", Path: api.PathReplay, ID: "replay", Change: authz.ChangeReplay, Body: api.ReplayRequest{},
			Answers: []route.Answer{{Status: http.StatusOK, Type: api.TypeNDJSON, Body: api.ReplayLine{}}}, Handler: route.Stream(h.replay)},
	}
}

func generationPath(number uint64) string {
	return api.PathGenerations + "/" + strconv.FormatUint(number, 10)
}

func (h *Handler) listGenerations(c *route.Call) (route.Reply[authz.GenerationList], error) {
	items := h.Policies.List()
	if most := c.Number("limit"); uint64(len(items)) > most {
		items = items[:most]
	}
	return route.Show(authz.GenerationList{Items: items, Active: h.Policies.Active().Number}), nil
}

func (h *Handler) generation(c *route.Call) (reply route.Reply[authz.Generation], err error) {
	reply.Body, err = h.Policies.Get(c.Generation("generation"))
	return reply, err
}

func (h *Handler) diffGenerations(c *route.Call) (reply route.Reply[authz.Difference], err error) {
	from, to, last := c.Generation("generation"), c.Generation("other"), int(c.Number("last"))
	ctx, done, err := h.task(c)
	if err != nil {
		return reply, err
	}
	defer done()
	if isHead(c) && last > 0 {
		reply.HeadersOnly, last = true, 0
	}
	reply.Body, err = h.Policies.Diff(ctx, from, to, last)
	return reply, taskError(c, err)
}

// compiling extends the deadlines of a request by the time that compiling may take.
func (h *Handler) compiling(c *route.Call) error { return h.extend(c.Response(), h.taskTime()) }

func (h *Handler) activate(c *route.Call, body *api.ActivateRequest) (reply route.Reply[authz.Generation], err error) {
	if err := h.compiling(c); err != nil {
		return reply, err
	}
	ctx, by := c.Ask()
	reply.Body, err = h.Control.Activate(ctx, by, c.Generation("generation"), body.Message)
	return reply, err
}

func (h *Handler) rollback(c *route.Call, body *api.RollbackRequest) (reply route.Reply[authz.Generation], err error) {
	if err := h.compiling(c); err != nil {
		return reply, err
	}
	if body.To > maxGeneration {
		return reply, authz.Invalid("to", "must be the number of a generation, or left out for the one before")
	}
	ctx, by := c.Ask()
	reply.Body, err = h.Control.Rollback(ctx, by, body.To, body.Message)
	return reply, err
}

func (h *Handler) policyStatus(*route.Call) (route.Reply[authz.PolicyStatus], error) {
	return route.Show(h.Policies.Status()), nil
}

func (h *Handler) listGuards(c *route.Call) (reply route.Reply[authz.GuardList], err error) {
	ctx, done, err := h.task(c)
	if err != nil {
		return reply, err
	}
	defer done()
	reply.Body.Items, err = h.Policies.Guards(ctx)
	return reply, taskError(c, err)
}

func (h *Handler) setMode(c *route.Call, body *api.ModeRequest) (reply route.Reply[authz.Generation], err error) {
	if err := h.compiling(c); err != nil {
		return reply, err
	}
	if !slices.Contains(authz.Modes(), body.Mode) {
		return reply, authz.Invalid("mode", "must be off, observe, flag or enforce")
	}
	ctx, by := c.Ask()
	reply.Body, err = h.Control.SetMode(ctx, by, c.ID("name"), body.Mode, body.Message)
	return reply, err
}

func (h *Handler) shadowReport(c *route.Call) (reply route.Reply[authz.ShadowReport], err error) {
	reply.Body, err = h.Shadow.Running()
	return reply, err
}

func (h *Handler) startShadow(c *route.Call, body *api.ShadowRequest) (reply route.Reply[authz.ShadowReport], err error) {
	if err := h.compiling(c); err != nil {
		return reply, err
	}
	if body.Generation == 0 {
		return reply, authz.Invalid("generation", "is required: the number of the candidate; "+api.PathGenerations+" lists them")
	}
	if body.Sample < 0 || body.Sample > 1 {
		return reply, authz.Invalid("sample", "must be above 0 and at most 1, or left out for all decisions")
	}
	ctx, by := c.Ask()
	reply.Body, err = h.Control.StartShadow(ctx, by, body.Generation, body.Sample)
	return reply, err
}

func (h *Handler) stopShadow(c *route.Call) (reply route.Reply[authz.ShadowReport], err error) {
	ctx, by := c.Ask()
	reply.Body, err = h.Control.StopShadow(ctx, by)
	return reply, err
}
