package admin

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/apikey"
	"github.com/verdict-pdp/verdict/server/wire"
)

func (h *Handler) createKey(c echo.Context) error {
	ctx := c.Request().Context()
	caller, err := writer(ctx)
	if err != nil {
		return err
	}
	if _, err := parameters(c); err != nil {
		return err
	}
	var body api.KeyRequest
	if err := wire.ReadJSON(c.Response(), c.Request(), h.bodyLimit(), &body); err != nil {
		return err
	}
	key := &authz.APIKey{Name: body.Name, ExpiresAt: body.ExpiresAt}
	if key.Roles, err = granted(body.Roles, caller); err != nil {
		return err
	}
	if !key.ExpiresAt.IsZero() && !key.ExpiresAt.After(h.Now()) {
		return authz.Invalid("expires_at", "is in the past")
	}
	key.ID = h.NewID()
	secret, hash := apikey.New(key.ID)
	key.Hash = hash
	if err := key.Validate(); err != nil {
		return err
	}
	written, err := h.Entities.Put(ctx, key, authz.Precondition{Absent: true})
	if err != nil {
		return err
	}
	key.Header = *written.Entity.Head()
	answer := keyOf(key)
	answer.Key = secret
	setRevision(c, written.Revision)
	c.Response().Header().Set("Location", api.PathKeys+"/"+key.ID)
	return wire.WriteJSON(c.Response(), http.StatusCreated, answer)
}

// granted reads the roles asked for a new key, of which its creator must have
// each. Words that are no role are left to Validate.
func granted(names []string, creator authz.Caller) ([]authz.Role, error) {
	roles := make([]authz.Role, len(names))
	for i, name := range names {
		roles[i] = authz.Role(name)
	}
	for i, role := range roles {
		if slices.Contains(authz.Roles(), role) && !creator.Has(role) {
			return nil, &authz.Error{
				Code:    authz.CodeForbidden,
				Field:   "roles[" + strconv.Itoa(i) + "]",
				Message: "is " + string(role) + ", a role that API key " + creator.ID + " does not have and so cannot give",
			}
		}
	}
	return roles, nil
}

func (h *Handler) listKeys(c echo.Context) error {
	ctx := c.Request().Context()
	if _, err := writer(ctx); err != nil {
		return err
	}
	query, err := listQuery(c, authz.APIKeys)
	if err != nil {
		return err
	}
	page, err := h.Entities.List(ctx, query)
	if err != nil {
		return err
	}
	list := api.KeyList{Items: make([]api.Key, len(page.Items)), NextCursor: page.NextCursor, DataRevision: page.Revision}
	for i, entity := range page.Items {
		key, err := asKey(entity)
		if err != nil {
			return err
		}
		list.Items[i] = keyOf(key)
	}
	return wire.WriteJSON(c.Response(), http.StatusOK, list)
}

// revokeKey ends a key for good but keeps it, so that its use can be explained.
// Revoking twice is fine.
func (h *Handler) revokeKey(c echo.Context) error {
	ctx := c.Request().Context()
	caller, err := writer(ctx)
	if err != nil {
		return err
	}
	if _, err := parameters(c); err != nil {
		return err
	}
	id := c.Param("id")
	if err := authz.ValidateID("id", id); err != nil {
		return err
	}
	if id == caller.ID {
		return &authz.Error{Code: authz.CodeConflict, Field: "id", Message: "is the API key of this request; revoke it with another one"}
	}
	entity, err := h.Entities.Get(ctx, authz.APIKeys, id)
	if err != nil {
		return err
	}
	key, err := asKey(entity)
	if err != nil {
		return err
	}
	revoked := *key
	revoked.Revoked = true
	written, err := h.Entities.Put(ctx, &revoked, authz.Precondition{Present: true})
	if err != nil {
		return err
	}
	setRevision(c, written.Revision)
	return c.NoContent(http.StatusNoContent)
}

func asKey(entity authz.Entity) (*authz.APIKey, error) {
	key, ok := entity.(*authz.APIKey)
	if !ok {
		return nil, authz.Errorf(authz.CodeInternal, "%s holds a %T", authz.APIKeys, entity)
	}
	return key, nil
}

// keyOf is a key as it is shown, without its hash.
func keyOf(key *authz.APIKey) api.Key {
	roles := make([]string, len(key.Roles))
	for i, role := range key.Roles {
		roles[i] = string(role)
	}
	return api.Key{
		ID:        key.ID,
		Name:      key.Name,
		Roles:     roles,
		Revoked:   key.Revoked,
		CreatedAt: key.CreatedAt,
		ExpiresAt: key.ExpiresAt,
	}
}
