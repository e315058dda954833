package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/route"
)

// Rotations reads rotations. *control.Service implements it.
type Rotations interface {
	// RotationStatus returns the state of a set's rotation; CodeNotFound when there is no
	// such set.
	RotationStatus(ctx context.Context, set string) (authz.RotationView, error)
}

// revised is an answer that names the revision of its write.
var revised = []route.Answer{{Status: http.StatusOK, Headers: []string{api.HeaderRevision}}}

func (h *Handler) credentialRows() []route.Row {
	of := func(c authz.Collection) func(func(string) string) authz.AuditedChange {
		return func(func(string) string) authz.AuditedChange { return authz.AuditedChange{Collection: c} }
	}
	return []route.Row{
		{Method: "POST", Path: api.PathSecrets, ID: "createSecret", Change: authz.ChangeSecret, Of: of(authz.Credentials), Shows: api.NewSecret[authz.Credential]{},
			Answers: []route.Answer{{Status: http.StatusCreated, Headers: []string{api.HeaderRevision, "Location"}}}, Handler: route.Post(h.newSecret)},
		{Method: "POST", Path: api.PathRevoke, ID: "revoke", Change: authz.ChangeRevoke, Of: of(authz.Revocations), Shows: api.Listing[authz.Revocation]{}, Answers: revised, Handler: route.Post(h.revoke)},
		{Method: "POST", Path: api.PathRenew, ID: "renew", Change: authz.ChangeRenew, Of: of(authz.Renewals), Shows: api.Listing[authz.Renewal]{}, Answers: revised, Handler: route.Post(h.renew)},
		{Method: "POST", Path: api.PathReplaceKeys, ID: "replaceTokenKeys", Change: authz.ChangeTokenKeys, Handler: route.Get(h.replaceKeys)},
	}
}

func (h *Handler) newSecret(c *route.Call, body *api.SecretRequest) (reply route.Reply[api.NewSecret[authz.Entity]], err error) {
	if err := authz.ValidateID("machine_user", body.MachineUser); err != nil {
		return reply, err
	}
	if !body.NotAfter.IsZero() && !body.NotAfter.After(h.Now()) {
		return reply, authz.Invalid("not_after", "is in the past")
	}
	ctx, by := c.Ask()
	made, text, err := h.Control.NewSecret(ctx, by, body.MachineUser, body.ID, body.NotAfter)
	if err != nil {
		return reply, err
	}
	return route.Reply[api.NewSecret[authz.Entity]]{
		Status: http.StatusCreated, Body: api.NewSecret[authz.Entity]{Credential: h.shown(made.Entity), Secret: text},
		Revision: made.Revision, Location: listPath(authz.Credentials) + "/" + made.Entity.Head().ID,
	}, nil
}

func (h *Handler) revoke(c *route.Call, body *api.RevokeRequest) (reply route.Reply[api.Listing[authz.Entity]], err error) {
	listed, err := listedOf(body.Naming)
	if err != nil {
		return reply, err
	}
	if !body.Until.IsZero() && !body.Until.After(h.Now()) {
		return reply, authz.Invalid("until", "is in the past: the entry would have ended before it began")
	}
	ctx, by := c.Ask()
	entry := &authz.Revocation{Listed: listed, IssuedBefore: body.IssuedBefore, Until: body.Until}
	return listing(h.Control.Revoke(ctx, by, entry, body.Token))
}

func (h *Handler) renew(c *route.Call, body *api.RenewRequest) (reply route.Reply[api.Listing[authz.Entity]], err error) {
	listed, err := listedOf(body.Naming)
	if err != nil {
		return reply, err
	}
	entry := &authz.Renewal{Listed: listed, IssuedBefore: body.IssuedBefore, Until: body.Until}
	if entry.Deadline, err = h.deadline(body); err != nil {
		return reply, err
	}
	if entry.IssuedBefore.IsZero() {
		entry.IssuedBefore = h.Now().UTC()
	}
	ctx, by := c.Ask()
	return listing(h.Control.Renew(ctx, by, entry, body.Token))
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

// replaceKeys replaces the signing keys of the token service, for when one may have
// leaked: every token of it becomes invalid.
func (h *Handler) replaceKeys(c *route.Call) (reply route.Reply[route.None], err error) {
	ctx, by := c.Ask()
	return reply, h.Control.ReplaceTokenKeys(ctx, by)
}

// listedOf reads what an entry names. A request with a whole token names nothing else.
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

func listing(w authz.Written, err error) (reply route.Reply[api.Listing[authz.Entity]], _ error) {
	if err != nil {
		return reply, err
	}
	reply.Body, reply.Revision = api.Listing[authz.Entity]{Entry: w.Entity, DataRevision: w.Revision}, w.Revision
	return reply, nil
}

// The steps of a rotation but its start, and the kind of change of each.
var steps = []struct {
	action string
	change authz.ChangeKind
}{
	{authz.RotationAdvance, authz.ChangeRotationAdvance},
	{authz.RotationForce, authz.ChangeRotationForce},
	{authz.RotationAbort, authz.ChangeRotationAbort},
	{authz.RotationEmergency, authz.ChangeRotationEmergency},
}

func (h *Handler) rotationRows() []route.Row {
	set := api.PathRotationSets + ":id/"
	of := func(path func(string) string) authz.AuditedChange {
		return authz.AuditedChange{Collection: authz.RotationSets, Key: path("id")}
	}
	rows := []route.Row{
		{Method: "GET", Path: set + "status", ID: "rotationStatus", Roles: readers, Handler: route.Get(h.rotationStatus)},
		{Method: "POST", Path: set + authz.RotationStart, ID: "startRotation", Change: authz.ChangeRotationStart, Of: of, Answers: revised, Handler: route.Post(h.startRotation)},
	}
	for _, step := range steps {
		var params []route.Param
		if step.action == authz.RotationAdvance || step.action == authz.RotationForce {
			params = []route.Param{{Name: "phase", Enum: []string{authz.PhasePropagate, authz.PhaseDrain}}}
		}
		rows = append(rows, route.Row{
			Method: "POST", Path: set + step.action, ID: step.action + "Rotation", Change: step.change, Of: of, Params: params, Answers: revised,
			Handler: route.Get(func(c *route.Call) (route.Reply[api.Rotation], error) { return h.stepRotation(c, step.action) }),
		})
	}
	return rows
}

func (h *Handler) rotationStatus(c *route.Call) (reply route.Reply[api.Rotation], err error) {
	reply.Body, err = h.Rotations.RotationStatus(c.Request().Context(), c.ID("id"))
	return reply, err
}

func (h *Handler) startRotation(c *route.Call, body *api.StartRotation) (reply route.Reply[api.StartedRotation], err error) {
	ctx, by := c.Ask()
	reply.Body.Rotation, reply.Body.Secrets, err = h.Control.StartRotation(ctx, by, c.ID("id"), body.Advance, body.Members)
	reply.Revision = reply.Body.Rotation.Revision
	return reply, err
}

func (h *Handler) stepRotation(c *route.Call, action string) (reply route.Reply[api.Rotation], err error) {
	ctx, by := c.Ask()
	reply.Body, err = h.Control.StepRotation(ctx, by, c.ID("id"), action, c.Text("phase"))
	reply.Revision = reply.Body.Revision
	return reply, err
}
