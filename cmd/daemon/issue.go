package daemon

import (
	"context"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/control"
	"github.com/verdict-pdp/verdict/events"
	"github.com/verdict-pdp/verdict/store"
	"github.com/verdict-pdp/verdict/tokenservice"
)

// openTokenService makes our own issuer, when the settings name one. Its keys lie
// in the data directory and not in the store, so that no backup has them.
func (d *Daemon) openTokenService(ctx context.Context) (err error) {
	c := d.config.TokenService
	if c.Issuer == "" {
		return nil
	}
	known := tokenservice.Registered{Get: d.store.Get}
	d.issuing, err = tokenservice.New(ctx, tokenservice.Config{
		Issuer:      c.Issuer,
		Service:     c.Service,
		Dir:         d.path("token-service"),
		Lifetime:    c.Lifetime,
		KeyLifetime: c.KeyLifetime,
		Decide:      d.pdp.Decide,
		Services:    known.Services,
		TenantOf:    known.TenantOf,
		Publish:     d.control.Publish,
		Revoke:      d.revokeOwn,
		Now:         d.config.Now,
		Log:         d.config.Logger,
	})
	return err
}

// revokeOwn stores the revocation of one of our own tokens.
func (d *Daemon) revokeOwn(ctx context.Context, r *authz.Revocation) error {
	_, err := d.store.Apply(ctx, []store.Op{{Entity: r}})
	return err
}

// eventStore is the store as the events room sees it.
type eventStore struct{ control.EntityStore }

// View implements events.Store.
func (s eventStore) View() (events.View, error) { return s.Snapshot() }

func (d *Daemon) openReceiver(context.Context) (err error) {
	d.receiver, err = events.New(events.Config{
		Store:  eventStore{control.EntityStore{Store: d.store}},
		Verify: d.verifier.VerifyEvent,
		Logger: d.config.Logger,
		Now:    d.config.Now,
	})
	return err
}
