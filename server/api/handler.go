package api

import (
	"cmp"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/question"
	"github.com/verdict-pdp/verdict/server/reqctx"
	"github.com/verdict-pdp/verdict/server/route"
	"github.com/verdict-pdp/verdict/server/wire"
)

// Handler serves the native decision API. Decide and Batch are required.
type Handler struct {
	Decide authz.DecideFunc
	Batch  authz.DecideBatchFunc
	// BodyLimit bounds one question, BatchBodyLimit a batch, in bytes; 0 means
	// api.DefaultBodyLimit, and 4 MiB.
	BodyLimit, BatchBodyLimit int64
}

// Mount adds the routes to e. The caller is authenticated before they run.
func (h *Handler) Mount(e *echo.Echo) { route.Table{Rows: h.Rows()}.Mount(e) }

// Rows is what the decision API serves.
func (h *Handler) Rows() []route.Row {
	return []route.Row{
		{Method: "POST", Path: api.PathDecide, ID: "decide", Roles: []authz.Role{authz.RoleDecide}, Body: api.DecideRequest{}, Shows: api.Decision{}, Handler: route.Elsewhere(h.decide)},
		{Method: "POST", Path: api.PathBatch, ID: "decideBatch", Roles: []authz.Role{authz.RoleDecide}, Body: api.BatchRequest{}, Shows: api.BatchResponse{}, Handler: route.Elsewhere(h.decideBatch)},
		{Method: "POST", Path: api.PathSimulate, ID: "simulate", Roles: []authz.Role{authz.RoleSimulate}, Body: api.DecideRequest{}, Shows: api.Decision{}, Handler: route.Elsewhere(h.simulate)},
	}
}

func (h *Handler) decide(c echo.Context) error {
	return h.answer(c, false, question.Of)
}

func (h *Handler) simulate(c echo.Context) error {
	return h.answer(c, true, question.Simulation)
}

// answer is decide and simulate, which differ in who may ask them and in how they read
// the body.
func (h *Handler) answer(c echo.Context, simulated bool, read func(*api.DecideRequest, question.Sender) (authz.Request, error)) error {
	r := c.Request()
	from, err := mayAsk(r, simulated)
	if err != nil {
		return err
	}
	var body api.DecideRequest
	if err := wire.ReadJSON(c.Response(), r, cmp.Or(h.BodyLimit, api.DefaultBodyLimit), &body); err != nil {
		return err
	}
	request, err := read(&body, from)
	if err != nil {
		return err
	}
	decision, err := h.Decide(r.Context(), request)
	if err != nil {
		return err
	}
	answer := decision.Explained(request.Explain)
	return wire.WriteJSON(c.Response(), http.StatusOK, &answer)
}

func (h *Handler) decideBatch(c echo.Context) error {
	r := c.Request()
	from, err := mayAsk(r, false)
	if err != nil {
		return err
	}
	var body api.BatchRequest
	if err := wire.ReadJSON(c.Response(), r, cmp.Or(h.BatchBodyLimit, 4<<20), &body); err != nil {
		return err
	}
	batch, err := question.Batch(&body, from)
	if err != nil {
		return err
	}
	decisions, err := h.Batch(r.Context(), batch)
	if err != nil {
		return err
	}
	answer, err := question.Answers(decisions, batch.Items)
	if err != nil {
		return err
	}
	return wire.WriteJSON(c.Response(), http.StatusOK, answer)
}

// mayAsk is who sent r. Who may not ask at all is refused before the body is read;
// what else its roles do not let it say, the pipeline refuses.
func mayAsk(r *http.Request, simulated bool) (question.Sender, error) {
	caller := reqctx.From(r.Context()).Caller
	return question.SenderOf(caller, r.TLS), caller.MayAsk(simulated)
}
