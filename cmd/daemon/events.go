package daemon

import (
	"context"

	"github.com/verdict-pdp/verdict/control"
	"github.com/verdict-pdp/verdict/events"
)

// eventStore is the store as the events room sees it.
type eventStore struct{ control.Vault }

// View implements events.Store.
func (s eventStore) View() (events.View, error) { return s.Snapshot() }

func (d *Daemon) openReceiver(context.Context) (err error) {
	d.receiver, err = events.New(events.Config{
		Store:  eventStore{control.Vault{Store: d.store}},
		Verify: d.verifier.VerifyEvent,
		Logger: d.config.Logger,
		Now:    d.config.Now,
	})
	return err
}
