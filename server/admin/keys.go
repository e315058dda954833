package admin

import (
	"net/http"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/route"
)

func (h *Handler) keyRows() []route.Row {
	keys := func(path func(string) string) authz.AuditedChange {
		return authz.AuditedChange{Collection: authz.APIKeys, Key: path("id")}
	}
	return []route.Row{
		{Method: "GET", Path: api.PathKeys, ID: "listKeys", Roles: operators, Params: listParams(authz.APIKeys), Handler: route.Get(h.listKeys)},
		{Method: "POST", Path: api.PathKeys, ID: "createKey", Change: authz.ChangeKeyCreate, Of: keys,
			Answers: []route.Answer{{Status: http.StatusCreated, Headers: []string{api.HeaderRevision, "Location"}}}, Handler: route.Post(h.createKey)},
		{Method: "DELETE", Path: api.PathKeys + "/:id", ID: "revokeKey", Change: authz.ChangeKeyRevoke, Of: keys, Answers: deleted, Handler: route.Get(h.revokeKey)},
	}
}

func (h *Handler) createKey(c *route.Call, body *api.KeyRequest) (reply route.Reply[api.Key], err error) {
	key := &authz.APIKey{Name: body.Name, ExpiresAt: body.ExpiresAt, Roles: make([]authz.Role, len(body.Roles))}
	for i, role := range body.Roles {
		key.Roles[i] = authz.Role(role)
	}
	ctx, by := c.Ask()
	text, written, err := h.Control.CreateKey(ctx, by, key)
	if err != nil {
		return reply, err
	}
	if key, err = asKey(written.Entity); err != nil {
		return reply, err
	}
	answer := keyOf(key)
	answer.Key = text
	return route.Reply[api.Key]{Status: http.StatusCreated, Body: answer, Revision: written.Revision, Location: api.PathKeys + "/" + key.ID}, nil
}

func (h *Handler) listKeys(c *route.Call) (reply route.Reply[api.KeyList], err error) {
	page, err := h.Data.List(c.Request().Context(), listQuery(c, authz.APIKeys))
	if err != nil {
		return reply, err
	}
	list := api.KeyList{Items: make([]api.Key, len(page.Items)), NextCursor: page.NextCursor, DataRevision: page.Revision}
	for i, entity := range page.Items {
		key, err := asKey(entity)
		if err != nil {
			return reply, err
		}
		list.Items[i] = keyOf(key)
	}
	return route.Show(list), nil
}

func (h *Handler) revokeKey(c *route.Call) (reply route.Reply[route.None], err error) {
	ctx, by := c.Ask()
	reply.Revision, err = h.Control.RevokeKey(ctx, by, c.ID("id"))
	return reply, err
}

func asKey(entity authz.Entity) (*authz.APIKey, error) {
	key, ok := entity.(*authz.APIKey)
	if !ok {
		return nil, authz.Errorf(authz.CodeInternal, "%s holds a %T", authz.APIKeys, entity)
	}
	return key, nil
}

// keyOf returns a key for a response, without its hash.
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
