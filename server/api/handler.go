package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/reqctx"
	"github.com/verdict-pdp/verdict/server/wire"
)

// Default body limits, in bytes.
const (
	DefaultBodyLimit      = 1 << 20
	DefaultBatchBodyLimit = 4 << 20
)

// Handler serves the native decision API. Decide and Batch are required.
type Handler struct {
	Decide authz.DecideFunc
	Batch  authz.DecideBatchFunc
	// BodyLimit bounds one question, BatchBodyLimit a batch, in bytes; 0 means
	// the defaults.
	BodyLimit, BatchBodyLimit int64
}

// Mount adds the routes to e. The caller is authenticated before they run.
func (h *Handler) Mount(e *echo.Echo) {
	e.POST(api.PathDecide, h.decide)
	e.POST(api.PathBatch, h.decideBatch)
	e.POST(api.PathSimulate, h.simulate)
}

func (h *Handler) decide(c echo.Context) error {
	return h.answer(c, authz.RoleDecide, question)
}

func (h *Handler) simulate(c echo.Context) error {
	return h.answer(c, authz.RoleSimulate, hypothesis)
}

// answer is decide and simulate, which differ in the role they need and in how
// they read the body.
func (h *Handler) answer(c echo.Context, role authz.Role, read func(*api.DecideRequest, sender) (authz.Request, error)) error {
	r := c.Request()
	caller, err := reqctx.Require(r.Context(), role)
	if err != nil {
		return err
	}
	var body api.DecideRequest
	if err := wire.ReadJSON(c.Response(), r, limit(h.BodyLimit, DefaultBodyLimit), &body); err != nil {
		return err
	}
	request, err := read(&body, senderOf(r, caller))
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
	caller, err := reqctx.Require(r.Context(), authz.RoleDecide)
	if err != nil {
		return err
	}
	var body api.BatchRequest
	if err := wire.ReadJSON(c.Response(), r, limit(h.BatchBodyLimit, DefaultBatchBodyLimit), &body); err != nil {
		return err
	}
	batch, err := questions(&body, senderOf(r, caller))
	if err != nil {
		return err
	}
	decisions, err := h.Batch(r.Context(), batch)
	if err != nil {
		return err
	}
	if len(decisions) > len(batch.Items) {
		return authz.Errorf(authz.CodeInternal, "%d decisions for %d questions", len(decisions), len(batch.Items))
	}
	return wire.WriteJSON(c.Response(), http.StatusOK, batchResponse(decisions, batch.Items))
}

// senderOf is who sent r. A client certificate of its connection is only
// remembered: whether it leads anywhere is for the verifier to say.
func senderOf(r *http.Request, caller authz.Caller) sender {
	from := sender{caller: caller}
	if r.TLS != nil {
		for _, certificate := range r.TLS.PeerCertificates {
			from.certificates = append(from.certificates, certificate.Raw)
		}
	}
	return from
}

func limit(configured, otherwise int64) int64 {
	if configured > 0 {
		return configured
	}
	return otherwise
}
