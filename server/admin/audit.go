package admin

import (
	"context"
	"time"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/route"
)

// Audit reads the records of changes.
type Audit interface {
	// Changes reads a page, newest first. A page may have fewer than limit, even none,
	// and a NextCursor. CodeInvalid for a kind, an outcome or a cursor that does not
	// exist.
	Changes(ctx context.Context, f authz.AuditFilter, cursor string, limit int) (authz.AuditPage, error)
	// ChangesAfter reads in the same way what was recorded after number after, oldest
	// first. CodeGone when some of it is no longer kept.
	ChangesAfter(ctx context.Context, f authz.AuditFilter, after uint64, limit int) (authz.AuditPage, error)
	// AwaitChange returns nil when something with a number above after is recorded, and
	// an error when the context ends first.
	AwaitChange(ctx context.Context, after uint64) error
	// Change is one change and the record it stands in; CodeNotFound when there is none.
	Change(ctx context.Context, id string) (authz.AuditedChange, authz.Record, error)
}

// auditors may read the audit.
var auditors = []authz.Role{authz.RoleReview}

func (h *Handler) auditRows() []route.Row {
	selecting := []route.Param{
		{Name: "by", Kind: route.ID}, {Name: "kind", Loose: true, Doc: "changeKind"}, {Name: "collection", Loose: true, Doc: "ofCollection"},
		{Name: "key"}, {Name: "bundle", Kind: route.BundleName}, {Name: "outcome", Loose: true, Doc: "changeOutcome"},
		{Name: "from", Kind: route.Moment, Doc: "from"}, {Name: "to", Kind: route.Moment, Doc: "to"},
	}
	return []route.Row{
		{Method: "GET", Path: api.PathAudit, ID: "listChanges", Roles: auditors, Params: append(tailParams[:4:4], selecting...), Handler: route.Get(h.listChanges)},
		{Method: "GET", Path: api.PathAudit + "/:id", ID: "getChange", Roles: auditors, Handler: route.Get(h.change)},
	}
}

func (h *Handler) listChanges(c *route.Call) (reply route.Reply[authz.AuditPage], err error) {
	f := authz.AuditFilter{
		By: c.Text("by"), Kind: authz.ChangeKind(c.Text("kind")), Collection: authz.Collection(c.Text("collection")),
		Key: c.Text("key"), Bundle: c.Text("bundle"), Outcome: c.Text("outcome"), From: c.Moment("from"), To: c.Moment("to"),
	}
	if f.Collection != "" && !f.Collection.Known() {
		return reply, authz.Invalid("collection", "is not a collection")
	}
	if err := validateSpan("", f.From, f.To); err != nil {
		return reply, err
	}
	follow, err := following(c)
	if err != nil {
		return reply, err
	}
	if follow {
		reply.Body, err = h.changesAfter(c, f)
	} else {
		reply.Body, err = h.Audit.Changes(c.Request().Context(), f, c.Text("cursor"), int(c.Number("limit")))
	}
	return reply, err
}

// changesAfter returns what is recorded after a number, and waits for it when the request
// asks for that.
func (h *Handler) changesAfter(c *route.Call, f authz.AuditFilter) (authz.AuditPage, error) {
	ctx, most := c.Request().Context(), int(c.Number("limit"))
	page, err := h.Audit.ChangesAfter(ctx, f, c.Number("after"), most)
	wait := time.Duration(c.Number("wait_s")) * time.Second
	if err != nil || len(page.Items) > 0 || wait == 0 {
		return page, err
	}
	err = h.follow(c, wait, func(waiting context.Context) (found bool, err error) {
		if err := h.Audit.AwaitChange(waiting, page.NextAfter); err != nil && waiting.Err() == nil {
			return false, err
		}
		page, err = h.Audit.ChangesAfter(ctx, f, page.NextAfter, most)
		return len(page.Items) > 0, err
	})
	return page, err
}

func (h *Handler) change(c *route.Call) (reply route.Reply[api.AuditedRecord], err error) {
	change, record, err := h.Audit.Change(c.Request().Context(), c.ID("id"))
	if err != nil {
		return reply, err
	}
	return route.Show(api.AuditedRecord{Change: change, Seq: record.Seq, Kind: record.Kind, At: record.At, Prev: record.Prev, Hash: record.Hash}), nil
}
