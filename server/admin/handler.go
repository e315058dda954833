package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/reqctx"
	"github.com/verdict-pdp/verdict/server/wire"
)

// Defaults of Handler.
const (
	DefaultBodyLimit  = 1 << 20
	DefaultStreamIdle = 30 * time.Second
	DefaultTaskTime   = 10 * time.Minute
	// DefaultBundleLimit is what a bundle may have packed.
	DefaultBundleLimit = 16 << 20
)

// Handler serves the admin API. Fields without a default are required.
type Handler struct {
	Entities Entities
	Feed     Feed
	Bulk     Bulk
	// Credentials and Rotations act on credentials; the paths for what is nil are
	// not served.
	Credentials Credentials
	Rotations   Rotations
	// Policies is the life of the policy set, Decisions the decision log, Replays and
	// Shadow judge decisions anew; the paths for what is nil are not served.
	Policies  Policies
	Decisions Decisions
	Replays   Replays
	Shadow    Shadow
	// ReplaceKeys drops every key the token service has signed with and begins with a
	// new one; nil when there is no token service, and CodeNotFound is answered.
	ReplaceKeys func(context.Context) error
	// IssuerStatus says how an issuer stands, for reads of issuers; nil leaves it out.
	IssuerStatus func(*authz.Issuer) *authz.IssuerStatus
	// Check holds entities of a collection to more than Validate does, before
	// they are written one by one or imported: issuers to having usable keys.
	// A collection without one needs no more.
	Check map[authz.Collection]func(authz.Entity) error
	// Policy names the active policy set; zero when there is none.
	Policy func() authz.PolicyRef
	// NewID gives ids to API keys.
	NewID   func() string
	Now     func() time.Time
	Version string // of the program
	// BodyLimit bounds the body of one entity, in bytes; 0 means DefaultBodyLimit.
	BodyLimit int64
	// StreamIdle is how long one read or write of a stream may take; 0 means
	// DefaultStreamIdle.
	StreamIdle time.Duration
	// TaskTime is how long a push, a comparison, a replay or the verification of the
	// decision log may take; 0 means DefaultTaskTime.
	TaskTime time.Duration
	// BundleLimit bounds the bundle that is sent along with a replay, in bytes; 0
	// means DefaultBundleLimit. What bounds a push is Policies.
	BundleLimit int64
}

// Mount adds the routes to e. The caller is authenticated before they run.
func (h *Handler) Mount(e *echo.Echo) {
	for _, c := range Collections() {
		r := resource{h, c}
		e.GET(listPath(c), r.list)
		e.GET(entityPath(c), r.get)
		if c == authz.Rotations {
			continue // written by their steps alone
		}
		e.POST(listPath(c), r.create)
		e.PUT(entityPath(c), r.put)
		e.DELETE(entityPath(c), r.delete)
	}
	e.GET(api.PathChanges, h.changes)
	e.POST(api.PathImport, h.importLines)
	e.GET(api.PathExport, h.exportLines)
	e.GET(api.PathBackup, h.backup)
	e.GET(api.PathKeys, h.listKeys)
	e.POST(api.PathKeys, h.createKey)
	e.DELETE(api.PathKeys+"/:id", h.revokeKey)
	e.GET(api.PathStatus, h.status)
	if h.Credentials != nil {
		e.POST(api.PathSecrets, h.newSecret)
		e.POST(api.PathRevoke, h.revoke)
		e.POST(api.PathRenew, h.renew)
		e.POST(api.PathReplaceKeys, h.replaceKeys)
	}
	if h.Rotations != nil {
		h.mountRotations(e)
	}
	h.mountPolicies(e)
}

// mountPolicies adds the routes about policies and what they decided.
func (h *Handler) mountPolicies(e *echo.Echo) {
	if h.Policies != nil {
		h.mountBundles(e)
		h.mountGenerations(e)
		h.mountGuards(e)
	}
	if h.Decisions != nil {
		h.mountDecisions(e)
	}
	if h.Replays != nil {
		e.POST(api.PathReplay, h.replay)
	}
	if h.Shadow != nil {
		h.mountShadow(e)
	}
}

// Collections lists the collections with routes of their own: all but API keys.
func Collections() []authz.Collection {
	var served []authz.Collection
	for _, c := range authz.AllCollections() {
		if c != authz.APIKeys {
			served = append(served, c)
		}
	}
	return served
}

func listPath(c authz.Collection) string { return api.PathV1 + string(c) }

// entityPath is the route of one entity; its parameters are those of idParams.
func entityPath(c authz.Collection) string {
	path := listPath(c)
	for _, name := range idParams(c) {
		path += "/:" + name
	}
	return path
}

// idParams names the ids in the path of an entity of c.
func idParams(c authz.Collection) []string {
	switch c {
	case authz.Edges:
		return []string{"from", "to"}
	case authz.Entitlements:
		return []string{"holder", "feature"}
	case authz.Revocations, authz.Renewals:
		return []string{"by", "of"}
	}
	return []string{"id"}
}

// reader lets operators and reviewers in.
func reader(ctx context.Context) (authz.Caller, error) {
	return reqctx.Require(ctx, authz.RoleOperate, authz.RoleReview)
}

// writer lets operators in.
func writer(ctx context.Context) (authz.Caller, error) {
	return reqctx.Require(ctx, authz.RoleOperate)
}

func (h *Handler) bodyLimit() int64 {
	if h.BodyLimit > 0 {
		return h.BodyLimit
	}
	return DefaultBodyLimit
}

// check holds an entity to everything it must meet before it is written.
func (h *Handler) check(e authz.Entity) error {
	if e.Collection() == authz.APIKeys {
		return authz.Invalid("collection", "api_keys are not written this way; make them at "+api.PathKeys)
	}
	if check := h.Check[e.Collection()]; check != nil {
		return check(e)
	}
	return nil
}

func (h *Handler) status(c echo.Context) error {
	ctx := c.Request().Context()
	if _, err := reader(ctx); err != nil {
		return err
	}
	if _, err := parameters(c); err != nil {
		return err
	}
	counts, revision, err := h.Bulk.Counts(ctx)
	if err != nil {
		return err
	}
	collections := make(map[string]uint64, len(counts))
	for name, count := range counts {
		collections[string(name)] = count
	}
	return wire.WriteJSON(c.Response(), http.StatusOK, api.Status{
		Version:      h.Version,
		DataRevision: revision,
		Policy:       api.PolicyRef(h.Policy()),
		Collections:  collections,
	})
}
