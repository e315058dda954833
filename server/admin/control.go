package admin

import (
	"context"
	"io"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// Data reads what is stored. *store.Store implements it. Callers do not change the
// entities they get. A key is an id, or for a pair collection two with a slash
// between.
type Data interface {
	// Get reads one; CodeNotFound when there is none.
	Get(c authz.Collection, key string) (authz.Entity, error)
	// List reads a page in key order. CodeInvalid for a cursor that is not one of its
	// own.
	List(ctx context.Context, q authz.Query) (authz.Page[authz.Entity], error)
	// Changes reads up to about limit changes later than the revision after, without
	// waiting. It never splits the changes of one revision. CodeGone when changes
	// later than after were compacted away, CodeInvalid when after is in the future.
	Changes(ctx context.Context, after uint64, limit int) (authz.Changes[authz.Entity], error)
	// WaitFor returns nil when the data revision is revision or a later one, and an
	// error when the context ends first.
	WaitFor(ctx context.Context, revision uint64) error
	// Export writes collections of one snapshot as an import reads them.
	Export(ctx context.Context, w io.Writer, collections ...authz.Collection) (revision uint64, err error)
	// Backup writes all data of one snapshot, in a form the restore command reads.
	Backup(ctx context.Context, w io.Writer) (revision uint64, err error)
	// Counts is the number of entities by collection.
	Counts() map[authz.Collection]uint64
	Revision() uint64
}

// Control makes changes. It checks the role of the author and records every change, made or
// refused. *control.Service implements it. When a method returns nil, the change is
// durable.
type Control interface {
	// Refused records a change that was refused before it reached Control, and returns
	// err.
	Refused(ctx context.Context, by authz.Author, c authz.AuditedChange, err error) error

	Put(ctx context.Context, by authz.Author, e authz.Entity, p authz.Precondition) (authz.Written, error)
	Delete(ctx context.Context, by authz.Author, c authz.Collection, key string, p authz.Precondition) (revision uint64, err error)
	Import(ctx context.Context, by authz.Author, r io.Reader, progress func(authz.ImportProgress)) (authz.ImportReport, error)

	CreateKey(ctx context.Context, by authz.Author, key *authz.APIKey) (text string, written authz.Written, err error)
	RevokeKey(ctx context.Context, by authz.Author, id string) (revision uint64, err error)

	NewSecret(ctx context.Context, by authz.Author, machineUser, id string, notAfter time.Time) (written authz.Written, text string, err error)
	Revoke(ctx context.Context, by authz.Author, r *authz.Revocation, token string) (authz.Written, error)
	Renew(ctx context.Context, by authz.Author, r *authz.Renewal, token string) (authz.Written, error)
	StartRotation(ctx context.Context, by authz.Author, set, advance string, material map[string]authz.RotationMaterial) (view authz.RotationView, secrets map[string]string, err error)
	StepRotation(ctx context.Context, by authz.Author, set, action, phase string) (authz.RotationView, error)
	ReplaceTokenKeys(ctx context.Context, by authz.Author) error

	Push(ctx context.Context, by authz.Author, name string, body io.Reader, message string) (g authz.Generation, created bool, err error)
	RemoveBundle(ctx context.Context, by authz.Author, name, message string) (authz.Generation, error)
	Activate(ctx context.Context, by authz.Author, number uint64, message string) (authz.Generation, error)
	Rollback(ctx context.Context, by authz.Author, to uint64, message string) (authz.Generation, error)
	SetMode(ctx context.Context, by authz.Author, guard, mode, message string) (authz.Generation, error)

	// StartShadow lets a generation judge a sample of live traffic without effect, in
	// place of one that does. A sample of 0 is all of it.
	StartShadow(ctx context.Context, by authz.Author, generation uint64, sample float64) (authz.ShadowReport, error)
	StopShadow(ctx context.Context, by authz.Author) (authz.ShadowReport, error)
	// Replay judges recorded decisions again with another policy set or other data, and
	// compares. bundle and records come from the request, nil when it has none. progress
	// is called now and then, by one goroutine at a time and not after Replay returned,
	// with how many of total were judged; a total of 0 is unknown.
	Replay(ctx context.Context, by authz.Author, r authz.ReplayRequest, bundle, records io.Reader, progress func(done, total uint64)) (authz.Comparison, error)
}

// refused is Control.Refused, for a table that is made before the fields are set.
func (h *Handler) refused(ctx context.Context, by authz.Author, c authz.AuditedChange, err error) error {
	return h.Control.Refused(ctx, by, c, err)
}
