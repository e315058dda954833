package api

import "errors"

// Validate names what a Handler cannot do without.
func (h *Handler) Validate() error {
	if h == nil || h.Decide == nil || h.Batch == nil {
		return errors.New("api needs decide and batch")
	}
	return nil
}
