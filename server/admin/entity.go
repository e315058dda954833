package admin

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/wire"
)

// resource serves the entities of one collection.
type resource struct {
	*Handler
	collection authz.Collection
}

func (r resource) list(c echo.Context) error {
	ctx := c.Request().Context()
	if _, err := reader(ctx); err != nil {
		return err
	}
	query, err := listQuery(c, r.collection)
	if err != nil {
		return err
	}
	page, err := r.Entities.List(ctx, query)
	if err != nil {
		return err
	}
	items := make([]authz.Entity, len(page.Items))
	for i, entity := range page.Items {
		items[i] = r.shown(entity)
	}
	return wire.WriteJSON(c.Response(), http.StatusOK, api.EntityList[authz.Entity]{
		Items:      items,
		NextCursor: page.NextCursor,
		Revision:   page.Revision,
	})
}

func (r resource) get(c echo.Context) error {
	ctx := c.Request().Context()
	if _, err := reader(ctx); err != nil {
		return err
	}
	key, err := r.key(c)
	if err != nil {
		return err
	}
	entity, err := r.Entities.Get(ctx, r.collection, key)
	if err != nil {
		return err
	}
	current := etag(entity.Head().Revision)
	fresh, err := notModified(c.Request().Header, current)
	if err != nil {
		return err
	}
	c.Response().Header().Set("ETag", current)
	if fresh && r.collection != authz.Issuers { // how an issuer stands changes between its revisions
		return c.NoContent(http.StatusNotModified)
	}
	return wire.WriteJSON(c.Response(), http.StatusOK, r.shown(entity))
}

func (r resource) create(c echo.Context) error {
	ctx := c.Request().Context()
	if _, err := writer(ctx); err != nil {
		return err
	}
	if _, err := parameters(c); err != nil {
		return err
	}
	entity, err := r.read(c)
	if err != nil {
		return err
	}
	if err := r.acceptable(entity); err != nil {
		return err
	}
	written, err := r.Entities.Put(ctx, entity, authz.Precondition{Absent: true})
	if authz.CodeOf(err) == authz.CodePrecondition {
		return &authz.Error{Code: authz.CodeConflict, Field: "id", Message: strconv.Quote(entity.Head().ID) + " exists already; PUT replaces it", Cause: err}
	}
	if err != nil {
		return err
	}
	return r.answer(c, written)
}

func (r resource) put(c echo.Context) error {
	ctx := c.Request().Context()
	if _, err := writer(ctx); err != nil {
		return err
	}
	key, err := r.key(c)
	if err != nil {
		return err
	}
	condition, err := precondition(c.Request().Header, true)
	if err != nil {
		return err
	}
	entity, err := r.read(c)
	if err != nil {
		return err
	}
	if err := placeAt(entity, key); err != nil {
		return err
	}
	if err := r.acceptable(entity); err != nil {
		return err
	}
	written, err := r.Entities.Put(ctx, entity, condition)
	if err != nil {
		return err
	}
	return r.answer(c, written)
}

func (r resource) delete(c echo.Context) error {
	ctx := c.Request().Context()
	if _, err := writer(ctx); err != nil {
		return err
	}
	key, err := r.key(c)
	if err != nil {
		return err
	}
	condition, err := precondition(c.Request().Header, false)
	if err != nil {
		return err
	}
	revision, err := r.Entities.Delete(ctx, r.collection, key, condition)
	if err != nil {
		return err
	}
	setRevision(c, revision)
	return c.NoContent(http.StatusNoContent)
}

// key is the id in the path, and refuses query parameters, of which the path of
// one entity has none.
func (r resource) key(c echo.Context) (string, error) {
	if _, err := parameters(c); err != nil {
		return "", err
	}
	var ids []string
	for _, name := range idParams(r.collection) {
		id := c.Param(name)
		if err := authz.ValidateID(name, id); err != nil {
			return "", err
		}
		ids = append(ids, id)
	}
	return strings.Join(ids, "/"), nil
}

func (r resource) read(c echo.Context) (authz.Entity, error) {
	entity := r.collection.New()
	if err := wire.ReadJSON(c.Response(), c.Request(), r.bodyLimit(), entity); err != nil {
		return nil, err
	}
	return entity, nil
}

// acceptable completes an entity and holds it to all its rules.
func (r resource) acceptable(entity authz.Entity) error {
	entity.Normalize()
	if err := entity.Validate(); err != nil {
		return err
	}
	return r.check(entity)
}

func splitKey(key string) (first, second string) {
	first, second, _ = authz.SplitPairKey(key)
	return first, second
}

// placeAt gives entity the id of the path it was put to, unless its body says
// that it belongs elsewhere.
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

// answer shows an entity just written.
func (r resource) answer(c echo.Context, written authz.Written) error {
	head := written.Entity.Head()
	c.Response().Header().Set("ETag", etag(head.Revision))
	setRevision(c, written.Revision)
	if !written.Created {
		return wire.WriteJSON(c.Response(), http.StatusOK, r.shown(written.Entity))
	}
	c.Response().Header().Set("Location", listPath(r.collection)+"/"+head.ID)
	return wire.WriteJSON(c.Response(), http.StatusCreated, r.shown(written.Entity))
}

func setRevision(c echo.Context, revision uint64) {
	c.Response().Header().Set(api.HeaderRevision, strconv.FormatUint(revision, 10))
}
