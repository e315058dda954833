package admin

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/route"
)

// bundleTypes are the media types a bundle may be sent as.
var bundleTypes = []string{"application/gzip", api.TypeBundle, "application/x-gzip", "application/octet-stream"}

func (h *Handler) bundleRows() []route.Row {
	one := api.PathBundles + "/:name"
	name := route.Param{Name: "name", In: route.InPath, Kind: route.BundleName}
	change := []route.Param{name, {Name: "message", Doc: "message"}, {Name: "activate", Kind: route.Flag, Doc: "activate"}}
	of := func(path func(string) string) authz.AuditedChange { return authz.AuditedChange{Bundle: path("name")} }
	return []route.Row{
		{Method: "GET", Path: api.PathBundles, ID: "listBundles", Roles: policyReaders, Handler: route.Get(h.listBundles)},
		{Method: "GET", Path: one, ID: "getBundle", Roles: append([]authz.Role{authz.RoleDecide}, policyReaders...),
			Params:  []route.Param{name, ifMatch, ifNoneMatch, {Name: "Prefer", In: route.InHeader}},
			Answers: []route.Answer{{Status: http.StatusOK, Type: api.TypeBundle, Headers: tagged}, unchanged}, Handler: route.Stream(h.bundle)},
		{Method: "PUT", Path: one, ID: "putBundle", Change: authz.ChangePush, Of: of, Params: change, Takes: bundleTypes,
			Answers: []route.Answer{{Status: http.StatusOK}, {Status: http.StatusCreated, Headers: []string{"Location"}}}, Handler: route.Get(h.pushBundle)},
		{Method: "DELETE", Path: one, ID: "deleteBundle", Change: authz.ChangeRemove, Of: of, Params: change, Handler: route.Get(h.removeBundle)},
	}
}

func (h *Handler) listBundles(*route.Call) (route.Reply[authz.BundleList], error) {
	active := h.Policies.Active()
	return route.Show(authz.BundleList{Generation: active.Number, Digest: active.Digest, Bundles: active.Bundles}), nil
}

// bundle sends a bundle of the active generation. Policy enforcement points may read it
// too: an OPA beside a service pulls its policies here.
func (h *Handler) bundle(c *route.Call) error {
	packed, ref, known, err := h.newBundle(c, c.ID("name"), preferredWait(c.Request().Header))
	if err != nil {
		return err
	}
	c.Response().Header().Set("ETag", bundleTag(ref))
	if known {
		return c.NoContent(http.StatusNotModified)
	}
	return h.sendBundle(c, packed)
}

// newBundle returns the active bundle name, as soon as it is not the one in the request's
// If-None-Match, and at the latest after wait: known is then true.
func (h *Handler) newBundle(c *route.Call, name string, wait time.Duration) (packed []byte, ref authz.BundleRef, known bool, err error) {
	r := c.Request()
	waiting, done, err := h.awaiting(c, wait)
	if err != nil {
		return nil, authz.BundleRef{}, false, err
	}
	defer done()
	for {
		changed := h.Policies.Changed() // before the read: a change between is not missed
		if packed, ref, err = h.Policies.Bundle(name); err != nil {
			return nil, authz.BundleRef{}, false, err
		}
		if known, err = notModified(r.Header, bundleTag(ref)); err != nil || !known {
			return packed, ref, false, err
		}
		select {
		case <-changed:
		case <-waiting.Done():
			return packed, ref, true, r.Context().Err()
		}
	}
}

func bundleTag(ref authz.BundleRef) string { return strconv.Quote(ref.Digest) }

// sendChunk is how much of a bundle is written in one go, which is given StreamIdle.
const sendChunk = 64 << 10

func (h *Handler) sendBundle(c *route.Call, packed []byte) error {
	header := c.Response().Header()
	header.Set("Content-Type", api.TypeBundle)
	header.Set("Content-Length", strconv.Itoa(len(packed)))
	stream := h.streamOf(c)
	for chunk := range slices.Chunk(packed, sendChunk) {
		if _, err := stream.Write(chunk); err != nil {
			return err
		}
	}
	return nil
}

// preferredWait reads how long a caller wants to wait for a change (RFC 7240
// section 4.3), at most maxWaitS. OPA separates preferences by semicolons. Unknown
// preferences are ignored, as section 2 says.
func preferredWait(h http.Header) time.Duration {
	preferences := strings.FieldsFunc(strings.Join(h.Values("Prefer"), ","), func(r rune) bool { return r == ',' || r == ';' })
	for _, preference := range preferences {
		name, value, _ := strings.Cut(preference, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "wait") {
			continue
		}
		seconds, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(value), `"`), 10, 32)
		if err != nil {
			return 0
		}
		return time.Duration(min(seconds, maxWaitS)) * time.Second
	}
	return 0
}

func (h *Handler) pushBundle(c *route.Call) (reply route.Reply[authz.Generation], err error) {
	if err := unconditional(c.Request().Header); err != nil {
		return reply, err
	}
	ctx, done, err := h.task(c)
	if err != nil {
		return reply, err
	}
	defer done()
	_, by := c.Ask()
	pushed, created, err := h.Control.Push(ctx, by, c.ID("name"), h.uploadOf(c), c.Text("message"))
	if err != nil {
		return reply, taskError(c, err)
	}
	if created {
		reply.Status, reply.Location = http.StatusCreated, generationPath(pushed.Number)
	}
	reply.Body, err = h.activated(c, pushed)
	return reply, err
}

func (h *Handler) removeBundle(c *route.Call) (reply route.Reply[authz.Generation], err error) {
	if err := unconditional(c.Request().Header); err != nil {
		return reply, err
	}
	ctx, done, err := h.task(c)
	if err != nil {
		return reply, err
	}
	defer done()
	_, by := c.Ask()
	made, err := h.Control.RemoveBundle(ctx, by, c.ID("name"), c.Text("message"))
	if err != nil {
		return reply, taskError(c, err)
	}
	reply.Body, err = h.activated(c, made)
	return reply, err
}

// unconditional returns an error for the conditions of a write that takes none.
func unconditional(h http.Header) error {
	for _, name := range []string{"If-Match", "If-None-Match"} {
		if len(h.Values(name)) > 0 {
			return authz.Invalid(name, "is not taken here: a change of a bundle makes a candidate, and replaces nothing before it is activated")
		}
	}
	return nil
}

// activated returns the generation that a change made, and activates it when the request
// asks for that.
func (h *Handler) activated(c *route.Call, made authz.Generation) (authz.Generation, error) {
	if !c.Flag("activate") || made.State == authz.GenerationActive {
		return made, nil
	}
	ctx, by := c.Ask()
	active, err := h.Control.Activate(ctx, by, made.Number, c.Text("message"))
	if err != nil {
		return authz.Generation{}, notActivated(made.Number, err)
	}
	return active, nil
}

// notActivated adds to the error of an activation that the generation was made.
func notActivated(number uint64, err error) error {
	var ours *authz.Error
	if !errors.As(err, &ours) {
		return err
	}
	located := *ours
	located.Field = ""
	located.Message = "generation " + strconv.FormatUint(number, 10) + " passed the gate and is a candidate, but was not activated: " + ours.Error()
	return &located
}

// Policies reads the policy set and its history.
type Policies interface {
	// Bundle returns a bundle of the active generation as it was pushed: gzipped tar, not
	// to be changed. CodeNotFound when there is none of that name.
	Bundle(name string) (packed []byte, ref authz.BundleRef, err error)
	// Changed returns a channel that is closed when another generation becomes active.
	Changed() <-chan struct{}
	Active() authz.Generation
	// List returns every generation that is kept, newest first.
	List() []authz.Generation
	// Get returns one of them, or CodeNotFound.
	Get(number uint64) (authz.Generation, error)
	// Diff compares two generations: their files, and with last above 0 their decisions
	// on the questions of the last recorded decisions.
	Diff(ctx context.Context, a, b uint64, last int) (authz.Difference, error)
	// Status returns the state of the policy set and of its sources.
	Status() authz.PolicyStatus
	// Guards lists the guards of the active generation by name, each with the evidence
	// for its next mode.
	Guards(ctx context.Context) ([]authz.GuardMode, error)
}
