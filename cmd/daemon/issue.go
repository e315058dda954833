package daemon

import (
	"bytes"
	"context"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
	"github.com/verdict-pdp/verdict/store"
	"github.com/verdict-pdp/verdict/token"
	"github.com/verdict-pdp/verdict/tokenservice"
)

// openTokenService makes our own issuer, when the settings name one. Its keys lie
// in the data directory and not in the store, so that no backup has them.
func (d *Daemon) openTokenService(ctx context.Context) (err error) {
	c := d.config.TokenService
	if c.Issuer == "" {
		return nil
	}
	d.issuing, err = tokenservice.New(ctx, tokenservice.Config{
		Issuer:      c.Issuer,
		Service:     c.Service,
		Dir:         d.path("token-service"),
		Lifetime:    c.Lifetime,
		KeyLifetime: c.KeyLifetime,
		Decide:      d.pdp.Decide,
		Services:    d.serves,
		TenantOf:    d.tenantOf,
		Publish:     d.publish,
		Revoke:      d.revokeOwn,
		Now:         d.config.Now,
		Log:         d.config.Logger,
	})
	return err
}

// ours says whether an issuer is our own token service.
func (d *Daemon) ours(issuer string) bool {
	return d.issuing != nil && issuer == tokenservice.DefaultIssuerID
}

// serves says whether a service is registered.
func (d *Daemon) serves(id string) (bool, error) {
	switch _, err := d.store.Get(authz.Services, id); authz.CodeOf(err) {
	case "":
		return true, nil
	case authz.CodeNotFound:
		return false, nil
	default:
		return false, err
	}
}

// tenantOf is the tenant of a machine user or a user.
func (d *Daemon) tenantOf(c authz.Collection, id string) (string, error) {
	entity, err := d.store.Get(c, id)
	switch authz.CodeOf(err) {
	case "":
		return entity.Field("tenant"), nil
	case authz.CodeNotFound:
		return "", nil
	default:
		return "", err
	}
}

// publish registers our own issuer with the keys it signs with now. Nothing is
// written when it is registered so already: a restart changes no data.
func (d *Daemon) publish(ctx context.Context, issuer *authz.Issuer) error {
	issuer.Normalize()
	if err := token.CheckIssuer(issuer); err != nil {
		return err
	}
	if same, err := d.published(issuer); same || err != nil {
		return err
	}
	_, err := d.store.Apply(ctx, []store.Op{{Entity: issuer}})
	return err
}

func (d *Daemon) published(issuer *authz.Issuer) (bool, error) {
	stored, err := d.store.Get(authz.Issuers, issuer.ID)
	if authz.CodeOf(err) == authz.CodeNotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	is, was := *issuer, *stored.(*authz.Issuer)
	was.Normalize()
	is.Header, was.Header = authz.Header{}, authz.Header{}
	now, err := ijson.Marshal(&is)
	if err != nil {
		return false, err
	}
	before, err := ijson.Marshal(&was)
	return bytes.Equal(now, before), err
}

// revokeOwn stores the revocation of a token of ours.
func (d *Daemon) revokeOwn(ctx context.Context, r *authz.Revocation) error {
	_, err := d.store.Apply(ctx, []store.Op{{Entity: r}})
	return err
}

// replaceKeys is the emergency of the token service, nil when it is off.
func (d *Daemon) replaceKeys() func(context.Context) error {
	if d.issuing == nil {
		return nil
	}
	return d.issuing.RotateNow
}
