package admin

import (
	"cmp"
	"errors"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/route"
)

// Handler serves the admin API. Fields without a default are required.
type Handler struct {
	// Data is for reads, and Control makes every change.
	Data    Data
	Control Control
	// Other reads.
	Rotations Rotations
	Policies  Policies
	Decisions Decisions
	History   History
	Audit     Audit
	Shadow    Shadow
	// IssuerStatus returns the present status of an issuer, for reads of issuers; nil
	// leaves it out.
	IssuerStatus func(*authz.Issuer) authz.IssuerStatus
	// Policy names the active policy set; zero when there is none.
	Policy  func() authz.PolicyRef
	Now     func() time.Time
	Version string // of the program
	// Node is what the status has about the process.
	Node Node
	// BodyLimit bounds the body of one entity, in bytes; 0 means
	// api.DefaultBodyLimit.
	BodyLimit int64
	// StreamIdle is how long one read or write of a stream may take; 0 means
	// 30 s.
	StreamIdle time.Duration
	// TaskTime is how long a push, a comparison, a replay or the verification of the
	// decision log may take; 0 means 10 min.
	TaskTime time.Duration
	// BundleLimit bounds the bundle in the request of a replay, in bytes; 0 means
	// authz.DefaultBundleSize. Control bounds a push.
	BundleLimit int64
}

// Validate returns an error that names the required fields that are missing.
func (h *Handler) Validate() error {
	switch {
	case h == nil || h.Data == nil || h.Control == nil:
		return errors.New("admin needs data and control")
	case h.Rotations == nil || h.Policies == nil || h.Decisions == nil || h.History == nil || h.Audit == nil || h.Shadow == nil:
		return errors.New("admin needs rotations, policies, decisions, history, audit and shadow")
	case h.Policy == nil || h.Now == nil:
		return errors.New("admin needs policy and a clock")
	}
	return nil
}

// Mount adds the routes to e. The caller is authenticated before they run.
func (h *Handler) Mount(e *echo.Echo) {
	route.Table{Rows: h.Rows(), BodyLimit: h.bodyLimit(), Refused: h.refused}.Mount(e)
}

// Rows are the routes of the admin API.
func (h *Handler) Rows() []route.Row {
	var rows []route.Row
	for _, c := range authz.ServedCollections() {
		rows = append(rows, resource{h, c}.rows()...)
	}
	for _, some := range [][]route.Row{
		h.dataRows(), h.keyRows(), h.credentialRows(), h.rotationRows(),
		h.bundleRows(), h.generationRows(), h.recordRows(), h.auditRows(),
	} {
		rows = append(rows, some...)
	}
	return rows
}

// Who may read what.
var (
	readers       = []authz.Role{authz.RoleOperate, authz.RoleReview}
	operators     = []authz.Role{authz.RoleOperate}
	policyReaders = []authz.Role{authz.RoleAuthor, authz.RoleReview, authz.RoleOperate}
)

// Parameters that several routes have.
var (
	limit  = route.Param{Name: "limit", Kind: route.Number, Low: 1, High: authz.MaxPageSize, Default: authz.DefaultPageSize, Doc: "limit"}
	cursor = route.Param{Name: "cursor", Doc: "cursor"}
	waitS  = route.Param{Name: "wait_s", Kind: route.Number, High: maxWaitS, Doc: "wait_s"}
)

func (h *Handler) bodyLimit() int64          { return cmp.Or(h.BodyLimit, api.DefaultBodyLimit) }
func (h *Handler) streamIdle() time.Duration { return cmp.Or(h.StreamIdle, 30*time.Second) }
func (h *Handler) taskTime() time.Duration   { return cmp.Or(h.TaskTime, 10*time.Minute) }
func (h *Handler) bundleLimit() int64        { return cmp.Or(h.BundleLimit, authz.DefaultBundleSize) }
