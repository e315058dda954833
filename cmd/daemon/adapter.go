package daemon

import (
	"github.com/verdict-pdp/verdict/pdp"
	"github.com/verdict-pdp/verdict/store"
)

// data is the store as the pipeline sees it.
type data struct{ *store.Store }

// View implements pdp.Data.
func (d data) View() (pdp.View, error) { return d.Snapshot() }
