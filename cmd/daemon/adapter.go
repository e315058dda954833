package daemon

import (
	"context"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/pdp"
	"github.com/verdict-pdp/verdict/store"
)

// The types in this file give the store the shapes that the pipeline and the
// surfaces declare. They hold no logic of their own.

// data is the store as the pipeline sees it.
type data struct{ *store.Store }

// View implements pdp.Data.
func (d data) View() (pdp.View, error) { return d.Snapshot() }

// issuers lists every registered issuer, nil when the store cannot be read.
func (d *Daemon) issuers() []*authz.Issuer {
	all := []*authz.Issuer{}
	for cursor := ""; ; {
		page, err := d.store.List(context.Background(), authz.Query{Collection: authz.Issuers, Cursor: cursor, Limit: store.MaxPageSize})
		if err != nil {
			return nil
		}
		for _, item := range page.Items {
			all = append(all, item.(*authz.Issuer))
		}
		if cursor = page.NextCursor; cursor == "" {
			return all
		}
	}
}

func (d *Daemon) storeReady() error {
	view, err := d.store.Snapshot()
	if err != nil {
		return err
	}
	view.Close()
	return nil
}
