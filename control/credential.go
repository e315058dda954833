package control

import (
	"context"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// TokenKeys are the keys that our own token service signs with.
type TokenKeys interface {
	// RotateNow drops every key that was signed with and begins with a new one.
	RotateNow(context.Context) error
	// KeySet is the set as it is published, and how long it may be kept.
	KeySet() (document []byte, keep time.Duration)
}

// NewSecret makes a new generation of a machine user's shared secret and gives its
// text, which is not kept. An empty id is derived; a zero notAfter leaves the end to
// the age that the machine user's tier allows.
func (s *Service) NewSecret(ctx context.Context, by authz.Author, machineUser, id string, notAfter time.Time) (written authz.Written, text string, err error) {
	c := &authz.AuditedChange{Kind: authz.ChangeSecret, Collection: authz.MachineUsers, Key: machineUser}
	err = s.withCredentials(ctx, by, c, func(ctx context.Context) error {
		written, text, err = s.config.Credentials.NewSecret(ctx, machineUser, id, notAfter)
		if err == nil {
			c.Collection, c.Key, c.Revision = authz.Credentials, written.Entity.Head().ID, written.Revision
			c.Message = "for " + machineUser
		}
		return err
	})
	if err != nil {
		return authz.Written{}, "", err
	}
	return written, text, nil
}

// withCredentials is do for what the credentials room does.
func (s *Service) withCredentials(ctx context.Context, by authz.Author, c *authz.AuditedChange, effect func(context.Context) error) error {
	return s.do(ctx, by, c, func() error {
		if s.config.Credentials == nil {
			return missing("credentials")
		}
		return nil
	}, effect)
}

// Revoke puts an entry on the revocation list; see credentials.Service.Revoke. text is
// a token given whole, or empty.
func (s *Service) Revoke(ctx context.Context, by authz.Author, r *authz.Revocation, text string) (written authz.Written, err error) {
	c := listing(authz.ChangeRevoke, r, text)
	err = s.withCredentials(ctx, by, c, func(ctx context.Context) error {
		written, err = s.config.Credentials.Revoke(ctx, r, text)
		return s.listed(c, written, err)
	})
	return written, err
}

// Renew puts an entry on the renewal list; see credentials.Service.Renew.
func (s *Service) Renew(ctx context.Context, by authz.Author, r *authz.Renewal, text string) (written authz.Written, err error) {
	c := listing(authz.ChangeRenew, r, text)
	err = s.withCredentials(ctx, by, c, func(ctx context.Context) error {
		written, err = s.config.Credentials.Renew(ctx, r, text)
		return s.listed(c, written, err)
	})
	return written, err
}

// listing is the change that an entry of a list is asked for with. One that is named
// by a token given whole has no id yet.
func listing(kind authz.ChangeKind, entry authz.Entity, token string) *authz.AuditedChange {
	if token != "" {
		return &authz.AuditedChange{Kind: kind, Collection: entry.Collection()}
	}
	entry.Normalize()
	return &authz.AuditedChange{Kind: kind, Collection: entry.Collection(), Key: entry.Head().ID}
}

// listed says in c what an entry that was written came to.
func (s *Service) listed(c *authz.AuditedChange, written authz.Written, err error) error {
	if err != nil {
		return err
	}
	c.Key, c.Revision = written.Entity.Head().ID, written.Revision
	c.After, err = s.stored(c.Collection, c.Key)
	if err != nil {
		c.After = "" // it was written: what it came to is in the store
	}
	return nil
}

// rotationKinds are the kinds of change by the action of a rotation.
var rotationKinds = map[string]authz.ChangeKind{
	authz.RotationAdvance:   authz.ChangeRotationAdvance,
	authz.RotationForce:     authz.ChangeRotationForce,
	authz.RotationAbort:     authz.ChangeRotationAbort,
	authz.RotationEmergency: authz.ChangeRotationEmergency,
}

// StartRotation makes the new generation of every member of a set, and gives the
// secrets it made by machine user, which are not kept. Advance says who takes the
// further steps; see credentials.Service.StartRotation.
func (s *Service) StartRotation(ctx context.Context, by authz.Author, set, advance string, material map[string]authz.RotationMaterial) (view authz.RotationView, secrets map[string]string, err error) {
	c := &authz.AuditedChange{Kind: authz.ChangeRotationStart, Collection: authz.RotationSets, Key: set}
	err = s.withCredentials(ctx, by, c, func(ctx context.Context) error {
		view, secrets, err = s.config.Credentials.StartRotation(ctx, set, by.Key, advance, material)
		c.Revision = view.Revision
		return err
	})
	if err != nil {
		return authz.RotationView{}, nil, err
	}
	return view, secrets, nil
}

// StepRotation takes one step of a set's rotation: one of the authz.Rotation actions
// but start. CodeConflict, naming who is waited for, when it has no evidence yet, or,
// of an advance or a force, when the rotation is not in phase ("": whatever it is).
func (s *Service) StepRotation(ctx context.Context, by authz.Author, set, action, phase string) (view authz.RotationView, err error) {
	kind, ok := rotationKinds[action]
	if !ok {
		return authz.RotationView{}, authz.Invalid("action", "is no step of a rotation")
	}
	return s.stepRotation(ctx, by, &authz.AuditedChange{Kind: kind, Collection: authz.RotationSets, Key: set}, action, phase)
}

// stepRotation makes the change c of the rotation of its key.
func (s *Service) stepRotation(ctx context.Context, by authz.Author, c *authz.AuditedChange, action, phase string) (view authz.RotationView, err error) {
	err = s.withCredentials(ctx, by, c, func(ctx context.Context) error {
		view, err = s.config.Credentials.StepRotation(ctx, c.Key, by.Key, action, phase)
		c.Revision = view.Revision
		if err == nil && action == authz.RotationAdvance {
			c.Message = evidence(view, view.Phase)
		}
		return err
	})
	return view, err
}

// ReplaceTokenKeys drops every key the token service has signed with and begins with
// a new one. CodeNotFound when there is no token service. It goes on when ctx ends: a
// key that leaked is not left half dropped.
func (s *Service) ReplaceTokenKeys(ctx context.Context, by authz.Author) error {
	c := &authz.AuditedChange{Kind: authz.ChangeTokenKeys}
	keys := s.config.TokenKeys()
	return s.do(ctx, by, c, func() error {
		if keys == nil {
			return missing("token service; it has one when token_service.issuer is set")
		}
		c.Before = nameKeys(keys)
		return nil
	}, func(ctx context.Context) error {
		err := keys.RotateNow(context.WithoutCancel(ctx)) // publishes within this change
		c.After = nameKeys(keys)
		if issuer, unread := s.config.Store.Get(authz.Issuers, s.config.OwnIssuer); unread == nil && issuer.Head().Revision > c.Base {
			c.Revision = issuer.Head().Revision
		}
		return err
	})
}

// nameKeys names keys as they are published.
func nameKeys(keys TokenKeys) string {
	document, _ := keys.KeySet()
	return digest(document)
}
