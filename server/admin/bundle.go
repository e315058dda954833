package admin

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/reqctx"
	"github.com/verdict-pdp/verdict/server/wire"
)

// TypeBundle is the media type of a policy bundle; by it OPA knows that long polls
// are taken.
const TypeBundle = "application/vnd.openpolicyagent.bundles"

// bundleTypes are the media types a bundle may be sent as.
var bundleTypes = []string{"application/gzip", TypeBundle, "application/x-gzip", "application/octet-stream"}

func (h *Handler) mountBundles(e *echo.Echo) {
	e.GET(api.PathBundles, h.listBundles)
	e.GET(api.PathBundles+"/:name", h.bundle)
	e.PUT(api.PathBundles+"/:name", h.pushBundle)
	e.DELETE(api.PathBundles+"/:name", h.removeBundle)
}

// policyReader lets everybody in who has to do with policies.
func policyReader(ctx context.Context) (authz.Caller, error) {
	return reqctx.Require(ctx, authz.RoleAuthor, authz.RoleReview, authz.RoleOperate)
}

// author lets policy authors in.
func author(ctx context.Context) (authz.Caller, error) {
	return reqctx.Require(ctx, authz.RoleAuthor)
}

func (h *Handler) listBundles(c echo.Context) error {
	if _, err := policyReader(c.Request().Context()); err != nil {
		return err
	}
	if _, err := parameters(c); err != nil {
		return err
	}
	active := h.Policies.Active()
	return wire.WriteJSON(c.Response(), http.StatusOK, authz.BundleList{Generation: active.Number, Digest: active.Digest, Bundles: active.Bundles})
}

// bundle gives a bundle of the active generation. Policy enforcement points read
// it too: OPA beside a service pulls its policies here.
func (h *Handler) bundle(c echo.Context) error {
	r := c.Request()
	if _, err := reqctx.Require(r.Context(), authz.RoleDecide, authz.RoleAuthor, authz.RoleReview, authz.RoleOperate); err != nil {
		return err
	}
	if _, err := parameters(c); err != nil {
		return err
	}
	name, err := bundleName(c)
	if err != nil {
		return err
	}
	packed, ref, known, err := h.newBundle(c, name, preferredWait(r.Header))
	if err != nil {
		return err
	}
	c.Response().Header().Set("ETag", bundleTag(ref))
	if known {
		return c.NoContent(http.StatusNotModified)
	}
	return h.sendBundle(c, packed)
}

// newBundle is the active bundle name, as soon as the request's conditions do not
// say that it is known, and at the latest after wait: known says then that it is.
func (h *Handler) newBundle(c echo.Context, name string, wait time.Duration) (packed []byte, ref authz.BundleRef, known bool, err error) {
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

func (h *Handler) sendBundle(c echo.Context, packed []byte) error {
	header := c.Response().Header()
	header.Set("Content-Type", TypeBundle)
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
// section 4.3), at most maxWaitS. OPA separates preferences by semicolons. What is
// not understood is left aside, as section 2 has it.
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

func (h *Handler) pushBundle(c echo.Context) error {
	r := c.Request()
	caller, err := author(r.Context())
	if err != nil {
		return err
	}
	change, err := bundleChangeOf(c)
	if err != nil {
		return err
	}
	if err := wire.RequireType(r.Header, bundleTypes...); err != nil {
		return err
	}
	ctx, done, err := h.task(c)
	if err != nil {
		return err
	}
	defer done()
	pushed, created, err := h.Policies.Push(ctx, PolicyPush{Name: change.name, Body: h.uploadOf(c), Author: caller.ID, Message: change.message})
	if err != nil {
		return taskError(c, err)
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
		c.Response().Header().Set("Location", generationPath(pushed.Number))
	}
	return h.answerChange(c, status, pushed, change, caller)
}

func (h *Handler) removeBundle(c echo.Context) error {
	caller, err := author(c.Request().Context())
	if err != nil {
		return err
	}
	change, err := bundleChangeOf(c)
	if err != nil {
		return err
	}
	ctx, done, err := h.task(c)
	if err != nil {
		return err
	}
	defer done()
	made, err := h.Policies.Remove(ctx, change.name, caller.ID, change.message)
	if err != nil {
		return taskError(c, err)
	}
	return h.answerChange(c, http.StatusOK, made, change, caller)
}

// bundleChange is what is asked of a bundle beside its content.
type bundleChange struct {
	name     string
	message  string
	activate bool
}

func bundleChangeOf(c echo.Context) (bundleChange, error) {
	for _, name := range []string{"If-Match", "If-None-Match"} {
		if len(c.Request().Header.Values(name)) > 0 {
			return bundleChange{}, authz.Invalid(name, "is not taken here: a change of a bundle makes a candidate, and replaces nothing before it is activated")
		}
	}
	query, err := parameters(c, "message", "activate")
	if err != nil {
		return bundleChange{}, err
	}
	name, err := bundleName(c)
	if err != nil {
		return bundleChange{}, err
	}
	change := bundleChange{name: name}
	if change.message, err = single(query, "message"); err != nil {
		return bundleChange{}, err
	}
	if change.activate, err = flag(query, "activate"); err != nil {
		return bundleChange{}, err
	}
	return change, validateMessage(change.message)
}

func bundleName(c echo.Context) (string, error) {
	name := c.Param("name")
	return name, authz.ValidateBundleName("name", name)
}

// flag is the value of a parameter that is true or false; false when it is not
// given.
func flag(query url.Values, name string) (bool, error) {
	text, err := single(query, name)
	if err != nil {
		return false, err
	}
	switch text {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, authz.Invalid(name, "must be true or false")
}

// answerChange activates the generation that a change made, when that was asked
// too, and shows it.
func (h *Handler) answerChange(c echo.Context, status int, made authz.Generation, change bundleChange, caller authz.Caller) error {
	if !change.activate || made.State == authz.GenerationActive {
		return wire.WriteJSON(c.Response(), status, made)
	}
	active, err := h.Policies.Activate(c.Request().Context(), made.Number, caller.ID, change.message)
	if err != nil {
		return notActivated(made.Number, err)
	}
	return wire.WriteJSON(c.Response(), status, active)
}

// notActivated makes an error of an activation say what was reached before it.
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
