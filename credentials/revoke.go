package credentials

import (
	"context"

	"github.com/verdict-pdp/verdict/authz"
)

// Revoke puts an entry on the revocation list, replacing one of the same name. A
// token given whole, when text is not empty, names what the entry is of and when
// it may end. A credential revoked without a time limit is put in the state
// revoked too, so that it is never accepted again. CodeNotFound when there is no
// such credential, subject, tenant or issuer: a revocation that stops nothing
// would look as if it did.
func (k *Keeper) Revoke(ctx context.Context, r *authz.Revocation, text string) (Written, error) {
	if text != "" {
		token, err := k.config.Token(ctx, text)
		if err != nil {
			return Written{}, err
		}
		r.Of = token.ID
		if r.Until.IsZero() {
			r.Until = token.ExpiresAt.Add(token.Leeway)
		}
	}
	if err := ready(r); err != nil {
		return Written{}, err
	}
	return k.list(ctx, r, func(view View) ([]Put, error) {
		if r.By != authz.ByCredential || !r.IssuedBefore.IsZero() || !r.Until.IsZero() {
			return nil, nil
		}
		return revoked(view, r.Of)
	})
}

// Renew puts an entry on the renewal list, replacing one of the same name.
func (k *Keeper) Renew(ctx context.Context, r *authz.Renewal, text string) (Written, error) {
	if text != "" {
		token, err := k.config.Token(ctx, text)
		if err != nil {
			return Written{}, err
		}
		r.Of = token.ID
		if r.Until.IsZero() {
			r.Until = token.ExpiresAt.Add(token.Leeway)
		}
	}
	if err := ready(r); err != nil {
		return Written{}, err
	}
	return k.list(ctx, r, func(View) ([]Put, error) { return nil, nil })
}

func ready(e authz.Entity) error {
	e.Normalize()
	return e.Validate()
}

// list writes an entry of a list, with what goes with it.
func (k *Keeper) list(ctx context.Context, entry authz.Entity, with func(View) ([]Put, error)) (Written, error) {
	written := Written{Entity: entry}
	revision, err := k.write(ctx, func(view View) ([]Put, error) {
		if err := exists(view, listedOf(entry)); err != nil {
			return nil, err
		}
		_, err := view.Entity(entry.Collection(), entry.Head().ID)
		if err != nil && authz.CodeOf(err) != authz.CodeNotFound {
			return nil, err
		}
		written.Created = err != nil
		puts, err := with(view)
		return append(puts, Put{Entity: entry, Any: true}), err
	})
	written.Revision = revision
	return written, err
}

func listedOf(entry authz.Entity) authz.Listed {
	switch e := entry.(type) {
	case *authz.Revocation:
		return e.Listed
	case *authz.Renewal:
		return e.Listed
	}
	return authz.Listed{}
}

// exists looks for what an entry is of, where that is an entity.
func exists(view View, l authz.Listed) error {
	var c authz.Collection
	switch l.By {
	case authz.ByCredential:
		c = authz.Credentials
	case authz.BySubject:
		c = authz.MachineUsers
	case authz.ByTenant:
		c = authz.Tenants
	case authz.ByIssuer:
		c = authz.Issuers
	case authz.ByToken, authz.ByIssuerKey:
		return signs(view, l)
	default:
		return nil
	}
	_, err := view.Entity(c, l.Of)
	return err
}

// signs looks for the issuer that a token or a key is said to be of.
func signs(view View, l authz.Listed) error {
	if l.Issuer == "" {
		return nil
	}
	_, known, err := view.IssuerByURL(l.Issuer)
	if err != nil || known {
		return err
	}
	return authz.Invalid("issuer", "is not the url of a registered issuer; write the url exactly as the issuer's tokens have it in iss")
}

// revoked puts a credential in the state revoked.
func revoked(view View, id string) ([]Put, error) {
	entity, err := view.Entity(authz.Credentials, id)
	if err != nil {
		return nil, err
	}
	c := entity.(*authz.Credential)
	if c.State == authz.CredentialRevoked {
		return nil, nil
	}
	c.State = authz.CredentialRevoked
	return []Put{{Entity: c, AtRevision: c.Revision}}, nil
}
