package events

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/verdict-pdp/verdict/authz"
)

// View is Data that the caller who opened it closes.
type View interface {
	Data
	Close()
}

// Store holds entries.
type Store interface {
	View() (View, error)
	// Write makes one write of all entities, durably, and gives its data revision.
	// Each replaces the one that is at its Revision, or, where that is 0, none.
	// CodePrecondition, and nothing is written, when one is not as its Revision says.
	Write(ctx context.Context, entities []authz.Entity) (revision uint64, err error)
}

// Config is what a Receiver works with. Store, Verify, Logger and Now are required.
type Config struct {
	Store Store
	// Verify reads and verifies one security event token, by the issuers of
	// directory. The error is a *authz.EventRefusal when the token is at fault, and another one
	// when it could not be judged.
	Verify  func(ctx context.Context, directory authz.Directory, text string, now time.Time) (authz.SecurityEvent, error)
	Options Options
	// Remember is how many events are remembered to be done. 0 means 10,000.
	Remember int
	Logger   *slog.Logger
	Now      func() time.Time
}

// Receiver takes security events, each once. It is safe for concurrent use.
type Receiver struct {
	config Config
	done   *lru.Cache[[sha256.Size]byte, struct{}] // :: issuer and jti, hashed -> its entries are durable
	counts counts
}

// New makes a Receiver.
func New(config Config) (*Receiver, error) {
	if config.Remember == 0 {
		config.Remember = 10_000
	}
	done, err := lru.New[[sha256.Size]byte, struct{}](config.Remember)
	if err != nil {
		return nil, fmt.Errorf("remembering %d security events: %w", config.Remember, err)
	}
	return &Receiver{config: config, done: done}, nil
}

// Receive applies one security event token. When it returns nil what that writes is
// durable, and seen by the next decision. A *authz.EventRefusal says that the token is at fault;
// after any other error it is worth sending again.
func (r *Receiver) Receive(ctx context.Context, text string) error {
	result, err := r.receive(ctx, text)
	r.counts.add(result)
	return err
}

func (r *Receiver) receive(ctx context.Context, text string) (result result, err error) {
	err = authz.Retry(ctx, "send the event again", func() error {
		result, err = r.try(ctx, text)
		return err
	})
	return result, err
}

// try is one whole reception, on one view of the data.
func (r *Receiver) try(ctx context.Context, text string) (result, error) {
	view, err := r.config.Store.View()
	if err != nil {
		return failed, err
	}
	defer view.Close()
	now := r.config.Now()
	event, err := r.config.Verify(ctx, view, text, now)
	if err != nil {
		return r.fault(ctx, event, err)
	}
	if event.Issuer == nil {
		return failed, authz.Errorf(authz.CodeInternal, "a verified security event without an issuer")
	}
	name := nameOf(event)
	if r.done.Contains(name) {
		return duplicate, nil
	}
	entries, err := Entries(event, view, now, r.config.Options)
	if err != nil {
		return r.fault(ctx, event, err)
	}
	if err := r.write(ctx, event, entries); err != nil {
		return failed, err
	}
	r.done.Add(name, struct{}{})
	if len(entries) == 0 {
		return ignored, nil
	}
	return applied, nil
}

func (r *Receiver) write(ctx context.Context, event authz.SecurityEvent, entries []authz.Entity) error {
	if len(entries) == 0 {
		return nil
	}
	if _, err := r.config.Store.Write(ctx, entries); err != nil {
		return err
	}
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = authz.PairKey(string(entry.Collection()), entry.Head().ID)
	}
	r.config.Logger.InfoContext(ctx, "security event applied",
		"issuer", event.Issuer.ID, "type", strings.TrimPrefix(event.Type, caep), "entries", names)
	return nil
}

// fault tells a token at fault from a fault of ours.
func (r *Receiver) fault(ctx context.Context, event authz.SecurityEvent, err error) (result, error) {
	var refusal *authz.EventRefusal
	if !errors.As(err, &refusal) {
		return failed, err
	}
	issuer := ""
	if event.Issuer != nil {
		issuer = event.Issuer.ID
	}
	r.config.Logger.WarnContext(ctx, "security event refused", "issuer", issuer, "err", refusal.Err, "description", refusal.Description)
	return refused, err
}

// nameOf is what an event is known by: a jti is unique only within its issuer, and may
// be long, so both are hashed together.
func nameOf(e authz.SecurityEvent) [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%d:%s%s", len(e.Issuer.ID), e.Issuer.ID, e.JTI))
}
