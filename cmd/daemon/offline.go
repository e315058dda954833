package daemon

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/config"
	"github.com/verdict-pdp/verdict/control"
	"github.com/verdict-pdp/verdict/decisionlog"
	"github.com/verdict-pdp/verdict/store"
)

// Offline is a data directory that a command opened itself, while no server has it open.
// Changes are recorded as by a server, with authz.AuthorOffline.
type Offline struct {
	Control *control.Service
	// Author is the user that has the directory open.
	Author authz.Author

	store *store.Store
	log   *decisionlog.Log
}

// OpenOffline opens the store and the decision log of a data directory.
// CodeConflict when a server has it open.
func OpenOffline(c config.Config, now func() time.Time, logger *slog.Logger) (_ *Offline, err error) {
	o := &Offline{Author: authz.Offline()}
	defer func() {
		if err != nil {
			err = errors.Join(err, o.Close())
		}
	}()
	opening := storeConfig(c)
	opening.Now, opening.Logger = now, logger
	if o.store, err = store.Open(opening); err != nil {
		return nil, err
	}
	logging := logConfig(c)
	logging.Now, logging.Log = now, logger
	if o.log, err = decisionlog.Open(logging); err != nil {
		return nil, err
	}
	controlling := controlConfig(o.store, o.log)
	controlling.Now, controlling.Log = now, logger
	if o.Control, err = control.New(controlling); err != nil {
		return nil, err
	}
	return o, o.Control.Recover(context.Background(), false)
}

// RestoreOffline fills an empty data directory from a backup. The restore is announced in
// its audit before, so that no data is there without a record of it.
func RestoreOffline(ctx context.Context, c config.Config, backup io.Reader, now func() time.Time, logger *slog.Logger) (err error) {
	logging := logConfig(c)
	logging.Now, logging.Log = now, logger
	log, err := decisionlog.Open(logging)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	change := authz.AuditedChange{ID: ulid.Make().String(), At: now().UTC().Round(0), By: authz.Offline()}
	return control.Restore(ctx, log, change, func() (revision uint64, err error) {
		if err := store.Restore(StoreDir(c.Data), backup); err != nil {
			return 0, err
		}
		opening := storeConfig(c)
		opening.Now, opening.Logger = now, logger
		restored, err := store.Open(opening)
		if err != nil {
			return 0, err
		}
		return restored.Revision(), restored.Close()
	})
}

// Close closes what is on disk.
func (o *Offline) Close() error {
	var err error
	if o.log != nil {
		err = o.log.Close()
	}
	if o.store != nil {
		err = errors.Join(err, o.store.Close())
	}
	return err
}
