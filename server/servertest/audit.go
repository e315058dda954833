package servertest

import (
	"context"
	"slices"
	"strconv"
	"sync"

	"github.com/verdict-pdp/verdict/authz"
)

// Audit is an audit in memory, without a chain: the outcomes of changes by number. It
// is safe for concurrent use.
type Audit struct {
	// Awaiting, when not nil, is told when a caller begins to wait for a change.
	Awaiting chan<- uint64

	mu      sync.Mutex
	settled []authz.AuditedChange // number n at n-1
	changed chan struct{}         // closed and replaced by every Settle
}

// NewAudit is an empty Audit.
func NewAudit() *Audit { return &Audit{changed: make(chan struct{})} }

// Announce implements control.Audit.
func (*Audit) Announce(context.Context, authz.AuditedChange) error { return nil }

// Settle implements control.Audit.
func (a *Audit) Settle(_ context.Context, c authz.AuditedChange) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	c.Number = uint64(len(a.settled)) + 1
	a.settled = append(a.settled, c)
	close(a.changed)
	a.changed = make(chan struct{})
	return nil
}

// Pending implements control.Audit.
func (*Audit) Pending(context.Context) ([]authz.AuditedChange, error) { return nil, nil }

// All is every outcome, oldest first.
func (a *Audit) All() []authz.AuditedChange {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.settled)
}

// Changes implements admin.Audit; its cursor is the last number.
func (a *Audit) Changes(_ context.Context, f authz.AuditFilter, cursor string, limit int) (authz.AuditPage, error) {
	all := a.All()
	page := authz.AuditPage{Items: []authz.AuditedChange{}, Head: uint64(len(all)), NextAfter: uint64(len(all))}
	before := page.Head + 1
	if cursor != "" {
		var err error
		if before, err = strconv.ParseUint(cursor, 10, 64); err != nil {
			return authz.AuditPage{}, authz.Invalid("cursor", "is not one of this list")
		}
	}
	slices.Reverse(all)
	for i := range all {
		if all[i].Number >= before || !f.Selects(&all[i]) {
			continue
		}
		if len(page.Items) == limit {
			page.NextCursor = strconv.FormatUint(page.Items[limit-1].Number, 10)
			break
		}
		page.Items = append(page.Items, all[i])
	}
	return page, nil
}

// ChangesAfter implements admin.Audit. It looks at one change at a time, so that pages
// are empty on the way to one that is selected.
func (a *Audit) ChangesAfter(_ context.Context, f authz.AuditFilter, after uint64, _ int) (authz.AuditPage, error) {
	all := a.All()
	page := authz.AuditPage{Items: []authz.AuditedChange{}, Head: uint64(len(all)), NextAfter: after}
	if after >= page.Head {
		return page, nil
	}
	page.NextAfter++
	if c := all[after]; f.Selects(&c) {
		page.Items = append(page.Items, c)
	}
	return page, nil
}

// AwaitChange implements admin.Audit.
func (a *Audit) AwaitChange(ctx context.Context, after uint64) error {
	for {
		a.mu.Lock()
		head, changed := uint64(len(a.settled)), a.changed
		a.mu.Unlock()
		if head > after {
			return nil
		}
		if a.Awaiting != nil {
			a.Awaiting <- after
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Change implements admin.Audit.
func (a *Audit) Change(_ context.Context, id string) (authz.AuditedChange, authz.Record, error) {
	for _, c := range a.All() {
		if c.ID == id {
			return c, authz.Record{Seq: c.Number, Kind: authz.RecordChange, ID: id, At: c.At, Change: &c, Prev: "00", Hash: "01"}, nil
		}
	}
	return authz.AuditedChange{}, authz.Record{}, authz.Errorf(authz.CodeNotFound, "there is no record of this change")
}
