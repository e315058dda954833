package daemon

import (
	"errors"
	"log/slog"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/config"
	"github.com/verdict-pdp/verdict/control"
	"github.com/verdict-pdp/verdict/decisionlog"
	"github.com/verdict-pdp/verdict/store"
)

// Offline is a data directory that a command has open itself, while no server does:
// what changes there is recorded as it is by a server, with authz.AuthorOffline.
type Offline struct {
	Control *control.Service
	// Author is whoever has the directory in hand.
	Author authz.Author

	store *store.Store
	log   *decisionlog.Log
}

// OpenOffline opens the store and the decision log of a data directory.
// CodeConflict when a server has it open.
func OpenOffline(c config.Config, now func() time.Time, logger *slog.Logger) (_ *Offline, err error) {
	o := &Offline{Author: authz.Author{Key: authz.AuthorOffline}}
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
	o.Control, err = control.New(controlling)
	return o, err
}

// Revision is the data revision of the directory.
func (o *Offline) Revision() uint64 { return o.store.Revision() }

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
