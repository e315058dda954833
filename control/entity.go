package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/credentials"
	"github.com/verdict-pdp/verdict/ijson"
	"github.com/verdict-pdp/verdict/store"
)

// Put writes an entity whole and durably. It completes e (Normalize) and fills its
// header. CodePrecondition when p does not hold.
func (s *Service) Put(ctx context.Context, by authz.Author, e authz.Entity, p authz.Precondition) (written authz.Written, err error) {
	e.Normalize() // derives the id of a pair
	c := &authz.AuditedChange{Kind: authz.ChangePut, Collection: e.Collection(), Key: e.Head().ID}
	err = s.do(ctx, by, c, func() error { return s.acceptable(e) }, func(ctx context.Context) error {
		written, err = s.apply(ctx, c, store.Op{Entity: e, If: p})
		return err
	})
	return written, err
}

// apply makes the write of one entity, and fills in c with the result.
func (s *Service) apply(ctx context.Context, c *authz.AuditedChange, op store.Op) (authz.Written, error) {
	result, err := s.config.Store.Apply(ctx, []store.Op{op})
	if err != nil {
		return authz.Written{}, err
	}
	c.Revision, c.Before, c.After = result.Revision, digest(result.Before[0]), digest(result.After[0])
	return authz.Written{Entity: result.Entities[0], Created: result.Created[0], Revision: result.Revision}, nil
}

// acceptable checks everything that must hold before an entity is written.
func (s *Service) acceptable(e authz.Entity) error {
	if why := e.Collection().Kind().NotPut; why != "" {
		return authz.Invalid("collection", why)
	}
	if err := e.Validate(); err != nil {
		return err
	}
	return s.check(e)
}

// check checks what Validate cannot: ties to other entities and to the policies, and what
// the rooms that use the entity require.
func (s *Service) check(e authz.Entity) error {
	if check := s.config.Check[e.Collection()]; check != nil {
		if err := check(e); err != nil {
			return err
		}
	}
	switch e := e.(type) {
	case *authz.APIKey:
		return authz.Invalid("collection", authz.APIKeys.Kind().NotPut)
	case *authz.Edge:
		return s.checkModes(e)
	case *authz.Issuer:
		return s.checkOwn(e)
	case *authz.Revocation, *authz.Renewal:
		return s.checkListed(e)
	case *authz.Rotation:
		return s.checkRotation(e)
	}
	return nil
}

// checkRotation returns an error for an import that would change a running rotation, whose
// steps are taken on evidence, one at a time. A line equal to what is stored is fine.
func (s *Service) checkRotation(e *authz.Rotation) error {
	view, err := s.config.Store.Snapshot()
	if err != nil {
		return err
	}
	defer view.Close()
	stored, err := view.Entity(authz.Rotations, e.ID)
	if authz.CodeOf(err) == authz.CodeNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	if was := stored.(*authz.Rotation); !was.Running() && !e.Running() {
		return nil
	}
	if same, err := equal(stored, e); same || err != nil {
		return err
	}
	return authz.Errorf(authz.CodeConflict, "rotation %s runs, here or in this line, and is moved by its steps alone; leave the line out", e.ID)
}

// checkModes returns an error for the mode of a guard that does not exist: it would do
// nothing, and the intended guard would keep its mode.
func (s *Service) checkModes(e *authz.Edge) error {
	for name := range e.Modes {
		if guards := s.config.Guards(); !slices.Contains(guards, name) {
			return authz.Invalid("modes."+name, "is no guard of the active policies; they have "+strings.Join(guards, ", "))
		}
	}
	return nil
}

// checkListed returns an error for a list entry with an issuer that is not registered: it
// would stop nothing, and look as if it did.
func (s *Service) checkListed(e authz.Entity) error {
	view, err := s.config.Store.Snapshot()
	if err != nil {
		return err
	}
	defer view.Close()
	return credentials.CheckListed(view, e)
}

// checkOwn returns an error for a write of our own issuer: an older export of it would
// bring back keys that were dropped because they leaked.
func (s *Service) checkOwn(issuer *authz.Issuer) error {
	if s.config.OwnIssuer == "" || issuer.ID != s.config.OwnIssuer {
		return nil
	}
	if same, err := s.published(issuer); same || err != nil {
		return err
	}
	return authz.Invalid("id", "is the token service's own, which writes it itself; leave it out")
}

// published reports whether an issuer is stored exactly so, but for its header.
func (s *Service) published(issuer *authz.Issuer) (bool, error) {
	stored, err := s.config.Store.Get(authz.Issuers, issuer.ID)
	if authz.CodeOf(err) == authz.CodeNotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	stored.Normalize()
	return equal(stored, issuer)
}

// equal reports whether two entities of a collection are equal but for their headers.
func equal(a, b authz.Entity) (bool, error) {
	bare := func(e authz.Entity) (map[string]json.RawMessage, error) {
		text, err := ijson.Marshal(e)
		if err != nil {
			return nil, err
		}
		var members map[string]json.RawMessage
		err = ijson.UnmarshalOpen(text, &members)
		for _, name := range []string{"created_at", "updated_at", "revision"} {
			delete(members, name)
		}
		return members, err
	}
	of, err := bare(a)
	if err != nil {
		return false, err
	}
	with, err := bare(b)
	return maps.EqualFunc(of, with, func(x, y json.RawMessage) bool { return bytes.Equal(x, y) }), err
}

// Publish registers the issuer of our own token service, with the keys it signs with
// now. Nothing is written when it is registered so already: a restart changes no
// data. Within a change it is part of that one.
func (s *Service) Publish(ctx context.Context, issuer *authz.Issuer) error {
	issuer.Normalize()
	if same, err := s.published(issuer); same || err != nil {
		return err
	}
	publishable := func() error {
		if err := issuer.Validate(); err != nil {
			return err
		}
		if check := s.config.Check[authz.Issuers]; check != nil {
			return check(issuer)
		}
		return nil
	}
	if authz.ChangeOf(ctx) != "" {
		if err := publishable(); err != nil {
			return err
		}
		_, err := s.config.Store.Apply(ctx, []store.Op{{Entity: issuer}})
		return err
	}
	c := &authz.AuditedChange{Kind: authz.ChangePut, Collection: authz.Issuers, Key: issuer.ID}
	return s.do(ctx, authz.Node(), c, publishable, func(ctx context.Context) error {
		_, err := s.apply(ctx, c, store.Op{Entity: issuer})
		return err
	})
}

// Delete removes an entity durably and returns the data revision of that. What is tied to
// a machine user or a credential is removed in the same write, so that a later entity of
// the same id does not inherit it. CodePrecondition when p does not hold, CodeNotFound when there
// is no such entity.
func (s *Service) Delete(ctx context.Context, by authz.Author, collection authz.Collection, key string, p authz.Precondition) (uint64, error) {
	c := &authz.AuditedChange{Kind: authz.ChangeDelete, Collection: collection, Key: key}
	err := s.do(ctx, by, c, func() error { return s.deletable(collection, key) }, func(ctx context.Context) error {
		return s.delete(ctx, c, p)
	})
	return c.Revision, err
}

// deletable returns an error for what may not be deleted, or not like this.
func (s *Service) deletable(collection authz.Collection, key string) error {
	if why := collection.Kind().NotDeleted; why != "" {
		return authz.Invalid("collection", why)
	}
	switch collection {
	case authz.Issuers:
		if s.config.OwnIssuer != "" && key == s.config.OwnIssuer {
			return authz.Errorf(authz.CodeConflict, "issuer %s is the token service's own; to stop its tokens revoke by issuer, or replace its keys", key)
		}
	case authz.RotationSets:
		if s.config.Credentials == nil {
			return missing("rotations")
		}
		return s.config.Credentials.CheckIdle(key)
	}
	return nil
}

// cascades delete an entity of a collection together with what is tied to it, if it is at
// a revision; at 0 whatever its revision.
var cascades = map[authz.Collection]func(s *credentials.Service, ctx context.Context, key string, at uint64) (revision uint64, err error){
	authz.MachineUsers: (*credentials.Service).DeleteMachineUser,
	authz.Credentials:  (*credentials.Service).DeleteCredential,
}

func (s *Service) delete(ctx context.Context, c *authz.AuditedChange, p authz.Precondition) (err error) {
	cascade := cascades[c.Collection]
	if cascade == nil {
		_, err = s.apply(ctx, c, store.Op{Collection: c.Collection, Key: c.Key, If: p})
		return err
	}
	switch {
	case s.config.Credentials == nil:
		return missing("credentials")
	case p.Absent || p.New:
		return authz.Errorf(authz.CodePrecondition, "a delete cannot ask for the entity to be absent")
	}
	gone, err := s.stored(c.Collection, c.Key)
	if err == nil {
		c.Revision, err = cascade(s.config.Credentials, ctx, c.Key, p.Revision)
	}
	if err == nil {
		c.Before = gone
		return nil
	}
	// As the store does when a condition on a missing entity fails.
	if (p.Present || p.Revision > 0) && authz.CodeOf(err) == authz.CodeNotFound {
		return &authz.Error{Code: authz.CodePrecondition, Message: err.Error(), Cause: err}
	}
	return err
}

// stored is the digest of an entity as it is stored now.
func (s *Service) stored(c authz.Collection, key string) (string, error) {
	view, err := s.config.Store.Snapshot()
	if err != nil {
		return "", err
	}
	defer view.Close()
	content, err := view.Content(c, key)
	return digest(content), err
}

// Import reads lines as authz.ImportLine has them until r ends, writes them in
// chunks, each atomic and each recorded, and reports bad lines without stopping.
// progress may be nil. An error means that reading or writing itself failed; the
// chunks before it are written.
func (s *Service) Import(ctx context.Context, by authz.Author, r io.Reader, progress func(authz.ImportProgress)) (authz.ImportReport, error) {
	if err := s.permitted(by, authz.ChangeImport); err != nil {
		return authz.ImportReport{}, s.Refused(ctx, by, authz.AuditedChange{Kind: authz.ChangeImport}, err)
	}
	recorded := false
	report, err := s.config.Store.Import(ctx, r, store.ImportOptions{
		Progress: progress,
		Check:    s.check,
		Around: func(ctx context.Context, lines authz.ImportedChunk, commit func(context.Context) (authz.ImportedChunk, uint64, error)) error {
			recorded = true
			c := &authz.AuditedChange{Kind: authz.ChangeImport, Import: &lines}
			return s.do(ctx, by, c, nil, func(ctx context.Context) error {
				did, revision, err := commit(ctx)
				c.Import, c.Revision = &did, revision
				return err
			})
		},
	})
	if err != nil && !recorded { // it ended before there was a chunk
		return report, s.Refused(ctx, by, authz.AuditedChange{Kind: authz.ChangeImport}, err)
	}
	return report, err
}

// Restore fills a store that has no data from a backup, as a change of the audit
// beside it. restore does it, and gives the data revision there is then.
func Restore(ctx context.Context, audit Audit, c authz.AuditedChange, restore func() (revision uint64, err error)) error {
	c.Kind, c.Outcome = authz.ChangeRestore, authz.ChangePending
	if err := audit.Announce(ctx, c); err != nil {
		return unrecorded(err)
	}
	var err error
	c.Revision, err = restore()
	conclude(&c, err)
	return errors.Join(err, audit.Settle(context.WithoutCancel(ctx), c))
}
