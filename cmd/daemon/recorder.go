package daemon

import (
	"context"

	"github.com/verdict-pdp/verdict/authz"
)

// recorder keeps decisions and shows what was kept to the shadow.
type recorder struct{ *Daemon }

// Record implements authz.Recorder.
func (d recorder) Record(ctx context.Context, entries []authz.Entry) error {
	if err := d.log.Record(ctx, entries); err != nil {
		return err
	}
	d.shade.Offer(entries)
	return nil
}
