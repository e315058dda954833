package control

import (
	"context"
	"slices"
	"strconv"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/store"
)

// CreateKey makes an API key with the name, roles and expiry of key, and returns its text,
// which is not stored. A key gets only roles that its author has.
func (s *Service) CreateKey(ctx context.Context, by authz.Author, key *authz.APIKey) (text string, written authz.Written, err error) {
	key.ID = "key-" + s.config.NewID()
	text, key.Hash = s.config.MintKey(key.ID)
	c := &authz.AuditedChange{Kind: authz.ChangeKeyCreate, Collection: authz.APIKeys, Key: key.ID, Message: key.Name}
	err = s.do(ctx, by, c, func() error { return s.grantable(by, key) }, func(ctx context.Context) error {
		written, err = s.apply(ctx, c, store.Op{Entity: key, If: authz.AsNew()})
		return err
	})
	if err != nil {
		return "", authz.Written{}, err
	}
	return text, written, nil
}

// grantable returns an error for a key that its author may not create.
func (s *Service) grantable(by authz.Author, key *authz.APIKey) error {
	for i, role := range key.Roles {
		if slices.Contains(authz.Roles(), role) && !by.Has(role) {
			return &authz.Error{
				Code:    authz.CodeForbidden,
				Field:   "roles[" + strconv.Itoa(i) + "]",
				Message: "is " + string(role) + ", a role that API key " + by.Key + " does not have and so cannot give",
			}
		}
	}
	if !key.ExpiresAt.IsZero() && !key.ExpiresAt.After(s.config.Now()) {
		return authz.Invalid("expires_at", "is in the past")
	}
	return key.Validate()
}

// RevokeKey ends an API key for good but keeps it, so that its use can be explained.
// Revoking twice is fine. No key revokes itself, so that an operator cannot lock itself
// out.
func (s *Service) RevokeKey(ctx context.Context, by authz.Author, id string) (revision uint64, err error) {
	c := &authz.AuditedChange{Kind: authz.ChangeKeyRevoke, Collection: authz.APIKeys, Key: id}
	var revoked authz.APIKey
	err = s.do(ctx, by, c, func() error {
		if id == by.Key {
			return &authz.Error{Code: authz.CodeConflict, Field: "id", Message: "is the API key of this request; revoke it with another one"}
		}
		entity, err := s.config.Store.Get(authz.APIKeys, id)
		if err != nil {
			return err
		}
		key, ok := entity.(*authz.APIKey)
		if !ok {
			return authz.Errorf(authz.CodeInternal, "%s holds a %T", authz.APIKeys, entity)
		}
		revoked = *key
		revoked.Revoked = true
		return nil
	}, func(ctx context.Context) error {
		_, err := s.apply(ctx, c, store.Op{Entity: &revoked, If: authz.IfPresent()})
		return err
	})
	return c.Revision, err
}

// firstKeys are made when a store has no API key at all. The operator holds every
// role, because a key can only be given roles its creator has.
var firstKeys = []struct {
	id    string
	roles []authz.Role
}{
	{"operator", authz.Roles()},
	{"pep", []authz.Role{authz.RoleDecide}},
}

// FirstKeys makes the first API keys of a store that has none: operator and pep, in
// one write. keep stores the text of each for its owner, before its hash is stored: a
// crash in between leaves a text that is of no use and is made again. It
// does nothing when there is a key already.
func (s *Service) FirstKeys(ctx context.Context, keep func(id, text string) error) error {
	if s.config.Store.Counts()[authz.APIKeys] > 0 {
		return nil
	}
	c := &authz.AuditedChange{Kind: authz.ChangeKeyCreate, Collection: authz.APIKeys, Key: firstKeys[0].id, Message: "the first keys of this store"}
	for _, k := range firstKeys[1:] {
		c.Message += ", " + k.id + " too"
	}
	return s.do(ctx, authz.Node(), c, nil, func(ctx context.Context) error {
		ops := make([]store.Op, len(firstKeys))
		for i, k := range firstKeys {
			text, hash := s.config.MintKey(k.id)
			if err := keep(k.id, text); err != nil {
				return err
			}
			ops[i] = store.Op{If: authz.AsNew(), Entity: &authz.APIKey{
				Header: authz.Header{ID: k.id}, Name: "made at first start", Hash: hash, Roles: k.roles,
			}}
		}
		result, err := s.config.Store.Apply(ctx, ops)
		if err != nil {
			return err
		}
		c.Revision, c.After = result.Revision, digest(result.After[0])
		return nil
	})
}
