package servertest

import (
	"context"
	"slices"
	"strconv"
	"sync"

	"github.com/verdict-pdp/verdict/authz"
)

// Records is a decision log in memory, without a chain and with the filters
// outcome and service only. It is safe for concurrent use; its fields are set
// before it is used.
type Records struct {
	// Err is what an export ends with, and Verify and Explain answer.
	Err error
	// Busy, when not nil, is called by Verify and Explain with the context of the
	// work; its error is theirs.
	Busy func(context.Context) error
	// Awaiting, when not nil, is told when a caller begins to wait for a record.
	Awaiting chan<- uint64
	// Report is what Verify answers, Explanation and Note what Explain does.
	Report      authz.VerifyReport
	Explanation *authz.Explanation
	Note        string

	mu      sync.Mutex
	records []authz.Record
	changed chan struct{} // closed and replaced by every Keep
}

// NewRecords is an empty log.
func NewRecords() *Records {
	return &Records{changed: make(chan struct{}), Report: authz.VerifyReport{OK: true, Problems: []string{}}}
}

// Keep appends a record.
func (l *Records) Keep(r authz.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.Seq = uint64(len(l.records)) + 1
	l.records = append(l.records, r)
	close(l.changed)
	l.changed = make(chan struct{})
}

func selects(f authz.RecordFilter, r *authz.Record) bool {
	return (f.Outcome == "" || f.Outcome == r.Decision.String()) && (f.Service == "" || f.Service == r.Service)
}

func (l *Records) all() []authz.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.records)
}

// Get implements admin.Decisions.
func (l *Records) Get(_ context.Context, id string) (authz.Record, error) {
	for _, r := range l.all() {
		if r.ID == id {
			return r, nil
		}
	}
	return authz.Record{}, authz.Errorf(authz.CodeNotFound, "there is no decision %q", id)
}

// List implements admin.Decisions; its cursor is the last sequence number.
func (l *Records) List(_ context.Context, f authz.RecordFilter, cursor string, limit int) (authz.RecordPage, error) {
	records := l.all()
	page := authz.RecordPage{Head: uint64(len(records)), NextAfter: uint64(len(records))}
	before := page.Head + 1
	if cursor != "" {
		var err error
		if before, err = strconv.ParseUint(cursor, 10, 64); err != nil {
			return authz.RecordPage{}, authz.Invalid("cursor", "is not one of this list")
		}
	}
	slices.Reverse(records)
	for i := range records {
		if records[i].Seq >= before || !selects(f, &records[i]) {
			continue
		}
		if len(page.Items) == limit {
			page.NextCursor = strconv.FormatUint(page.Items[limit-1].Seq, 10)
			break
		}
		page.Items = append(page.Items, records[i])
	}
	return page, nil
}

// Tail implements admin.Decisions. It looks at one record at a time, so that
// pages are empty on the way to one that is selected.
func (l *Records) Tail(_ context.Context, f authz.RecordFilter, after uint64, _ int) (authz.RecordPage, error) {
	records := l.all()
	page := authz.RecordPage{Head: uint64(len(records)), NextAfter: after}
	if after >= page.Head {
		return page, nil
	}
	page.NextAfter++
	if r := records[after]; selects(f, &r) {
		page.Items = []authz.Record{r}
	}
	return page, nil
}

// Await implements admin.Decisions.
func (l *Records) Await(ctx context.Context, after uint64) error {
	for {
		l.mu.Lock()
		head, changed := uint64(len(l.records)), l.changed
		l.mu.Unlock()
		if head > after {
			return nil
		}
		if l.Awaiting != nil {
			l.Awaiting <- after
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Export implements admin.Decisions.
func (l *Records) Export(_ context.Context, f authz.RecordFilter, _ bool, fn func(*authz.Record) error) error {
	for _, r := range l.all() {
		if !selects(f, &r) {
			continue
		}
		if err := fn(&r); err != nil {
			return err
		}
	}
	return l.Err
}

func (l *Records) busy(ctx context.Context) error {
	if l.Busy != nil {
		if err := l.Busy(ctx); err != nil {
			return err
		}
	}
	return l.Err
}

// Verify implements admin.Decisions.
func (l *Records) Verify(ctx context.Context) (authz.VerifyReport, error) {
	return l.Report, l.busy(ctx)
}

// Explain implements admin.History.
func (l *Records) Explain(ctx context.Context, _ string) (*authz.Explanation, string, error) {
	return l.Explanation, l.Note, l.busy(ctx)
}
