package credentials

import (
	"context"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// DeleteMachineUser deletes a machine user so that one made anew under its id
// inherits nothing of it: in the same write its tokens are revoked, for as long as
// any may live, and every credential of it, for good. CodeNotFound when there is no
// such machine user; CodePrecondition when it is not at a revision, where 0 takes
// whatever is there.
func (s *Service) DeleteMachineUser(ctx context.Context, machineUser string, at uint64) (revision uint64, err error) {
	return s.delete(ctx, authz.MachineUsers, machineUser, at, func(view View) ([]authz.Entity, error) {
		return s.planDeleteMachineUser(ctx, view, machineUser)
	})
}

// DeleteCredential deletes a credential and, in the same write, revokes it for as
// long as any token got with it may live: one made anew under its id would bring them
// back. The errors are those of DeleteMachineUser.
func (s *Service) DeleteCredential(ctx context.Context, id string, at uint64) (revision uint64, err error) {
	return s.delete(ctx, authz.Credentials, id, at, func(view View) ([]authz.Entity, error) {
		entry, err := s.revocationOnDelete(view, authz.Listed{By: authz.ByCredential, Of: id, Reason: "the credential was deleted"}, time.Time{})
		return []authz.Entity{entry}, err
	})
}

// delete deletes an entity together with writing what else must be.
func (s *Service) delete(ctx context.Context, c authz.Collection, id string, at uint64, with func(View) ([]authz.Entity, error)) (revision uint64, err error) {
	var gone authz.Entity
	return s.commit(ctx, func(view View) (_ []authz.Entity, err error) {
		gone, err = view.Entity(c, id)
		if err != nil {
			return nil, err
		}
		if was := gone.Head().Revision; at > 0 && at != was {
			return nil, authz.Errorf(authz.CodePrecondition, "%s is at revision %d, not %d; read it again", id, was, at)
		}
		return with(view)
	}, func(ctx context.Context, entities []authz.Entity) (uint64, error) {
		return s.config.Store.Delete(ctx, gone, entities)
	})
}

// revocationOnDelete is the entry that a deletion writes: it holds for as long as any
// token may live.
func (s *Service) revocationOnDelete(view View, l authz.Listed, issuedBefore time.Time) (*authz.Revocation, error) {
	now := s.config.Now().UTC()
	entry := &authz.Revocation{Listed: l, IssuedBefore: issuedBefore, Until: now.Add(authz.LongestTokenLife)}
	entry.Normalize()
	_, err := merge(view, entry, now)
	return entry, err
}

// planDeleteMachineUser is what is written together with the deletion of a machine user.
func (s *Service) planDeleteMachineUser(ctx context.Context, view View, machineUser string) ([]authz.Entity, error) {
	entry, err := s.revocationOnDelete(view, authz.Listed{By: authz.BySubject, Of: machineUser, Reason: "the machine user was deleted"}, s.config.Now().UTC())
	if err != nil {
		return nil, err
	}
	// The directory of a view lists so many at most, and all of them go.
	held, err := s.config.Store.List(ctx, authz.Credentials, "machine_user", machineUser)
	if err != nil {
		return nil, err
	}
	return append(revoked(held), entry), nil
}

// revoked gives those that were not revoked, as they are to be.
func revoked(credentials []authz.Entity) []authz.Entity {
	var changed []authz.Entity
	for _, entity := range credentials {
		if c := entity.(*authz.Credential); c.State != authz.CredentialRevoked {
			c.State = authz.CredentialRevoked
			changed = append(changed, c)
		}
	}
	return changed
}
