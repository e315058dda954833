package admin

import (
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/route"
)

func (h *Handler) dataRows() []route.Row {
	lines := route.Answer{Status: http.StatusOK, Type: api.TypeNDJSON, Body: api.Line[authz.Entity]{}, Headers: []string{api.HeaderRevision}}
	return []route.Row{
		{Method: "GET", Path: api.PathStatus, ID: "status", Roles: policyReaders, Handler: route.Get(h.status)},
		{Method: "GET", Path: api.PathChanges, ID: "changes", Roles: readers,
			Params:  []route.Param{{Name: "after", Kind: route.Number, High: math.MaxInt64, Doc: "after"}, limit, waitS},
			Handler: route.Get(h.changes)},
		{Method: "POST", Path: api.PathImport, ID: "import", Change: authz.ChangeImport, Takes: []string{api.TypeNDJSON}, Body: api.Line[authz.Entity]{}, Answers: revised, Handler: route.Get(h.importLines)},
		{Method: "GET", Path: api.PathExport, ID: "export", Roles: readers, Params: []route.Param{{Name: "collection", Kind: route.Many}}, Answers: []route.Answer{lines}, Handler: route.Stream(h.exportLines)},
		{Method: "GET", Path: api.PathBackup, ID: "backup", Roles: operators, Answers: []route.Answer{{Status: http.StatusOK, Type: api.TypeBackup}}, Handler: route.Stream(h.backup)},
	}
}

// maxWaitS bounds how long a request may wait for a change, in seconds.
const maxWaitS = 60

func (h *Handler) changes(c *route.Call) (reply route.Reply[authz.Changes[authz.Entity]], err error) {
	after, most, wait := c.Number("after"), int(c.Number("limit")), time.Duration(c.Number("wait_s"))*time.Second
	changes, err := h.Data.Changes(c.Request().Context(), after, most)
	if err == nil && len(changes.Changes) == 0 && wait > 0 {
		changes, err = h.awaitChanges(c, after, most, wait)
	}
	if err != nil {
		return reply, err
	}
	changes.Changes = slices.Clone(changes.Changes)
	for i := range changes.Changes {
		changes.Changes[i].Entity = redacted(changes.Changes[i].Entity)
	}
	return route.Show(changes), nil
}

// awaitChanges waits for a change, at most for wait and until the server shuts down, and
// reads what there is then.
func (h *Handler) awaitChanges(c *route.Call, after uint64, most int, wait time.Duration) (changes authz.Changes[authz.Entity], err error) {
	waiting, done, err := h.awaiting(c, wait)
	if err != nil {
		return changes, err
	}
	defer done()
	if err := h.Data.WaitFor(waiting, after+1); err != nil && waiting.Err() == nil {
		return changes, err
	}
	return h.Data.Changes(c.Request().Context(), after, most)
}

func (h *Handler) importLines(c *route.Call) (reply route.Reply[api.ImportReport], err error) {
	stream := h.streamOf(c)
	ctx, by := c.Ask()
	if reply.Body, err = h.Control.Import(ctx, by, stream, nil); err != nil {
		return reply, err
	}
	reply.Revision = reply.Body.Revision
	return reply, stream.extend()
}

func (h *Handler) exportLines(c *route.Call) error {
	ctx := c.Request().Context()
	collections, err := exported(c.Texts("collection"))
	if err != nil {
		return err
	}
	if slices.Contains(collections, authz.Credentials) && !c.Caller().Has(authz.RoleOperate) {
		return &authz.Error{Code: authz.CodeForbidden, Field: "collection", Message: "includes credentials, whose export has the hashes of their secrets and needs the role operate; name the other collections"}
	}
	// The export is of this revision or a later one, so the change feed after it
	// misses nothing; a change may be seen twice.
	c.Response().Header().Set(api.HeaderRevision, strconv.FormatUint(h.Data.Revision(), 10))
	if isHead(c) {
		return headersOnly(c, api.TypeNDJSON)
	}
	c.Response().Header().Set("Content-Type", api.TypeNDJSON)
	_, err = h.Data.Export(ctx, h.streamOf(c), collections...)
	return err
}

// exported returns the collections of an export, all when none is named, in the order an
// import should write them.
func exported(names []string) ([]authz.Collection, error) {
	if len(names) == 0 {
		return authz.ServedCollections(), nil
	}
	asked := map[authz.Collection]bool{}
	for _, name := range names {
		collection := authz.Collection(name)
		if !collection.Known() || collection.Kind().Apart {
			return nil, authz.Invalid("collection", "must name collections that can be exported: all but "+string(authz.APIKeys))
		}
		asked[collection] = true
	}
	var ordered []authz.Collection
	for _, collection := range authz.ServedCollections() {
		if asked[collection] {
			ordered = append(ordered, collection)
		}
	}
	return ordered, nil
}

func (h *Handler) backup(c *route.Call) error {
	c.Response().Header().Set("Content-Disposition", `attachment; filename="verdict.backup"`)
	if isHead(c) {
		return headersOnly(c, api.TypeBackup)
	}
	c.Response().Header().Set("Content-Type", api.TypeBackup)
	_, err := h.Data.Backup(c.Request().Context(), h.streamOf(c))
	return err
}
