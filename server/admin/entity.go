package admin

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/route"
)

func listPath(c authz.Collection) string { return api.PathV1 + string(c) }

// entityPath is the route of one entity; its parameters are the ids.
func entityPath(c authz.Collection) string {
	return listPath(c) + "/:" + strings.Join(c.IDs(), "/:")
}

// resource serves the entities of one collection.
type resource struct {
	*Handler
	collection authz.Collection
}

// Conditions of reads and writes, and the headers that come with an entity.
var (
	ifMatch     = route.Param{Name: "If-Match", In: route.InHeader, Doc: "ifMatch"}
	ifNoneMatch = route.Param{Name: "If-None-Match", In: route.InHeader, Doc: "ifNoneMatch"}
	createOnly  = route.Param{Name: "If-None-Match", In: route.InHeader, Doc: "createOnly"}
	tagged      = []string{"ETag"}
	written     = []string{"ETag", api.HeaderRevision}
	placed      = []string{"ETag", api.HeaderRevision, "Location"}
	unchanged   = route.Answer{Status: http.StatusNotModified, Headers: tagged, Body: route.NoBody}
	deleted     = []route.Answer{{Status: http.StatusNoContent, Headers: []string{api.HeaderRevision}}}
)

// rows are the routes of a collection. One with a Kind.NotPut has those for reading alone.
func (r resource) rows() []route.Row {
	c, kind := r.collection, r.collection.Kind()
	one, many := camel(kind.One, " "), camel(string(c), "_")
	entity := c.New()
	rows := []route.Row{
		{Method: "GET", Path: listPath(c), ID: "list" + many, Roles: readers, Params: listParams(c), Shows: authz.Page[authz.Entity]{}, Handler: route.Get(r.list)},
		{Method: "GET", Path: entityPath(c), ID: "get" + one, Roles: readers, Params: []route.Param{ifMatch, ifNoneMatch}, Shows: entity,
			Answers: []route.Answer{{Status: http.StatusOK, Headers: tagged}, unchanged}, Handler: route.Get(r.get)},
	}
	if kind.NotPut != "" {
		return rows
	}
	read := func() authz.Entity { return c.New() }
	here := func(func(string) string) authz.AuditedChange { return authz.AuditedChange{Collection: c} }
	return append(rows,
		route.Row{Method: "POST", Path: listPath(c), ID: "create" + one, Change: authz.ChangePut, Of: here, Body: entity, Shows: entity,
			Answers: []route.Answer{{Status: http.StatusCreated, Headers: placed}}, Handler: route.Reading(read, r.create)},
		route.Row{Method: "PUT", Path: entityPath(c), ID: "put" + one, Change: authz.ChangePut, Of: r.named, Params: []route.Param{ifMatch, createOnly}, Body: entity, Shows: entity,
			Answers: []route.Answer{{Status: http.StatusOK, Headers: written}, {Status: http.StatusCreated, Headers: placed}}, Handler: route.Reading(read, r.put)},
		route.Row{Method: "DELETE", Path: entityPath(c), ID: "delete" + one, Change: authz.ChangeDelete, Of: r.named, Params: []route.Param{ifMatch}, Answers: deleted, Handler: route.Get(r.delete)},
	)
}

// camel joins words as in names of operations: machine user, MachineUser.
func camel(words, between string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(words, between) {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}

// named returns the entity that a path names.
func (r resource) named(path func(string) string) authz.AuditedChange {
	var ids []string
	for _, name := range r.collection.IDs() {
		ids = append(ids, path(name))
	}
	key := strings.Join(ids, "/")
	if r.collection.ValidateKey(key) != nil {
		key = ""
	}
	return authz.AuditedChange{Collection: r.collection, Key: key}
}

func (r resource) key(c *route.Call) string { return r.named(c.ID).Key }

// listParams are the parameters of a list of c.
func listParams(c authz.Collection) []route.Param {
	params := []route.Param{limit, cursor}
	for _, name := range c.Filters() {
		params = append(params, route.Param{Name: name})
	}
	return params
}

func listQuery(c *route.Call, of authz.Collection) authz.Query {
	q := authz.Query{Collection: of, Limit: int(c.Number("limit")), Cursor: c.Text("cursor"), Filters: map[string]string{}}
	for _, name := range of.Filters() {
		if c.Given(name) {
			q.Filters[name] = c.Text(name)
		}
	}
	return q
}

func (r resource) list(c *route.Call) (reply route.Reply[authz.Page[authz.Entity]], err error) {
	page, err := r.Data.List(c.Request().Context(), listQuery(c, r.collection))
	if err != nil {
		return reply, err
	}
	items := make([]authz.Entity, len(page.Items))
	for i, entity := range page.Items {
		items[i] = r.shown(entity)
	}
	page.Items = items
	return route.Show(page), nil
}

func (r resource) get(c *route.Call) (reply route.Reply[authz.Entity], err error) {
	entity, err := r.Data.Get(r.collection, r.key(c))
	if err != nil {
		return reply, err
	}
	reply.ETag = etag(entity.Head().Revision)
	fresh, err := notModified(c.Request().Header, reply.ETag)
	if err != nil {
		return reply, err
	}
	if fresh && r.collection != authz.Issuers { // the status of an issuer changes between its revisions
		reply.Status = http.StatusNotModified
	}
	reply.Body = r.shown(entity)
	return reply, nil
}

func (r resource) create(c *route.Call, entity authz.Entity) (reply route.Reply[authz.Entity], err error) {
	ctx, by := c.Ask()
	written, err := r.Control.Put(ctx, by, entity, authz.AsNew())
	if authz.CodeOf(err) == authz.CodeConflict {
		return reply, &authz.Error{Code: authz.CodeConflict, Field: "id", Message: strconv.Quote(entity.Head().ID) + " exists already; PUT replaces it", Cause: err}
	}
	if err != nil {
		return reply, err
	}
	return r.answer(written), nil
}

func (r resource) put(c *route.Call, entity authz.Entity) (reply route.Reply[authz.Entity], err error) {
	condition, err := precondition(c.Request().Header, true)
	if err != nil {
		return reply, err
	}
	if err := placeAt(entity, r.key(c)); err != nil {
		return reply, err
	}
	ctx, by := c.Ask()
	written, err := r.Control.Put(ctx, by, entity, condition)
	if err != nil {
		return reply, err
	}
	return r.answer(written), nil
}

func (r resource) delete(c *route.Call) (reply route.Reply[route.None], err error) {
	condition, err := precondition(c.Request().Header, false)
	if err != nil {
		return reply, err
	}
	ctx, by := c.Ask()
	reply.Revision, err = r.Control.Delete(ctx, by, r.collection, r.key(c), condition)
	return reply, err
}

func splitKey(key string) (first, second string) {
	first, second, _ = authz.SplitPairKey(key)
	return first, second
}

// placeAt sets the id of entity to that of the path. The error is that of a body with
// another id.
func placeAt(entity authz.Entity, key string) error {
	head := entity.Head()
	if pair, ok := entity.(authz.Paired); ok {
		pair.Place(splitKey(key))
	} else if head.ID == "" {
		head.ID = key
	}
	entity.Normalize() // derives the id of a pair
	if head.ID != key {
		return authz.Invalid("id", "of the body is "+strconv.Quote(head.ID)+" but the path names "+strconv.Quote(key)+"; send one of them")
	}
	return nil
}

// answer is the response to a write.
func (r resource) answer(w authz.Written) route.Reply[authz.Entity] {
	head := w.Entity.Head()
	reply := route.Reply[authz.Entity]{Body: r.shown(w.Entity), ETag: etag(head.Revision), Revision: w.Revision}
	if w.Created {
		reply.Status, reply.Location = http.StatusCreated, listPath(r.collection)+"/"+head.ID
	}
	return reply
}

// shown returns an entity as responses have it: redacted, and an issuer with its present
// status.
func (h *Handler) shown(e authz.Entity) authz.Entity {
	if issuer, ok := e.(*authz.Issuer); ok && h.IssuerStatus != nil {
		with := *issuer
		status := h.IssuerStatus(issuer)
		with.Status = &status
		return &with
	}
	return redacted(e)
}

func redacted(e authz.Entity) authz.Entity {
	if r, ok := e.(authz.Redactor); ok {
		return r.Redacted()
	}
	return e
}
