package daemon

import (
	"context"
	"errors"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/events"
	"github.com/verdict-pdp/verdict/token"
)

// eventStore is the store as the events room sees it.
type eventStore struct{ writer }

// View implements events.Store.
func (s eventStore) View() (events.View, error) { return s.Snapshot() }

// verifyEvent is the verifier as the events room sees it.
func (d *Daemon) verifyEvent(ctx context.Context, directory authz.Directory, text string, now time.Time) (events.Event, error) {
	event, err := d.verifier.VerifyEvent(ctx, directory, text, now)
	var fault *token.EventError
	if errors.As(err, &fault) {
		return events.Event(event), &events.Refusal{Err: fault.Err, Description: fault.Description}
	}
	return events.Event(event), err
}

func (d *Daemon) openReceiver(context.Context) (err error) {
	d.receiver, err = events.New(events.Config{
		Store:  eventStore{writer{d.store}},
		Verify: d.verifyEvent,
		Logger: d.config.Logger,
		Now:    d.config.Now,
	})
	return err
}
