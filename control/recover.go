package control

import (
	"context"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/store"
)

// Recover records an outcome for the announced changes that have none, because the node
// died during them: it looks for what they made. It is called at the start before any
// change is made, each time more rooms are open. Changes whose room is not open yet stay
// pending; the last call, with final, records an outcome for them too.
func (s *Service) Recover(ctx context.Context, final bool) error {
	pending, err := s.config.Audit.Pending(ctx)
	if err != nil {
		return err
	}
	for _, c := range pending {
		found, err := s.find(ctx, &c)
		switch {
		case err != nil:
			return err
		case !found && !final:
			continue
		case !found:
			c.Outcome = authz.ChangeInterrupted
		}
		if c.Outcome != authz.ChangeMade {
			c.Error = "the node ended before the change was"
		}
		if err := s.config.Audit.Settle(ctx, c); err != nil {
			return err
		}
		s.config.Log.WarnContext(ctx, "a change that the node ended in was settled", "change", c.ID, "kind", c.Kind, "outcome", c.Outcome)
	}
	return nil
}

// find fills in the outcome of an announced change; found is false when the room that
// would know is not open.
func (s *Service) find(ctx context.Context, c *authz.AuditedChange) (found bool, err error) {
	switch c.Kind {
	case authz.ChangeShadowStart, authz.ChangeShadowStop, authz.ChangeReplay:
		c.Outcome = authz.ChangeInterrupted // it was in memory alone
		return true, nil
	case authz.ChangePush, authz.ChangeRemove, authz.ChangeActivate, authz.ChangeRollback, authz.ChangeMode:
		return s.findGeneration(c), nil
	case authz.ChangeRestore:
		// Into a store without data: what is there came out of the backup.
		c.Outcome, c.Revision = authz.ChangeNotMade, s.config.Store.Revision()
		for _, n := range s.config.Store.Counts() {
			if n > 0 {
				c.Outcome = authz.ChangeMade
			}
		}
		return true, nil
	case authz.ChangeTokenKeys:
		return s.findKeys(ctx, c)
	}
	return true, s.findWrite(ctx, c)
}

// findGeneration looks for the generation that a change made, or made active.
func (s *Service) findGeneration(c *authz.AuditedChange) (found bool) {
	if s.config.Policies == nil {
		return false
	}
	c.Outcome = authz.ChangeNotMade
	made, activated := s.config.Policies.FindChange(c.ID)
	switch c.Kind {
	case authz.ChangePush, authz.ChangeRemove:
		activated = 0
	default:
		made = 0
	}
	if number := max(made, activated); number > 0 {
		c.Outcome, c.Generation = authz.ChangeMade, number
	}
	return true
}

// findKeys looks for the write of our own issuer with the new keys. Keys that changed
// without it may have been replaced by this change or by another.
func (s *Service) findKeys(ctx context.Context, c *authz.AuditedChange) (found bool, err error) {
	keys := s.config.TokenKeys()
	if keys == nil {
		return false, nil
	}
	if err := s.findWrite(ctx, c); err != nil || c.Outcome == authz.ChangeMade {
		return true, err
	}
	if nameKeys(keys) != c.Before {
		c.Outcome = authz.ChangeInterrupted
	}
	return true, nil
}

// findWrite looks in the change feed for a write that carries the change's id.
func (s *Service) findWrite(ctx context.Context, c *authz.AuditedChange) error {
	c.Outcome = authz.ChangeNotMade
	written := 0
	defer func() {
		if c.Import != nil {
			lines := *c.Import
			lines.Written = written
			c.Import = &lines
		}
	}()
	for after := c.Base; ; {
		page, err := s.config.Store.Changes(ctx, after, store.MaxChanges)
		switch authz.CodeOf(err) {
		case "":
		case authz.CodeGone, authz.CodeInvalid: // the feed is off or compacted, or the store is an older one
			if c.Outcome == authz.ChangeNotMade {
				c.Outcome = authz.ChangeInterrupted
			}
			return nil
		default:
			return err
		}
		for _, change := range page.Changes {
			if change.By == c.ID { // a chunk of an import may have made two writes
				c.Outcome, c.Revision = authz.ChangeMade, change.Revision
				written++
			}
		}
		if after = page.NextAfter; after >= page.Revision {
			return nil
		}
	}
}
