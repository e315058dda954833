package client

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"strings"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
)

// ListKeys lists the API keys, without the keys themselves.
func (c *Client) ListKeys(ctx context.Context) iter.Seq2[api.Key, error] {
	return all(func(p Paging) ([]api.Key, string, error) {
		page, err := c.ListKeysPage(ctx, p)
		return page.Items, page.NextCursor, err
	})
}

// ListKeysPage reads one page of the API keys.
func (c *Client) ListKeysPage(ctx context.Context, p Paging) (api.KeyList, error) {
	op := get(api.PathKeys)
	op.query = p.add(url.Values{})
	return ask[api.KeyList](ctx, c, op, nil)
}

// CreateKey makes an API key. Its answer is the one that has the key.
func (c *Client) CreateKey(ctx context.Context, r api.KeyRequest) (api.Key, error) {
	return ask(ctx, c, post(api.PathKeys, r), func(k *api.Key) error {
		if k.Key == "" {
			return errors.New("it has no key")
		}
		return nil
	})
}

// RevokeKey has the next call with an API key refused.
func (c *Client) RevokeKey(ctx context.Context, id string) error {
	return c.done(ctx, operation{method: http.MethodDelete, path: api.PathKeys + segment(id)})
}

// done makes a call whose answer has no body.
func (c *Client) done(ctx context.Context, op operation) error {
	_, err := c.fetch(ctx, op)
	return err
}

// CreateSecret makes a new shared secret of a machine user. Its answer is the one that
// has it.
func (c *Client) CreateSecret(ctx context.Context, r api.SecretRequest) (api.NewSecret[authz.Credential], error) {
	return ask(ctx, c, post(api.PathSecrets, r), func(made *api.NewSecret[authz.Credential]) error {
		if made.Secret == "" {
			return errors.New("it has no secret")
		}
		return nil
	})
}

// Revoke has tokens, credentials or certificates denied from the next decision on.
func (c *Client) Revoke(ctx context.Context, r api.RevokeRequest) (api.Listing[authz.Revocation], error) {
	return ask[api.Listing[authz.Revocation]](ctx, c, post(api.PathRevoke, r), nil)
}

// Renew has tokens renewed by a deadline.
func (c *Client) Renew(ctx context.Context, r api.RenewRequest) (api.Listing[authz.Renewal], error) {
	return ask[api.Listing[authz.Renewal]](ctx, c, post(api.PathRenew, r), nil)
}

// ReceiveEvent hands on a security event of an issuer (RFC 8417), a signed token, as
// RFC 8935 has it pushed.
func (c *Client) ReceiveEvent(ctx context.Context, event string) error {
	return c.done(ctx, operation{method: http.MethodPost, path: api.PathEvents, upload: strings.NewReader(event), mediaType: api.TypeEvent})
}

func rotationPath(set, action string) string {
	return strings.TrimSuffix(api.PathRotationSets, "/") + joined(set, action)
}

func rotating(r *api.Rotation) error {
	if r.Phase == "" {
		return errors.New("it has no phase")
	}
	return nil
}

// StartRotation starts the rotation of a set. Its answer is the one that has the new
// secrets.
func (c *Client) StartRotation(ctx context.Context, set string, r api.StartRotation) (api.StartedRotation, error) {
	return ask(ctx, c, post(rotationPath(set, authz.RotationStart), r), func(s *api.StartedRotation) error { return rotating(&s.Rotation) })
}

// RotationStatus says how far the rotation of a set is.
func (c *Client) RotationStatus(ctx context.Context, set string) (api.Rotation, error) {
	return ask(ctx, c, get(rotationPath(set, "status")), rotating)
}

// AdvanceRotation takes the next step, for which there must be evidence, else
// CodeConflict. With a phase it does so only while the rotation is in it, so that two who
// ask take one step.
func (c *Client) AdvanceRotation(ctx context.Context, set, phase string) (api.Rotation, error) {
	return c.rotate(ctx, set, authz.RotationAdvance, phase)
}

// ForceRotation takes the next step without evidence; phase is as in AdvanceRotation.
func (c *Client) ForceRotation(ctx context.Context, set, phase string) (api.Rotation, error) {
	return c.rotate(ctx, set, authz.RotationForce, phase)
}

// AbortRotation goes back to the old generations.
func (c *Client) AbortRotation(ctx context.Context, set string) (api.Rotation, error) {
	return c.rotate(ctx, set, authz.RotationAbort, "")
}

// EmergencyRotation revokes the old generations now.
func (c *Client) EmergencyRotation(ctx context.Context, set string) (api.Rotation, error) {
	return c.rotate(ctx, set, authz.RotationEmergency, "")
}

func (c *Client) rotate(ctx context.Context, set, action, phase string) (api.Rotation, error) {
	op := post(rotationPath(set, action), nil)
	op.query = query("phase", phase)
	return ask(ctx, c, op, rotating)
}
