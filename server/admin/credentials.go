package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/wire"
)

// Credentials makes secrets and ends the validity of credentials and tokens. What
// it answers is durable, and holds for the next decision.
type Credentials interface {
	// NewSecret makes a new generation of a machine user's shared secret, with a
	// derived id when none is given. CodeConflict when two are accepted already.
	NewSecret(ctx context.Context, machineUser, id string, notAfter time.Time) (NewSecret, error)
	// Revoke puts an entry on the revocation list. A token given whole, when not
	// empty, names what the entry is of. Of a credential the state is changed too.
	Revoke(ctx context.Context, r *authz.Revocation, token string) (authz.Written, error)
	// Renew puts an entry on the renewal list, named likewise.
	Renew(ctx context.Context, r *authz.Renewal, token string) (authz.Written, error)
}

// NewSecret is a secret just made.
type NewSecret struct {
	authz.Written
	Secret string
}

func (h *Handler) newSecret(c echo.Context) error {
	ctx := c.Request().Context()
	var body api.SecretRequest
	if err := h.readAction(c, &body); err != nil {
		return err
	}
	if err := authz.ValidateID("machine_user", body.MachineUser); err != nil {
		return err
	}
	if !body.NotAfter.IsZero() && !body.NotAfter.After(h.Now()) {
		return authz.Invalid("not_after", "is in the past")
	}
	made, err := h.Credentials.NewSecret(ctx, body.MachineUser, body.ID, body.NotAfter)
	if err != nil {
		return err
	}
	setRevision(c, made.Revision)
	c.Response().Header().Set("Location", listPath(authz.Credentials)+"/"+made.Entity.Head().ID)
	return wire.WriteJSON(c.Response(), http.StatusCreated, api.NewSecret[authz.Entity]{Credential: h.shown(made.Entity), Secret: made.Secret})
}

func (h *Handler) revoke(c echo.Context) error {
	ctx := c.Request().Context()
	var body api.RevokeRequest
	if err := h.readAction(c, &body); err != nil {
		return err
	}
	listed, err := listedOf(body.Naming)
	if err != nil {
		return err
	}
	if !body.Until.IsZero() && !body.Until.After(h.Now()) {
		return authz.Invalid("until", "is in the past: the entry would have ended before it began")
	}
	entry := &authz.Revocation{Listed: listed, IssuedBefore: body.IssuedBefore, Until: body.Until}
	written, err := h.Credentials.Revoke(ctx, entry, body.Token)
	if err != nil {
		return err
	}
	return listing(c, written)
}

func (h *Handler) renew(c echo.Context) error {
	ctx := c.Request().Context()
	var body api.RenewRequest
	if err := h.readAction(c, &body); err != nil {
		return err
	}
	listed, err := listedOf(body.Naming)
	if err != nil {
		return err
	}
	entry := &authz.Renewal{Listed: listed, IssuedBefore: body.IssuedBefore, Until: body.Until}
	if entry.Deadline, err = h.deadline(&body); err != nil {
		return err
	}
	if entry.IssuedBefore.IsZero() {
		entry.IssuedBefore = h.Now().UTC()
	}
	written, err := h.Credentials.Renew(ctx, entry, body.Token)
	if err != nil {
		return err
	}
	return listing(c, written)
}

// maxWithinS bounds a relative deadline to a year.
const maxWithinS = 366 * 24 * 3600

func (h *Handler) deadline(body *api.RenewRequest) (time.Time, error) {
	switch {
	case body.Deadline.IsZero() == (body.WithinS == 0):
		return time.Time{}, authz.Invalid("deadline", "or within_s is required, and not both")
	case body.WithinS < 0 || body.WithinS > maxWithinS:
		return time.Time{}, authz.Invalid("within_s", "must be 1 second to a year")
	case body.WithinS > 0:
		return h.Now().Add(time.Duration(body.WithinS) * time.Second).UTC(), nil
	}
	return body.Deadline, nil
}

// replaceKeys is for a signing key that may have leaked: every token of ours stops
// being good.
func (h *Handler) replaceKeys(c echo.Context) error {
	ctx := c.Request().Context()
	if _, err := writer(ctx); err != nil {
		return err
	}
	if _, err := parameters(c); err != nil {
		return err
	}
	if h.ReplaceKeys == nil {
		return authz.Errorf(authz.CodeNotFound, "this node has no token service; it has one when token_service.issuer is set")
	}
	if err := h.ReplaceKeys(ctx); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// listedOf reads what an entry is of. A token given whole leaves out everything
// it says itself.
func listedOf(n api.Naming) (authz.Listed, error) {
	if n.Token == "" {
		return authz.Listed{By: n.By, Of: n.Of, Issuer: n.Issuer, Name: n.Name, Reason: n.Reason}, nil
	}
	if n.By != authz.ByToken {
		return authz.Listed{}, authz.Invalid("token", "names a token; by must be "+authz.ByToken)
	}
	if n.Of != "" || n.Issuer != "" || n.Name != "" {
		return authz.Listed{}, authz.Invalid("token", "says what it is; leave of, issuer and name out")
	}
	return authz.Listed{By: n.By, Reason: n.Reason}, nil
}

func listing(c echo.Context, written authz.Written) error {
	setRevision(c, written.Revision)
	return wire.WriteJSON(c.Response(), http.StatusOK, api.Listing[authz.Entity]{Entry: written.Entity, DataRevision: written.Revision})
}

// readAction reads the body of a request that operates.
func (h *Handler) readAction(c echo.Context, body any) error {
	if _, err := writer(c.Request().Context()); err != nil {
		return err
	}
	if _, err := parameters(c); err != nil {
		return err
	}
	return wire.ReadJSON(c.Response(), c.Request(), h.bodyLimit(), body)
}
