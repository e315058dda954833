package control

import (
	"context"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/store"
)

// Recover settles the changes that were announced and have no outcome, because the
// node died in them: it looks for what they made. It is called once, before changes
// are taken.
func (s *Service) Recover(ctx context.Context) error {
	pending, err := s.config.Audit.Pending(ctx)
	if err != nil {
		return err
	}
	for _, c := range pending {
		if err := s.find(ctx, &c); err != nil {
			return err
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

// find says what became of an announced change.
func (s *Service) find(ctx context.Context, c *authz.AuditedChange) error {
	switch c.Kind {
	case authz.ChangeShadowStart, authz.ChangeShadowStop, authz.ChangeReplay:
		c.Outcome = authz.ChangeInterrupted // it was in memory alone
		return nil
	case authz.ChangePush, authz.ChangeRemove, authz.ChangeActivate, authz.ChangeRollback, authz.ChangeMode:
		s.findGeneration(c)
		return nil
	case authz.ChangeTokenKeys:
		s.findKeys(c)
		return nil
	}
	return s.findWrite(ctx, c)
}

// findGeneration looks for the generation that a change made, or made active.
func (s *Service) findGeneration(c *authz.AuditedChange) {
	c.Outcome = authz.ChangeInterrupted
	if s.config.Policies == nil {
		return
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
}

// findKeys compares the keys of the token service with those before the change.
func (s *Service) findKeys(c *authz.AuditedChange) {
	c.Outcome = authz.ChangeInterrupted
	keys := s.config.TokenKeys()
	if keys == nil {
		return
	}
	c.Outcome = authz.ChangeNotMade
	if now := nameKeys(keys); now != c.Before {
		c.Outcome, c.After = authz.ChangeMade, now
	}
}

// findWrite looks in the change feed for a write that carries the change's id.
func (s *Service) findWrite(ctx context.Context, c *authz.AuditedChange) error {
	c.Outcome = authz.ChangeNotMade
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
			}
		}
		if after = page.NextAfter; after >= page.Revision {
			return nil
		}
	}
}
