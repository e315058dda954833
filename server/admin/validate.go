package admin

import "errors"

// Validate names what a Handler cannot do without.
func (h *Handler) Validate() error {
	if h == nil || h.Entities == nil || h.Feed == nil || h.Bulk == nil || h.Policy == nil || h.NewID == nil || h.Now == nil {
		return errors.New("admin needs entities, feed, bulk, policy, ids and a clock")
	}
	return nil
}
